"""The collection kept fresh by itself: the re-scrape schedule, what carries a change down, promises and alerts.

The schedule makes the roots anew, and nothing else. From there every other asset follows by its automation condition,
which asks Dagster's own stale status: data versions come from content, so a chain stops where nothing changed. What
Dagster's daemon starts here is what `artpipe refresh` would run, in the same order.
"""

import logging
import time
import warnings
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import dagster as dg
from dagster._core.definitions.assets.graph.base_asset_graph import BaseAssetGraph
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES
from dagster._core.storage.tags import SCHEDULE_NAME_TAG

from artpipe.orchestration.alerts import Alert, Trouble, Watch, deliver, overdue, stale_text
from artpipe.orchestration.asset import GALLERY_POOL
from artpipe.orchestration.staleness import Standing, stale_states
from artpipe.settings import Settings

Graph = BaseAssetGraph[Any]
Condition = dg.AutomationCondition[dg.AssetKey]
Context = dg.AutomationContext[dg.AssetKey]
Result = dg.AutomationResult[dg.AssetKey]

RESCRAPE = "weekly_rescrape"
FOLLOW_INTERVAL_S = 10
WATCH_INTERVAL_S = 300
WARN_AT = 0.875
"""Share of the promised age at which Dagster warns: a day before, of eight."""


def _states_now(context: Context) -> dict[dg.AssetKey, Standing]:
    view = context.asset_graph_view
    return stale_states(view.instance, view.asset_graph, view)


def _roots_above(graph: Graph, key: dg.AssetKey) -> list[dg.AssetKey]:
    roots = graph.materializable_asset_keys
    return sorted(
        above for above in graph.get_ancestor_asset_keys(key) if above in roots and not graph.get(above).parent_keys
    )


def _answer(context: Context, is_true: bool, cursor: str | None = None) -> Result:
    subset = context.candidate_subset if is_true else context.get_empty_subset()
    return dg.AutomationResult(context, subset, cursor=cursor)


class StaleOrMissing(Condition):
    """Dagster shows the asset as stale or missing."""

    @property
    def name(self) -> str:
        """As the Dagster UI shows it."""
        return "stale or missing"

    def evaluate(self, context: Context) -> Result:
        """Ask Dagster's stale status, which compares content: an input made anew but unchanged is no reason."""
        return _answer(context, _states_now(context)[context.key].status != "fresh")


@dataclass(frozen=True)
class RecheckIsDue(Condition):
    """The re-scrape came by and made the roots, and this asset, which asks the gallery itself, has not asked since.

    A picture may be replaced at the source without a word in the catalogue.
    """

    cron: str
    timezone: str

    @property
    def name(self) -> str:
        """As the Dagster UI shows it."""
        return f"not asked of the gallery since the re-scrape ({self.cron}, {self.timezone})"

    def evaluate(self, context: Context) -> Result:
        """Compare the last tick of the schedule with when the asset and its roots were made."""
        states, view = _states_now(context), context.asset_graph_view
        tick = view.compute_previous_cron_tick(cron_schedule=self.cron, cron_timezone=self.timezone).timestamp()

        def is_made_since(key: dg.AssetKey) -> bool:
            made_at = states[key].made_at
            return made_at is not None and made_at >= tick

        roots = _roots_above(view.asset_graph, context.key)
        return _answer(context, all(map(is_made_since, roots)) and not is_made_since(context.key))


