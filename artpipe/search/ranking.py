"""Which rows answer a query, in which order: filters, words, what may not come up, one of each work or artist, pages.

`framing.py` turns what comes out into hits.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self, TypedDict

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.search.filters import FilterColumns, Mask, SearchFilter
from artpipe.search.groups import COLUMN_OF, Distinct, group_codes, spread
from artpipe.search.index import ServedIndex
from artpipe.search.resolve import Asked
from artpipe.search.text import TextMatches, TextSearch
from artpipe.vectors.nearest import Neighbours, Vector

LARGEST_K = 100_000
_UNLIKE_WEIGHT = 0.5


class SearchOptions(TypedDict, total=False):
    """What `similar` takes beside the query, k and the filter; see `Collection.similar`."""

    text: str | None
    distinct: Distinct | None
    exact: bool
    offset: int
    include_same_work: bool


@dataclass(frozen=True)
class Wanted:
    """What may be returned, and how much of it.

    Attributes:
        k: how many works.
        where: a condition on them.
        text: words that every one of them must hold.
        distinct: at most one of each work, or of each artist.
        exact: compare every vector in full instead of asking an approximate index.
        offset: how many of the best are passed over, for the pages after the first.
        include_same_work: whether details and other photographs of a queried artwork may be returned.
    """

    k: int = 10
    where: SearchFilter | None = None
    text: str | None = None
    distinct: Distinct | None = None
    exact: bool = False
    offset: int = 0
    include_same_work: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.k <= LARGEST_K:
            raise ValueError(f"k must be at least 1 and at most {LARGEST_K:,}, not {self.k}")
        if self.offset < 0:
            raise ValueError(f"offset must not be negative, as {self.offset} is")
        if self.distinct is not None and self.distinct not in COLUMN_OF:
            raise ValueError(f"distinct must be 'work' or 'artist', not {self.distinct!r}")

    @property
    def depth(self) -> int:
        """How many of the best must be known for this page."""
        return self.k + self.offset

    def page(self, found: Neighbours) -> Neighbours:
        """The asked-for page of everything up to `depth`."""
        if not self.offset and len(found.positions) <= self.k:
            return found
        kept = slice(self.offset, self.depth)
        return replace(found, positions=found.positions[kept], similarities=found.similarities[kept])


@dataclass(frozen=True)
class Target:
    """A vector to be near to, and the rows that made it, which never come up."""

    vector: Vector
    made_of: tuple[int, ...] = ()

    @classmethod
    def of(cls, asked: Asked) -> Self:
        """The target of a single query."""
        return cls(asked.vector, () if asked.position is None else (asked.position,))

    @classmethod
    def between(cls, liked: Sequence[Asked], unlike: Sequence[Asked]) -> Self:
        """The mean of what is liked, away from the mean of what is not; its length may be any, even 0.

        Source: Rocchio's relevance feedback (1971), with the weights 1 and 1/2.
        """
        vector = np.mean([asked.vector for asked in liked], axis=0)
        if unlike:
            vector = vector - _UNLIKE_WEIGHT * np.mean([asked.vector for asked in unlike], axis=0)
        made_of = [asked.position for asked in (*liked, *unlike) if asked.position is not None]
        return cls(vector.astype(np.float32), tuple(dict.fromkeys(made_of)))


class Ranking:
    """Ranks the rows of one version of the table.

    Args:
        works: the table without its vectors.
        index: gives what finds neighbours; asked only when needed.
        text: finds words.
    """

    def __init__(self, works: pl.DataFrame, index: Callable[[], ServedIndex], text: TextSearch) -> None:
        self._works, self._index, self._text = works, index, text
        self._lock = threading.Lock()
        self._codes: dict[Distinct, NDArray[np.int64]] = {}

    def nearest(self, target: Target, wanted: Wanted) -> Neighbours:
        """The page of rows nearest to one target, best first."""
        served = self._index()
        nearest = served.exact if wanted.exact else served.nearest
        allowed = self.allowed(wanted)
        excluded = self._excluded(target, wanted)
        if allowed is not None:
            allowed[excluded] = False

        def search(count: int) -> Neighbours:
            if allowed is not None:
                return nearest.search(target.vector, count, allowed)
            return _without(nearest.search(target.vector, count + len(excluded)), excluded, count)

        if wanted.distinct is None:
            return wanted.page(search(wanted.depth))
        codes = self.groups(wanted.distinct)
        taken = codes[list(target.made_of)] if wanted.distinct == "work" else None
        return wanted.page(spread(search, codes, wanted.depth, taken))

    def nearest_to_each(self, targets: Sequence[Target], wanted: Wanted) -> list[Neighbours]:
        """The same for many targets at once."""
        if wanted.distinct is not None or len(targets) < 2:
            return [self.nearest(target, wanted) for target in targets]
        allowed = self.allowed(wanted)
        excluded = [self._excluded(target, wanted) for target in targets]
        depths = [wanted.depth + len(rows) for rows in excluded]
        served = self._index()
        nearest = served.exact if wanted.exact else served.nearest
        found = nearest.search_many(np.stack([target.vector for target in targets]), depths, allowed)
        return [wanted.page(_without(near, rows, wanted.depth)) for near, rows in zip(found, excluded, strict=True)]

    def holding(self, words: str, wanted: Wanted) -> TextMatches:
        """The page of rows that hold the words, the most relevant first."""
        allowed = self.allowed(wanted)
        if wanted.distinct is None:
            found = self._text.find(words, wanted.depth, allowed)
            matches = Neighbours(found.positions, found.relevance, len(found.positions), found.how)
        else:

            def search(count: int) -> Neighbours:
                found = self._text.find(words, count, allowed)
                return Neighbours(found.positions, found.relevance, len(found.positions), found.how)

            matches = spread(search, self.groups(wanted.distinct), wanted.depth)
        page = wanted.page(matches)
        return TextMatches(page.positions, page.similarities, page.how)

    def allowed(self, wanted: Wanted) -> Mask | None:
        """Which rows pass the filter and hold the words, bool (N,); None when all do."""
        allowed = None
        if wanted.where is not None and not wanted.where.is_empty:
            allowed = wanted.where.mask(self.filterable)
        if wanted.text is not None and wanted.text.strip():
            held = self._text.holding(wanted.text, self._works.height)
            allowed = held if allowed is None else allowed & held
        return allowed

    def groups(self, distinct: Distinct) -> NDArray[np.int64]:
        """The work or the artist of each row, as numbers."""
        with self._lock:
            if distinct not in self._codes:
                self._codes[distinct] = group_codes(self._works[COLUMN_OF[distinct]])
            return self._codes[distinct]

    @cached_property
    def filterable(self) -> FilterColumns:
        """What filters look at."""
        return FilterColumns(self._works)

    def _excluded(self, target: Target, wanted: Wanted) -> NDArray[np.int64]:
        rows = np.array(target.made_of, dtype=np.int64)
        if wanted.include_same_work or not len(rows):
            return rows
        codes = self.groups("work")
        return np.flatnonzero(np.isin(codes, codes[rows]))


def _without(found: Neighbours, excluded: NDArray[np.int64], count: int) -> Neighbours:
    """The best `count` of the rows that are not excluded."""
    if not len(excluded):
        return found
    kept = ~np.isin(found.positions, excluded)
    return replace(found, positions=found.positions[kept][:count], similarities=found.similarities[kept][:count])
