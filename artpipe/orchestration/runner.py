"""Brings a lake up to date: runs what is stale, in order, and stops a chain where nothing changed.

Assets run in waves. A wave is every asset that has a reason of its own to run and no asset above it that has; after
it, Dagster's stale status is asked anew, so an asset whose inputs came out as before never runs. Each wave is a run of
a persistent Dagster instance, and the Dagster UI shows these very runs.
"""

import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.errors import ArtpipeError
from artpipe.lake.lock import alone
from artpipe.lake.paths import DataLake
from artpipe.orchestration.asset import adopt_renamed, observe_files
from artpipe.orchestration.instance import open_instance
from artpipe.orchestration.lines import AssetLines, logger_of
from artpipe.orchestration.metadata import REUSED, WORK
from artpipe.orchestration.staleness import AssetState, ancestors, asset_states
from artpipe.settings import Settings

if TYPE_CHECKING:
    from dagster._core.definitions.assets.graph.asset_graph import AssetGraph
    from rich.console import Console

TOLD_WORK = ("requests", "not_modified", "images_fetched", "images_embedded", "rows_updated")
RUN_TAG = "artpipe/refresh"
"""Every run of one refresh carries this tag with the same value."""


class UnknownAssetError(ArtpipeError):
    """A selection names no asset of the graph."""


class RefreshFailedError(ArtpipeError):
    """A run of the refresh did not end well."""


@dataclass(frozen=True)
class RefreshOptions:
    """How to refresh.

    Attributes:
        select: a Dagster asset selection, such as `key:"images"+`; everything where it is None.
        force: run everything selected, and make it anew although nothing changed.
        wait: when another refresh of this lake is under way, wait for it to end.
        webserver: the address of a running Dagster webserver whose queue the runs go through; here where it is None.
    """

    select: str | None = None
    force: bool = False
    wait: bool = True
    webserver: str | None = None


@dataclass
class RefreshReport:
    """What a refresh did.

    Attributes:
        ran: the assets that ran, in order.
        reused: those of them that found nothing to do.
        skipped: the selected assets that did not run because they were fresh.
        work: counts of what was done, by the names of `TOLD_WORK` and more.
        seconds: of all of it.
        runs: ids of the Dagster runs.
        failed_checks: asset checks that did not pass.
        passed_checks: how many did.
        seconds_by_asset: of the step that made each asset.
    """

    ran: list[str] = field(default_factory=list[str])
    reused: list[str] = field(default_factory=list[str])
    skipped: list[str] = field(default_factory=list[str])
    work: Counter[str] = field(default_factory=Counter[str])
    seconds: float = 0.0
    runs: list[str] = field(default_factory=list[str])
    failed_checks: list[str] = field(default_factory=list[str])
    passed_checks: int = 0
    seconds_by_asset: dict[str, float] = field(default_factory=dict[str, float])

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "ran": self.ran,
            "reused": self.reused,
            "skipped": self.skipped,
            "work": {name: self.work[name] for name in dict.fromkeys([*TOLD_WORK, *WORK])},
            "failed_checks": self.failed_checks,
            "runs": self.runs,
            "seconds": round(self.seconds, 2),
        }


def refresh(settings: Settings, options: RefreshOptions, console: "Console") -> RefreshReport:
    """Bring a lake up to date.

    Args:
        settings: what to run on and how.
        options: what to run.
        console: where a line for every asset goes; stderr, as a rule.

    Raises:
        ArtpipeError: a step failed in a way that has a next step; what earlier steps committed is kept.
        UnknownAssetError: the selection matches nothing.
        RefreshUnderWayError: another refresh is under way, and waiting was not wanted.
    """
    from artpipe.definitions import build_definitions

    started = time.monotonic()
    lake = DataLake(settings.lake_root)
    lake.ensure_writable()
    lines = AssetLines(console)
    definitions = build_definitions(settings, loggers={"lines": logger_of(lines)})
    graph = definitions.resolve_asset_graph()
    selected = selected_assets(graph, options.select)
    report = RefreshReport()
    with alone(lake, console, wait=options.wait), open_instance(settings) as instance:
        run = _runner(definitions, instance, lines, options)
        adopt_renamed(lake, instance)
        observe_files(instance, settings)
        tag = uuid.uuid4().hex[:8]
        while wave := next_wave(asset_states(graph, instance, settings), selected, set(report.ran), options.force):
            run_id = run(wave, {RUN_TAG: tag})
            report.runs.append(run_id)
            _add(report, instance, run_id)
            if missed := wave - set(report.ran):
                raise RefreshFailedError(
                    f"{', '.join(sorted(missed))} did not come about in run {run_id}; look at it in the Dagster UI."
                )
    report.skipped = sorted(selected - set(report.ran))
    report.failed_checks, report.passed_checks = lines.failed_checks, lines.passed_checks
    report.seconds_by_asset = lines.seconds
    report.seconds = time.monotonic() - started
    return report


