"""The Dagster home of a lake: made whole by whoever comes first, and made anew where it is broken."""

import multiprocessing
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import dagster as dg
import pytest

from artpipe.orchestration.home import BrokenHomeError, dagster_home, prepare_home
from artpipe.orchestration.instance import open_instance
from artpipe.settings import Settings
from artpipe_tests.orchestration.toy_graph import Graph

DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")


def schema_versions(database: Path) -> list[str]:
    with closing(sqlite3.connect(database)) as connection:
        return [row[0] for row in connection.execute("SELECT version_num FROM alembic_version")]


def create_twice(database: Path) -> None:
    """Leave a database as two processes do that create it at once."""
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.execute("INSERT INTO alembic_version VALUES ('another')")


def damage(database: Path) -> None:
    database.write_bytes(b"no database" * 1000)


def open_at_once(settings: Settings, barrier: Barrier) -> None:
    barrier.wait()
    with open_instance(settings) as instance:
        instance.get_runs(limit=1)


@pytest.mark.parametrize("exists", [False, True], ids=["a new home", "an empty folder of somebody"])
def test_processes_that_start_together_on_an_empty_home_all_work(tmp_path: Path, exists: bool):
    home = tmp_path / "home"
    if exists:
        home.mkdir()
    settings = Settings(lake=str(tmp_path / "lake"), dagster_home=str(home))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["artpipe.orchestration.instance"])
    barrier = processes.Barrier(4)
    started = [processes.Process(target=open_at_once, args=(settings, barrier)) for _ in range(4)]
    for process in started:
        process.start()
    for process in started:
        process.join()
    assert [process.exitcode for process in started] == [0] * 4
    assert [len(schema_versions(home / name)) for name in DATABASES] == [1] * 3
    assert (home / "dagster.yaml").exists() is not exists
    assert sorted(path.name for path in tmp_path.iterdir()) == ["home"], "nothing is left aside"


def test_a_database_that_another_process_creates_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    settings = Settings(lake=str(tmp_path / "lake"))
    home = prepare_home(settings)
    runs = home / DATABASES[0]
    complete = runs.read_bytes()
    runs.write_bytes(b"")  # as SQLite begins
    waited: list[float] = []

    def other_process_ends(seconds: float) -> None:
        waited.append(seconds)
        runs.write_bytes(complete)

    monkeypatch.setattr("time.sleep", other_process_ends)
    assert prepare_home(settings) == home
    assert len(waited) == 1


def test_a_home_that_keeps_its_runs_elsewhere_gets_no_databases(tmp_path: Path):
    (tmp_path / "dagster.yaml").write_text("storage:\n  postgres:\n    postgres_url: postgresql://somewhere\n")
    prepare_home(Settings(lake=str(tmp_path / "lake"), dagster_home=str(tmp_path)))
    assert [path.name for path in tmp_path.iterdir()] == ["dagster.yaml"]


def cut(database: Path) -> None:
    os.truncate(database, database.stat().st_size // 2)


def empty(database: Path) -> None:
    os.truncate(database, 0)
    os.utime(database, (1e9, 1e9))  # long ago, so that nobody is creating it


BREAKAGES = pytest.mark.parametrize("break_it", [create_twice, damage, cut, empty])


@BREAKAGES
@pytest.mark.parametrize("database", DATABASES)
def test_a_broken_home_in_the_lake_is_set_aside_and_made_anew_by_whoever_opens_it(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, database: str, break_it: Callable[[Path], None]
):
    settings = Settings(lake=str(tmp_path / "lake"))
    home = prepare_home(settings)
    break_it(home / database)
    for _ in range(2):
        with open_instance(settings) as instance:
            assert instance.get_runs() == []
    (said,) = caplog.messages
    assert said.startswith(f"{home} is damaged ({Path(database).name} ") or "at once" in said
    (aside,) = home.parent.glob("dagster.broken-*")
    assert f"set aside as {aside.name}" in said
    assert (aside / "dagster.yaml").exists()


@pytest.mark.parametrize("content", ["", "retention:\n  - [", "\0\xff"])
def test_a_torn_configuration_of_the_lake_s_own_home_is_set_aside(tmp_path: Path, content: str):
    settings = Settings(lake=str(tmp_path / "lake"))
    yaml = prepare_home(settings) / "dagster.yaml"
    whole = yaml.read_text()
    yaml.write_text(content)
    with open_instance(settings) as instance:
        assert instance.get_runs() == []
    assert yaml.read_text() == whole
    assert [path.read_text() for path in yaml.parent.glob("dagster.yaml.broken-*")] == [content]


@BREAKAGES
@pytest.mark.parametrize("database", DATABASES)
def test_a_broken_home_of_somebody_is_named_in_one_line_with_its_remedy(
    tmp_path: Path, database: str, break_it: Callable[[Path], None]
):
    settings = Settings(lake=str(tmp_path / "lake"), dagster_home=str(tmp_path / "home"))
    home = prepare_home(settings)
    break_it(home / database)
    with pytest.raises(BrokenHomeError) as error, open_instance(settings):
        pass
    assert "\n" not in str(error.value)
    assert f"run `mv {home} {home}.broken`, and then `artpipe refresh`" in str(error.value)


def test_a_home_that_is_being_written_to_is_not_taken_for_a_torn_one(tmp_path: Path):
    settings = Settings(lake=str(tmp_path / "lake"))
    home = prepare_home(settings)
    with closing(sqlite3.connect(home / DATABASES[1])) as connection:
        connection.execute("CREATE TABLE large (row TEXT)")
        connection.execute("INSERT INTO large VALUES (hex(zeroblob(500000)))")
        connection.commit()  # to the write-ahead log alone
        prepare_home(settings)
        connection.execute("PRAGMA wal_checkpoint")
        prepare_home(settings)
    assert list(home.parent.glob("dagster.broken-*")) == []


def test_a_home_that_its_dagster_has_locked_is_not_taken_for_a_torn_one(tmp_path: Path):
    settings = Settings(lake=str(tmp_path / "lake"))
    home = prepare_home(settings)
    database = home / DATABASES[1]
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("CREATE TABLE locked (row TEXT)")
        os.truncate(database, database.stat().st_size - 4096)  # as it may be for a moment
        os.utime(database, (1e9, 1e9))
        prepare_home(settings)
    assert list(home.parent.glob("dagster.broken-*")) == []


@pytest.mark.parametrize("content", ["", "# nothing yet\n"])
def test_an_empty_configuration_of_somebody_is_one(tmp_path: Path, content: str):
    home = tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text(content)
    with open_instance(Settings(lake=str(tmp_path / "lake"), dagster_home=str(home))) as instance:
        assert instance.get_runs() == []
    assert (home / "dagster.yaml").read_text() == content


def test_a_broken_home_is_brought_up_from_the_lake_s_records_without_work(tmp_path: Path):
    with dg.DagsterInstance.ephemeral() as unused:
        graph = Graph(unused, tmp_path)
    assert graph.refresh().reused == []
    create_twice(dagster_home(graph.settings) / DATABASES[0])
    assert set(graph.refresh().reused) == {"works", "pictures", "groups", "index"}
