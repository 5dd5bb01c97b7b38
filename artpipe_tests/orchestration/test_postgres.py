"""Dagster's records in Postgres: one database for every process that is told of it, and one line where it fails."""

import sys
from collections.abc import Iterator
from pathlib import Path

import psycopg2
import pytest

from artpipe.cli.failures import expected_failure
from artpipe.orchestration.home import BrokenHomeError, DatabaseUnavailableError, dagster_home
from artpipe.orchestration.instance import open_instance
from artpipe.settings import Settings
from artpipe_tests.fixtures.postgres import postgres_server
from artpipe_tests.orchestration.toy_graph import Graph


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    with postgres_server() as variables:
        yield variables


@pytest.fixture
def database(server: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in server.items():
        monkeypatch.setenv(name, value)


def settings(folder: Path, **more: str) -> Settings:
    return Settings(lake=str(folder / "lake"), dagster_storage="postgres", **more)


@pytest.mark.usefixtures("database")
def test_two_machines_with_one_database_know_of_each_others_runs(tmp_path: Path):
    with open_instance(settings(tmp_path / "here")) as instance:
        graph = Graph(instance, tmp_path)
        assert graph.run("catalog", "list")
        made = {run.run_id for run in instance.get_runs()}
    there = settings(tmp_path / "there")
    with open_instance(there) as instance:
        assert {run.run_id for run in instance.get_runs()} == made
        graph.instance = instance
        assert graph.tick() == {"works", "pictures", "groups", "index"}, "the roots are there"
    assert not list(dagster_home(there).rglob("*.db"))


@pytest.mark.usefixtures("database")
def test_a_lake_returns_to_its_own_databases_when_the_setting_goes(tmp_path: Path):
    own = Settings(lake=str(tmp_path / "lake"))
    with open_instance(own) as instance:
        Graph(instance, tmp_path).run("catalog")
        (run,) = instance.get_runs()
    with open_instance(settings(tmp_path)) as instance:
        assert instance.get_run_by_id(run.run_id) is None
    with open_instance(own) as instance:
        assert instance.get_run_by_id(run.run_id) is not None


def test_a_dagster_home_for_sqlite_is_named_where_postgres_is_wanted(tmp_path: Path):
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n")
    with (
        pytest.raises(BrokenHomeError, match=r"home/dagster.yaml is for SQLite; add the lines of .*postgres.yaml"),
        open_instance(settings(tmp_path, dagster_home=str(home))),
    ):
        pass


def test_a_missing_library_is_named_with_the_command_that_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "dagster_postgres", None)
    with (
        pytest.raises(DatabaseUnavailableError, match=r"\(dagster_postgres\); run `pip install 'artpipe\[postgres\]'`"),
        open_instance(settings(tmp_path)),
    ):
        pass


@pytest.mark.usefixtures("database")
@pytest.mark.parametrize("wrong", [{"PGPORT": "9"}, {"PGPASSWORD": "hidden"}, {"PGDATABASE": "none"}])
def test_a_database_that_cannot_be_opened_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: dict[str, str]
):
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DatabaseUnavailableError) as raised, open_instance(settings(tmp_path)):
        pass
    assert "start it, or correct PGHOST" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "hidden" not in str(raised.value)


def test_a_database_that_goes_away_meanwhile_is_one_line():
    error = RuntimeError("an event could not be stored")
    error.__cause__ = psycopg2.OperationalError(
        "server closed the connection unexpectedly\n\tbefore or while processing"
    )
    failure = expected_failure(error)
    assert isinstance(failure, DatabaseUnavailableError)
    assert "(server closed the connection unexpectedly before or while processing); start it" in str(failure)
