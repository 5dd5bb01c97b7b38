"""What is stale in a lake, and why, in words.

Three memories must agree for an asset to be fresh: the lake holds it with a record of what it was made from, that
record names the present code, settings and inputs, and Dagster's last materialisation has the same data version. Where
the lake and Dagster disagree the asset runs; its step compares the lake's record with what it would be made from, and
either only reports the version again or does the work. So the lake's content settles it.

`next_assets.py` decides from these statuses what runs, and `artpipe status` shows them.
"""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime

import dagster as dg

from artpipe.lake.lock import RefreshUnderWayError, upgrade_lock
from artpipe.lake.mass_loss import read_refusals
from artpipe.lake.paths import DamagedLakeError, DataLake, UnwritableLakeError
from artpipe.orchestration.blocking_checks import BlockingChecks, data_version_of, unmet_checks
from artpipe.orchestration.dagster_private import AssetGraph
from artpipe.orchestration.declaration import DECLARED, Declaration, adopt_split, observe_files, unsplit
from artpipe.orchestration.instance import REFRESH_TAG, UNFINISHED
from artpipe.orchestration.lineage import ABSENT, Lineage, Origin, Record
from artpipe.orchestration.metadata import CHANGES
from artpipe.orchestration.next_assets import AssetStatus, Freshness
from artpipe.orchestration.shaping import code_changes, same_code
from artpipe.settings import Settings

CLOCK_SKEW_S = 300.0
"""By how much two clocks may differ; what is dated further in the future has a wrong date."""
_MATERIALIZATIONS_READ = 50
_FIRST, _LAST = ("new", "changed", "relabelled", "replaced"), ("gone", "withdrawn")
_CODE_VERSION_TAG, _INPUT_VERSION_TAG = "dagster/code_version", "dagster/input_data_version/"


def asset_statuses(
    graph: AssetGraph,
    instance: dg.DagsterInstance,
    settings: Settings,
    *,
    asks_due: bool = True,
    loaded_at: float | None = None,
) -> dict[str, AssetStatus]:
    """The status of every asset that is made here, inputs first.

    An asset is stale for reasons of its own: that something further up is stale does not count until it is made anew
    and comes out different.

    Args:
        graph: all assets.
        instance: Dagster's event log; what edited files hold is reported to it first.
        settings: which lake, and what the assets would be made with.
        asks_due: whether to look in the lake for what the source has to be asked; that reads tables.
        loaded_at: when this process loaded the code and the settings, in seconds since 1970, where either may have been
            edited since. What was made after that with other ones counts as made with newer ones, and is not stale for
            that.
    """
    with settings.data_lake.listed():
        return _statuses(graph, instance, settings, asks_due=asks_due, loaded_at=loaded_at)


def _statuses(
    graph: AssetGraph, instance: dg.DagsterInstance, settings: Settings, *, asks_due: bool, loaded_at: float | None
) -> dict[str, AssetStatus]:
    lineage = Lineage(settings.data_lake)
    if unsplit(lineage.lake):
        # Who only reads may not write, and a run that is under way does the same.
        with suppress(UnwritableLakeError, OSError, RefreshUnderWayError), upgrade_lock(lineage.lake):
            adopt_split(lineage.lake, instance)
    observe_files(instance, settings)
    keys = [key for key in graph.toposorted_asset_keys if key in graph.materializable_asset_keys]
    entries = [record.asset_entry for record in instance.get_asset_records(keys)]
    events = {entry.asset_key: entry.last_materialization_record for entry in entries}
    blocking = BlockingChecks.among(graph.get_check_spec(check) for check in graph.asset_check_keys)
    in_progress = _in_progress(graph, instance)
    records = {key.path[-1]: DECLARED[key.path[-1]].record(lineage) for key in keys}
    versions = {name: record.data_version for name, record in records.items() if record is not None}
    refusals = read_refusals(lineage.lake)
    now, statuses = datetime.now(UTC), dict[str, AssetStatus]()
    latest_s = now.timestamp() + CLOCK_SKEW_S
    for key in keys:
        name, event = key.path[-1], events.get(key)
        declared, record = DECLARED[name], records[name]
        # The code version that was loaded, which a run of newer code does not have.
        origin = replace(declared.origin(versions, settings), code_version=graph.get(key).code_version or "")
        is_newer = loaded_at is not None and record is not None and loaded_at < _written_at(record, event) <= latest_s
        status, reasons = _freshness(declared, origin, record, event, lineage.lake, instance, is_newer=is_newer)
        if name in refusals and status != "missing":
            status, reasons = "stale", [str(refusals[name])]
        held = declared.version_held(lineage.lake, record)
        failed, skipped = unmet_checks(instance, name, blocking.names.get(name, ()), held, event)
        questions: Mapping[str, int] = {}
        if asks_due and status == "fresh":
            with suppress(DamagedLakeError):  # of an input, which is made anew first
                questions = declared.questions(lineage.lake, settings, now)
        made_here = {parent: version for parent, version in origin.inputs.items() if parent in statuses}
        statuses[name] = AssetStatus(
            asset=name,
            status=status,
            reasons=tuple(reasons),
            upstream=tuple(made_here),
            step=graph.get(key).assets_def.node_def.name,
            due=_due_in_words(questions),
            asks_source=declared.due is not None,
            failed_checks=tuple(failed),
            skipped_checks=tuple(skipped),
            in_progress=key in in_progress,
            observed=tuple(f"{file} {version}" for file, version in origin.inputs.items() if file not in statuses),
            data_version=versions.get(name, ABSENT),
            code_version=origin.code_version,
            record_id=event.storage_id if event else None,
            seconds=record.seconds if record else None,
            made_at=datetime.fromtimestamp(event.timestamp, UTC) if event else None,
            is_from_future=event is not None and event.timestamp > latest_s,
        )
    return statuses


