"""A frame that is too large for memory: batches of rows as Parquet files of a temporary folder."""

import shutil
import tempfile
import weakref
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from pathlib import Path

import polars as pl

_GROUP_ROWS = 4_000
"""Rows of a row group; what is sought by a column whose values are in order skips the other groups."""
_SORTED_PARTS = 16


class SpilledFrame:
    """Batches of one schema on disk; the files are removed with this object."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="artpipe-rows-"))
        self._files: list[Path] = []
        self._schema = pl.Schema()
        self.height = 0
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)

    def add(self, batch: pl.DataFrame) -> None:
        """Write a batch behind the others."""
        self._schema = batch.schema
        if batch.is_empty():
            return
        file = self._folder / f"{len(self._files):06}.parquet"
        batch.write_parquet(file, compression="lz4", row_group_size=_GROUP_ROWS)
        self._files.append(file)
        self.height += batch.height

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self._schema.names()

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """The batches in order, of these columns or of all."""
        for file in self._files:
            yield pl.read_parquet(file, columns=None if columns is None else list(columns), memory_map=False)

    def scan(self) -> pl.LazyFrame:
        """All rows in order."""
        return pl.scan_parquet(self._files) if self._files else pl.LazyFrame(schema=self._schema)

    def filter(self, kept: pl.Series) -> "SpilledFrame":
        """The rows for which `kept`, a boolean for each row, is true."""
        found, start = SpilledFrame(), 0
        for batch in self.batches():
            found.add(batch.filter(kept.slice(start, batch.height)))
            start += batch.height
        return found

    def sorted_by(self, column: str) -> pl.DataFrame:
        """All rows in memory, in the order of a column of texts; sorted part by part, so that none is there twice.

        Args:
            column: without nulls. A batch that is in its order is not read whole for each part.
        """
        keys = self.scan().select(column).collect().to_series().sort()
        firsts = keys.gather_every(max(1, -(-keys.len() // _SORTED_PARTS))).unique().sort().to_list()
        key, parts = pl.col(column), list[pl.DataFrame]()
        for first, following in zip_longest(firsts, firsts[1:]):
            is_in_part = key >= pl.lit(first)
            if following is not None:
                is_in_part &= key < pl.lit(following)
            parts.append(self.scan().filter(is_in_part).collect().sort(column))
        return pl.concat(parts) if parts else pl.DataFrame(schema=self._schema)
