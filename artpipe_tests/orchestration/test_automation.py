"""What runs by itself: a change goes down once and stops where nothing changed, and people are told once."""

import logging
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from artpipe.definitions import build_definitions
from artpipe.orchestration.asset import GALLERY_POOL
from artpipe.orchestration.automation import RESCRAPE, automated, automation_sensors, rescrape_schedule
from artpipe.orchestration.staleness import stale_states
from artpipe.settings import Settings
from artpipe_tests.conftest import FakeWebhook

SETTINGS = Settings(rescrape_cron="0 3 * * *")


class Graph:
    """`catalog` and `list` are roots; `works` is made from both, `images` from `works`, `splits` from those two,
    `index` from `works` and `splits`.

    `holds` says what an asset comes out as; by default it copies what it is made from. A name in `broken` fails.
    """

    def __init__(self, instance: dg.DagsterInstance, settings: Settings = SETTINGS) -> None:
        self.instance, self.settings = instance, settings
        self.holds = {"catalog": "1", "list": "1"}
        self.code: dict[str, str] = {}
        self.broken: set[str] = set()
        self.failed_checks: set[str] = set()
        self.cursor: Any = None
        self._loaded: dict[str, dg.Definitions] = {}

    @property
    def definitions(self) -> dg.Definitions:
        """As a daemon has them that loaded this code."""
        return self._loaded.setdefault(str(self.code), self._loaded.get(str(self.code)) or self._load())

    def _load(self) -> dg.Definitions:
        assets = [
            self._asset("catalog", pool=GALLERY_POOL),
            self._asset("list", pool=GALLERY_POOL),
            self._asset("works", "catalog", "list"),
            self._asset("images", "works", pool=GALLERY_POOL),
            self._asset("splits", "works", "images"),
            self._asset("index", "works", "splits"),
        ]

        @dg.asset_check(asset="splits", blocking=True)
        def splits_are_sound() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed="splits" not in self.failed_checks)

        return dg.Definitions(
            assets=[automated(asset, self.settings) for asset in assets],
            asset_checks=[splits_are_sound],
            executor=dg.in_process_executor,
        )

    def _asset(self, name: str, *deps: str, pool: str | None = None) -> dg.AssetsDefinition:
        @dg.asset(name=name, deps=deps, code_version=self.code.get(name, "1"), pool=pool)
        def made() -> dg.MaterializeResult[Any]:
            if name in self.broken:
                raise RuntimeError(f"{name} is broken")
            return dg.MaterializeResult(data_version=dg.DataVersion(self.holds.get(name) or self.version(*deps)))

        return made

    def version(self, *names: str) -> str:
        states = stale_states(self.instance, self.definitions.resolve_asset_graph())
        return "+".join(states[dg.AssetKey(name)].data_version for name in names)

    def run(self, *names: str) -> bool:
        job = self.definitions.resolve_implicit_global_asset_job_def()
        subset = job.get_subset(asset_selection={dg.AssetKey(name) for name in names})
        return subset.execute_in_process(instance=self.instance, raise_on_error=False).success

    def begin(self, *names: str, tags: dict[str, str] | None = None) -> dg.DagsterRun:
        """A run that is under way until it is reported as failed."""
        job = self.definitions.resolve_implicit_global_asset_job_def()
        subset = job.get_subset(asset_selection={dg.AssetKey(name) for name in names})
        return self.instance.create_run_for_job(subset, status=dg.DagsterRunStatus.STARTED, tags=tags)

    def tick(self) -> set[str]:
        """What an automation tick requests."""
        told = dg.evaluate_automation_conditions(
            self.definitions,
            self.instance,
            asset_selection=dg.AssetSelection.all(),
            cursor=self.cursor,
            evaluation_time=datetime.now(UTC),
        )
        self.cursor = told.cursor
        keys = self.definitions.resolve_asset_graph().get_all_asset_keys()
        return {key.to_user_string() for key in keys if told.get_num_requested(key)}

    def settle(self) -> list[set[str]]:
        """Tick and run what is requested until nothing is; what each tick requested."""
        waves: list[set[str]] = []
        while wave := self.tick():
            waves.append(wave)
            self.run(*wave)
            assert len(waves) < 20, waves
        return waves


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def graph(instance: dg.DagsterInstance) -> Graph:
    """A graph that was made whole."""
    graph = Graph(instance)
    graph.run("catalog", "list")
    graph.settle()
    return graph


def test_nothing_is_requested_before_the_roots_are_there(instance: dg.DagsterInstance):
    graph = Graph(instance)
    assert graph.tick() == set()
    graph.run("catalog")
    assert graph.tick() == set()


