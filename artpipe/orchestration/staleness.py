"""What is stale in a lake, and why, in words: Dagster's own stale status, told to a person.

`waves.py` runs what is told here, and `artpipe status` shows it.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

import dagster as dg

# Dagster shows this status in its UI and over GraphQL, but gives it no public name in Python.
from dagster._core.asset_graph_view.asset_graph_view import AssetGraphView
from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.definitions.data_version import (
    CachingStaleStatusResolver,
    StaleCause,
    StaleCauseCategory,
    StaleStatus,
)
from dagster._core.definitions.events import AssetKeyPartitionKey
from dagster._core.definitions.temporal_context import TemporalContext

from artpipe.lake.paths import DataLake
from artpipe.orchestration.asset import Declaration, declaration_of
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.metadata import CHANGES
from artpipe.orchestration.shaping import code_changes
from artpipe.settings import Settings

Status = Literal["fresh", "stale", "missing"]
_MATERIALIZATIONS_READ = 50
_TOLD_FIRST, _TOLD_LAST = ("new", "changed", "relabelled", "replaced"), ("gone", "withdrawn")
_STATUS: Mapping[StaleStatus, Status] = {
    StaleStatus.FRESH: "fresh",
    StaleStatus.STALE: "stale",
    StaleStatus.MISSING: "missing",
}
_CODE_VERSION_TAG = "dagster/code_version"


@dataclass(frozen=True)
class AssetState:
    """Whether an asset is up to date.

    Attributes:
        asset: its name.
        status: `missing` where it was never made or its files are gone.
        reasons: why it is not fresh, in words.
        upstream: the assets it is made from.
        step: the step that makes it; some steps make several assets.
        is_root: it depends on nothing here, so that only the gallery knows whether it changed.
        due: what a fresh asset has to ask the gallery all the same, in words.
        seconds: how long its work took the last time that there was any.
        made_at: when it was last materialised.
    """

    asset: str
    status: Status
    reasons: list[str] = field(default_factory=list[str])
    upstream: tuple[str, ...] = ()
    step: str = ""
    is_root: bool = False
    due: str = ""
    seconds: float | None = None
    made_at: datetime | None = None

    @property
    def must_run(self) -> bool:
        """Whether a refresh runs it whatever comes of the assets upstream."""
        return self.is_root or self.status != "fresh" or bool(self.due)


@dataclass(frozen=True)
class Standing:
    """How an asset stands, by Dagster's own account.

    Attributes:
        status: whether it is up to date with its code and with what it is made from.
        causes: why it is not.
        data_version: of what it holds now.
        made_at: when it was last materialised, in seconds since 1970.
        record_id: of that materialisation.
    """

    status: Status
    causes: tuple[StaleCause, ...]
    data_version: str
    made_at: float | None
    record_id: int | None


def stale_states(
    instance: dg.DagsterInstance, graph: BaseAssetGraph[Any], view: AssetGraphView | None = None
) -> dict[dg.AssetKey, Standing]:
    """How every asset stands, upstream assets first.

    An asset is stale for reasons of its own: that something further up is stale does not count until it is made anew
    and comes out different.

    Args:
        instance: Dagster's memory of what was run.
        graph: all assets.
        view: of one moment, so that all who ask within an automation tick are told the same.
    """
    if view is None:
        now = TemporalContext(effective_dt=datetime.now(UTC), last_event_id=None)
        view = AssetGraphView(temporal_context=now, instance=instance, asset_graph=graph)
    records = view.get_inner_queryer_for_back_compat()
    resolver = CachingStaleStatusResolver(instance, graph, view, records)
    standings: dict[dg.AssetKey, Standing] = {}
    for key in graph.toposorted_asset_keys:
        made = records.get_latest_materialization_or_observation_record(AssetKeyPartitionKey(key))
        standings[key] = Standing(
            status=_STATUS[resolver.get_status(key)],
            causes=tuple(resolver.get_stale_causes(key)),
            data_version=resolver.get_current_data_version(key).value,
            made_at=made.timestamp if made else None,
            record_id=made.storage_id if made else None,
        )
    return standings


def asset_states(
    graph: AssetGraph, instance: dg.DagsterInstance, settings: Settings, now: datetime | None = None
) -> dict[str, AssetState]:
    """The state of every asset of the graph, upstream assets first.

    Args:
        graph: all assets.
        instance: Dagster's memory of what was run.
        settings: which lake, and when answers of the gallery are too old.
        now: for the age of answers.
    """
    lineage = Lineage(DataLake(settings.lake_root))
    states: dict[str, AssetState] = {}
    for key, standing in stale_states(instance, graph).items():
        name = key.path[-1]
        if not graph.get(key).is_materializable:
            continue
        declared = declaration_of(name) or Declaration(name)
        parents = [parent for parent in graph.get(key).parent_keys if graph.get(parent).is_materializable]
        upstream = tuple(sorted(parent.path[-1] for parent in parents))
        record = declared.record(lineage)
        status, reasons = standing.status, _reasons(key, standing.causes, graph, instance)
        if status == "missing":
            reasons = ["never made"]
        elif not declared.exists(lineage.lake):
            status, reasons = "missing", [f"{declared.location(lineage.lake)} is gone"]
        elif record is None:
            status, reasons = "stale", [*reasons, "its last run was cut off"]
        states[name] = AssetState(
            asset=name,
            status=status,
            reasons=reasons,
            upstream=upstream,
            step=graph.get(key).assets_def.node_def.name,
            is_root=not upstream,
            due=_due(declared, lineage.lake, settings, now or datetime.now(UTC)) if status == "fresh" else "",
            seconds=record.seconds if record else None,
            made_at=datetime.fromtimestamp(standing.made_at, UTC) if standing.made_at else None,
        )
    return states


def ancestors(states: Mapping[str, AssetState], asset: str) -> set[str]:
    """Every asset that this one is made from, directly or not."""
    found: set[str] = set()
    waiting = list(states[asset].upstream)
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += states[name].upstream
    return found


def _reasons(
    key: dg.AssetKey, causes: Iterable[StaleCause], graph: AssetGraph, instance: dg.DagsterInstance
) -> list[str]:
    event = instance.get_latest_materialization_event(key)
    made = event.asset_materialization if event else None
    reasons: list[str] = []
    for cause in causes:
        upstream = cause.dependency_asset_key
        if cause.category is StaleCauseCategory.CODE and made is not None:
            before = (made.tags or {}).get(_CODE_VERSION_TAG, "")
            reasons += code_changes(before, graph.get(key).code_version or "")
        elif cause.category is StaleCauseCategory.DATA and upstream is not None and event is not None:
            told = changes_since(upstream, event.timestamp, instance)
            reasons.append(f"`{upstream.path[-1]}` changed" + (f": {told}" if told else ""))
        else:
            reasons.append(cause.reason)
    return reasons


def changes_since(key: dg.AssetKey, timestamp: float, instance: dg.DagsterInstance) -> str:
    """What the materialisations of an asset since then say has changed, added up: `3 new, 1 relabelled, 0 gone`."""
    total: Counter[str] = Counter()
    for record in instance.fetch_materializations(key, limit=_MATERIALIZATIONS_READ).records:
        if record.timestamp <= timestamp:
            break
        made = record.asset_materialization
        told = made.metadata.get(CHANGES) if made else None
        if isinstance(told, dg.JsonMetadataValue) and isinstance(told.data, dict):
            for what, count in told.data.items():
                if isinstance(count, int):
                    total[str(what)] += count  # a Counter's own `update` would keep zeros, and order
    # Dagster keeps JSON with its keys sorted.
    return ", ".join(f"{total[what]:,} {what}" for what in sorted(total, key=_place))


def _place(what: str) -> int:
    return _TOLD_FIRST.index(what) if what in _TOLD_FIRST else len(_TOLD_FIRST) + (what in _TOLD_LAST)


def _due(declared: Declaration, lake: DataLake, settings: Settings, now: datetime) -> str:
    """What the gallery has to be asked for, in words; empty where nothing is."""
    counts = declared.questions(lake, settings, now)
    return "to ask the gallery for: " + ", ".join(f"{n:,} ({why})" for why, n in counts.items()) if counts else ""
