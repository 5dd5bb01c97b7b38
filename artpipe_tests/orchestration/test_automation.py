"""What runs by itself: a change goes down once and stops where nothing changed, and people are alerted once."""

import logging
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from artpipe.definitions import build_definitions
from artpipe.lake.absence import note_absences
from artpipe.lake.mass_loss import read_refusals
from artpipe.orchestration.automation import RESCRAPE, automation_sensors, rescrape_schedule
from artpipe.orchestration.instance import OF_COMMAND, PROCESS_TAG, REFRESH_TAG, this_process
from artpipe.settings import Settings
from artpipe_tests.conftest import FakeWebhook
from artpipe_tests.orchestration.toy_graph import Graph


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield instance


@pytest.fixture
def new_graph(instance: dg.DagsterInstance, tmp_path: Path) -> Graph:
    """A graph of which nothing was made."""
    return Graph(instance, tmp_path)


@pytest.fixture
def graph(new_graph: Graph) -> Graph:
    """A graph that was made whole."""
    new_graph.run("catalog", "list")
    new_graph.settle()
    return new_graph


def test_an_empty_home_builds_itself_and_waits_for_no_schedule(new_graph: Graph):
    assert new_graph.settle() == [set(new_graph.statuses())]
    assert {name for name, status in new_graph.statuses().items() if status.needs_run} == set()


def test_a_whole_missing_graph_runs_in_one_go_once_the_roots_are_there(new_graph: Graph):
    new_graph.run("catalog", "list")
    assert new_graph.settle() == [{"works", "pictures", "groups", "index"}]


def test_a_source_that_does_not_answer_is_asked_once_and_then_by_the_schedule(new_graph: Graph):
    new_graph.broken.add("catalog")
    assert len(new_graph.settle()) == 1
    new_graph.broken.clear()
    new_graph.run("catalog", "list")
    assert new_graph.settle() == [{"works", "pictures", "groups", "index"}]


def test_a_change_goes_down_and_each_asset_runs_once_after_all_that_is_above_it(graph: Graph):
    graph.holds["catalog"] = "2"
    graph.run("catalog", "list")
    assert graph.settle() == [{"works"}, {"pictures"}, {"groups"}, {"index"}]


def test_a_change_that_landed_while_nobody_watched_goes_down_too(graph: Graph):
    graph.cursor = None
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert graph.settle() == [{"works"}, {"pictures"}, {"groups"}, {"index"}]


def test_a_root_made_anew_with_the_same_content_starts_nothing(graph: Graph):
    graph.run("catalog", "list")
    assert graph.settle() == []


def test_a_chain_stops_where_the_content_comes_out_as_before(graph: Graph):
    graph.holds |= {"catalog": "2", "pictures": graph.version("pictures")}
    graph.run("catalog")
    assert graph.settle() == [{"works"}, {"pictures"}, {"groups"}, {"index"}]
    graph.holds |= {"catalog": "3", "works": graph.version("works")}
    graph.run("catalog")
    assert graph.settle() == [{"works"}]


def test_new_code_makes_its_own_asset_run_and_no_other(graph: Graph):
    graph.holds["groups"] = graph.version("groups")
    graph.code["groups"] = "2"
    graph.restart()
    assert graph.settle() == [{"groups"}]


@pytest.mark.parametrize("busy", ["works", "list"], ids=["itself", "something above it"])
def test_nothing_is_requested_while_it_is_being_made(graph: Graph, busy: str):
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    run = graph.begin(busy)
    assert graph.tick() == set()
    graph.instance.report_run_failed(run)
    assert graph.tick() == {"works"}


def test_nothing_is_requested_while_a_refresh_runs_which_goes_on_to_what_is_below(graph: Graph):
    graph.edited.write_text("edited")
    run = graph.begin("list", tags={REFRESH_TAG: "1"})
    assert graph.tick() == set()
    graph.instance.report_run_canceled(run)
    assert graph.tick() == {"groups"}


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
    graph.restart()
    assert graph.settle() == [{"works"}, {"pictures"}, {"groups"}, {"index"}]


def test_an_asset_with_checks_that_fails_is_requested_once(graph: Graph):
    graph.broken.add("groups")
    graph.edited.write_text("what cannot be read")
    assert graph.settle() == [{"groups"}]
    (reason,) = graph.statuses()["index"].reasons
    assert reason == "`groups` is not complete"
    graph.edited.unlink()
    graph.broken.clear()
    assert graph.settle() == [{"groups"}]


def test_a_failing_asset_is_tried_once_more_after_each_rescrape(graph: Graph):
    graph.broken.add("works")
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert graph.settle() == [{"works"}]
    graph.run("catalog", "list")
    assert graph.settle() == [{"works"}]


