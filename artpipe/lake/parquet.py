"""Tables of the lake as Parquet files, and the hash of a table's content.

A file is written whole or not at all. The hash depends on content alone: the order of rows and columns, the layout of
files and the time of the run do not count.
"""

import contextlib
import hashlib
import heapq
import io
import tempfile
from collections.abc import Iterable, Sequence
from typing import IO, TYPE_CHECKING

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DamagedLakeError, DataLake, write_whole

if TYPE_CHECKING:
    import polars as pl


_SORTED_ROWS = 20_000
_SPOOLED_BYTES = 65_536


class MissingTableError(ArtpipeError):
    """A requested table does not exist."""


def content_hash(table: "pl.DataFrame", ignore: tuple[str, ...] = ()) -> str:
    """A hash of the rows of a table, whatever their order and the order of their columns.

    Args:
        table: any frame whose columns can be written as JSON.
        ignore: columns that are no content, such as `fetched_at`.

    Returns:
        16 hexadecimal digits.
    """
    columns = sorted(set(table.columns) - set(ignore))
    return content_hash_of(table.select(columns).schema, table.select(columns).iter_slices(_SORTED_ROWS))


def content_hash_of(schema: "pl.Schema", parts: "Iterable[pl.DataFrame]") -> str:
    """The same hash of a table that comes in parts, some thousand rows each, and is never in memory whole."""
    columns = sorted(schema)
    digest = hashlib.blake2b(",".join(f"{name}:{schema[name]}" for name in columns).encode(), digest_size=8)
    with contextlib.ExitStack() as opened:
        for line in heapq.merge(*(_sorted_lines(part.select(columns), opened) for part in parts)):
            digest.update(line)
    return digest.hexdigest()


def _sorted_lines(part: "pl.DataFrame", opened: contextlib.ExitStack) -> "IO[bytes]":
    """The rows as JSON, in a temporary file unless they are few: they take several times the memory of the table."""
    lines = sorted(line + b"\n" for line in part.write_ndjson().encode().splitlines())
    file = opened.enter_context(tempfile.SpooledTemporaryFile(_SPOOLED_BYTES))  # noqa: SIM115 - the stack closes it
    file.writelines(lines)
    file.seek(0)
    return file


def write_table(path: object, table: "pl.DataFrame") -> None:
    """Write a frame as a Parquet file, whole or not at all."""
    from upath import UPath

    buffer = io.BytesIO()
    table.write_parquet(buffer, compression="zstd")
    write_whole(UPath(str(path)), buffer.getvalue())


def read_table(lake: DataLake, name: str, columns: "Sequence[str] | None" = None) -> "pl.DataFrame":
    """Read a table of the lake.

    Args:
        lake: that has it.
        name: of the table.
        columns: to read; all by default.

    Raises:
        MissingTableError: it does not exist yet.
        DamagedLakeError: it cannot be read.
    """
    import polars as pl

    path = lake.table(name)
    if not path.exists():
        raise MissingTableError(f"the table {name!r} is not in {lake.root}; materialize `{name}` first.")
    try:
        return pl.read_parquet(io.BytesIO(path.read_bytes()), columns=None if columns is None else list(columns))
    except pl.exceptions.PolarsError as error:
        raise DamagedLakeError(f"the table {path}", error) from error


def read_table_if_exists(lake: DataLake, name: str) -> "pl.DataFrame | None":
    """Read a table of the lake; None where it does not exist."""
    return read_table(lake, name) if lake.table(name).exists() else None
