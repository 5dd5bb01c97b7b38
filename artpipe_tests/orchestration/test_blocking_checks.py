"""A blocking check that failed, or did not run, holds what is below on every route until it passes."""

from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from artpipe.definitions import build_definitions
from artpipe.lake.paths import DataLake
from artpipe.orchestration.blocking_checks import BlockingCheckError, BlockingChecks, unmet_checks
from artpipe.orchestration.declaration import DECLARED, Declaration
from artpipe.orchestration.instance import open_instance
from artpipe.orchestration.lineage import Lineage, Origin, Record
from artpipe.orchestration.outlook import outlook
from artpipe.orchestration.storage import written_by_body
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


def test_what_was_cut_off_is_held_also_where_its_checks_never_ran(graph: Graph):
    previous = made(graph, "index")
    with dg.DagsterInstance.ephemeral() as home:
        new = Graph(home, graph.edited.parent)
        new.broken.add("groups")
        new.edited.write_text("new groups")
        assert not new.run("catalog", "list", "works", "pictures", "groups")
        assert new.statuses()["groups"].skipped_checks == ("groups_are_sound",)
        assert not new.run("index"), "it would be made from what is left of the groups"
    assert (made(graph, "index"), Lineage(graph.lake).read("index") is not None) == (previous, True)


def test_a_run_of_a_refresh_shows_what_it_makes(graph: Graph):
    graph.edited.write_text("new groups")
    graph.refresh()
    runs = [{key.to_user_string() for key in run.asset_selection or ()} for run in graph.instance.get_runs(limit=2)]
    assert runs == [{"index"}, {"groups"}]


class Evaluations:
    """A home that was told of versions of `groups`, and in which two checks of it were evaluated."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.instance = instance

    def told(self, version: str) -> None:
        tags = {"dagster/data_version": version}
        self.instance.report_runless_asset_event(dg.AssetMaterialization("groups", tags=tags))

    def evaluate(
        self,
        name: str,
        *,
        passed: bool,
        severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
        only_planned: bool = False,
    ) -> None:
        @dg.asset_check(asset="groups", name=name, blocking=True)
        def check() -> dg.AssetCheckResult:
            return dg.AssetCheckResult(passed=passed, severity=severity)

        definitions = dg.Definitions([dg.AssetSpec("groups")], asset_checks=[check])
        job = definitions.resolve_implicit_global_asset_job_def()
        subset = job.get_subset(asset_selection=set(), asset_check_selection=set(check.check_keys))
        if only_planned:
            self.instance.create_run_for_job(subset)
        else:
            subset.execute_in_process(instance=self.instance, raise_on_error=False)

    def unmet(self, version: str | None) -> tuple[list[str], list[str]]:
        return unmet_checks(self.instance, "groups", ["is_sound", "is_whole"], version)


@pytest.fixture
def evaluations() -> Iterator[Evaluations]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield Evaluations(instance)


def test_checks_count_for_the_version_that_they_looked_at(evaluations: Evaluations):
    assert evaluations.unmet(None) == ([], []), "never made"
    assert evaluations.unmet("v1") == ([], ["is_sound", "is_whole"]), "another home made it"
    evaluations.told("v1")
    evaluations.evaluate("is_sound", passed=True)
    assert evaluations.unmet("v1") == ([], ["is_whole"])
    evaluations.evaluate("is_whole", passed=False)
    assert evaluations.unmet("v1") == (["is_whole"], [])
    assert evaluations.unmet("v2") == ([], ["is_sound", "is_whole"])
    assert evaluations.unmet(None) == ([], ["is_sound", "is_whole"]), "what it looked at is being made anew"
    evaluations.told("v1")
    assert evaluations.unmet("v1") == (["is_whole"], []), "the same content, told again"
    evaluations.told("v2")
    assert evaluations.unmet("v1") == (["is_whole"], []), "the lake counts, not what was told last"
    assert evaluations.unmet("v2") == ([], ["is_sound", "is_whole"])


def test_a_failed_check_that_only_warns_holds_nothing(evaluations: Evaluations):
    evaluations.told("v1")
    evaluations.evaluate("is_sound", passed=False, severity=dg.AssetCheckSeverity.WARN)
    evaluations.evaluate("is_whole", passed=True, severity=dg.AssetCheckSeverity.ERROR)
    assert evaluations.unmet("v1") == ([], [])


def test_a_check_that_looked_at_nothing_that_was_made_did_not_run(evaluations: Evaluations):
    evaluations.evaluate("is_sound", passed=True)
    assert evaluations.unmet("v1") == ([], ["is_sound", "is_whole"])


def test_a_check_of_a_run_that_never_came_to_it_did_not_run(evaluations: Evaluations):
    evaluations.told("v1")
    evaluations.evaluate("is_sound", passed=True, only_planned=True)
    evaluations.evaluate("is_whole", passed=True)
    assert evaluations.unmet("v1") == ([], ["is_sound"])


def test_only_blocking_checks_are_named_by_their_asset_and_in_order():
    def spec(name: str, asset: str, *, blocking: bool) -> dg.AssetCheckSpec:
        return dg.AssetCheckSpec(name, asset=asset, blocking=blocking)

    specs = [
        spec("b", "groups", blocking=True),
        spec("c", "groups", blocking=False),
        spec("a", "groups", blocking=True),
        spec("a", "works", blocking=True),
    ]
    assert BlockingChecks.among(specs).names == {"groups": ("a", "b"), "works": ("a",)}


def test_a_step_refuses_with_the_first_reason_and_reads_only_what_is_checked(evaluations: Evaluations, tmp_path: Path):
    lineage = Lineage(DataLake(tmp_path))
    DECLARED["groups"] = Declaration("groups", stored=written_by_body(lambda lake: lake.raw("groups")))
    checks = BlockingChecks({"groups": ("is_sound", "is_whole")})
    checks.refuse_below_unmet(evaluations.instance, lineage, ["groups", "works"])
    for name in ("groups", "works"):
        lineage.write(name, Record("v1", Origin("1", {}), 0.0, "2026-01-01T00:00:00+00:00"))
    checks.refuse_below_unmet(evaluations.instance, lineage, ["works"])
    with pytest.raises(BlockingCheckError) as error:
        checks.refuse_below_unmet(evaluations.instance, lineage, ["works", "groups"])
    assert str(error.value) == (
        "the blocking check is_sound did not run on `groups`, so nothing is made from it; run `artpipe refresh`, which "
        "checks it again."
    )
    evaluations.told("v1")
    evaluations.evaluate("is_sound", passed=True)
    evaluations.evaluate("is_whole", passed=True)
    checks.refuse_below_unmet(evaluations.instance, lineage, ["works", "groups"])


def test_what_one_step_makes_is_held_by_the_same_checks_wherever_something_is_made_from_it():
    graph = build_definitions(Settings()).resolve_asset_graph()
    checks = BlockingChecks.among(graph.get_check_spec(check) for check in graph.asset_check_keys).names
    steps = [
        {key for key in graph.get(one).assets_def.keys if graph.get(key).child_keys}
        for one in graph.materializable_asset_keys
    ]
    for step in steps:
        assert len({checks.get(key.path[-1]) for key in step}) <= 1, step
    assert checks["vectors"] == checks["embeddings"] != ()
