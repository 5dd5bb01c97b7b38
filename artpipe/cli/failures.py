"""What a person can act on, among the errors of libraries: a full disk, damaged files, a server that went away."""

import sqlite3
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    from artpipe.lake.paths import DataLake

_DAMAGED_DATABASE = ("database disk image is malformed", "file is not a database")
_OF_LANCE = "LanceError("
"""Lance raises Python's own exceptions, of these types, and names itself in their text."""
_TYPES_OF_LANCE = (ValueError, OSError, RuntimeError)


def expected_failure(error: Exception) -> ArtpipeError | None:
    """The failure behind an error, if it is one that a person can act on; None where it is a defect.

    An error of Lance counts as damage only where a file of the lake is found damaged, so that a defect keeps its
    traceback, and the advice to refresh is given where a refresh mends something.
    """
    from artpipe.lake.full_disk import FullDiskError, causes, is_of_full_disk
    from artpipe.lake.object_store import store_failure
    from artpipe.lake.paths import DamagedLakeError
    from artpipe.settings import read_settings

    try:
        settings = read_settings()
    except ArtpipeError:
        return None
    lake = settings.data_lake
    if "://" in settings.lake_root and (unanswered := store_failure(error, settings.lake_root)):
        return unanswered
    if is_of_full_disk(error, lake.local_root):
        files = [one.filename for one in causes(error) if isinstance(one, OSError) and one.filename]
        return FullDiskError(files[0] if files else lake.local_root)
    for cause in causes(error):
        if isinstance(cause, sqlite3.DatabaseError) and any(words in str(cause) for words in _DAMAGED_DATABASE):
            from artpipe.orchestration.home import dagster_home

            return DamagedLakeError(f"a database in {dagster_home(settings)}", cause)
        if _of_postgres(cause):
            from artpipe.orchestration.home import unavailable

            return unavailable(cause)
        if isinstance(cause, _TYPES_OF_LANCE) and _OF_LANCE in str(cause):
            return _damage(lake)
    return None


def _of_postgres(error: BaseException) -> bool:
    """Whether it is psycopg2's `OperationalError`, without loading the library, which may not be installed."""
    kinds = [(kind.__module__, kind.__name__) for kind in type(error).__mro__]
    return ("psycopg2", "OperationalError") in kinds


def _damage(lake: "DataLake") -> ArtpipeError | None:
    """The first table of a lake that is not what was written."""
    from artpipe.lake.damage import find_damage
    from artpipe.lake.paths import DamagedLakeError
    from artpipe.orchestration.lineage import Lineage

    # The record of a step that was running is gone: its tables are looked at all the same.
    files = {f"lance/{table.name}{part}": "" for table in lake.lance_tables for part in ("", "/_indices")}
    for record in map(Lineage(lake).read, lake.recorded_assets):
        files |= {name: file for name, file in (record.files if record else {}).items() if name in files}
    return next((DamagedLakeError(lake.root / name, what) for name, what in find_damage(lake, files).items()), None)
