"""Brings a lake up to date: runs what is stale, in order, and stops a chain where nothing changed.

`next_assets` decides what may run; it runs, and is asked again with new statuses. Each such run is one of a persistent
Dagster instance, and the Dagster UI shows it.
"""

import logging
import re
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.engine.chosen import engine_of
from artpipe.errors import ArtpipeError
from artpipe.lake.lock import refresh_lock
from artpipe.lake.mass_loss import MassLossError
from artpipe.orchestration.alerts import Alert, post
from artpipe.orchestration.blocking_checks import BlockingCheckError
from artpipe.orchestration.dagster_private import AssetGraph
from artpipe.orchestration.declaration import bring_up_to_date
from artpipe.orchestration.in_process import execute_in_this_process
from artpipe.orchestration.instance import REFRESH_TAG, WAITED_TAG, end_dead_runs, open_instance
from artpipe.orchestration.lines import AssetLines
from artpipe.orchestration.metadata import REUSED, WORK
from artpipe.orchestration.next_assets import AssetStatus, failed_above, for_refresh, next_assets
from artpipe.orchestration.retention import delete_old_runs
from artpipe.orchestration.staleness import asset_statuses
from artpipe.settings import Settings

if TYPE_CHECKING:
    from rich.console import Console

REPORTED_WORK = ("requests", "not_modified", "images_fetched", "images_embedded", "rows_updated")
Run = Callable[[set[str]], str]
"""Materialises assets in one Dagster run, and returns its id."""


class UnknownAssetError(ArtpipeError):
    """A selection names no asset of the graph."""


class RefreshFailedError(ArtpipeError):
    """A run of the refresh did not materialise what it should."""


@dataclass(frozen=True)
class RefreshOptions:
    """How to refresh.

    Attributes:
        select: a Dagster asset selection, such as `key:"images"+`; everything where it is None.
        force: run everything selected, and make it anew although nothing changed.
        accept_loss: take what an earlier run refused because too much would be lost.
        wait: when another refresh of this lake is under way, wait for it to end.
        webserver: the address of a running Dagster webserver whose queue the runs go through; here where it is None.
    """

    select: str | None = None
    force: bool = False
    accept_loss: bool = False
    wait: bool = True
    webserver: str | None = None


