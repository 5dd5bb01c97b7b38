"""The Dagster home of a lake: the folder with Dagster's databases, which appears whole or not at all.

Dagster creates its databases when a process first opens a home. Two processes that do so at once leave a database that
no process can open any more. So artpipe lets Dagster create them in a folder aside, and links each into the home unless
another process was first. A home inside the lake that is damaged all the same is set aside and made anew, and the
lake's own records bring it up without work. A `DAGSTER_HOME` may belong to other projects too, and stays as it is.

With `ARTPIPE_DAGSTER_STORAGE=postgres`, the databases are Postgres's, and the home holds the configuration and logs.
"""

import logging
import os
import re
import shlex
import sqlite3
import tempfile
import time
from collections.abc import Callable
from contextlib import closing, suppress
from importlib import resources
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import dagster as dg

from artpipe.errors import ArtpipeError
from artpipe.lake.damage import name_aside
from artpipe.lake.paths import write_whole
from artpipe.settings import Settings

logger = logging.getLogger(__name__)

DAGSTER_YAML = resources.files("artpipe.orchestration") / "dagster.yaml"
POSTGRES_YAML = resources.files("artpipe.orchestration") / "postgres.yaml"
"""What `dagster.yaml` says in addition where the databases are Postgres's."""
DATABASES = ("history/runs.db", "history/runs/index.db", "schedules/schedules.db")
_STORED_ELSEWHERE = re.compile(r"^(storage|run_storage|event_log_storage|schedule_storage)\s*:", re.MULTILINE)
_PATIENCE_S = 30.0
"""How long another process, such as `dagster dev`, may take to create a database."""
_PATIENCE_OF_POSTGRES_S = 5
_LOCKED_S = 1.0
"""How long a database may be locked; what it holds is then not known."""


class BrokenHomeError(ArtpipeError):
    """Dagster cannot open its home."""


class DatabaseUnavailableError(ArtpipeError):
    """The Postgres database with Dagster's records cannot be used."""


def dagster_home(settings: Settings) -> Path:
    """The folder of the Dagster instance: `DAGSTER_HOME` where it is set, else one inside the lake."""
    if settings.dagster_home is not None:
        return Path(settings.dagster_home).absolute()
    # Each has a home of its own, so that a lake may change from one to the other and back.
    name = "dagster-postgres" if settings.dagster_storage == "postgres" else "dagster"
    return settings.data_lake.local_root.absolute() / name


def prepare_home(settings: Settings) -> Path:
    """Create the Dagster home where it is missing, complete it, and return it; any number of processes may do so.

    An existing `DAGSTER_HOME` keeps the configuration that somebody gave it, or none. What is damaged of a home inside
    the lake is set aside, which the log says.

    Raises:
        BrokenHomeError: a `DAGSTER_HOME` is damaged, or does not keep its records where the settings say.
        DatabaseUnavailableError: the Postgres database cannot be used.
        UnwritableLakeError: the lake cannot be written to.
    """
    home, is_postgres = dagster_home(settings), settings.dagster_storage == "postgres"
    if settings.dagster_home is None:
        settings.data_lake.ensure_writable()
    config = home / "dagster.yaml"
    may_be_empty = settings.dagster_home is not None  # as Dagster itself advises
    if _config_problem(config, may_be_empty=may_be_empty):
        _set_aside(settings, config, lambda: _config_problem(config, may_be_empty=may_be_empty))
    is_ours = settings.dagster_home is None or not home.exists()
    if not config.exists() and is_ours and (home.exists() or is_postgres):
        from upath import UPath

        write_whole(UPath(config), DAGSTER_YAML.read_bytes() + (POSTGRES_YAML.read_bytes() if is_postgres else b""))
    text = config.read_text(encoding="utf-8") if config.exists() else ""
    if is_postgres:
        if "postgres" not in text:
            raise BrokenHomeError(
                f"ARTPIPE_DAGSTER_STORAGE is postgres, and {config} is for SQLite; add the lines of {POSTGRES_YAML} to "
                "it, or unset one of the two."
            )
        _refuse_unavailable()
    if _STORED_ELSEWHERE.search(text):
        return home
    if not all((home / name).exists() for name in DATABASES):
        _create(home, with_yaml=is_ours)
    if _databases_problem(home):
        _set_aside(settings, home, lambda: _databases_problem(home))
        return prepare_home(settings)
    return home