def test_a_whole_missing_graph_runs_in_one_go_once_the_roots_are_there(instance: dg.DagsterInstance):
    graph = Graph(instance)
    graph.run("catalog", "list")
    assert graph.settle() == [{"works", "images", "splits", "index"}]


def test_a_change_goes_down_and_each_asset_runs_once_after_all_that_is_above_it(graph: Graph):
    graph.holds["catalog"] = "2"
    graph.run("catalog", "list")
    assert graph.settle() == [{"works"}, {"images"}, {"splits"}, {"index"}]


def test_a_change_that_landed_while_nobody_watched_goes_down_too(graph: Graph):
    graph.cursor = None
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert graph.settle() == [{"works"}, {"images"}, {"splits"}, {"index"}]


def test_a_root_made_anew_with_the_same_content_starts_nothing(graph: Graph):
    graph.run("catalog", "list")
    assert graph.settle() == []


def test_a_chain_stops_where_the_content_comes_out_as_before(graph: Graph):
    graph.holds |= {"catalog": "2", "images": graph.version("images")}
    graph.run("catalog")
    assert graph.settle() == [{"works"}, {"images"}, {"splits"}, {"index"}]
    graph.holds |= {"catalog": "3", "works": graph.version("works")}
    graph.run("catalog")
    assert graph.settle() == [{"works"}]


def test_new_code_makes_its_own_asset_run_and_no_other(graph: Graph):
    graph.holds["splits"] = graph.version("splits")
    graph.code["splits"] = "2"
    assert graph.settle() == [{"splits"}]


@pytest.mark.parametrize("busy", ["works", "list"], ids=["itself", "something above it"])
def test_nothing_is_requested_while_it_is_being_made(graph: Graph, busy: str):
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    run = graph.begin(busy)
    assert graph.tick() == set()
    graph.instance.report_run_failed(run)
    assert graph.tick() == {"works"}


def test_a_change_that_lands_during_a_run_is_not_lost(graph: Graph):
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert graph.tick() == {"works"}
    run = graph.begin("works")
    graph.holds["list"] = "2"
    graph.run("list")
    assert graph.tick() == set()
    graph.run("works")  # what was begun ends, on what it had read before
    graph.instance.report_run_failed(run)
    graph.holds["list"] = "3"
    graph.run("list")
    assert graph.settle()[0] == {"works"}


def test_a_failing_asset_is_not_requested_again_until_something_above_it_or_its_code_changes(graph: Graph):
    graph.broken.add("works")
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert graph.settle() == [{"works"}]
    assert graph.tick() == set()
    graph.holds["catalog"] = "3"
    graph.run("catalog")
    assert graph.settle() == [{"works"}]
    graph.broken.clear()
    graph.code["works"] = "2"
    assert graph.settle() == [{"works"}, {"images"}, {"splits"}, {"index"}]


def test_a_failing_asset_is_tried_once_more_after_each_rescrape(graph: Graph):
    graph.broken.add("works")
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert graph.settle() == [{"works"}]
    graph.run("catalog", "list")
    assert graph.settle() == [{"works"}]


def test_what_was_made_by_hand_and_wiped_is_made_again(graph: Graph):
    graph.instance.wipe_assets([dg.AssetKey("index")])
    assert graph.settle() == [{"index"}]
    graph.instance.wipe_assets([dg.AssetKey("index")])
    assert graph.settle() == [{"index"}]


def test_nothing_is_made_from_what_failed_a_blocking_check(graph: Graph):
    graph.failed_checks.add("splits")
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert graph.settle() == [{"works"}, {"images"}, {"splits"}], "index has to wait"
    graph.failed_checks.clear()
    graph.code["splits"] = "2"
    assert graph.settle() == [{"splits"}, {"index"}]


def test_what_asks_the_gallery_itself_asks_again_after_the_rescrape_and_not_before(
    instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
):
    graph, now = Graph(instance), time.time()
    with monkeypatch.context() as past:
        past.setattr(time, "time", lambda: now - timedelta(days=2).total_seconds())
        graph.run("catalog", "list")
        graph.run("works", "images", "splits", "index")
    assert graph.tick() == set()
    graph.run("catalog")
    assert graph.tick() == set()
    graph.run("list")
    graph.code["index"] = "2"
    assert graph.settle() == [{"images"}, {"index"}], "what is below waits for what comes of it"


def schedule_of(definitions: dg.Definitions) -> dg.ScheduleDefinition:
    return definitions.resolve_schedule_def(RESCRAPE)


def test_the_schedule_makes_the_roots_and_nothing_else():
    definitions = build_definitions(Settings())
    asset_graph = definitions.resolve_asset_graph()
    job = definitions.resolve_job_def(schedule_of(definitions).job_name)
    roots = {key for key in asset_graph.get_all_asset_keys() if not asset_graph.get(key).parent_keys}
    assert job.asset_layer.selected_asset_keys == roots
    assert {key.to_user_string() for key in roots} == {"raw_catalog", "raw_artists"}