def _freshness(
    declared: Declaration,
    origin: Origin,
    record: Record | None,
    event: dg.EventLogRecord | None,
    lake: DataLake,
    instance: dg.DagsterInstance,
    *,
    is_newer: bool,
) -> tuple[Freshness, list[str]]:
    """Whether an asset is fresh, and every reason why it is not.

    With `is_newer` it was made after this process had loaded its code and settings: where those differ from the ones it
    was made with, whoever made it loaded later, and only its inputs count.
    """
    damaged = declared.damage(lake, record) if record is not None else {}
    if not declared.exists(lake):
        gone = [f"{file} {what}" for file, what in damaged.items()] or [f"{declared.location(lake)} is gone"]
        return "missing", ["never made"] if event is None else gone
    if record is None:
        return ("missing", ["never made"]) if event is None else ("stale", ["its last run was cut off"])
    if damaged:
        return "stale", [f"{file} {what}" for file, what in damaged.items()]
    if event is None:
        return "missing", [f"the lake holds version {record.data_version}, which this Dagster home never recorded"]
    if is_newer and not same_code(record.origin.code_version, origin.code_version):
        origin = replace(origin, code_version=record.origin.code_version)
        is_fresh = declared.is_made_from(record, origin)
        return ("fresh", []) if is_fresh else ("stale", _differences(record.origin, origin, event, instance))
    if not declared.is_made_from(record, origin):
        return "stale", _differences(record.origin, origin, event, instance)
    recorded = data_version_of(event)
    if recorded != record.data_version:
        conflict = f"the lake holds version {record.data_version} and Dagster recorded {recorded}"
        return "stale", [f"{conflict}: the lake was restored, or another Dagster home wrote to it"]
    if record.origin == origin and not _is_recorded(origin, event):
        return "stale", ["its last run was cut off before Dagster recorded it"]
    return "fresh", []


def _differences(then: Origin, now: Origin, event: dg.EventLogRecord, instance: dg.DagsterInstance) -> list[str]:
    reasons = code_changes(then.code_version, now.code_version)
    for parent in sorted(then.inputs.keys() | now.inputs.keys()):
        if now.inputs.get(parent) == ABSENT:
            reasons.append(f"`{parent}` is not complete")
        elif then.inputs.get(parent) != now.inputs.get(parent):
            summary = changes_since(dg.AssetKey(parent), event.timestamp, instance)
            reasons.append(f"`{parent}` changed" + (f": {summary}" if summary else ""))
    return reasons


def _is_recorded(origin: Origin, event: dg.EventLogRecord) -> bool:
    """Whether Dagster recorded a materialisation as made from this; an edited file it may have observed later."""
    tags = (event.asset_materialization.tags if event.asset_materialization else None) or {}
    expected = {_CODE_VERSION_TAG: origin.code_version} | {
        tag: version
        for name, version in origin.inputs.items()
        if (name not in DECLARED or DECLARED[name].observe is None)
        # Dagster recorded none of an input that was part of another one then.
        and ((tag := f"{_INPUT_VERSION_TAG}{name}") in tags or name not in DECLARED or not DECLARED[name].split_from)
    }
    return expected.items() <= tags.items()


def _written_at(record: Record, event: dg.EventLogRecord | None) -> float:
    """When an asset was last written, by whichever Dagster home, in seconds since 1970."""
    return max(datetime.fromisoformat(record.made_at).timestamp(), event.timestamp if event else 0.0)


def _due_in_words(questions: Mapping[str, int]) -> str:
    counts = ", ".join(f"{count:,} ({why})" for why, count in questions.items())
    return f"to ask the gallery for: {counts}" if counts else ""


def _in_progress(graph: AssetGraph, instance: dg.DagsterInstance) -> set[dg.AssetKey]:
    """The assets of runs that have not ended; a refresh goes on to whatever is stale below."""
    found: set[dg.AssetKey] = set()
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        is_refresh = REFRESH_TAG in run.tags
        found |= (None if is_refresh else run.asset_selection) or graph.materializable_asset_keys
    return found


def changes_since(key: dg.AssetKey, timestamp: float, instance: dg.DagsterInstance) -> str:
    """What changed in an asset since then, added up over its materialisations: `3 new, 1 relabelled, 0 gone`."""
    total: Counter[str] = Counter()
    for record in instance.fetch_materializations(key, limit=_MATERIALIZATIONS_READ).records:
        if record.timestamp <= timestamp:
            break
        materialization = record.asset_materialization
        changes = materialization.metadata.get(CHANGES) if materialization else None
        if isinstance(changes, dg.JsonMetadataValue) and isinstance(changes.data, dict):
            for what, count in changes.data.items():
                if isinstance(count, int):
                    total[str(what)] += count  # a Counter's own `update` would keep zeros, and order
    # Dagster keeps JSON with its keys sorted.
    return ", ".join(f"{total[what]:,} {what}" for what in sorted(total, key=_place))


def _place(what: str) -> int:
    return _FIRST.index(what) if what in _FIRST else len(_FIRST) + (what in _LAST)