def _refuse_unavailable() -> None:
    """Check that the Postgres database of the environment answers.

    Raises:
        DatabaseUnavailableError: it does not, or the library for it is missing.
    """
    missing = [name for name in ("dagster_postgres", "psycopg2") if find_spec(name) is None]
    if missing:
        raise DatabaseUnavailableError(
            f"ARTPIPE_DAGSTER_STORAGE=postgres needs a library that is not installed ({missing[0]}); run `pip install "
            "'artpipe[postgres]'`, or unset it."
        )
    import psycopg2

    try:
        psycopg2.connect("", connect_timeout=_PATIENCE_OF_POSTGRES_S).close()
    except psycopg2.Error as error:
        raise unavailable(error) from error


def unavailable(error: BaseException) -> DatabaseUnavailableError:
    """An error of the Postgres library as one line."""
    return DatabaseUnavailableError(
        f"Dagster's database cannot be used ({' '.join(str(error).split())}); start it, or correct PGHOST, PGDATABASE, "
        "PGUSER or PGPASSWORD."
    )


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
        for name in DATABASES:
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            with suppress(OSError):  # another process was first; or the file system has no links, and Dagster makes it
                os.link(made / name, home / name)


def _config_problem(config: Path, *, may_be_empty: bool) -> str:
    """Why a configuration is none, in words; "" where all is well, or there is none."""
    import yaml

    try:
        content = yaml.safe_load(config.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return ""
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        return f"it cannot be read: {' '.join(str(error).split())}"
    return "" if isinstance(content, dict) or (content is None and may_be_empty) else "it holds no settings"


def _databases_problem(home: Path) -> str:
    return next(filter(None, (_problem(home / name) for name in DATABASES)), "")


def _set_aside(settings: Settings, damaged: Path, problem_now: Callable[[], str]) -> None:
    """Rename the home or its configuration, once, however many processes find it damaged.

    Raises:
        BrokenHomeError: it is not artpipe's own.
    """
    from filelock import FileLock

    if settings.dagster_home is not None:
        raise BrokenHomeError(_remedy(damaged, problem_now()))
    with FileLock(settings.data_lake.lock_file("dagster_home")):
        if not (problem := problem_now()):
            return
        aside = damaged.rename(name_aside(damaged))
    logger.warning(
        "%s is damaged (%s), so it is set aside as %s, which you may delete. The lake's records bring a new one up: "
        "`artpipe refresh` does no work again.",
        damaged,
        problem,
        aside.name,
    )


def _problem(database: Path) -> str:
    """What is wrong with a database in words, "" where nothing is; waits while another process creates it.

    What a process left unfinished when it died, Dagster completes.
    """
    until = time.monotonic() + _PATIENCE_S
    while database.exists():
        try:
            versions = _schema_versions(database)
            is_torn = _is_shorter_than_it_says(database) and _has_fault(database)
        except sqlite3.DatabaseError as error:
            return f"{database.name} cannot be read: {error}"
        if is_torn:
            return f"{database.name} is torn"
        if versions > 1:
            return f"two processes created {database.name} at once"
        changed = database.stat()
        is_new = abs(time.time() - changed.st_mtime) < _PATIENCE_S
        if not changed.st_size and not is_new:
            return f"{database.name} is empty"
        if versions == 1 or not is_new or time.monotonic() > until:
            return ""
        time.sleep(0.1)
    return ""


def _is_shorter_than_it_says(database: Path) -> bool:
    """Whether a database has fewer bytes than its header counts pages, as it may have for a moment while it is written.

    Source: sqlite.org/fileformat.html, "The Database Header".
    """
    with database.open("rb") as file:
        header = file.read(100)
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65_536 if page_bytes == 1 else page_bytes
    return database.stat().st_size < page_bytes * int.from_bytes(header[28:32], "big")


def _has_fault(database: Path) -> bool:
    """Whether SQLite finds a fault in any page of a database; reads all of it.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    found = _asked(database, "PRAGMA quick_check(1)")
    return found is not None and found != "ok"


def _schema_versions(database: Path) -> int:
    """How many schema versions a database names: 1 where it is complete, 0 while it is being created.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    return _asked(database, "SELECT count(*) FROM alembic_version") or 0


def _asked(database: Path, question: str) -> Any:
    """The answer of a database; None where it is not known: no such table yet, locked, or not readable at the moment.

    Raises:
        sqlite3.DatabaseError: it is damaged.
    """
    try:
        address = f"{database.as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, _LOCKED_S, uri=True)) as connection:
            return connection.execute(question).fetchone()[0]
    except sqlite3.OperationalError:
        return None


def _remedy(damaged: Path, problem: str) -> str:
    move = shlex.join(["mv", str(damaged), f"{damaged}.broken"])
    return (
        f"Dagster cannot open {damaged} ({problem}); stop Dagster there, run `{move}`, and then `artpipe refresh`: the "
        "lake's own records bring a new one up, and no work is done again."
    )