@dataclass
class RefreshReport:
    """What a refresh did.

    Attributes:
        ran: the assets that ran, in order.
        reused: those of them that found nothing to do.
        skipped: the selected assets that did not run because they were fresh.
        work: counts of what was done, by the names of `WORK`.
        seconds: of the whole refresh.
        runs: ids of the Dagster runs.
        failed_checks: asset checks that did not pass.
        warnings: how many of them only warn.
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
    warnings: int = 0
    passed_checks: int = 0
    seconds_by_asset: dict[str, float] = field(default_factory=dict[str, float])

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "ran": self.ran,
            "reused": self.reused,
            "skipped": self.skipped,
            "work": {name: self.work[name] for name in dict.fromkeys([*REPORTED_WORK, *WORK])},
            "failed_checks": self.failed_checks,
            "runs": self.runs,
            "seconds": round(self.seconds, 2),
        }


def refresh(
    definitions: dg.Definitions, settings: Settings, options: RefreshOptions, console: "Console"
) -> RefreshReport:
    """Bring a lake up to date.

    Args:
        definitions: the assets of these settings.
        settings: which lake, and which Dagster home.
        options: what to run.
        console: where a line for every asset goes; stderr, as a rule.

    Raises:
        ArtpipeError: a step failed in a way that has a next step; what earlier steps committed is kept.
        MassLossError: too much of what the lake holds would be lost; a person is alerted.
        BlockingCheckError: a blocking check failed or did not run, and something would be made from what it is about.
        UnknownAssetError: the selection matches nothing.
        RefreshUnderWayError: another refresh is under way, and waiting was not wanted.
    """
    started = time.monotonic()
    lake = settings.data_lake
    lake.ensure_writable()
    if why := engine_of(settings, logging.getLogger(__name__).info).unusable():
        # No error: what is stale may not need it, and it may come up while pictures are fetched.
        console.print(f"warning: {why}", highlight=False, soft_wrap=True, markup=False)
    lines = AssetLines(console)
    graph = definitions.resolve_asset_graph()
    selected = selected_assets(graph, options.select)
    report = RefreshReport()
    tags, asked_at = {REFRESH_TAG: uuid.uuid4().hex[:8]}, datetime.now(UTC).isoformat(timespec="seconds")
    through_queue = options.webserver is not None
    lock = refresh_lock(lake, console, wait=options.wait, through_queue=through_queue)
    with lock as waited, open_instance(settings) as instance:
        first = refresh_lock(lake, console, wait=options.wait) if through_queue else nullcontext(False)
        with first as waited_for_run:
            end_dead_runs(instance)
            bring_up_to_date(lake, instance)
        if waited or waited_for_run:
            tags[WAITED_TAG] = asked_at
        run = _runner(definitions, settings, instance, lines, options, tags)
        try:
            while True:
                statuses = for_refresh(asset_statuses(graph, instance, settings))
                wave = next_assets(statuses, selected - set(report.ran), force=options.force)
                if not wave:
                    break
                run_id = run(wave)
                report.runs.append(run_id)
                _add_run(report, instance, run_id)
                if missed := wave - set(report.ran):
                    raise RefreshFailedError(
                        f"run {run_id} did not materialise {', '.join(sorted(missed))}; look at it in the Dagster UI."
                    )
        finally:
            _delete_old_runs(instance, graph, settings, console)
    _raise_if_blocked(statuses, selected - set(report.ran), force=options.force)
    report.skipped = sorted(selected - set(report.ran))
    report.failed_checks, report.passed_checks = lines.failed_checks, lines.passed_checks
    report.warnings = lines.warnings
    report.seconds_by_asset = lines.seconds
    report.seconds = time.monotonic() - started
    return report


def _delete_old_runs(instance: dg.DagsterInstance, graph: AssetGraph, settings: Settings, console: "Console") -> None:
    """Delete old runs; where that fails, such as on a full disk, what the refresh did, or its own error, stands."""
    try:
        delete_old_runs(instance, graph, settings.keep_runs_for)
    except Exception as error:  # noqa: BLE001 - whatever the database of the instance raises
        why = str(error).partition("\n")[0] or type(error).__name__
        text = f"old runs were not deleted from the Dagster home, which the next refresh tries again: {why}"
        console.print(text, highlight=False, soft_wrap=True, markup=False)


def _raise_if_blocked(statuses: Mapping[str, AssetStatus], not_run: set[str], *, force: bool) -> None:
    """Raise where assets that should have run did not, because of the checks of what they are made from."""
    waiting = sorted(name for name in not_run if force or statuses[name].needs_run)
    reasons = {f"{parent}: {why}" for name in waiting for parent, why in failed_above(statuses, name).items()}
    if reasons:
        raise BlockingCheckError(
            f"{', '.join(waiting)} did not run, because of {'; '.join(sorted(reasons))}. Run `artpipe refresh` without "
            "--select, which checks again."
        )


def selected_assets(graph: AssetGraph, select: str | None) -> set[str]:
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


def _runner(
    definitions: dg.Definitions,
    settings: Settings,
    instance: dg.DagsterInstance,
    lines: AssetLines,
    options: RefreshOptions,
    tags: dict[str, str],
) -> Run:
    """What runs assets: this process, or the queue of a webserver."""
    graph = definitions.resolve_asset_graph()

    def config_of(wave: Iterable[str]) -> dict[str, Any]:
        steps = {graph.get(dg.AssetKey(name)).assets_def for name in wave}
        return run_config(steps, [name for name in ("force", "accept_loss") if getattr(options, name)])

    def run_here(wave: set[str]) -> str:
        return execute_in_this_process(definitions, instance, wave, config_of(wave), tags=tags, lines=lines)

    def run_there(wave: set[str]) -> str:
        from artpipe.orchestration.webserver import run_through

        return run_through(options.webserver or "", sorted(wave), config_of(wave), tags, instance, lines)

    def run(wave: set[str]) -> str:
        try:
            return run_here(wave) if options.webserver is None else run_there(wave)
        except MassLossError as refused:
            _alert_of_loss(refused, settings)
            raise
        except Exception as error:
            if (check := lines.blocked_by) is None:
                raise
            about = check.description or "look at it in the Dagster UI"
            raise BlockingCheckError(
                f"the blocking check {check.check_name} of {check.asset_key.path[-1]} failed, so nothing is made from "
                f"that: {about.rstrip('.')}. Correct what it is made from; `artpipe refresh` checks it again."
            ) from error

    return run


def _alert_of_loss(refused: MassLossError, settings: Settings) -> None:
    """Alert a person, who may not read what a refresh prints; the sensor `run_failed` sees only runs of the daemon."""
    if settings.webhook_url is not None:
        text = f"artpipe: a refresh of {settings.lake_root} was refused: {refused}"
        alert = Alert("run_failed", text, settings.lake_root, None, (refused.asset,))
        post(alert, settings.webhook_url.get_secret_value(), logging.getLogger(__name__))


def run_config(steps: Iterable[dg.AssetsDefinition], flags: Collection[str]) -> dict[str, Any]:
    """The run config in which these flags are set, such as `force`, in each step that has them."""
    ops: dict[str, Any] = {}
    for step in steps:
        fields: Mapping[str, Any] = getattr(step.op.config_schema.config_type, "fields", None) or {}
        if config := {flag: True for flag in flags if flag in fields}:
            ops[step.node_def.name] = {"config": config}
    return {"ops": ops} if ops else {}


def _add_run(report: RefreshReport, instance: dg.DagsterInstance, run_id: str) -> None:
    """Add what a run materialised and counted."""
    records = instance.get_records_for_run(run_id, of_type=dg.DagsterEventType.ASSET_MATERIALIZATION).records
    for record in records:
        materialization = record.asset_materialization
        if materialization is None:
            continue
        name = materialization.asset_key.path[-1]
        report.ran.append(name)
        found = {key: value.value for key, value in materialization.metadata.items() if key in (*WORK, REUSED)}
        if found.pop(REUSED, False):
            report.reused.append(name)
        report.work.update({key: int(value) for key, value in found.items() if isinstance(value, int)})
