"""One hit from each work or each artist, so that a page of results shows many of them."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.vectors.nearest import Mask, Neighbours, Positions

Distinct = Literal["work", "artist"]
COLUMN_OF: dict[Distinct, str] = {"work": "work_id", "artist": "artist_id"}
_FIRST_ROUND = 4

Codes = NDArray[np.int64]


class Groups:
    """The work and the artist of each row, numbered when they are first needed.

    Args:
        works: the columns `work_id` and `artist_id`.
    """

    def __init__(self, works: pl.DataFrame) -> None:
        self._works = works
        self._lock = threading.Lock()
        self._codes: dict[Distinct, Codes] = {}

    def codes(self, distinct: Distinct) -> Codes:
        """A number for each row, equal where the value is; a row without a value is a group of its own."""
        with self._lock:
            if distinct not in self._codes:
                self._codes[distinct] = group_codes(self._works[COLUMN_OF[distinct]])
            return self._codes[distinct]


def group_codes(column: pl.Series) -> Codes:
    """A number for each row, equal where the value is: positive, and negative and unique where there is none."""
    known = column.is_not_null().to_numpy()
    codes = column.rank("dense").cast(pl.Int64).fill_null(-1).to_numpy().copy()
    codes[~known] = -1 - np.arange(len(codes))[~known]
    return codes


def count_groups(codes: Codes, allowed: Mask) -> int:
    """How many groups have an allowed row."""
    seen = codes[allowed]
    is_there = np.zeros(max(int(codes.max(initial=0)), 0) + 1, dtype=np.bool_)
    is_there[seen[seen >= 0]] = True
    return int(is_there.sum() + (seen < 0).sum())


def first_of_each(codes: Codes, positions: Positions) -> NDArray[np.int64]:
    """Where in `positions` each group comes up first, in their order."""
    _, first = np.unique(codes[positions], return_index=True)
    first.sort()
    return first


def spread(
    search: Callable[[int], Neighbours], codes: Codes, k: int, excluded: NDArray[np.int64] | None = None
) -> Neighbours:
    """The best row of each of the k best groups.

    Args:
        search: returns the nearest n rows; called with an n four times as large until there are enough groups.
        codes: the group of each row.
        k: how many groups.
        excluded: groups that are not returned.
    """
    count = k * _FIRST_ROUND
    while True:
        found = search(count)
        first = first_of_each(codes, found.positions)
        if excluded is not None:
            first = first[~np.isin(codes[found.positions[first]], excluded)]
        if len(first) >= k or len(found.positions) < count:
            kept = first[:k]
            return replace(found, positions=found.positions[kept], similarities=found.similarities[kept])
        count *= _FIRST_ROUND