def test_what_was_refused_is_requested_once_after_each_rescrape_and_nothing_below_it_runs(graph: Graph):
    rescrape = {"dagster/schedule_name": RESCRAPE}
    graph.losing.add("works")
    graph.holds["catalog"] = "2"
    graph.run("catalog", "list", tags=rescrape)
    assert graph.settle() == [{"works"}]
    status = graph.statuses()["works"]
    assert status.status == "stale"
    assert "would lose 9 of 10 rows (90%)" in status.reasons[0]
    assert "--accept-loss" in status.reasons[0]
    graph.run("catalog", "list", tags=rescrape)
    assert graph.settle() == [{"works"}]
    graph.losing.clear()
    graph.run("catalog", "list", tags=rescrape)
    assert graph.settle() == [{"works"}, {"pictures"}, {"groups"}, {"index"}]


def test_a_refused_harvest_is_requested_once_and_is_fresh_again_after_one_that_is_not(graph: Graph):
    graph.losing.add("pictures")
    graph.run("catalog", "list", tags={"dagster/schedule_name": RESCRAPE})
    assert graph.settle() == [{"pictures"}]
    assert set(read_refusals(graph.lake)) == {"pictures"}
    graph.losing.clear()
    graph.run("catalog", "list", tags={"dagster/schedule_name": RESCRAPE})
    assert graph.settle() == [{"pictures"}]
    assert read_refusals(graph.lake) == {}


def test_a_refused_answer_leaves_the_record_of_what_the_lake_holds(graph: Graph):
    before = graph.lake.lineage("works").read_bytes()
    graph.losing.add("works")
    graph.holds["catalog"] = "2"
    assert not graph.run("catalog", "works")
    assert graph.lake.lineage("works").read_bytes() == before
    graph.holds["catalog"] = "1"
    graph.run("catalog")
    assert graph.settle() == [{"works"}], "the source is as it was, and so is what was made from it"
    assert read_refusals(graph.lake) == {}
    assert graph.lake.lineage("works").read_bytes() == before


def test_what_was_made_by_hand_and_wiped_is_made_again(graph: Graph):
    graph.instance.wipe_assets([dg.AssetKey("index")])
    assert graph.settle() == [{"index"}]
    graph.instance.wipe_assets([dg.AssetKey("index")])
    assert graph.settle() == [{"index"}]


def test_nothing_is_made_from_what_failed_a_blocking_check(graph: Graph):
    graph.failed_checks.add("groups")
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert graph.settle() == [{"works"}, {"pictures"}, {"groups"}], "index has to wait"
    graph.failed_checks.clear()
    graph.code["groups"] = "2"
    graph.restart()
    assert graph.settle() == [{"groups"}, {"index"}]


def test_a_check_that_did_not_run_runs_before_anything_is_made_from_its_asset(graph: Graph):
    graph.holds |= {"groups": "new"}
    graph.code["groups"] = "2"
    graph.restart()
    graph.run("groups", checks=False)
    assert graph.statuses()["groups"].skipped_checks == ("groups_are_sound",)
    assert graph.settle() == [{"groups"}, {"index"}]


def test_all_checks_of_an_asset_run_with_it(new_graph: Graph):
    new_graph.run("catalog", "list")
    sensor = new_graph.server.resolve_sensor_def("follow_changes")
    with dg.build_sensor_context(new_graph.instance, definitions=new_graph.server) as context:
        (request,) = sensor.evaluate_tick(context).run_requests or ()
    assert request.asset_check_keys is None  # Dagster runs all checks of the assets of such a run
    assert "groups" in {key.to_user_string() for key in request.asset_selection or ()}


def test_an_edited_file_is_seen_without_a_reload_and_runs_what_reads_it_once(graph: Graph):
    for content in ("a", "b"):
        graph.edited.write_text(content)
        assert graph.settle() == [{"groups"}, {"index"}]


def test_a_code_server_older_than_the_runs_requests_nothing_twice(graph: Graph):
    graph.code |= {"works": "2", "groups": "2"}  # the code server does not load it, every run does
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert graph.settle() == [{"works"}, {"pictures"}, {"groups"}, {"index"}]
    graph.edited.write_text("edited")
    assert graph.settle() == [{"groups"}, {"index"}]
    graph.restart()
    assert graph.settle() == []


def test_a_refresh_with_other_settings_is_left_as_it_is_until_something_changes(graph: Graph):
    graph.code["groups"] = "1; seed=5"
    graph.holds["groups"] = "of another seed"
    graph.run("groups")
    assert graph.settle() == [{"index"}]
    graph.code["groups"] = "1"
    graph.holds["groups"] = "of this seed"
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert graph.settle() == [{"works"}, {"pictures"}, {"groups"}, {"index"}]


