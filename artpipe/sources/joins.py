"""The further tables of a museum: their keys, and how their columns come to stand beside the records."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pydantic import Field

from artpipe.sources.download import content_files
from artpipe.sources.mapping import Conditions, Strict, holds
from artpipe.sources.places import Place
from artpipe.sources.records import Format, NoRecordsError, Quarantined, RecordReader, TableForm

if TYPE_CHECKING:
    from upath import UPath

_KEY = "\0key"
"""The column of a joined table with its key; no table has a column of that name."""


class TableFiles(Strict):
    """A table's files and how they are read."""

    path: Place = Field(description="a file, a folder, a pattern such as `parts/**/*.csv`, an http(s) or s3:// address")
    format: Format | None = Field(default=None, description="form of the files; by default the name's ending tells")
    delimiter: str | None = Field(default=None, min_length=1, max_length=1, description="found out where unset")
    encoding: str | None = Field(default=None, description="found out where unset")
    records: str | None = Field(
        default=None, description="JSON: path of the list of records; `.`: the file is one record"
    )

    @property
    def form(self) -> TableForm:
        """How its files are read."""
        return TableForm(self.format, self.delimiter, self.encoding, self.records)


class JoinedTable(TableFiles):
    """A further table; its columns are `NAME[].column` (of every matching row) or `NAME.column` (of the first)."""

    key: str = Field(description="the column by which its rows belong to a record")
    to: str | None = Field(
        default=None, description="the record's column with that key, `TABLE.column` of a joined table; default: `key`"
    )
    where: Conditions = Field(default={}, description="the rows to join")
    sort: str | None = Field(default=None, description="a column with numbers that orders the rows of a record")


def downloaded_files(folder: "UPath") -> "list[UPath]":
    """The files of a table, without the metadata beside them."""
    if not folder.is_dir():
        raise NoRecordsError(f"{folder} is not there: the source was not downloaded yet; run `artpipe refresh`.")
    return content_files(folder)


class Joins:
    """The joined tables in memory, ready to be put beside the records of a batch.

    Args:
        tables: as the source declares them.
        paths: what the mapping needs, with the place that names each.
        folder: of the source.
        scratch: for copies in UTF-8.
        quarantine: takes the rows that cannot be read.
    """

    def __init__(
        self,
        tables: Mapping[str, JoinedTable],
        paths: Mapping[str, str],
        folder: "UPath",
        scratch: Path,
        quarantine: list[Quarantined],
    ) -> None:
        self._paths = {path: place for path, place in paths.items() if self._head(path) in tables}
        self.wanted_of_records = {path: place for path, place in paths.items() if path not in self._paths}
        self._frames: dict[str, pl.DataFrame] = {}
        self._keys: dict[str, str] = {}
        if not self._paths:
            return
        needed: dict[str, dict[str, str]] = {name: {} for name in tables}
        for path, place in self._paths.items():
            name, column = self._head(path), self._column(path)
            while (inner := column.partition(".")[0]) in tables and inner != name:
                name, column = inner, column.partition(".")[2]
            needed[name][column] = place
        for name, table in tables.items():
            owner, _, column = (table.to or table.key).rpartition(".")
            if owner:
                needed[owner].setdefault(column, f"tables.{name}.to")
            else:
                self._keys[name] = column
                self.wanted_of_records.setdefault(column, f"tables.{name}.to")
        for name, table in tables.items():
            wanted = {table.key: f"tables.{name}.key", **dict.fromkeys(table.where, f"tables.{name}.where")}
            wanted |= needed[name] | ({table.sort: f"tables.{name}.sort"} if table.sort else {})
            self._frames[name] = _whole(table, wanted, folder / name, scratch, quarantine)
        for name, table in reversed([*tables.items()]):  # what is joined to a joined table comes first
            owner, _, column = (table.to or "").rpartition(".")
            if owner:
                inner = self._frames[name].unique(table.key, keep="first", maintain_order=True)
                inner = inner.rename({one: f"{name}.{one}" for one in inner.columns})
                self._frames[owner] = self._frames[owner].join(
                    inner,
                    left_on=column,
                    right_on=f"{name}.{table.key}",
                    how="left",
                    maintain_order="left",
                    coalesce=False,
                )
        for name in self._keys:
            key = pl.col(tables[name].key)
            frame = self._frames[name].filter(key.is_not_null()).with_columns(key.alias(_KEY))
            self._frames[name] = frame.group_by(_KEY, maintain_order=True).agg(pl.all())

    @staticmethod
    def _head(path: str) -> str:
        return path.partition(".")[0].partition("[")[0]

    @staticmethod
    def _column(path: str) -> str:
        return path.partition(".")[2]

    def joined(self, batch: pl.DataFrame) -> pl.DataFrame:
        """The batch with the columns of the joined tables."""
        if not self._paths:
            return batch
        for name, key in self._keys.items():
            wanted = [path for path in self._paths if self._head(path) == name]
            right = self._frames[name].select(_KEY, *(pl.col(self._column(path)).alias(path) for path in wanted))
            batch = batch.join(right, left_on=key, right_on=_KEY, how="left", maintain_order="left")
            for path in wanted:
                place = path[len(name) :].partition(".")[0]
                if place != "[]":
                    number = int(place[1:-1]) if place else 0
                    batch = batch.with_columns(pl.col(path).list.get(number, null_on_oob=True))
        return batch


def _whole(
    table: JoinedTable, wanted: Mapping[str, str], folder: "UPath", scratch: Path, quarantine: list[Quarantined]
) -> pl.DataFrame:
    """All rows of a joined table that its conditions keep, in the order that it asks for."""
    reader = RecordReader(table.form, wanted, scratch, quarantine=quarantine)
    frames: list[pl.DataFrame] = []
    for file in downloaded_files(folder):
        batches = reader.batches(file, file.name.partition("-")[2])
        frames += [batch.filter(holds(batch, table.where)) for batch in batches]
    if not frames:
        return pl.DataFrame(schema=dict.fromkeys(wanted, pl.String()))
    frame = pl.concat(frames).select(*wanted)
    return frame.sort(pl.col(table.sort).cast(pl.Float64(), strict=False), maintain_order=True) if table.sort else frame
