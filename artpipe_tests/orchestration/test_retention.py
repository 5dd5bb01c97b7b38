"""Old runs are deleted with all that is theirs, and what is known of assets and checks stays."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from artpipe.orchestration.automation import automation_sensors
from artpipe.orchestration.dagster_private import sqlite_folder
from artpipe.orchestration.instance import PROCESS_TAG, RESCRAPE_TAGS, open_instance
from artpipe.orchestration.retention import delete_old_runs
from artpipe.settings import Settings
from artpipe_tests.orchestration.quiet_home import write_quiet_home
from artpipe_tests.orchestration.toy_graph import Graph

MONTH = timedelta(days=30)
TODAY, LATER = datetime.now(UTC), datetime.now(UTC) + timedelta(days=31)


@pytest.fixture
def graph(tmp_path: Path) -> Iterator[Graph]:
    write_quiet_home(tmp_path / "lake")
    with open_instance(Settings(lake=str(tmp_path / "lake"))) as instance:
        yield Graph(instance, tmp_path)


@pytest.fixture
def graph_with_logs(tmp_path: Path) -> Iterator[Graph]:
    """The same in a home that keeps what steps print."""
    with open_instance(Settings(lake=str(tmp_path / "lake"))) as instance:
        yield Graph(instance, tmp_path)


ROOTS, ALL = ("catalog", "list"), ("catalog", "list", "works", "pictures", "groups", "index")


def delete(graph: Graph, now: datetime = LATER, **options: int) -> list[str]:
    return delete_old_runs(graph.instance, graph.server.resolve_asset_graph(), MONTH, now=now, **options)


def runs(graph: Graph) -> set[str]:
    return {run.run_id for run in graph.instance.get_runs()}


def files_of(graph: Graph, run_id: str) -> list[Path]:
    folder = sqlite_folder(graph.instance)
    assert folder is not None
    return [path for path in folder.rglob("*") if run_id in str(path)]


def rows_of(graph: Graph, run_id: str) -> int:
    """The rows of every table that names the run, in the databases of all runs."""
    folder, count = sqlite_folder(graph.instance), 0
    assert folder is not None
    for path in (folder / "history/runs/index.db", folder / "history/runs.db"):
        with closing(sqlite3.connect(path)) as database:
            for (table,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
                columns = {row[1] for row in database.execute(f"PRAGMA table_info({table})")}
                if "run_id" in columns:
                    found = database.execute(f"SELECT count(*) FROM {table} WHERE run_id = ?", [run_id])  # noqa: S608 - names of the schema
                    count += found.fetchone()[0]
    return count


def test_runs_that_are_not_old_stay(graph: Graph):
    for _ in range(3):
        graph.run(*ROOTS)
    assert delete(graph, TODAY) == []
    assert len(runs(graph)) == 3


def test_an_old_run_goes_with_its_events_its_rows_its_database_and_its_logs(graph_with_logs: Graph):
    graph = graph_with_logs
    graph.run(*ALL)
    (old,) = runs(graph)
    assert rows_of(graph, old) > 10
    assert {path.parts[-3] for path in files_of(graph, old) if path.is_file()} >= {"history", old}
    graph.run(*ALL)
    assert delete(graph) == [old]
    assert graph.instance.get_run_by_id(old) is None
    assert rows_of(graph, old) == 0
    assert files_of(graph, old) == []


def test_what_is_fresh_stays_fresh_and_checked_however_often_old_runs_go(graph: Graph):
    graph.run(*ALL)
    for content in ("2", "3"):
        graph.holds["list"] = content
        graph.run(*ROOTS)
        graph.settle()
        before = graph.statuses()
        assert delete(graph)
        assert graph.statuses() == before
        assert delete(graph) == []
    assert {name for name, status in graph.statuses().items() if status.needs_run} == set()


def test_the_run_of_the_materialisation_that_a_check_evaluated_stays(graph: Graph):
    graph.run(*ALL)
    made = graph.instance.get_latest_materialization_event(dg.AssetKey("groups"))
    assert made is not None
    check = dg.AssetCheckKey(dg.AssetKey("groups"), "groups_are_sound")
    graph.instance.report_runless_asset_event(
        dg.AssetMaterialization("groups", tags={"dagster/data_version": "restored"})
    )
    delete(graph)
    assert made.run_id in runs(graph)
    assert graph.instance.get_latest_asset_check_evaluation_record(check).event.asset_check_evaluation.passed


def test_a_run_that_has_not_ended_stays(graph: Graph):
    graph.run(*ROOTS)
    under_way = graph.begin("catalog")
    graph.run(*ROOTS)
    assert len(delete(graph)) == 1
    assert under_way.run_id in runs(graph)


def test_the_last_re_scrape_that_ended_well_stays(graph: Graph):
    for tags in (RESCRAPE_TAGS, RESCRAPE_TAGS, None):
        graph.run(*ROOTS, tags=tags)
    _, last, first = (run.run_id for run in graph.instance.get_runs())
    assert delete(graph) == [first]
    assert last in runs(graph)


def test_runs_of_another_project_in_the_same_home_stay(graph: Graph):
    @dg.asset
    def theirs() -> None:
        """Of somebody else."""

    other = [dg.materialize([theirs], instance=graph.instance).run_id for _ in range(2)]
    graph.run(*ROOTS)
    graph.run(*ROOTS)
    assert len(delete(graph)) == 1
    assert runs(graph) >= set(other)


def test_a_refresh_deletes_old_runs_also_where_it_fails(graph: Graph):
    graph.settings = Settings(**{**graph.settings.model_dump(exclude_unset=True), "keep_runs_days": 0.0})
    for _ in range(2):
        graph.run(*ROOTS)
    graph.broken.add("works")
    with pytest.raises(RuntimeError, match="works is broken"):
        graph.refresh()
    assert len(runs(graph)) == 1  # the failed run made the roots


def test_a_refresh_that_cannot_delete_old_runs_ends_as_it_would_without(graph: Graph):
    graph.settings = Settings(**{**graph.settings.model_dump(exclude_unset=True), "keep_runs_days": 0.0})
    graph.run(*ROOTS)
    folder = sqlite_folder(graph.instance)
    assert folder is not None
    with closing(sqlite3.connect(folder / "history/runs.db")) as database:
        database.execute("CREATE TRIGGER full BEFORE DELETE ON runs BEGIN SELECT RAISE(ABORT, 'disk is full'); END")
    assert set(graph.refresh().ran) >= set(ROOTS)
    graph.broken.add("catalog")
    with pytest.raises(RuntimeError, match="catalog is broken"):
        graph.refresh()


def test_the_daemon_deletes_old_runs_a_few_at_a_time(graph: Graph):
    for _ in range(3):
        graph.run(*ROOTS)
    assert len(delete(graph, at_most=1)) == 1
    sensor = next(sensor for sensor in automation_sensors(graph.settings, LATER.timestamp) if sensor.name == "old_runs")

    def tick() -> str | None:
        with dg.build_sensor_context(graph.instance, definitions=graph.server) as context:
            return sensor.evaluate_tick(context).skip_message

    assert tick() == "1 runs were deleted"
    assert tick() == "no run is old enough"


def test_space_that_became_free_is_given_back_to_the_disk(graph: Graph):
    def make_heavy(size: int) -> None:
        @dg.asset
        def heavy() -> dg.MaterializeResult:
            return dg.MaterializeResult(metadata={"report": "x" * size})

        dg.materialize([heavy], instance=graph.instance, tags={PROCESS_TAG: "elsewhere:1:1"})

    for size in (3_000_000, 3_000_000, 1):
        make_heavy(size)
    folder = sqlite_folder(graph.instance)
    assert folder is not None
    index = folder / "history/runs/index.db"
    assert index.stat().st_size > 6_000_000
    assert len(delete(graph)) == 2
    assert index.stat().st_size < 1_000_000
