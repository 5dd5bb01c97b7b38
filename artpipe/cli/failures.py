"""What a person can act on, among the errors of libraries: a full disk, and damaged files."""

import sqlite3

from artpipe.errors import ArtpipeError

_DAMAGED_DATABASE = ("database disk image is malformed", "file is not a database")
_DAMAGED_TABLE = ("corrupt", "invalid", "not found", "eof", "end of file", "out of range", "truncated", "magic")


def expected_failure(error: Exception) -> ArtpipeError | None:
    """The failure behind an error, if it is one that a person can act on; None where it is a defect."""
    from artpipe.lake.full_disk import FullDiskError, causes, is_of_full_disk
    from artpipe.lake.paths import DamagedLakeError, DataLake
    from artpipe.settings import read_settings

    try:
        settings = read_settings()
    except ArtpipeError:
        return None
    lake = DataLake(settings.lake_root)
    if is_of_full_disk(error, lake.local_root):
        files = [one.filename for one in causes(error) if isinstance(one, OSError) and one.filename]
        return FullDiskError(files[0] if files else lake.local_root)
    for cause in causes(error):
        if isinstance(cause, sqlite3.DatabaseError) and any(words in str(cause) for words in _DAMAGED_DATABASE):
            from artpipe.orchestration.home import dagster_home

            return DamagedLakeError(f"a database in {dagster_home(settings)}", cause)
        if "LanceError(" in str(cause) and any(words in str(cause).lower() for words in _DAMAGED_TABLE):
            return DamagedLakeError(f"a table in {lake.lance_uri}", str(cause).partition(", /")[0])
    return None
