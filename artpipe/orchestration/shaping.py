"""Which settings shape the content of which asset: declared at the asset, enforced, and part of its code version.

A setting that shapes content is named in `shaped_by` of its asset, and its value is part of the asset's code version:
changing it makes that asset stale, and nothing above it. A setting that never shapes content is in `NOT_SHAPING`, with
the reason. An asset that reads any other setting fails at once, so that the declaration cannot drift from the code.
"""

import inspect
from collections.abc import Collection, Iterable, Mapping
from functools import cached_property
from types import FunctionType, MethodType
from typing import Any, cast

from artpipe.settings import Settings

NOT_SHAPING: Mapping[str, str] = {
    "lake_root": "where results are kept",
    "data_lake": "where results are kept",
    "gallery": "where files are asked for; what is answered is the content",
    "sources": "where the file of sources is; its content is the asset `sources_file`",
    "obey_reservations": "which answers are taken; each is an outcome, and the images are the content",
    "user_agent": "who asks",
    "requests_per_s": "at which pace is asked",
    "concurrency": "how many requests are sent at a time",
    "allowed_hosts": "where a redirect may lead; what is answered is the content",
    "device": "which processor computes; results agree but for rounding",
    "ray_address": "which machines compute; the shards are the same, and so are their results",
    "ray_task_cpus": "with how many processors; results are the same",
    "ray_task_gpus": "on which processor; results agree but for rounding, as with `device`",
    "loader_workers": "how many processes load pictures",
    "max_loss": "which answers of the gallery are refused; a refused one makes nothing",
    "keep_versions_days": "how long replaced versions of a table can still be opened",
    "keep_models": "how many old models are kept",
    "revalidate_after_days": "when the gallery is asked again; its answer is the content",
    "has_train_image_px": "whether the size was set; the size is `resolved_train_image_px`, or the backbone's only one",
    "resolved_backbone_weights": "where the weights are; their content is the asset `backbone_weights`",
    "label_overrides": "where the file is; its content is the asset `label_overrides`",
}
"""Settings that assets may read and that shape no content, each with the reason."""


class UndeclaredSettingError(Exception):
    """An asset reads a setting that it does not declare: a mistake in the code."""


class DeclaredSettings:
    """The settings as one asset may read them; `declared_settings` makes one.

    Properties and methods of `Settings` run on this view too, so what they read must be declared as well, unless
    they are declared by their own name.
    """

    def __init__(self, settings: Settings, asset: str, shaped_by: Collection[str]) -> None:
        self._settings, self._asset, self._readable = settings, asset, {*shaped_by, *NOT_SHAPING}

    def __getattr__(self, name: str) -> Any:
        found = inspect.getattr_static(Settings, name, None)
        if name in self._readable:
            return getattr(self._settings, name)
        # Only what `Settings` itself defines: pydantic's own methods read every field at once.
        if name in vars(Settings) and name not in Settings.model_fields:
            if isinstance(found, property) and found.fget is not None:
                return found.fget(self)
            if isinstance(found, cached_property):
                return found.func(self)
            if isinstance(found, FunctionType):
                return MethodType(found, self)
        raise UndeclaredSettingError(
            f"`{self._asset}` reads the setting `{name}`, which it does not declare; add {name!r} to `shaped_by` of "
            f"`{self._asset}` if it shapes what the asset holds, or to NOT_SHAPING in {__name__} with the reason."
        )


def declared_settings(settings: Settings, asset: str, shaped_by: Collection[str]) -> Settings:
    """The settings for one asset: reading one that is neither declared nor in `NOT_SHAPING` raises.

    Args:
        settings: all of them.
        asset: whose code reads them.
        shaped_by: names of settings, or of properties of `Settings`, that shape its content.
    """
    return cast("Settings", DeclaredSettings(settings, asset, shaped_by))


def code_version(version: str, shaping: Mapping[str, object]) -> str:
    """The code version of an asset with the settings that shape it, readable: `1; image_short_side_px=320`."""
    return "; ".join([version, *(f"{name}={_plain(value)}" for name, value in sorted(shaping.items()))])


def code_changes(before: str, now: str) -> list[str]:
    """What differs between two code versions, in words: `code version 3 -> 4`, `image_short_side_px 320 -> 400`."""
    then, since = parts(before), parts(now)
    return [
        f"{name or 'code version'} {then.get(name, 'unset')} -> {since.get(name, 'unset')}"
        for name in sorted(then.keys() | since.keys())
        if then.get(name) != since.get(name)
    ]


def same_code(before: str, now: str) -> bool:
    """Whether two code versions give the same content.

    A setting that was declared later counts as having had its default value before, so that declaring one makes no
    asset of an existing lake stale.
    """
    then, since = parts(before), parts(now)
    fields = Settings.model_fields
    assumed = {name: _plain(fields[name].default) for name in since.keys() - then.keys() if name in fields}
    return assumed | then == since


def parts(version: str) -> dict[str, str]:
    """A code version taken apart: the version of the code under `""`, and the value of each setting by its name."""
    head, *settings = version.split("; ")
    pairs = (setting.partition("=") for setting in settings)
    return {"": head, **{name: value for name, _, value in pairs}}


def joined(values: Mapping[str, str]) -> str:
    """The code version that `parts` takes apart."""
    return code_version(values[""], {name: value for name, value in values.items() if name})


def _plain(value: object) -> str:
    if isinstance(value, tuple | list):
        return ",".join(str(part) for part in cast("Iterable[object]", value))
    return "default" if value is None else str(value)
