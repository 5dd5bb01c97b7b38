"""A Lance table whose rows say what they were made from, so that only new and changed ones are made again."""

from collections.abc import Generator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from artpipe.lake import DataLake
from artpipe.table_versions import compact_when_scattered, drop_old_versions

if TYPE_CHECKING:
    import lance

_ROWS_A_BATCH = 512
_IDS_A_DELETE = 500
_ROWS_PER_FRAGMENT = 4096


class KeyedTable:
    """Rows by `artwork_id`, each with the `key` of what it was made from. Reading never creates or changes anything.

    Args:
        lake: where the table is kept.
        name: of the table.
    """

    def __init__(self, lake: DataLake, name: str) -> None:
        self._lake = lake
        self._name = name

    def keys(self) -> dict[str, str]:
        """What each row was made from."""
        dataset = self._dataset()
        if dataset is None:
            return {}
        rows = dataset.to_table(columns=["artwork_id", "key"])
        return dict(zip(rows["artwork_id"].to_pylist(), rows["key"].to_pylist(), strict=True))

    def batches(self, artwork_ids: Sequence[str] | None = None) -> Generator[Any]:
        """Record batches of the rows of some works, or of all; works that have none are left out."""
        import pyarrow.compute as pc

        dataset = self._dataset()
        if dataset is None or (artwork_ids is not None and not artwork_ids):
            return
        wanted = None if artwork_ids is None else pc.field("artwork_id").isin(list(artwork_ids))
        yield from dataset.to_batches(filter=wanted, batch_size=_ROWS_A_BATCH)

    def upsert(self, keys: Mapping[str, str], columns: Mapping[str, Sequence[bytes]]) -> None:
        """Write rows in place of those of the same works.

        Args:
            keys: what the row of each work was made from.
            columns: further columns, in the same order.
        """
        import pyarrow as pa

        if not keys:
            return
        data = pa.table(
            {
                "artwork_id": pa.array(list(keys), pa.string()),
                "key": pa.array(list(keys.values()), pa.string()),
                **{name: pa.array(values, pa.binary()) for name, values in columns.items()},
            }
        )
        lake = self._lake.connect()
        if self._dataset() is None:
            lake.create_table(self._name, data=data)
        else:
            table: Any = lake.open_table(self._name)
            table.merge_insert("artwork_id").when_matched_update_all().when_not_matched_insert_all().execute(data)

    def remove(self, artwork_ids: Sequence[str]) -> None:
        """Drop the rows of some works."""
        import pyarrow.compute as pc

        dataset = self._dataset()
        if dataset is None:
            return
        for first in range(0, len(artwork_ids), _IDS_A_DELETE):
            dataset.delete(pc.field("artwork_id").isin(list(artwork_ids[first : first + _IDS_A_DELETE])))

    def tidy(self) -> None:
        """Join small pieces, and drop the states that nobody reads any more."""
        dataset = self._dataset()
        if dataset is not None:
            compact_when_scattered(dataset, _ROWS_PER_FRAGMENT)
            drop_old_versions(self._lake.lance_table(self._name), timedelta(0))

    def _dataset(self) -> "lance.LanceDataset | None":
        import lance

        try:
            return lance.dataset(self._lake.lance_table(self._name))
        except ValueError:
            return None
