"""Where the result of an asset is, and how it is written and read; each asset names its storage where it is defined.

A Parquet table is written here, whole or not at all. What an asset writes by itself (Lance tables, models, reports)
has a storage that knows the place and, where other assets take it as an input, how it is read.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from artpipe.lake.parquet import content_hash, read_table, write_table
from artpipe.lake.paths import DataLake
from artpipe.orchestration.metadata import table_metadata

if TYPE_CHECKING:
    from upath import UPath


@dataclass(frozen=True)
class Storage:
    """How the result of an asset is kept.

    Attributes:
        location: the file or folder without which the asset is not in the lake; takes the lake and the asset's name.
        read: reads it for assets and checks that take it as an input; None where none can.
        write: writes a value whole or not at all; None where the body of the asset has written it.
        version: the data version of a value, a hash of its content; None where the body gives it.
        metadata: what Dagster shows of a value; takes the value and the asset's name.
        beside: further files that the body writes, or folders of them, and Lance tables.
        of_others: files that it needs and that another asset writes, and may write again.
    """

    location: "Callable[[DataLake, str], UPath]"
    read: Callable[[DataLake, str], Any] | None = None
    write: Callable[[DataLake, str, Any], None] | None = None
    version: Callable[[Any], str] | None = None
    metadata: Callable[[Any, str], dict[str, Any]] | None = None
    beside: "Callable[[DataLake], Iterable[UPath]] | None" = None
    of_others: "Callable[[DataLake], Iterable[UPath]] | None" = None

    def files(self, lake: DataLake, asset: str) -> "Iterator[UPath]":
        """Everything that the asset keeps in the lake: files, and Lance tables."""
        for place in (self.location(lake, asset), *(self.beside(lake) if self.beside else ())):
            is_folder = place.is_dir() and ".lance" not in place.as_posix()
            yield from (file for file in sorted(place.iterdir()) if file.is_file()) if is_folder else (place,)

    def with_files(self, beside: "Callable[[DataLake], Iterable[UPath]]") -> "Storage":
        """The same, for an asset whose body writes further files: pictures, reports, tables for its checks."""
        return replace(self, beside=beside)


PARQUET = Storage(
    location=lambda lake, asset: lake.table(asset),
    read=read_table,
    write=lambda lake, asset, table: write_table(lake.table(asset), table),
    version=content_hash,
    metadata=table_metadata,
)
"""A polars frame as a Parquet file of the lake; its data version is the hash of its rows."""


def lance_table(name: str, read: Callable[[DataLake], Any] | None = None) -> Storage:
    """A Lance table of the lake that the body of the asset writes.

    Args:
        name: of the table.
        read: reads its light columns, without JPEG bytes and vectors; None where it is no input.
    """
    return written_by_body(lambda lake: lake.lance(name), read)


def written_by_body(location: "Callable[[DataLake], UPath]", read: Callable[[DataLake], Any] | None = None) -> Storage:
    """Files of the lake that the body of the asset writes.

    Args:
        location: the file without which the asset is not there.
        read: reads it where it is an input.
    """
    return Storage(lambda lake, _: location(lake), None if read is None else lambda lake, _: read(lake))
