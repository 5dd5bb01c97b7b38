"""A Lance table of derived rows, each with the key of its input, so that only new and changed ones are made again."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from artpipe.lake.lance_tables import (
    COMMITS_TO_COMPACT,
    OpenedTable,
    RowOffsets,
    committed,
    create_table,
    keyed_schema,
    merge,
    open_keyed,
    rows_of_commit,
)
from artpipe.lake.paths import DataLake
from artpipe.lake.versions import maintain_table

if TYPE_CHECKING:
    import lance
    import polars as pl

_ROWS_PER_BATCH = 128
_IDS_PER_DELETE = 500
_MOST_ROWS_PER_COMMIT = 4096


class KeyedTable:
    """Rows by `artwork_id`, each with the `key` of what it was made from. Reading never creates or changes anything.

    Args:
        lake: that has the table.
        name: of the table.
        rows_per_fragment: of a full one. A reader in a bucket asks for each fragment, and a fragment is written anew as
            a whole when it is compacted.
    """

    def __init__(self, lake: DataLake, name: str, rows_per_fragment: int = 8192) -> None:
        self._lake, self._name, self._rows_per_fragment = lake, name, rows_per_fragment
        self._offsets = RowOffsets()
        self._opened = OpenedTable(lake.lance_table(name))
        self._commits = 0

    def version(self) -> int | None:
        """The newest version of the table; None where there is none."""
        dataset = self._dataset()
        return None if dataset is None else dataset.version

    def keys(self) -> dict[str, str]:
        """The key of every row, by `artwork_id`."""
        return dict(self.key_rows().iter_rows())

    def key_rows(self) -> "pl.DataFrame":
        """The same as a frame of `artwork_id` and `key`, which takes a third of the memory."""
        import polars as pl

        dataset = self._dataset()
        if dataset is None:
            return pl.DataFrame(schema={"artwork_id": pl.String, "key": pl.String})
        return cast("pl.DataFrame", pl.from_arrow(dataset.to_table(columns=["artwork_id", "key"])))

    def batches(self, columns: Sequence[str], rows: int = _ROWS_PER_BATCH) -> Generator[Any]:
        """Record batches of some columns of all rows, with that many rows each."""
        dataset = self._dataset()
        if dataset is not None:
            # By default Lance reads many batches and fragments ahead, which may be the whole table.
            yield from dataset.to_batches([*columns], batch_size=rows, batch_readahead=1, fragment_readahead=1)

    def take(self, artwork_ids: Sequence[str], columns: Sequence[str]) -> dict[str, tuple[bytes, ...]]:
        """Some columns of the rows of some artworks, in their order; artworks without a row are left out."""
        dataset = self._dataset() if artwork_ids else None
        if dataset is None:
            return {}
        offsets = self._offsets.of(dataset)
        found = [name for name in dict.fromkeys(artwork_ids) if name in offsets]
        rows = dataset.take([offsets[name] for name in found], [*columns])
        return dict(zip(found, zip(*(rows[name].to_pylist() for name in columns), strict=True), strict=True))

    def prepare(self, columns: Sequence[str]) -> None:
        """Create the table with these further columns where there is none, so that one without rows is there too."""
        data = _rows({}, {name: [] for name in columns})

        def commit() -> None:
            if self._dataset() is None:
                create_table(self._lake, self._name, data)

        committed(self._uri, commit)

    def upsert(self, keys: Mapping[str, str], columns: Mapping[str, Sequence[bytes]] | Any) -> None:
        """Insert rows, or replace those of the same artworks, as one commit.

        Args:
            keys: the key of each artwork's row.
            columns: further columns, in the same order: a mapping, or a PyArrow table.
        """
        if not keys:
            return
        data = _rows(keys, columns)

        def commit() -> None:
            if self._dataset() is None:
                create_table(self._lake, self._name, data)
            else:
                merge(open_keyed(self._lake, self._name), data)

        committed(self._uri, commit)
        self._commits += 1
        if self._commits % COMMITS_TO_COMPACT == 0:
            self.maintain()

    def upsert_each(self, parts: Iterable[tuple[Mapping[str, str], Any]], came: Callable[[int], object]) -> None:
        """Upsert parts as they come: each as one commit, or several of them where the table is large.

        Args:
            parts: the keys of some artworks, and a PyArrow table of their further columns. What came is committed,
                whatever ends them.
            came: is told how many rows each has.
        """
        import pyarrow as pa

        dataset = self._dataset()
        held = 0 if dataset is None else dataset.count_rows()
        keys: dict[str, str] = {}
        made: list[Any] = []

        def commit() -> None:
            nonlocal held
            some, columns = dict(keys), pa.concat_tables(made)
            keys.clear()
            made.clear()
            self.upsert(some, columns)
            held += len(some)

        try:
            for some, columns in parts:
                keys.update(some)
                made.append(columns)
                if len(keys) >= rows_of_commit(held, len(some), _MOST_ROWS_PER_COMMIT):
                    commit()
                came(len(some))
        finally:
            if keys:
                commit()

    def remove(self, artwork_ids: Sequence[str]) -> None:
        """Delete the rows of some artworks."""
        import pyarrow.compute as pc

        dataset = self._dataset()
        if dataset is None:
            return
        for first in range(0, len(artwork_ids), _IDS_PER_DELETE):
            some = pc.field("artwork_id").isin(list(artwork_ids[first : first + _IDS_PER_DELETE]))
            committed(self._uri, partial(dataset.delete, some))

    def maintain(self) -> None:
        """Compact the table and drop every old version."""
        maintain_table(self._uri, self._rows_per_fragment)

    @property
    def _uri(self) -> str:
        return self._lake.lance_table(self._name)

    def _dataset(self) -> "lance.LanceDataset | None":
        return self._opened.newest()


def bytes_table(columns: Mapping[str, Sequence[bytes]]) -> Any:
    """Columns of bytes as a PyArrow table, such as `upsert_each` takes."""
    import pyarrow as pa

    return pa.table({name: pa.array(values, pa.binary()) for name, values in columns.items()})


def _rows(keys: Mapping[str, str], columns: Any) -> Any:
    """Rows as the table has them."""
    import pyarrow as pa

    names = columns.column_names if isinstance(columns, pa.Table) else list(columns)
    table = pa.table(
        {
            "artwork_id": pa.array(list(keys), pa.string()),
            "key": pa.array(list(keys.values()), pa.string()),
            **{name: columns[name] for name in names},
        }
    )
    binary = [pa.field(name, pa.binary()) for name in names]
    return table.cast(keyed_schema(pa.schema([*list(table.schema)[:2], *binary])))
