"""A Lance table of derived rows, each with the key of its input, so that only new and changed ones are made again."""

from collections.abc import Generator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from artpipe.lake.lance_tables import RowOffsets, committed, keyed_schema, merge, open_keyed, open_lance
from artpipe.lake.paths import DataLake
from artpipe.lake.versions import maintain_table

if TYPE_CHECKING:
    import lance

_ROWS_PER_BATCH = 128
_IDS_PER_DELETE = 500
_COMMITS_TO_COMPACT = 64
_ROWS_PER_FRAGMENT = 8192
"""A commit opens every fragment, so that many of a shard each are joined; one of an eighth is not written again."""


class KeyedTable:
    """Rows by `artwork_id`, each with the `key` of what it was made from. Reading never creates or changes anything."""

    def __init__(self, lake: DataLake, name: str, rows_per_fragment: int = _ROWS_PER_FRAGMENT) -> None:
        self._lake, self._name, self._rows_per_fragment = lake, name, rows_per_fragment
        self._offsets = RowOffsets()
        self._commits = 0

    def keys(self) -> dict[str, str]:
        """The key of every row, by `artwork_id`."""
        dataset = self._dataset()
        if dataset is None:
            return {}
        rows = dataset.to_table(columns=["artwork_id", "key"])
        return dict(zip(rows["artwork_id"].to_pylist(), rows["key"].to_pylist(), strict=True))

    def batches(self) -> Generator[Any]:
        """Record batches of all rows."""
        dataset = self._dataset()
        if dataset is not None:
            # By default Lance reads many batches and fragments ahead, which may be the whole table.
            yield from dataset.to_batches(batch_size=_ROWS_PER_BATCH, batch_readahead=1, fragment_readahead=1)

    def take(self, artwork_ids: Sequence[str]) -> Any:
        """The rows of some artworks as an Arrow table, in their order; artworks without a row are left out."""
        dataset = self._dataset()
        if dataset is None or not artwork_ids:
            return None
        offsets = self._offsets.of(dataset)
        return dataset.take([offsets[name] for name in dict.fromkeys(artwork_ids) if name in offsets])

    def prepare(self, columns: Sequence[str]) -> None:
        """Create the table with these further columns where there is none, so that one without rows is there too."""
        if self._dataset() is None:
            data = _rows({}, {name: [] for name in columns})
            committed(self._uri, lambda: self._lake.connect().create_table(self._name, data=data, exist_ok=True))

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
                self._lake.connect().create_table(self._name, data=data)
            else:
                merge(open_keyed(self._lake, self._name), data)

        committed(self._uri, commit)
        self._commits += 1
        if self._commits % _COMMITS_TO_COMPACT == 0:  # each commit opens the small fragments of those before it
            self.maintain()

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
        return open_lance(self._uri)


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
