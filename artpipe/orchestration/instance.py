"""The Dagster instance with a lake's event log, its unfinished runs, and the line that opens the Dagster UI on it."""

import os
import shlex
import shutil
import socket
import sqlite3
import sys
import tempfile
from collections.abc import Generator
from contextlib import ExitStack, closing, contextmanager
from importlib import resources
from pathlib import Path

import dagster as dg

from artpipe.lake.processes import is_alive, started_at
from artpipe.orchestration.dagster_private import sqlite_folder
from artpipe.orchestration.home import DAGSTER_YAML, DATABASES, dagster_home, prepare_home
from artpipe.settings import Settings

PROCESS_TAG = "artpipe/process"
"""Names the process that executes a run, as `host:pid:start`."""

OF_COMMAND = {"dagster/max_retries": "0"}
"""The tag of runs that a command of artpipe executes itself: the Dagster daemon does not try them again."""

REFRESH_TAG = "artpipe/refresh"
"""Every run of one refresh carries this tag with the same value."""

WAITED_TAG = "artpipe/waited_since"
"""Of the runs of a refresh that waited for another process: since when, ISO 8601 in UTC. What the source was asked
since then, it is not asked again."""

RESCRAPE = "weekly_rescrape"
RESCRAPE_TAGS = {"dagster/schedule_name": RESCRAPE}
"""The tag that Dagster gives the runs of the re-scrape schedule."""

UNFINISHED = [
    status
    for status in dg.DagsterRunStatus
    if status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
]

WORKSPACE_YAML = resources.files("artpipe.orchestration") / "workspace.yaml"


@contextmanager
def open_instance(settings: Settings) -> Generator[dg.DagsterInstance]:
    """The Dagster instance with the event log of this lake; its home is set up where it is not there yet.

    Raises:
        BrokenHomeError: a database of it is damaged.
    """
    with (
        dg.DagsterInstance.from_config(str(prepare_home(settings))) as instance,
        databases_kept_open(instance, "runs.db", "runs/index.db"),
    ):
        yield instance


@contextmanager
def databases_kept_open(instance: dg.DagsterInstance, *names: str) -> Generator[None]:
    """Keep SQLite databases of the instance's history open, where it has them.

    Dagster opens and closes a connection for every event. Whenever the last one is closed, SQLite writes its log back
    into the database and deletes it, which takes longer than the event does.
    """
    folder = sqlite_folder(instance)
    with ExitStack() as connections:
        for path in [folder / "history" / name for name in names] if folder else []:
            connection = connections.enter_context(closing(sqlite3.connect(path)))
            connection.execute("PRAGMA schema_version").fetchall()  # opens the log, too, and holds no lock
        yield


@contextmanager
def open_copy(settings: Settings) -> Generator[dg.DagsterInstance]:
    """A copy of the Dagster instance to read from, where the disk of its home has no room even for that.

    Raises:
        OSError: there is no other disk with room for the copy.
    """
    home = dagster_home(settings)
    folders = [folder for folder in (tempfile.gettempdir(), "/dev/shm") if Path(folder).is_dir()]  # noqa: S108
    roomiest = max(folders, key=lambda folder: shutil.disk_usage(folder).free)
    with tempfile.TemporaryDirectory(dir=roomiest, prefix="artpipe-") as folder:
        for name in DATABASES:
            for file in home.glob(f"{name}*"):
                if not file.name.endswith("-shm"):
                    copy = Path(folder) / file.relative_to(home)
                    copy.parent.mkdir(parents=True, exist_ok=True)
                    shutil.copyfile(file, copy)
        (Path(folder) / "dagster.yaml").write_bytes(DAGSTER_YAML.read_bytes())
        with dg.DagsterInstance.from_config(folder) as instance:
            yield instance


def this_process() -> str:
    """The value of `PROCESS_TAG` for runs of this process."""
    return f"{socket.gethostname()}:{os.getpid()}:{started_at(os.getpid())}"


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """End the runs whose process on this machine is gone, so that neither a queue nor an asset waits for them.

    A run of a command is cancelled: its person starts another one. One that a code server launched counts as failed:
    the Dagster daemon tries it again as often as its `run_retries` allow.

    Returns:
        The ids of those runs.
    """
    ended: list[str] = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        host, pid, since = [*_process_of(run, instance).split(":"), "", ""][:3]
        if host == socket.gethostname() and not is_alive(int(pid), since):
            is_of_command = OF_COMMAND.items() <= run.tags.items() and run.parent_run_id is None
            end = instance.report_run_canceled if is_of_command else instance.report_run_failed
            end(run, f"process {pid} ended before its run did")
            ended.append(run.run_id)
    return ended


def _process_of(run: dg.DagsterRun, instance: dg.DagsterInstance) -> str:
    """The process that executes a run, or ""; a run that is to be executed again has its parent's tags at first."""
    process = run.tags.get(PROCESS_TAG, "")
    parent = instance.get_run_by_id(run.parent_run_id) if run.parent_run_id else None
    return "" if parent is not None and parent.tags.get(PROCESS_TAG) == process else process


def ui_command(settings: Settings) -> str:
    """The one line that opens the Dagster UI on the runs of this lake, whose home is set up for it."""
    home = f"DAGSTER_HOME={shlex.quote(str(prepare_home(settings)))}"
    return f"{home} {_command(settings, 'dagster', 'dev', '-w', str(WORKSPACE_YAML))}"


def artpipe_command(settings: Settings, *arguments: str) -> str:
    """The line that runs an `artpipe` command on this lake."""
    return _command(settings, "artpipe", *arguments)


def _command(settings: Settings, program: str, *arguments: str) -> str:
    variables: list[str] = []
    if settings.lake is not None:
        variables.append(f"ARTPIPE_LAKE={shlex.quote(settings.lake)}")
    if settings.sources is not None:
        variables.append(f"ARTPIPE_SOURCES={shlex.quote(settings.sources)}")
    elif not settings.is_sample:
        address = settings.gallery.get_secret_value()
        # A login is not printed: the shell puts the variable in.
        shown = shlex.quote(address) if str(settings.gallery) == address else '"$ARTPIPE_GALLERY"'
        variables.append(f"ARTPIPE_GALLERY={shown}")
    path = Path(sys.executable).with_name(program)
    return " ".join([*variables, shlex.join([str(path), *arguments])])
