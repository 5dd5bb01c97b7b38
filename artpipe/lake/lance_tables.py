"""Opening the Lance tables of a lake, finding the row of an artwork in one, and committing to one."""

import contextlib
import os
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from artpipe.errors import ArtpipeError
from artpipe.lake.lease import ensure_held
from artpipe.lake.paths import DamagedLakeError, DataLake

if TYPE_CHECKING:
    import lance
    from upath import UPath


ROW_KEY = "artwork_id"
KEY_METADATA = {"lance-schema:unenforced-primary-key": "true"}
"""Of the column `ROW_KEY` of each table: of two processes that insert one row at once, Lance lets only one commit."""
COMMITS_TO_COMPACT = 64
"""Each commit names every fragment and opens the small ones, so they are joined while a long run goes on."""
_ATTEMPTS = 8
_LONGEST_PAUSE_S = 2.0
_CONFLICT = ("commit conflict", "too many concurrent writers", "already exists", "preempted by concurrent transaction")
"""In errors about a commit that another process was faster than."""
_Result = TypeVar("_Result")
_INVERTED_DIGITS = 20
_MAGIC = b"LANC"
_NOT_DAMAGED = ("upgrade", "not supported", "permission denied")
"""In errors about a table that is whole, and that this process may not or cannot read."""


class NoSuchVersionError(ArtpipeError):
    """The requested version of a table never existed, or is not kept any more."""


class WriteConflictError(ArtpipeError):
    """Other processes commit to a table again and again."""


def committed(uri: str, commit: Callable[[], _Result]) -> _Result:
    """Commit to a table; where another process was faster, again on top of what that one wrote.

    Args:
        uri: of the table.
        commit: reads the newest version, and commits.

    Raises:
        WriteConflictError: another process was faster each time.
        LeaseLostError: another process writes the lake by now.
    """
    last: Exception | None = None
    for attempt in range(_ATTEMPTS):
        ensure_held(uri)
        try:
            return commit()
        except (RuntimeError, OSError, ValueError) as error:
            if not any(words in str(error).lower() for words in _CONFLICT):
                raise
            last = error
        time.sleep(random.uniform(0, min(0.05 * 2**attempt, _LONGEST_PAUSE_S)))
    raise WriteConflictError(
        f"{uri} could not be written: in {_ATTEMPTS} attempts another process was faster each time. Let one process "
        "at a time write it, then run again: what was finished is kept."
    ) from last


def create_table(lake: DataLake, name: str, data: Any, *, instead_of: int = 0) -> None:
    """Make a table with `ROW_KEY` as its primary key, as one commit, for `committed` to call.

    LanceDB's own `create_table`, with `exist_ok` too, replaces a table that another process makes at the same moment,
    and its rows with it.

    Args:
        lake: that gets it.
        name: of the table.
        data: an Arrow table of its rows.
        instead_of: the version of the table that it replaces; 0 where there is none.

    Raises:
        FileExistsError: another process made it meanwhile, or committed to it; nothing was changed.
    """
    import lance

    if lake.is_local:
        lake.ensure_writable()
    uri, schema = lake.lance_table(name), keyed_schema(data.schema)
    mode = "overwrite" if instead_of else "create"
    try:
        parts = lance.fragment.write_fragments(data.cast(schema), uri, mode=mode) if data.num_rows else []
        lance.LanceDataset.commit(
            uri, lance.LanceOperation.Overwrite(schema, parts), read_version=instead_of, max_retries=0
        )
    except (OSError, RuntimeError) as error:
        newest = open_lance(uri)
        if newest is None or newest.version == instead_of:
            raise
        raise FileExistsError(f"{uri} already exists: another process made it meanwhile") from error


def open_keyed(lake: DataLake, name: str) -> Any:
    """The LanceDB table of this name, for writing, with `ROW_KEY` as its primary key; that of an older lake gets it."""
    table: Any = lake.connect().open_table(name)
    key = table.schema.field(ROW_KEY)
    if not any(word.startswith(b"lance-schema:unenforced-primary-key") for word in key.metadata or ()):
        if key.nullable:
            table.alter_columns({"path": ROW_KEY, "nullable": False})
        table.set_unenforced_primary_key(ROW_KEY)
    return table


def keyed_schema(schema: Any) -> Any:
    """The Arrow schema of a table with `ROW_KEY` as its primary key."""
    import pyarrow as pa

    place = schema.get_field_index(ROW_KEY)
    return schema.set(place, pa.field(ROW_KEY, pa.string(), nullable=False, metadata=KEY_METADATA))


def merge(table: Any, data: Any, *, inserts: bool = True) -> None:
    """Replace the rows of the same `ROW_KEY`, as one commit, and insert the others.

    Args:
        table: of LanceDB.
        data: an Arrow table of some columns or all of them.
        inserts: whether to; without, rows that the table lacks are left out.
    """
    import pyarrow as pa

    schema = table.schema
    merging = table.merge_insert(ROW_KEY).when_matched_update_all()
    if inserts:
        merging = merging.when_not_matched_insert_all()
    merging.execute(data.cast(pa.schema([schema.field(name) for name in data.column_names])))


