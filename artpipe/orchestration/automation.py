"""The collection kept fresh by itself: the re-scrape schedule, what carries a change down, promises and alerts.

The schedule makes the roots anew, and nothing else. From there the sensor `follow_changes` asks at each tick what
`artpipe refresh` asks, `next_assets`, and requests one run of what may run now. That run names assets and no checks, so
Dagster runs all checks of those assets. Dagster's automation conditions decide for each asset alone, and this rule is
about all of them at once.
"""

import json
import logging
import time
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import dagster as dg

from artpipe.lake.absence import read_absences
from artpipe.orchestration.alerts import Alert, Trouble, Watch, deliver, overdue, stale_text
from artpipe.orchestration.asset import GALLERY_POOL
from artpipe.orchestration.instance import RESCRAPE, RESCRAPE_TAGS, UNFINISHED, end_dead_runs
from artpipe.orchestration.next_assets import AssetStatus, for_automation, next_assets, still_requested
from artpipe.orchestration.retention import delete_old_runs
from artpipe.orchestration.runner import run_config
from artpipe.orchestration.staleness import asset_statuses
from artpipe.settings import Settings

ACCEPT_LOSS = "accept_loss"
FOLLOW_INTERVAL_S = 10
WATCH_INTERVAL_S = 300
RETENTION_INTERVAL_S = 6 * 3600
"""A tick of a sensor ends after a minute."""
WARN_AT = 0.875
"""Share of the promised age at which Dagster warns: a day before, of eight."""

Send = Callable[[Alert, logging.Logger], None]


def promising_age(asset: dg.AssetsDefinition, settings: Settings) -> dg.AssetsDefinition:
    """The asset with a freshness policy, where it asks the gallery."""
    if GALLERY_POOL not in asset.node_def.pools:
        return asset
    window = timedelta(days=settings.fresh_within_days)
    policy = dg.FreshnessPolicy.time_window(fail_window=window, warn_window=window * WARN_AT)
    return asset.map_asset_specs(lambda spec: spec.replace_attributes(freshness_policy=policy))