def test_the_schedule_keeps_to_its_cron_and_time_zone():
    schedule = rescrape_schedule(Settings(rescrape_cron="30 4 * * sun", timezone="Europe/Budapest"))
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 4 * * sun", "Europe/Budapest")


def test_a_rescrape_does_not_begin_while_the_last_one_is_at_it(tmp_path: Path):
    schedule = rescrape_schedule(SETTINGS)
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        context = dg.build_schedule_context(instance)
        assert schedule.evaluate_tick(context).run_requests
        run = Graph(instance).begin("catalog", tags={"dagster/schedule_name": RESCRAPE})
        assert run.run_id in (schedule.evaluate_tick(context).skip_message or "")
        instance.report_run_failed(run)
        assert schedule.evaluate_tick(context).run_requests


@pytest.mark.parametrize("automate", [True, False])
def test_everything_starts_by_itself_only_where_it_is_wanted(automate: bool):
    definitions = build_definitions(Settings(automate=automate))
    sensors = definitions.sensors or []
    assert {sensor.name for sensor in sensors} == {"follow_changes", "run_failed", "collection_is_stale"}
    statuses = {sensor.default_status.value for sensor in sensors} | {schedule_of(definitions).default_status.value}
    assert statuses == {"RUNNING" if automate else "STOPPED"}


def test_every_asset_below_the_roots_follows_by_itself_and_what_asks_the_gallery_promises_an_age():
    asset_graph = build_definitions(Settings(fresh_within_days=4)).resolve_asset_graph()
    nodes = [asset_graph.get(key) for key in asset_graph.get_all_asset_keys()]
    assert all(bool(node.automation_condition) == bool(node.parent_keys) for node in nodes)
    promised = {node.key.to_user_string(): node.freshness_policy for node in nodes if node.freshness_policy}
    assert set(promised) == {"raw_catalog", "raw_artists", "images"}
    assert {policy.fail_window.to_timedelta() for policy in promised.values()} == {timedelta(days=4)}
    assert {policy.warn_window.to_timedelta() for policy in promised.values()} == {timedelta(days=3.5)}


def sensor_of(name: str, clock: Callable[[], float] = time.time) -> dg.SensorDefinition:
    settings = SETTINGS.model_copy(update={"lake": "lake", "stale_alert_hours": 2.0, "fresh_within_days": 8.0})
    return next(sensor for sensor in automation_sensors(settings, clock) if sensor.name == name)


def test_a_collection_that_is_not_fresh_is_told_once_when_it_lasts(graph: Graph, caplog: pytest.LogCaptureFixture):
    told: list[str] = []
    cursor: str | None = None
    now = time.time()

    def look(after_h: float) -> list[str]:
        nonlocal cursor
        sensor = sensor_of("collection_is_stale", lambda: now + after_h * 3600)
        context = dg.build_sensor_context(graph.instance, cursor=cursor, definitions=graph.definitions)
        context.log.addHandler(caplog.handler)
        caplog.clear()
        cursor = sensor.evaluate_tick(context).cursor
        return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]

    assert look(0) == []
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert look(1) == []
    assert look(2.5) == []
    told = look(3)
    assert len(told) == 1
    assert "works is stale for more than 2 h" in told[0]
    assert "artpipe refresh" in told[0]
    assert look(4) == []
    late = look(8 * 24 + 1)
    assert "catalog is older than 8 days, list is older than 8 days, images is older than 8 days" in late[0]
    assert "works" not in late[0]
    assert look(8 * 24 + 2) == []


def test_a_failed_run_is_told_with_its_cause_and_what_it_did_not_make(graph: Graph, fake_webhook: FakeWebhook):
    graph.broken.add("images")
    job = graph.definitions.resolve_implicit_global_asset_job_def()
    wanted = {dg.AssetKey(name) for name in ("works", "images", "splits")}
    result = job.get_subset(asset_selection=wanted).execute_in_process(instance=graph.instance, raise_on_error=False)
    settings = Settings(lake="lake", webhook_url=fake_webhook.url)
    sensor = next(sensor for sensor in automation_sensors(settings) if sensor.name == "run_failed")
    context = dg.build_run_status_sensor_context(
        "run_failed", result.get_run_failure_event(), graph.instance, result.dagster_run
    ).for_run_failure()
    sensor(context)
    (alert,) = fake_webhook.alerts
    assert alert["event"] == "run_failed"
    assert alert["assets"] == ["images", "splits"]
    assert alert["run_id"] == result.run_id
    assert "RuntimeError: images is broken" in alert["text"]