def rows_of_commit(held: int, fewest: int, most: int) -> int:
    """How many rows to commit at once to a table that holds so many.

    Each commit reads the key of every row, so they grow with the table: a 64th of it at most is lost by a kill.
    """
    return max(fewest, min(most, held // 64))


def open_lance(uri: str, version: int | None = None) -> "lance.LanceDataset | None":
    """Open a Lance table for reading; nothing is created.

    Lance alone loads in a third of LanceDB's time, and reading needs no more.

    Args:
        uri: as given by `DataLake.lance_table`.
        version: the newest where None.

    Returns:
        The table, or None where there is none.

    Raises:
        NoSuchVersionError: this version is not kept.
        DamagedLakeError: it is there and cannot be opened.
    """
    import lance

    # Lance panics at some torn manifests, and writes a stack trace to the terminal.
    for newest in manifests(Path(uri))[:1] if "://" not in uri else ():
        if is_torn(newest):
            raise DamagedLakeError(f"the table {uri}", f"{newest.name} is torn")
    try:
        return lance.dataset(uri, version=version)
    except (ValueError, OSError) as error:
        message = str(error).lower()
        if "not found" not in message:
            if "://" in uri or any(words in message for words in _NOT_DAMAGED):
                raise  # a store that does not answer is no damage either
            raise DamagedLakeError(f"the table {uri}", str(error).partition(", /")[0]) from error
        if version is None:
            return None
        raise NoSuchVersionError(
            f"version {version} of {uri} is not kept; open the newest one, or raise ARTPIPE_KEEP_VERSIONS_DAYS."
        ) from error


class OpenedTable:
    """A Lance table that stays open for reading, with what was read of its files' metadata.

    A table that was deleted and made anew up to the same version is told by its manifest where the lake is a folder; in
    a bucket that would take a second request each time.

    Args:
        uri: as given by `DataLake.lance_table`.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._lock = threading.Lock()
        self._dataset: lance.LanceDataset | None = None
        self._manifest: tuple[int, int] | None = None

    def newest(self) -> "lance.LanceDataset | None":
        """The newest version; None where there is no table. Asks a store once where it is the one opened last."""
        with self._lock:
            if self._dataset is None or not self._is_newest(self._dataset):
                self._dataset = found = open_lance(self._uri)
                self._manifest = None if found is None else self._manifest_of(found.version)
            return self._dataset

    def _is_newest(self, dataset: "lance.LanceDataset") -> bool:
        """Whether the version that is open is still there, and no newer one."""
        return self._manifest_of(dataset.version) == self._manifest and dataset.latest_version == dataset.version

    def _manifest_of(self, version: int) -> tuple[int, int] | None:
        """Which file the manifest of a version is; None in a bucket, and where it is gone."""
        if "://" in self._uri:
            return None
        for stem in (f"{2**64 - 1 - version:0{_INVERTED_DIGITS}}", str(version)):
            with contextlib.suppress(OSError):
                file = Path(self._uri, "_versions", f"{stem}.manifest").stat()
                return file.st_ino, file.st_mtime_ns
        return None


def manifests(folder: Path) -> list[Path]:
    """The manifests of a local Lance table, one for each version, the newest first; none where there is no table.

    Lance names a manifest after its version, or after 2^64 - 1 less that, with 20 digits.
    """
    found = [file for file in (folder / "_versions").glob("*.manifest") if file.stem.isdecimal()]
    return sorted(found, key=lambda manifest: _version_of(manifest.stem), reverse=True)


def newest_version(folder: "UPath") -> int:
    """The newest version of a table in an object store, by the names of its manifests; 0 where there is no table."""
    try:
        names = [str(path).rpartition("/")[2] for path in folder.fs.ls((folder / "_versions").path, detail=False)]
    except FileNotFoundError:
        return 0
    stems = [name.removesuffix(".manifest") for name in names if name.endswith(".manifest")]
    return max((_version_of(stem) for stem in stems if stem.isdecimal()), default=0)


def _version_of(stem: str) -> int:
    return 2**64 - 1 - int(stem) if len(stem) == _INVERTED_DIGITS else int(stem)


def is_torn(manifest: Path) -> bool:
    """Whether a manifest lacks what Lance ends its files with; not where it was dropped since it was listed."""
    try:
        with manifest.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - len(_MAGIC)))
            return file.read() != _MAGIC
    except FileNotFoundError:
        return False


class RowOffsets:
    """The row of each `artwork_id` in a table, read once per version: finding a row costs more than reading it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: tuple[tuple[int | str, ...], dict[str, int]] | None = None
        self._dataset: lance.LanceDataset | None = None

    def of(self, dataset: "lance.LanceDataset") -> dict[str, int]:
        """Offsets for `dataset.take`, valid in this version of the table alone."""
        with self._lock:
            if self._known is None or dataset is not self._dataset:
                # A table that was deleted and made anew has other files at the same version.
                files = (file.path for fragment in dataset.get_fragments() for file in fragment.metadata.files)
                read = (int(dataset.version), *files)
                if self._known is None or self._known[0] != read:
                    ids = dataset.to_table(columns=["artwork_id"])["artwork_id"].to_pylist()
                    self._known = read, {artwork_id: row for row, artwork_id in enumerate(ids)}
                self._dataset = dataset
            return self._known[1]
