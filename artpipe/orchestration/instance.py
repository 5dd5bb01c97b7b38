"""The Dagster instance with a lake's event log, its unfinished runs, and the line that opens the Dagster UI on it."""

import os
import shlex
import socket
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

import dagster as dg

from artpipe.lake.paths import DataLake, write_whole
from artpipe.settings import Settings

PROCESS_TAG = "artpipe/process"
"""Names the process that executes a run, as `host:pid:start`."""

REFRESH_TAG = "artpipe/refresh"
"""Every run of one refresh carries this tag with the same value."""

RESCRAPE = "weekly_rescrape"
RESCRAPE_TAGS = {"dagster/schedule_name": RESCRAPE}
"""The tag that Dagster gives the runs of the re-scrape schedule."""

UNFINISHED = [
    status
    for status in dg.DagsterRunStatus
    if status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
]

DAGSTER_YAML = resources.files("artpipe.orchestration") / "dagster.yaml"


def dagster_home(settings: Settings) -> Path:
    """The folder of the Dagster instance: `DAGSTER_HOME` where it is set, else one inside the lake; made if needed."""
    if settings.dagster_home is not None:
        home = Path(settings.dagster_home).expanduser().absolute()
        is_ready = home.exists()  # what somebody set up is left as it is
    else:
        home = DataLake(settings.lake_root).local_folder("dagster").absolute()
        is_ready = (home / "dagster.yaml").exists()
    if not is_ready:
        from upath import UPath

        write_whole(UPath(home / "dagster.yaml"), DAGSTER_YAML.read_bytes())
    return home


@contextmanager
def open_instance(settings: Settings) -> Generator[dg.DagsterInstance]:
    """The Dagster instance with the event log of this lake."""
    with dg.DagsterInstance.from_config(str(dagster_home(settings))) as instance:
        yield instance


def this_process() -> str:
    """The value of `PROCESS_TAG` for runs of this process."""
    return f"{socket.gethostname()}:{os.getpid()}:{_started_at(os.getpid())}"


def end_dead_runs(instance: dg.DagsterInstance) -> list[str]:
    """End the runs whose process on this machine is gone, so that neither a queue nor an asset waits for them.

    A run of a refresh is cancelled: its person starts another one. One that a code server launched counts as failed:
    the Dagster daemon tries it again as often as its `run_retries` allow.

    Returns:
        The ids of those runs.
    """
    ended: list[str] = []
    for run in instance.get_runs(dg.RunsFilter(statuses=UNFINISHED)):
        host, pid, started_at = [*run.tags.get(PROCESS_TAG, "").split(":"), "", ""][:3]
        if host == socket.gethostname() and not _is_alive(int(pid), started_at):
            end = instance.report_run_canceled if run.remote_job_origin is None else instance.report_run_failed
            end(run, f"process {pid} ended before its run did")
            ended.append(run.run_id)
    return ended


def _is_alive(pid: int, started_at: str) -> bool:
    """Whether the process that started then still runs; a later process may have its number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and somebody else's
        pass
    return not started_at or _started_at(pid) in ("", started_at)


def _started_at(pid: int) -> str:
    """When a process started, in clock ticks of Linux since the machine did; "" on other systems."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def ui_command(settings: Settings) -> str:
    """The one line that opens the Dagster UI on the runs of this lake."""
    workspace = Path(__file__).resolve().parents[2] / "workspace.yaml"
    where = ["-w", str(workspace)] if workspace.exists() else ["-m", "artpipe.definitions"]
    home = f"DAGSTER_HOME={shlex.quote(str(dagster_home(settings)))}"
    return f"{home} {_command(settings, 'dagster', 'dev', *where)}"


def artpipe_command(settings: Settings, *arguments: str) -> str:
    """The line that runs an `artpipe` command on this lake."""
    return _command(settings, "artpipe", *arguments)


def _command(settings: Settings, program: str, *arguments: str) -> str:
    variables: list[str] = []
    if settings.lake is not None:
        variables.append(f"ARTPIPE_LAKE={shlex.quote(settings.lake)}")
    if not settings.is_sample:
        variables.append(f"ARTPIPE_GALLERY={shlex.quote(settings.gallery)}")
    path = Path(sys.executable).with_name(program)
    return " ".join([*variables, shlex.join([str(path), *arguments])])
