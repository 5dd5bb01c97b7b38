"""Where the result of an asset is, and how it is written and read; each asset names its storage where it is defined.

A Parquet table is written here, whole or not at all. What an asset writes by itself (Lance tables, models, reports)
has a storage that knows the place and, where other assets take it as an input, how it is read.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from artpipe.lake.damage import SET_ASIDE
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
        further_files: that the body writes, or folders of them, and Lance tables.
        needed_files: those that another asset writes, and may write again.
        owns_location: whether the asset writes what is there; an index lies in the table of another.
    """

    location: "Callable[[DataLake, str], UPath]"
    read: Callable[[DataLake, str], Any] | None = None
    write: Callable[[DataLake, str, Any], None] | None = None
    version: Callable[[Any], str] | None = None
    metadata: Callable[[Any, str], dict[str, Any]] | None = None
    further_files: "Callable[[DataLake], Iterable[UPath]] | None" = None
    needed_files: "Callable[[DataLake], Iterable[UPath]] | None" = None
    owns_location: bool = True

    def files(self, lake: DataLake, asset: str) -> "Iterator[UPath]":
        """Everything that the asset keeps in the lake: files, and Lance tables; no hidden files of other programs."""
        own = [self.location(lake, asset)] if self.owns_location else []
        for place in (*own, *(self.further_files(lake) if self.further_files else ())):
            if ".lance" not in place.relative_to(lake.root).as_posix() and place.is_dir():
                yield from (file for file in sorted(place.iterdir()) if file.is_file() and _is_ours(file.name))
            else:
                yield place

    def with_files(self, further_files: "Callable[[DataLake], Iterable[UPath]]") -> "Storage":
        """The same, for an asset whose body writes further files: pictures, reports, tables for its checks."""
        return replace(self, further_files=further_files)


def _is_ours(name: str) -> bool:
    return not name.startswith(".") and SET_ASIDE not in name


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
