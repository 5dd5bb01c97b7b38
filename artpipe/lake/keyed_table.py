"""A Lance table whose rows say what they were made from, so that only new and changed ones are made again."""

import threading
from collections.abc import Generator, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from artpipe.lake.paths import DataLake
from artpipe.lake.versions import compact_when_scattered, drop_old_versions

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
        self._lock = threading.Lock()
        self._places: tuple[int, dict[str, int]] | None = None

    def keys(self) -> dict[str, str]:
        """What each row was made from."""
        dataset = self._dataset()
        if dataset is None:
            return {}
        rows = dataset.to_table(columns=["artwork_id", "key"])
        return dict(zip(rows["artwork_id"].to_pylist(), rows["key"].to_pylist(), strict=True))

    def batches(self) -> Generator[Any]:
        """Record batches of all rows."""
        dataset = self._dataset()
        if dataset is not None:
            yield from dataset.to_batches(batch_size=_ROWS_A_BATCH)

    def take(self, artwork_ids: Sequence[str]) -> Any:
        """The rows of some works as an Arrow table, in any order; works that have none are left out.

        Where each row lies is kept, as long as the table stays the same: to look for it costs more than to read it.
        """
        dataset = self._dataset()
        if dataset is None or not artwork_ids:
            return None
        with self._lock:
            if self._places is None or self._places[0] != dataset.version:
                names = dataset.to_table(columns=["artwork_id"])["artwork_id"].to_pylist()
                self._places = dataset.version, {name: place for place, name in enumerate(names)}
            place_of = self._places[1]
        return dataset.take([place_of[name] for name in dict.fromkeys(artwork_ids) if name in place_of])

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