def rescrape_schedule(settings: Settings) -> dg.ScheduleDefinition:
    """Asks the gallery for its catalogue and artist list; one that is still at it is not asked to begin again."""
    status = dg.DefaultScheduleStatus.RUNNING if settings.automate else dg.DefaultScheduleStatus.STOPPED

    @dg.schedule(
        name=RESCRAPE,
        cron_schedule=settings.rescrape_cron,
        execution_timezone=settings.timezone,
        target=dg.AssetSelection.all().roots(),
        default_status=status,
        description="Makes the roots anew; what depends on what changed follows by itself.",
    )
    def rescrape(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        under_way = context.instance.get_runs(dg.RunsFilter(tags=RESCRAPE_TAGS, statuses=UNFINISHED), limit=1)
        if under_way:
            return dg.SkipReason(f"the last re-scrape is not done yet (run {under_way[0].run_id})")
        return dg.RunRequest()

    return rescrape


def accept_loss_job(assets: Collection[dg.AssetsDefinition]) -> Any:
    """The job by which a person accepts a refused loss in the UI; it changes nothing where none was refused.

    Args:
        assets: all of the graph.
    """
    config = run_config(assets, ["accept_loss"])
    keys = [key for one in assets if one.node_def.name in config["ops"] for key in one.keys]
    guarded = dg.AssetSelection.assets(*keys)
    return dg.define_asset_job(
        ACCEPT_LOSS,
        selection=guarded | (guarded.downstream() & guarded.upstream()),
        config=config,
        description="Accepts what was refused because too much would be lost at once, as each asset's last run says.",
    )


def automation_sensors(settings: Settings, clock: Callable[[], float] = time.time) -> list[dg.SensorDefinition]:
    """The sensor that carries changes down, those that alert a person, and the one that deletes old runs.

    Args:
        settings: as they were loaded; what is promised, and whom to alert.
        clock: seconds since 1970.
    """
    status = dg.DefaultSensorStatus.RUNNING if settings.automate else dg.DefaultSensorStatus.STOPPED
    hook = settings.webhook_url.get_secret_value() if settings.webhook_url else None

    def send(alert: Alert, log: logging.Logger) -> None:
        deliver(alert, hook, log)

    return [
        _follow_changes(settings, status, loaded_at=clock()),
        _run_failed(settings, status, send),
        _collection_is_stale(settings, status, send, clock, loaded_at=clock()),
        _old_runs(settings, status, clock),
    ]


def _follow_changes(settings: Settings, status: dg.DefaultSensorStatus, *, loaded_at: float) -> dg.SensorDefinition:
    @dg.sensor(
        name="follow_changes",
        target=dg.AssetSelection.all(),
        default_status=status,
        minimum_interval_seconds=FOLLOW_INTERVAL_S,
        description="Runs what is stale or missing, in order, and stops where nothing changed.",
    )
    def follow_changes(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if context.repository_def is None:
            return dg.SkipReason("the graph is not known here")
        end_dead_runs(context.instance)
        found = asset_statuses(
            context.repository_def.asset_graph, context.instance, settings, asks_due=False, loaded_at=loaded_at
        )
        requested = _requested(context.cursor)
        statuses = for_automation(found, requested, _rescraped_at(context.instance))
        wave = next_assets(statuses, set(statuses))
        cursor = json.dumps(still_requested(statuses, requested, wave), sort_keys=True)
        if wave:
            return dg.SensorResult(
                [dg.RunRequest(asset_selection=[dg.AssetKey(name) for name in sorted(wave)])], cursor=cursor
            )
        return dg.SensorResult(skip_reason=_why_nothing_runs(statuses), cursor=cursor)

    return follow_changes


def _rescraped_at(instance: dg.DagsterInstance) -> float | None:
    """When the last re-scrape began that ended well, in seconds since 1970."""
    ended_well = dg.RunsFilter(tags=RESCRAPE_TAGS, statuses=[dg.DagsterRunStatus.SUCCESS])
    records = instance.get_run_records(ended_well, limit=1)
    return records[0].start_time if records else None


def _requested(cursor: str | None) -> dict[str, str]:
    """What each asset was last requested for; nothing where the cursor cannot be read, such as an older artpipe's."""
    try:
        found: Any = json.loads(cursor or "{}")
    except ValueError:
        return {}
    return cast("dict[str, str]", found) if isinstance(found, dict) else {}


def _why_nothing_runs(statuses: Mapping[str, AssetStatus]) -> str:
    waiting = [
        f"{name} ({'a run makes it' if status.in_progress else status.hold or 'waits for what is above it'})"
        for name, status in statuses.items()
        if status.needs_run or status.in_progress
    ]
    return f"waiting: {', '.join(waiting)}" if waiting else "everything is fresh"


def _run_failed(settings: Settings, status: dg.DefaultSensorStatus, send: Send) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="run_failed",
        default_status=status,
        description="Alerts of each run that failed, with what it did not materialise.",
    )
    def run_failed(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        planned = _assets_of(context.instance, run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
        materialized = _assets_of(context.instance, run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)
        missed = [name for name in planned if name not in materialized]
        text = (
            f"artpipe: run {run.run_id[:8]} of {settings.lake_root} failed"
            + (f" and did not materialise {', '.join(missed)}" if missed else "")
            + f": {_reason(context)}. It is tried again after the next change or re-scrape; "
            "`artpipe refresh` tries it now."
        )
        send(Alert("run_failed", text, settings.lake_root, run.run_id, tuple(missed)), context.log)

    return run_failed


def _collection_is_stale(
    settings: Settings, status: dg.DefaultSensorStatus, send: Send, clock: Callable[[], float], *, loaded_at: float
) -> dg.SensorDefinition:
    @dg.sensor(
        name="collection_is_stale",
        minimum_interval_seconds=WATCH_INTERVAL_S,
        default_status=status,
        description="Alerts once of what stays stale or missing, of old answers, and of sources that stay away.",
    )
    def collection_is_stale(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if context.repository_def is None:
            return dg.SkipReason("the graph is not known here")
        graph, now = context.repository_def.asset_graph, clock()
        promised = {
            key.path[-1] for key in graph.materializable_asset_keys if graph.get(key).freshness_policy is not None
        }
        statuses = asset_statuses(graph, context.instance, settings, asks_due=False, loaded_at=loaded_at)
        found = [*troubles(statuses, promised, settings, now), *sources_away(settings, now)]
        late, watch = overdue(found, Watch.from_json(context.cursor), now)
        if late:
            names = tuple(dict.fromkeys(trouble.asset for trouble in late))
            alert = Alert("collection_is_stale", stale_text(late, settings.lake_root), settings.lake_root, None, names)
            send(alert, context.log)
        return dg.SensorResult(cursor=watch.to_json(), skip_reason=None if late else "nothing new to report")

    return collection_is_stale


def _old_runs(settings: Settings, status: dg.DefaultSensorStatus, clock: Callable[[], float]) -> dg.SensorDefinition:
    @dg.sensor(
        name="old_runs",
        minimum_interval_seconds=RETENTION_INTERVAL_S,
        default_status=status,
        description="Deletes runs that are older than ARTPIPE_KEEP_RUNS_DAYS; the last of each asset and check stay.",
    )
    def old_runs(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        if context.repository_def is None:
            return dg.SkipReason("the graph is not known here")
        deleted = delete_old_runs(
            context.instance,
            context.repository_def.asset_graph,
            settings.keep_runs_for,
            now=datetime.fromtimestamp(clock(), UTC),
        )
        return dg.SkipReason(f"{len(deleted)} runs were deleted" if deleted else "no run is old enough")

    return old_runs


def troubles(
    statuses: Mapping[str, AssetStatus], promised: Collection[str], settings: Settings, now: float
) -> list[Trouble]:
    """What is not as it should be; for how long that may be so is part of each trouble.

    Args:
        statuses: of every asset.
        promised: the assets with a promised age.
        settings: the promised age, and how long something may be stale.
        now: in seconds since 1970.
    """
    patience_s, limit_s = settings.stale_alert_hours * 3600, settings.fresh_within_days * 86400
    found = [Trouble(name, status.status, patience_s) for name, status in statuses.items() if status.status != "fresh"]
    found += [
        Trouble(name, f"held up: {status.unmet_checks[0]}", patience_s)
        for name, status in statuses.items()
        if status.status == "fresh" and status.unmet_checks
    ]
    found += [
        Trouble(name, "dated in the future: the clock of this machine was wrong", 0.0)
        for name, status in statuses.items()
        if name in promised and status.is_from_future
    ]
    return found + [
        Trouble(name, f"older than {settings.fresh_within_days:g} days", 0.0)
        for name, status in statuses.items()
        if name in promised and status.made_at is not None and now - status.made_at.timestamp() > limit_s
    ]


def sources_away(settings: Settings, now: float) -> list[Trouble]:
    """The sources that have not answered for longer than `source_away_days`; `now` in seconds since 1970."""
    at = datetime.fromtimestamp(now, UTC)
    return [
        Trouble("raw_catalog", f"without an answer of {name} since {one.since[:10]}", 0.0)
        for name, one in read_absences(settings.data_lake).items()
        if one.days(at) > settings.source_away_days
    ]


def _assets_of(instance: dg.DagsterInstance, run_id: str, kind: dg.DagsterEventType) -> list[str]:
    records = instance.get_records_for_run(run_id, of_type=kind).records
    return list(dict.fromkeys(record.asset_key.to_user_string() for record in records if record.asset_key))


def _reason(context: dg.RunFailureSensorContext) -> str:
    """The innermost cause of the first step that failed, in a line."""
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        while error is not None and error.cause is not None:
            error = error.cause
        if error is not None:
            return error.message.strip().splitlines()[0].rstrip(".")
    return (context.failure_event.message or "no step gives a reason").strip().splitlines()[0].rstrip(".")
