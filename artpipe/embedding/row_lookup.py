"""Finding rows of a frame by a key, a batch of keys at a time: a join would read all of the frame for each batch."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

if TYPE_CHECKING:
    from numpy.typing import NDArray


class RowLookup:
    """Rows by a key, each of which is given out once.

    Args:
        rows: the frame.
        key: the column to find them by.
    """

    def __init__(self, rows: pl.DataFrame, key: str) -> None:
        self._rows = rows
        self._order = rows[key].arg_sort().to_numpy()
        self._keys = rows[key].gather(self._order)
        self._is_left = np.ones(rows.height, bool)

    def take(self, keys: pl.Series) -> "tuple[pl.DataFrame, NDArray[np.int64]]":
        """The rows of these keys that were not given out yet, in their order, and the place of each one's key."""
        first, end = (self._keys.search_sorted(keys, side).to_numpy().astype(np.int64) for side in ("left", "right"))
        counts = end - first
        which = np.repeat(np.arange(len(keys)), counts)
        within = np.arange(len(which)) - np.repeat(np.cumsum(counts) - counts, counts)
        places = self._order[first[which] + within]
        which, places = which[self._is_left[places]], places[self._is_left[places]]
        order = np.argsort(places)
        self._is_left[places] = False
        return self._rows[places[order]], which[order]

    def rest(self) -> pl.DataFrame:
        """The rows that were not given out."""
        return self._rows.filter(self._is_left)
