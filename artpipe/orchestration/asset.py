"""The one way to make an asset: the body computes its content, and the decorator adds what every asset has.

`@pipeline_asset` makes a plain `dg.asset` of a function; `@pipeline_assets` a `dg.multi_asset` of one that makes
several; `@observed_file` declares a file that people edit. What is declared is kept in `declaration.py`, and `step.py`
runs around the body. `docs/how_to_add.md` has patterns to copy.
"""

import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import dagster as dg

from artpipe.lake.paths import DataLake
from artpipe.orchestration.declaration import DECLARED, Declaration, Due
from artpipe.orchestration.step import (
    AssetStep,
    Body,
    Result,
    RunConfig,
    SourceConfig,
    input_names,
    step_function,
)
from artpipe.orchestration.storage import PARQUET, Storage
from artpipe.settings import Settings

__all__ = [
    "GALLERY_POOL",
    "AssetStep",
    "Result",
    "RunConfig",
    "SourceConfig",
    "observed_file",
    "pipeline_asset",
    "pipeline_assets",
]

OWNERS = ("team:artpipe",)
GALLERY_POOL = "gallery"
"""The Dagster pool of every asset that talks to the gallery: one at a time."""


def pipeline_asset(
    *,
    kinds: set[str],
    code_version: str,
    shaped_by: Sequence[str] = (),
    stored: Storage = PARQUET,
    deps: Sequence[str] = (),
    due: Due | None = None,
    always_runs: bool = False,
    formerly: str = "",
    renamed: Mapping[str, str] | None = None,
    checks_of_reused: Callable[[DataLake], Sequence[dg.AssetCheckResult]] | None = None,
    **options: Any,
) -> Callable[[Body], dg.AssetsDefinition]:
    """Make an asset of a function: `def wanted_images(step: AssetStep, artworks: DataFrame) -> Result`.

    The function's name is the asset's, its docstring the description, its folder the group. A parameter after `step`
    is an upstream asset, read by that asset's storage; or a Dagster resource, by its annotation; or `config`, a
    `RunConfig` of its own.

    Args:
        kinds: as Dagster shows them.
        code_version: raised when the same inputs and settings would give other content.
        shaped_by: the settings that shape the content.
        stored: how the result is kept.
        deps: upstream assets that are not read as inputs.
        due: what has to be asked of the outside world although nothing changed; the asset is not reused then.
        always_runs: whether it is never reused: only the outside world knows whether it changed.
        formerly: the asset's name in older lakes.
        renamed: names in older records, of inputs and settings, and the input that each is now.
        checks_of_reused: results of the asset's own checks when it is reused.
        options: further arguments of `dg.asset`, such as `pool`.
    """

    def declare(body: Body) -> dg.AssetsDefinition:
        asset = body.__name__
        upstream = (*input_names(body), *deps)
        DECLARED[asset] = Declaration(
            asset=asset,
            version=code_version,
            shaped_by=tuple(shaped_by),
            upstream=upstream,
            stored=stored,
            due=due,
            formerly=formerly,
            renamed=renamed or {},
        )
        step = step_function(body, (asset,), always_runs=always_runs, checks_of_reused=checks_of_reused)
        return dg.asset(
            group_name=_room(body), kinds=kinds, code_version=code_version, deps=upstream, owners=OWNERS, **options
        )(step)

    return declare


def pipeline_assets(
    *,
    kinds: set[str],
    code_version: str,
    stored: Mapping[str, Storage],
    descriptions: Mapping[str, str],
    split_from: Mapping[str, str] | None = None,
    **options: Any,
) -> Callable[[Body], dg.AssetsDefinition]:
    """Make several assets of one function, which yields a `Result` for each, in the order of `stored`.

    Each can be selected alone; the step makes all of them all the same, so that they stay consistent in the lake.

    Args:
        kinds: as Dagster shows them.
        code_version: raised when the same inputs and settings would give other content.
        stored: the assets, and how each is kept.
        descriptions: of each asset.
        split_from: assets that were part of another one in older lakes, and which.
        options: `shaped_by`, `deps`, `renamed`, and further arguments of `dg.multi_asset`.
    """
    shaped_by, deps = tuple(options.pop("shaped_by", ())), tuple(options.pop("deps", ()))
    renamed = dict(options.pop("renamed", {}))

    def declare(body: Body) -> dg.AssetsDefinition:
        upstream = (*input_names(body), *deps)
        for asset, storage in stored.items():
            whole = (split_from or {}).get(asset, "")
            DECLARED[asset] = Declaration(
                asset, code_version, shaped_by, upstream, storage, renamed=renamed, split_from=whole
            )
        outs = {
            asset: dg.AssetOut(
                description=descriptions[asset],
                kinds=kinds,
                code_version=code_version,
                owners=OWNERS,
                is_required=False,
            )
            for asset in stored
        }
        step = step_function(body, tuple(stored))
        return dg.multi_asset(group_name=_room(body), outs=outs, deps=upstream, can_subset=True, **options)(step)

    return declare


def observed_file(version: Callable[[Settings], str]) -> dg.AssetsDefinition:
    """Declare a file that people edit as an asset that is only observed: its data version is its content.

    Args:
        version: gives the version; its name is the asset's, its docstring the description, its folder the group.
    """
    asset = version.__name__
    DECLARED[asset] = Declaration(asset, observe=version)

    def observe(settings: Settings) -> dg.ObserveResult:
        return dg.ObserveResult(asset, data_version=dg.DataVersion(DECLARED[asset].observed(settings)))

    observe.__name__ = f"observe_{asset}"
    observe.__annotations__["settings"] = dg.ResourceParam[Settings]
    spec = dg.AssetSpec(asset, group_name=_room(version), description=inspect.getdoc(version), owners=OWNERS)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.multi_observable_source_asset(specs=[spec], name=observe.__name__)(observe)


def _room(function: Callable[..., object]) -> str:
    """The folder that a function is defined in, which is the group of its assets."""
    return function.__module__.rpartition(".")[0].rpartition(".")[2] or function.__module__
