"""What is declared of every asset where it is defined, and what the lake and Dagster know of it by that.

`asset.py` fills `DECLARED` when the `assets.py` of a stage is imported; the step of an asset, the reader of inputs and
`staleness.py` ask it. Here too is what concerns all declarations at once: edited files are observed, and what older
lakes hold under another name is adopted.
"""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.lake.damage import find_damage, fingerprints
from artpipe.lake.paths import DataLake, remove_file
from artpipe.orchestration.event_size import limited
from artpipe.orchestration.lineage import ABSENT, Lineage, Origin, Record
from artpipe.orchestration.metadata import DATA_VERSION_TAG
from artpipe.orchestration.shaping import code_version, declared_settings, joined, parts, same_code
from artpipe.orchestration.storage import Storage
from artpipe.settings import Settings

if TYPE_CHECKING:
    from upath import UPath

Due = Callable[[DataLake, Settings, datetime], Mapping[str, int]]
"""How much an asset has to ask the outside world now although nothing above it changed, by the reason."""


@dataclass(frozen=True)
class Declaration:
    """What is declared of an asset where it is defined.

    Attributes:
        asset: its name.
        version: of its code; raised when the same inputs and settings would give other content.
        shaped_by: the settings that shape its content, by name.
        upstream: the assets that it is made from.
        stored: how its result is kept; None for an observed file.
        due: what it has to ask the outside world now; None where it asks nothing.
        observe: the version of an observed file by its content; None for an asset that is made here.
        formerly: its name in older lakes, or "".
        renamed: names in older records, of inputs and of settings, and the input that each is now.
        split_from: the asset that it was a part of in older lakes, or "".
    """

    asset: str
    version: str = ""
    shaped_by: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    stored: Storage | None = None
    due: Due | None = None
    observe: Callable[[Settings], str] | None = None
    formerly: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict[str, str])
    split_from: str = ""

    def code_version(self, settings: Settings) -> str:
        """The code version under these settings: `1; image_short_side_px=320`."""
        return code_version(self.version, {name: getattr(settings, name) for name in self.shaped_by})

    def origin(self, versions: Mapping[str, str], settings: Settings) -> Origin:
        """What the asset would be made from now, where the lake holds these data versions."""
        inputs = {name: versions.get(name, ABSENT) for name in self.upstream}
        for name in self.upstream:
            above = DECLARED.get(name)
            if above is not None and above.observe is not None:
                inputs[name] = above.observed(settings)
        return Origin(self.code_version(settings), inputs)

    def is_made_from(self, record: Record, origin: Origin) -> bool:
        """Whether the record's asset would come out the same from `origin`, records of older code included.

        Not where an input that is made here is incomplete: nothing is known of what it holds, then or now.
        """
        if any(version == ABSENT and name in DECLARED for name, version in origin.inputs.items()):
            return False
        code, inputs = parts(record.origin.code_version), dict(record.origin.inputs)
        for old, new in self.renamed.items():
            for found in (code, inputs):
                if old in found:
                    inputs[new] = found.pop(old)
        return inputs == origin.inputs and same_code(joined(code), origin.code_version)

    def is_reusable(self, lineage: Lineage, origin: Origin) -> bool:
        """Whether the lake holds the asset, complete and whole, made from `origin`."""
        record = lineage.read(self.asset)
        return (
            record is not None
            and self.exists(lineage.lake)
            and self.is_made_from(record, origin)
            and not self.damage(lineage.lake, record)
        )

    def location(self, lake: DataLake) -> "UPath | None":
        """The file or folder without which it is not in the lake, under its former name where it still has that one."""
        if self.stored is None:
            return None
        found = self.stored.location(lake, self.asset)
        former = self.stored.location(lake, self.formerly) if self.formerly else found
        return former if former.exists() and not found.exists() else found

    def exists(self, lake: DataLake) -> bool:
        """Whether its file or folder is in the lake; always, for what is not kept there."""
        found = self.location(lake)
        return found is None or found.exists()

    def files(self, lake: DataLake) -> dict[str, str]:
        """What it keeps in the lake, each file with its fingerprint, "" for one that another asset may write again."""
        if self.stored is None:
            return {}
        needed = fingerprints(lake, self.stored.needed_files(lake)) if self.stored.needed_files else {}
        return fingerprints(lake, self.stored.files(lake, self.asset)) | dict.fromkeys(needed, "")

    def damage(self, lake: DataLake, record: Record | None) -> dict[str, str]:
        """What is wrong with the files that it keeps in the lake, in words, by their paths; empty where all are whole.

        Without a record that names them, those that are there have to be readable.
        """
        if record is not None and record.files:
            return find_damage(lake, record.files)
        return find_damage(lake, dict.fromkeys(self.files(lake), ""))

    def version_held(self, lake: DataLake, record: Record | None) -> str | None:
        """The data version of what the lake holds, `ABSENT` where that is incomplete; None where it holds nothing."""
        if record is not None:
            return record.data_version
        return ABSENT if self.exists(lake) else None

    def record(self, lineage: Lineage) -> Record | None:
        """Its lineage record, under its former name where it still has that one."""
        return lineage.read(self.asset) or (lineage.read(self.formerly) if self.formerly else None)

    def questions(self, lake: DataLake, settings: Settings, now: datetime) -> Mapping[str, int]:
        """How much it has to ask the outside world now although nothing changed, by the reason."""
        return self.due(lake, self.view(settings), now) if self.due else {}

    def view(self, settings: Settings) -> Settings:
        """The settings that it may read."""
        return declared_settings(settings, self.asset, self.shaped_by)

    def observed(self, settings: Settings) -> str:
        """The version of an observed file by its content now."""
        return self.observe(self.view(settings)) if self.observe else ""


