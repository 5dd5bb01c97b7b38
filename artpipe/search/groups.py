"""One hit from each work or each artist, so that a page of results shows many of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.vectors.nearest import Neighbours

Distinct = Literal["work", "artist"]
COLUMN_OF: dict[Distinct, str] = {"work": "work_id", "artist": "artist_id"}
_FIRST_ROUND = 4


def group_codes(column: pl.Series) -> NDArray[np.int64]:
    """A number for each row, equal where the value is; a row without a value is a group of its own."""
    known = column.is_not_null().to_numpy()
    codes = column.rank("dense").cast(pl.Int64).fill_null(-1).to_numpy().copy()
    codes[~known] = -1 - np.arange(len(codes))[~known]
    return codes


def spread(
    search: Callable[[int], Neighbours], codes: NDArray[np.int64], k: int, taken: NDArray[np.int64] | None = None
) -> Neighbours:
    """The best row of each of the k best groups.

    Args:
        search: the nearest n rows, for any n; asked again for four times as many until there are enough groups.
        codes: the group of each row.
        k: how many groups.
        taken: groups that may not come up at all.
    """
    asked = k * _FIRST_ROUND
    while True:
        found = search(asked)
        _, first = np.unique(codes[found.positions], return_index=True)
        first.sort()
        if taken is not None:
            first = first[~np.isin(codes[found.positions[first]], taken)]
        if len(first) >= k or len(found.positions) < asked:
            kept = first[:k]
            return replace(found, positions=found.positions[kept], similarities=found.similarities[kept])
        asked *= _FIRST_ROUND