def test_two_daemons_with_two_homes_and_settings_do_not_undo_each_other_s_work(graph: Graph, tmp_path: Path):
    with dg.DagsterInstance.ephemeral() as second_home:
        other = Graph(second_home, tmp_path)
        other.code["groups"] = "1; seed=5"
        other.restart()
        other.run("catalog", "list")
        runs = [(graph.settle(), other.settle()) for _ in range(4)]
    assert runs[-2:] == [([], []), ([], [])], runs


def test_a_lake_that_was_restored_is_settled_by_what_it_holds(graph: Graph):
    files = (graph.lake.lineage("groups"), graph.lake.raw("groups"))
    then = [file.read_bytes() for file in files]
    graph.edited.write_text("edited")
    graph.settle()
    graph.edited.unlink()
    for file, content in zip(files, then, strict=True):
        file.write_bytes(content)
    (reason,) = graph.statuses()["groups"].reasons
    assert "the lake was restored, or another Dagster home wrote to it" in reason
    assert graph.settle() == [{"groups"}, {"index"}]


def tag_of_dead_process() -> dict[str, str]:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    return {PROCESS_TAG: f"{socket.gethostname()}:{dead.pid}"}


def test_a_run_whose_process_is_gone_holds_nothing_up(graph: Graph):
    run = graph.begin("works", tags=tag_of_dead_process())
    of_command = graph.begin("works", tags=tag_of_dead_process() | OF_COMMAND)
    alive = graph.begin("index", tags={PROCESS_TAG: this_process()})
    reused = f"{socket.gethostname()}:{os.getpid()}:1"  # a process with this number lives, and is a later one
    replaced = graph.begin("groups", tags={PROCESS_TAG: reused})
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert graph.tick() == {"works"}
    found = {one.run_id: one.status for one in graph.instance.get_runs()}
    failed, cancelled, started = (dg.DagsterRunStatus[name] for name in ("FAILURE", "CANCELED", "STARTED"))
    ended = [found[each.run_id] for each in (run, replaced, of_command, alive)]
    assert ended == [failed, failed, cancelled, started]


def test_a_run_that_is_executed_again_does_not_end_as_its_parent_s_process_did(graph: Graph):
    tags = tag_of_dead_process()
    parent = graph.begin("works", tags=tags)
    assert graph.tick() == set()
    child = graph.begin("works", tags=tags, again=parent.run_id)  # Dagster hands the tags down
    graph.tick()
    assert [one.status.value for one in graph.instance.get_runs(dg.RunsFilter([child.run_id]))] == ["STARTED"]


def test_every_run_names_its_process(graph: Graph):
    assert {run.tags.get(PROCESS_TAG) for run in graph.instance.get_runs()} == {this_process()}


def test_a_cursor_of_an_older_artpipe_is_no_obstacle(graph: Graph):
    graph.cursor = "eyJub3QiOiBvdXJzfQ=="
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert graph.tick() == {"works"}


def test_what_asks_the_gallery_itself_asks_again_after_the_rescrape_and_not_before(graph: Graph):
    graph.run("catalog", "list")
    assert graph.settle() == []
    rescrape = {"dagster/schedule_name": RESCRAPE}
    graph.run("catalog", "list", tags=rescrape)
    graph.code["index"] = "2"
    graph.restart()
    assert graph.settle() == [{"pictures"}, {"index"}], "what is below waits for what comes of it"


def schedule_of(definitions: dg.Definitions) -> dg.ScheduleDefinition:
    return definitions.resolve_schedule_def(RESCRAPE)


def schedule_tick(schedule: dg.ScheduleDefinition, instance: dg.DagsterInstance) -> Any:
    with dg.build_schedule_context(instance) as context:
        return schedule.evaluate_tick(context)


def test_the_schedule_makes_the_roots_and_nothing_else():
    definitions = build_definitions(Settings())
    job = definitions.resolve_job_def(schedule_of(definitions).job_name)
    assert {key.to_user_string() for key in job.asset_layer.selected_asset_keys} == {"raw_catalog", "raw_artists"}


def test_the_schedule_keeps_to_its_cron_and_time_zone():
    schedule = rescrape_schedule(Settings(rescrape_cron="30 4 * * sun", timezone="Europe/Budapest"))
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("30 4 * * sun", "Europe/Budapest")


def test_a_rescrape_does_not_begin_while_the_last_one_is_at_it(tmp_path: Path):
    schedule = rescrape_schedule(Settings())
    with dg.DagsterInstance.local_temp(str(tmp_path), overrides={"telemetry": {"enabled": False}}) as instance:
        assert schedule_tick(schedule, instance).run_requests
        run = Graph(instance, tmp_path).begin("catalog", tags={"dagster/schedule_name": RESCRAPE})
        assert run.run_id in (schedule_tick(schedule, instance).skip_message or "")
        instance.report_run_failed(run)
        assert schedule_tick(schedule, instance).run_requests


