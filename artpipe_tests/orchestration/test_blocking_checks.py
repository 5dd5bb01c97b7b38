"""A blocking check that failed, or did not run, holds what is below on every route until it passes."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from artpipe.orchestration.blocking_checks import BlockingCheckError
from artpipe.orchestration.instance import open_instance
from artpipe.orchestration.outlook import outlook
from artpipe.settings import Settings
from artpipe_tests.orchestration.quiet_home import write_quiet_home
from artpipe_tests.orchestration.toy_graph import Graph


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    """A graph that was made whole by a refresh."""
    write_quiet_home(tmp_path / "lake")
    with open_instance(Settings(lake=str(tmp_path / "lake"))) as instance:
        graph = Graph(instance, tmp_path)
        graph.refresh()
        yield graph


def made(graph: Graph, asset: str) -> str:
    return graph.lake.raw(asset).read_text()


def test_every_refresh_stops_at_a_failed_check_until_it_passes(graph: Graph):
    previous = made(graph, "index")
    graph.edited.write_text("a leak")
    graph.failed_checks.add("groups")
    for _ in range(2):
        with pytest.raises(BlockingCheckError, match="groups_are_sound of groups failed") as error:
            graph.refresh()
        assert "\n" not in str(error.value)
    with pytest.raises(BlockingCheckError, match="index did not run, because of groups: the blocking check"):
        graph.refresh(select="index")
    assert made(graph, "index") == previous
    graph.edited.unlink()
    graph.failed_checks.clear()
    assert "groups" in graph.refresh().ran
    assert {name for name, status in graph.statuses().items() if status.needs_run} == set()


def test_a_step_refuses_to_run_below_a_failed_check_however_it_is_started(graph: Graph):
    graph.edited.write_text("a leak")
    graph.failed_checks.add("groups")
    assert not graph.run("groups")
    assert not graph.run("index")
    graph.failed_checks.clear()
    assert graph.run("groups", "index")


def test_status_shows_a_failed_check_and_what_waits_for_it(graph: Graph):
    graph.edited.write_text("a leak")
    graph.failed_checks.add("groups")
    graph.run("groups")
    forecasts = {one.state.asset: one for one in outlook(graph.load(), graph.settings).forecasts}
    assert (forecasts["groups"].why, forecasts["groups"].would_run) == (
        "the blocking check groups_are_sound failed",
        "yes",
    )
    assert (forecasts["index"].state.status, forecasts["index"].would_run) == ("stale", "if checks pass")


def test_a_refresh_runs_a_check_that_did_not_run_on_the_present_version(graph: Graph):
    graph.edited.write_text("new groups")
    graph.run("groups", checks=False)
    assert not graph.run("index"), "a step below refuses"
    report = graph.refresh()
    assert {"groups", "index"} <= set(report.ran)
    assert "groups" in report.reused


def test_a_check_that_passed_on_the_same_version_need_not_run_again(graph: Graph):
    graph.run("groups", checks=False)
    assert graph.statuses()["groups"].unmet_checks == ()


def test_what_another_home_wrote_is_held_until_it_is_checked_here(graph: Graph):
    with dg.DagsterInstance.ephemeral() as home:
        other = Graph(home, graph.edited.parent)
        other.failed_checks.add("groups")
        graph.edited.write_text("a leak")
        other.run("catalog", "list", "works", "pictures")
        assert not other.run("groups")
    assert graph.statuses()["groups"].skipped_checks == ("groups_are_sound",)
    assert not graph.run("index"), "the check passed here on what was there before"


def test_a_home_that_knows_no_check_lets_nothing_be_made_from_what_the_lake_holds(graph: Graph):
    with dg.DagsterInstance.ephemeral() as home:
        new = Graph(home, graph.edited.parent)
        assert not new.run("index")
        assert new.run("catalog", "list", "works", "pictures", "groups")
        assert new.run("index")


def test_a_run_of_a_refresh_shows_what_it_makes(graph: Graph):
    graph.edited.write_text("new groups")
    graph.refresh()
    runs = [{key.to_user_string() for key in run.asset_selection or ()} for run in graph.instance.get_runs(limit=2)]
    assert runs == [{"index"}, {"groups"}]