class InputsAreSettled(Condition):
    """Nothing above the asset is stale, missing or being made, so that it runs once for all changes above it.

    What is missing all the way down cannot be cut off by an unchanged asset above it, so it may run with them at once.
    """

    @property
    def name(self) -> str:
        """As the Dagster UI shows it."""
        return "nothing above it is stale, missing or being made"

    async def evaluate(self, context: Context) -> Result:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Look at every asset above, in the order in which this tick decides on them."""
        if context.candidate_subset.is_empty:
            return _answer(context, is_true=False)
        view, states = context.asset_graph_view, _states_now(context)
        for key in view.asset_graph.get_ancestor_asset_keys(context.key):
            requested = context.request_subsets_by_key.get(key)
            if requested is not None and not requested.is_empty:
                if states[context.key].status == "missing":
                    continue
                return _answer(context, is_true=False)
            whole = view.get_full_subset(key=key)
            being_made = await view.compute_run_in_progress_subset(key=key, from_subset=whole)
            if states[key].status != "fresh" or not being_made.is_empty:
                return _answer(context, is_true=False)
        return _answer(context, is_true=True)


class NotTriedYet(Condition):
    """The asset was not requested before with this code, these inputs and these answers of the gallery.

    It must be the last of the conditions that hold: where it is reached and true, the asset is requested, and it
    remembers that until the asset is made. So a failing asset is tried once for each change, and once after each
    re-scrape, not every tick.
    """

    @property
    def name(self) -> str:
        """As the Dagster UI shows it."""
        return "not tried yet on what it would be made from"

    def evaluate(self, context: Context) -> Result:
        """Compare with what it was last requested for."""
        graph, states = context.asset_graph, _states_now(context)
        held = f"held #{states[context.key].record_id}"
        if context.candidate_subset.is_empty:
            is_done = context.cursor is not None and not context.cursor.endswith(held)
            return _answer(context, is_true=False, cursor=None if is_done else context.cursor)
        node = graph.get(context.key)
        occasion = "; ".join(
            [
                f"code {node.code_version}",
                *(f"{key.to_user_string()} {states[key].data_version}" for key in sorted(node.parent_keys)),
                *(f"{key.to_user_string()} #{states[key].record_id}" for key in _roots_above(graph, context.key)),
                held,
            ]
        )
        return _answer(context, occasion != context.cursor, cursor=occasion)


def follow_changes(settings: Settings, *, asks_gallery: bool) -> Condition:
    """When an asset that is no root is requested.

    Args:
        settings: when the re-scrape comes by.
        asks_gallery: whether the asset asks the gallery itself.
    """
    reason: Condition = StaleOrMissing()
    if asks_gallery:
        reason = reason | RecheckIsDue(settings.rescrape_cron, settings.timezone)
    # Within one run, Dagster itself holds back what lies below a failed check.
    passed_or_requested = (
        dg.AutomationCondition.all_checks_match(dg.AutomationCondition.check_passed(), blocking_only=True)
        | dg.AutomationCondition.will_be_requested()
    )
    return (
        reason
        & InputsAreSettled()
        & ~dg.AutomationCondition.in_progress()
        & dg.AutomationCondition.all_deps_match(passed_or_requested).with_label(
            "what it is made from passed its checks"
        )
        & NotTriedYet()
    )


def automated(asset: dg.AssetsDefinition, settings: Settings) -> dg.AssetsDefinition:
    """The asset with what it does by itself: what asks the gallery promises an age, what has inputs follows them."""
    asks_gallery = GALLERY_POOL in asset.node_def.pools
    window = timedelta(days=settings.fresh_within_days)
    promise = dg.FreshnessPolicy.time_window(fail_window=window, warn_window=window * WARN_AT)

    def told(spec: dg.AssetSpec) -> dg.AssetSpec:
        if asks_gallery:
            spec = spec.replace_attributes(freshness_policy=promise)
        if spec.deps:
            spec = spec.replace_attributes(automation_condition=follow_changes(settings, asks_gallery=asks_gallery))
        return spec

    return asset.map_asset_specs(told)


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
        under_way = context.instance.get_runs(
            dg.RunsFilter(tags={SCHEDULE_NAME_TAG: RESCRAPE}, statuses=NOT_FINISHED_STATUSES), limit=1
        )
        if under_way:
            return dg.SkipReason(f"the last re-scrape is not done yet (run {under_way[0].run_id})")
        return dg.RunRequest()

    return rescrape


def automation_sensors(settings: Settings, clock: Callable[[], float] = time.time) -> list[dg.SensorDefinition]:
    """What carries changes down, and what tells a person when something is wrong.

    Args:
        settings: what is promised, and whom to tell.
        clock: seconds since 1970.
    """
    status = dg.DefaultSensorStatus.RUNNING if settings.automate else dg.DefaultSensorStatus.STOPPED
    hook = settings.webhook_url.get_secret_value() if settings.webhook_url else None

    def tell(alert: Alert, log: logging.Logger) -> None:
        deliver(alert, hook, log)

    return [
        _follow_changes(status),
        _run_failed(settings, status, tell),
        _collection_is_stale(settings, status, tell, clock),
    ]


Tell = Callable[[Alert, logging.Logger], None]


def _follow_changes(status: dg.DefaultSensorStatus) -> dg.SensorDefinition:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)
        return dg.AutomationConditionSensorDefinition(
            name="follow_changes",
            target=dg.AssetSelection.all(),
            default_status=status,
            minimum_interval_seconds=FOLLOW_INTERVAL_S,
            description="Makes what is stale or missing, in order, and stops where nothing changed.",
            # Dagster's daemon knows its own conditions only; ours are evaluated where they are defined.
            use_user_code_server=True,
        )


def _run_failed(settings: Settings, status: dg.DefaultSensorStatus, tell: Tell) -> dg.SensorDefinition:
    @dg.run_failure_sensor(
        name="run_failed", default_status=status, description="Tells of each run that failed, and what it did not make."
    )
    def run_failed(context: dg.RunFailureSensorContext) -> None:
        run = context.dagster_run
        planned = _assets_of(context.instance, run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION_PLANNED)
        made = _assets_of(context.instance, run.run_id, dg.DagsterEventType.ASSET_MATERIALIZATION)
        missed = [name for name in planned if name not in made]
        text = (
            f"artpipe: run {run.run_id[:8]} of {settings.lake_root} failed"
            + (f" and did not make {', '.join(missed)}" if missed else "")
            + f": {_reason(context)}. It is tried again after the next change or re-scrape; "
            "`artpipe refresh` tries it now."
        )
        tell(Alert("run_failed", text, settings.lake_root, run.run_id, tuple(missed)), context.log)

    return run_failed


def _collection_is_stale(
    settings: Settings, status: dg.DefaultSensorStatus, tell: Tell, clock: Callable[[], float]
) -> dg.SensorDefinition:
    @dg.sensor(
        name="collection_is_stale",
        minimum_interval_seconds=WATCH_INTERVAL_S,
        default_status=status,
        description="Tells once of an asset that stays stale or missing, and of answers older than promised.",
    )
    def collection_is_stale(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if context.repository_def is None:
            return dg.SkipReason("the graph is not known here")
        graph, now = context.repository_def.asset_graph, clock()
        promised = {
            key
            for key in graph.materializable_asset_keys
            if graph.get(key).freshness_policy_or_from_metadata is not None
        }
        states = stale_states(context.instance, graph)
        late, watch = overdue(troubles(states, promised, settings, now), Watch.from_json(context.cursor), now)
        if late:
            names = tuple(dict.fromkeys(trouble.asset for trouble in late))
            alert = Alert("collection_is_stale", stale_text(late, settings.lake_root), settings.lake_root, None, names)
            tell(alert, context.log)
        return dg.SensorResult(cursor=watch.to_json(), skip_reason=None if late else "nothing new to tell")

    return collection_is_stale


def troubles(
    states: Mapping[dg.AssetKey, Standing], promised: Collection[dg.AssetKey], settings: Settings, now: float
) -> list[Trouble]:
    """What is not as it should be; for how long that may be so is part of each trouble.

    Args:
        states: how every asset stands.
        promised: the assets with a promised age.
        settings: the promised age, and how long something may be stale.
        now: in seconds since 1970.
    """
    patience_s = settings.stale_alert_hours * 3600
    found = [
        Trouble(key.to_user_string(), state.status, patience_s)
        for key, state in states.items()
        if state.status != "fresh"
    ]
    limit_s = settings.fresh_within_days * 86400
    return found + [
        Trouble(key.to_user_string(), f"older than {settings.fresh_within_days:g} days", 0.0)
        for key, state in states.items()
        if key in promised and state.made_at is not None and now - state.made_at > limit_s
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
    return (context.failure_event.message or "no step says why").strip().splitlines()[0].rstrip(".")