@pytest.mark.parametrize("automate", [True, False])
def test_everything_starts_by_itself_only_where_it_is_wanted(automate: bool):
    definitions = build_definitions(Settings(automate=automate))
    sensors = definitions.sensors or []
    assert {sensor.name for sensor in sensors} == {"follow_changes", "run_failed", "collection_is_stale", "old_runs"}
    statuses = {sensor.default_status.value for sensor in sensors} | {schedule_of(definitions).default_status.value}
    assert statuses == {"RUNNING" if automate else "STOPPED"}


def test_what_asks_the_gallery_promises_an_age():
    asset_graph = build_definitions(Settings(fresh_within_days=4)).resolve_asset_graph()
    nodes = [asset_graph.get(key) for key in asset_graph.get_all_asset_keys()]
    promised = {node.key.to_user_string(): node.freshness_policy for node in nodes if node.freshness_policy}
    assert set(promised) == {"raw_catalog", "raw_artists", "images"}
    assert {policy.fail_window.to_timedelta() for policy in promised.values()} == {timedelta(days=4)}
    assert {policy.warn_window.to_timedelta() for policy in promised.values()} == {timedelta(days=3.5)}


def test_a_collection_that_is_not_fresh_is_reported_once_when_it_lasts(graph: Graph, caplog: pytest.LogCaptureFixture):
    cursor: str | None = None
    now = time.time()
    settings = graph.settings.model_copy(update={"stale_alert_hours": 2.0, "fresh_within_days": 8.0})

    def look(after_h: float) -> list[str]:
        nonlocal cursor
        sensors = automation_sensors(settings, lambda: now + after_h * 3600)
        sensor = next(sensor for sensor in sensors if sensor.name == "collection_is_stale")
        with dg.build_sensor_context(graph.instance, cursor=cursor, definitions=graph.server) as context:
            context.log.addHandler(caplog.handler)
            caplog.clear()
            cursor = sensor.evaluate_tick(context).cursor
        return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]

    assert look(0) == []
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    assert look(1) == []
    assert look(2.5) == []
    (alert,) = look(3)
    assert "works is stale for more than 2 h" in alert
    assert "artpipe refresh" in alert
    assert look(4) == []
    late = look(8 * 24 + 1)
    assert "catalog is older than 8 days, list is older than 8 days, pictures is older than 8 days" in late[0]
    assert "works" not in late[0]
    assert look(8 * 24 + 2) == []
    note_absences(graph.lake, {"tate": "answered 404"}, datetime.fromtimestamp(now, UTC))
    assert look(9 * 24) == []
    assert "raw_catalog is without an answer of tate since" in look(10 * 24 + 1)[0]


@pytest.mark.parametrize(
    ("fail", "cause"),
    [
        (lambda graph: graph.broken.add("pictures"), "RuntimeError: pictures is broken"),
        (lambda graph: graph.losing.add("pictures"), "MassLossError: `pictures` would lose 9 of 10 rows (90%)"),
    ],
    ids=["a defect", "a loss"],
)
def test_a_failed_run_is_reported_with_its_cause_and_what_it_did_not_materialise(
    graph: Graph, fake_webhook: FakeWebhook, fail: Callable[[Graph], None], cause: str
):
    fail(graph)
    graph.holds["catalog"] = "2"
    graph.run("catalog")
    job = graph.server.resolve_implicit_global_asset_job_def()
    keys = {dg.AssetKey(name) for name in ("works", "pictures", "groups")}
    result = job.get_subset(asset_selection=keys).execute_in_process(instance=graph.instance, raise_on_error=False)
    settings = Settings(lake="lake", webhook_url=fake_webhook.url)
    sensor = next(sensor for sensor in automation_sensors(settings) if sensor.name == "run_failed")
    with dg.build_run_status_sensor_context(
        "run_failed", result.get_run_failure_event(), graph.instance, result.dagster_run
    ).for_run_failure() as context:
        sensor(context)
    (alert,) = fake_webhook.alerts
    assert alert["event"] == "run_failed"
    assert sorted(alert["assets"]) == ["groups", "pictures"]
    assert alert["run_id"] == result.run_id
    assert cause in alert["text"]


def test_newer_code_that_makes_less_of_the_same_inputs_is_no_loss_of_the_source(graph: Graph):
    graph.settle()
    graph.losing.add("groups")
    graph.code["groups"] = "2"
    graph.server = graph.load()
    assert graph.settle()[0] == {"groups"}
    assert graph.statuses()["groups"].status == "fresh"
