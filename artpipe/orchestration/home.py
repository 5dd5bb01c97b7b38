"""The Dagster home of a lake: the folder with Dagster's databases, which appears whole or not at all.

Dagster creates its databases when a process first opens a home. Two processes that do so at once leave a database that
no process can open any more. So artpipe lets Dagster create them in a folder aside, and links each into the home unless
another process was first.
"""

import os
import re
import shlex
import sqlite3
import tempfile
import time
from contextlib import closing, suppress
from importlib import resources
from pathlib import Path

import dagster as dg

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake, write_whole
from artpipe.settings import Settings

DAGSTER_YAML = resources.files("artpipe.orchestration") / "dagster.yaml"
_DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
_STORED_ELSEWHERE = re.compile(r"^(storage|run_storage|event_log_storage|schedule_storage)\s*:", re.MULTILINE)
_PATIENCE_S = 30.0
"""How long another process, such as `dagster dev`, may take to create a database."""


class BrokenHomeError(ArtpipeError):
    """Dagster cannot open a database of its home."""


def dagster_home(settings: Settings) -> Path:
    """The folder of the Dagster instance: `DAGSTER_HOME` where it is set, else one inside the lake."""
    if settings.dagster_home is not None:
        return Path(settings.dagster_home).absolute()
    return DataLake(settings.lake_root).local_root.absolute() / "dagster"


def prepare_home(settings: Settings) -> Path:
    """Create the Dagster home where it is missing, complete it, and return it; any number of processes may do so.

    An existing `DAGSTER_HOME` keeps the configuration that somebody gave it, or none.

    Raises:
        BrokenHomeError: a database in it is damaged.
        UnwritableLakeError: the lake cannot be written to.
    """
    home = dagster_home(settings)
    if settings.dagster_home is None:
        DataLake(settings.lake_root).ensure_writable()
    yaml = home / "dagster.yaml"
    is_ours = settings.dagster_home is None or not home.exists()
    if not yaml.exists() and is_ours and home.exists():
        from upath import UPath

        write_whole(UPath(yaml), DAGSTER_YAML.read_bytes())
    if yaml.exists() and _STORED_ELSEWHERE.search(yaml.read_text(encoding="utf-8")):
        return home
    if not all((home / name).exists() for name in _DATABASES):
        _create(home, with_yaml=is_ours)
    for name in _DATABASES:
        _wait_until_complete(home, home / name)
    return home


def _create(home: Path, *, with_yaml: bool) -> None:
    """Create the databases aside, and link each into place unless it is there by now."""
    home.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=f".{home.name}-") as aside:
        made = Path(aside) / home.name
        made.mkdir()
        with dg.DagsterInstance.from_config(str(made)):
            pass
        if with_yaml:
            (made / "dagster.yaml").write_bytes(DAGSTER_YAML.read_bytes())
        with suppress(OSError):  # it is there, and not empty
            made.rename(home)
            return
        for name in _DATABASES:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):  # another process was first; or the file system has no links, and Dagster makes it
                os.link(made / name, home / name)


def _wait_until_complete(home: Path, database: Path) -> None:
    """Wait while another process creates a database; what it left unfinished when it died, Dagster completes.

    Raises:
        BrokenHomeError: it is damaged.
    """
    until = time.monotonic() + _PATIENCE_S
    while database.exists():
        try:
            versions = _schema_versions(database)
        except sqlite3.DatabaseError as error:
            raise BrokenHomeError(_remedy(home, f"{database.name} cannot be read: {error}")) from error
        if versions > 1:
            raise BrokenHomeError(_remedy(home, f"two processes created {database.name} at once"))
        if versions == 1 or time.monotonic() > until:
            return
        time.sleep(0.1)


def _schema_versions(database: Path) -> int:
    """How many schema versions a database names: 1 where it is complete, 0 while it is being created.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as connection:
        try:
            return int(connection.execute("SELECT count(*) FROM alembic_version").fetchone()[0])
        except sqlite3.OperationalError:  # no such table yet, or locked
            return 0


def _remedy(home: Path, problem: str) -> str:
    move = shlex.join(["mv", str(home), f"{home}.broken"])
    return (
        f"the Dagster home {home} cannot be opened ({problem}); stop Dagster there, run `{move}`, and then "
        "`artpipe refresh`: the lake's own records bring a new home up, and no work is done again."
    )