DECLARED: dict[str, Declaration] = {}
"""Every declaration by the name of its asset; filled when the `assets.py` of a stage is imported."""


def read_input(lake: DataLake, asset: str) -> Any:
    """Read what an asset holds, by the storage that it declares.

    Raises:
        DagsterInvariantViolationError: it names no storage that can be read.
        MissingTableError: it was never made.
    """
    declared = DECLARED.get(asset)
    if declared is None or declared.stored is None or declared.stored.read is None:
        raise dg.DagsterInvariantViolationError(
            f"`{asset}` cannot be read as an input; name it in `deps`, or give its storage a `read`."
        )
    return declared.stored.read(lake, asset)


def observe_files(instance: dg.DagsterInstance, settings: Settings) -> list[str]:
    """Report to Dagster the files whose content differs from what it last observed; their asset names.

    Every route asks this before it asks what is stale, so that an edit is seen without a reload.
    """
    changed: list[str] = []
    for asset, declared in DECLARED.items():
        if declared.observe is None:
            continue
        key, version = dg.AssetKey(asset), declared.observed(settings)
        records = instance.fetch_observations(key, limit=1).records
        last = records[0].asset_observation if records else None
        if last is None or last.data_version != version:
            instance.report_runless_asset_event(
                dg.AssetObservation(key, tags={DATA_VERSION_TAG: version}, description="content of the file")
            )
            changed.append(asset)
    return changed


def bring_up_to_date(lake: DataLake, instance: dg.DagsterInstance | None = None) -> None:
    """Bring a lake of an older release into the present format; nothing is made again.

    Args:
        lake: whose files and records.
        instance: whose history; it is left alone where it is None.
    """
    with lake.listed():
        adopt_older(lake, instance)
        _name_files(lake)
    lake.mark_format()


def _name_files(lake: DataLake) -> None:
    """Complete the records of a lake of a release whose records named no files."""
    lineage = Lineage(lake)
    for asset, declared in DECLARED.items():
        record = lineage.read(asset) if declared.stored else None
        if record is not None and not record.files and not declared.damage(lake, record):
            files = declared.files(lake)
            if lineage.read(asset) == record:  # no run of another process began or ended it meanwhile
                lineage.write(asset, replace(record, files=files))


def adopt_older(lake: DataLake, instance: dg.DagsterInstance | None = None) -> None:
    """Bring the records of an older lake into the words of these declarations; nothing is made again.

    Args:
        lake: whose files and records.
        instance: whose history; it is left alone where it is None.
    """
    adopt_renamed(lake, instance)
    adopt_split(lake, instance)


def unsplit(lake: DataLake) -> list[str]:
    """The assets that were a part of another in an older lake, and have no record there yet."""
    lineage = Lineage(lake)
    return [
        asset
        for asset, one in DECLARED.items()
        if one.split_from
        and one.stored
        and one.stored.read
        and one.stored.version
        and lineage.read(asset) is None
        and lineage.read(one.split_from) is not None
    ]


def adopt_split(lake: DataLake, instance: dg.DagsterInstance | None = None) -> None:
    """Give an asset that was part of another in older lakes a record, and name it in the records below.

    What was made from the other was made from what the lake holds of this one now: both are made in one step.
    """
    lineage = Lineage(lake)
    for asset in unsplit(lake):
        declared = DECLARED[asset]
        whole, stored = lineage.read(declared.split_from), declared.stored
        if whole is None or stored is None or stored.read is None or stored.version is None:
            continue
        value = stored.read(lake, asset)
        version = stored.version(value)
        if stored.write is not None and not declared.exists(lake):
            stored.write(lake, asset, value)
        for below in (each for each in DECLARED.values() if asset in each.upstream):
            record = lineage.read(below.asset)
            if record is not None and asset not in record.origin.inputs:
                inputs = {**record.origin.inputs, asset: version}
                lineage.write(below.asset, replace(record, origin=replace(record.origin, inputs=inputs)))
        lineage.write(asset, replace(whole, data_version=version, files=declared.files(lake)))
        if instance is not None and instance.get_latest_materialization_event(dg.AssetKey(asset)) is None:
            event = instance.get_latest_materialization_event(dg.AssetKey(declared.split_from))
            if event is not None and (made := event.asset_materialization) is not None:
                tags = {**(made.tags or {}), DATA_VERSION_TAG: version}
                instance.report_runless_asset_event(dg.AssetMaterialization(asset, tags=tags))


def adopt_renamed(lake: DataLake, instance: dg.DagsterInstance | None = None) -> None:
    """Move what older lakes hold under an asset's former name to its present one: its file, its record, its history.

    Args:
        lake: whose files.
        instance: whose history; it is left alone where it is None.
    """
    lineage = Lineage(lake)
    for asset, declared in DECLARED.items():
        if not declared.formerly or declared.stored is None:
            continue
        place, former = declared.stored.location(lake, asset), declared.stored.location(lake, declared.formerly)
        if former.exists() and not place.exists():
            with suppress(FileNotFoundError):  # another process moved it first
                former.rename(place)
        if (record := lineage.read(declared.formerly)) is not None:
            if lineage.read(asset) is None:
                lineage.write(asset, record)
            remove_file(lake.lineage(declared.formerly))
        if instance is not None and instance.get_latest_materialization_event(dg.AssetKey(asset)) is None:
            event = instance.get_latest_materialization_event(dg.AssetKey(declared.formerly))
            if event is not None and (made := event.asset_materialization) is not None:
                instance.report_runless_asset_event(
                    dg.AssetMaterialization(asset, metadata=limited(made.metadata), tags=dict(made.tags or {}))
                )