def selected_assets(graph: "AssetGraph", select: str | None) -> set[str]:
    """The names of the assets that a selection matches; all of them where it is None.

    Args:
        graph: all assets.
        select: in Dagster's selection syntax; or names with commas between them, where `images+` is everything below
            `images` too, and `+images` everything above.

    Raises:
        UnknownAssetError: it matches nothing, or cannot be read.
    """
    everything = {key.path[-1] for key in graph.materializable_asset_keys}
    if select is None:
        return everything
    names = ", ".join(sorted(everything))
    try:
        keys = dg.AssetSelection.from_string(_in_dagster_syntax(select)).resolve(graph, allow_missing=True)
    except dg.DagsterError as error:
        raise UnknownAssetError(f"{select!r} is not a selection of assets ({error}); choose from {names}.") from error
    if not keys:
        raise UnknownAssetError(f"the selection {select!r} matches no asset; choose from {names}.")
    # A step makes all of its assets.
    return {name.path[-1] for key in keys for name in graph.get(key).assets_def.keys} & everything


def _in_dagster_syntax(select: str) -> str:
    names = [re.fullmatch(r"\s*(\+?)(\w+)(\+?)\s*", part) for part in select.split(",")]
    if not all(names):
        return select
    return " or ".join(f'{name[1]}key:"{name[2]}"{name[3]}' for name in names if name is not None)


def next_wave(states: Mapping[str, AssetState], selected: set[str], ran: set[str], force: bool = False) -> set[str]:
    """The assets to run next; empty when all is done.

    What is missing all the way down cannot be cut off by an unchanged asset above it, so it runs in the same wave.

    Args:
        states: as they are now.
        selected: the assets that may run.
        ran: those that ran already; each runs once.
        force: whether an asset runs although it is fresh.
    """
    open_assets = {name for name in selected - ran if force or states[name].must_run}
    wave: set[str] = set()
    for name in states:  # upstream assets come first
        if name not in open_assets:
            continue
        is_bound_to_run = force or states[name].status == "missing"
        if not ancestors(states, name) & open_assets or (
            is_bound_to_run
            and all(
                upstream in wave or not ({upstream} | ancestors(states, upstream)) & open_assets
                for upstream in states[name].upstream
            )
        ):
            wave.add(name)
    # A step makes all of its assets, so one that was cut off between two of them makes the first ones again too.
    steps = {states[name].step for name in wave if states[name].step}
    return wave | {name for name, state in states.items() if state.step in steps}


def _runner(
    definitions: dg.Definitions, instance: dg.DagsterInstance, lines: AssetLines, options: RefreshOptions
) -> Callable[[set[str], dict[str, str]], str]:
    """What runs a wave and returns the id of its run: this process, or a webserver's queue."""
    job = definitions.resolve_implicit_global_asset_job_def()
    graph = definitions.resolve_asset_graph()

    def config_of(wave: Iterable[str]) -> dict[str, Any]:
        if not options.force:
            return {}
        steps = {graph.get(dg.AssetKey(name)).assets_def for name in wave}
        forced = {"config": {"force": True}}
        return {"ops": {step.node_def.name: forced for step in steps if "force" in _config_fields(step)}}

    def run_here(wave: set[str], tags: dict[str, str]) -> str:
        subset = job.get_subset(asset_selection={dg.AssetKey(name) for name in wave})
        config = config_of(wave) | {"loggers": {"lines": {}}}
        return subset.execute_in_process(instance=instance, run_config=config, tags=tags).run_id

    def run_there(wave: set[str], tags: dict[str, str]) -> str:
        from artpipe.orchestration.webserver import run_through

        return run_through(options.webserver or "", sorted(wave), config_of(wave), tags, instance, lines)

    return run_here if options.webserver is None else run_there


def _config_fields(step: dg.AssetsDefinition) -> Iterable[str]:
    fields: Mapping[str, Any] = getattr(step.op.config_schema.config_type, "fields", None) or {}
    return fields


def _add(report: RefreshReport, instance: dg.DagsterInstance, run_id: str) -> None:
    """Take in what a run materialised and counted."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    for record in records:
        made = record.asset_materialization
        if made is None:
            continue
        name = made.asset_key.path[-1]
        report.ran.append(name)
        found = {key: value.value for key, value in made.metadata.items() if key in (*WORK, REUSED)}
        if found.pop(REUSED, False):
            report.reused.append(name)
        report.work.update({key: int(value) for key, value in found.items() if isinstance(value, int)})
