"""Which rows are nearest to a query vector: what may not be returned, one of each work or artist, pages.

`matching.py` says which rows are allowed, `hit_builder.py` turns the ranked ones into hits.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from artpipe.search.groups import Groups, count_groups, spread
from artpipe.search.index import ServedIndex
from artpipe.search.request import QueryVector, SearchRequest
from artpipe.vectors.nearest import Mask, Neighbours, NeighbourSearch


class Ranking:
    """Ranks the rows of one version of the table.

    Args:
        groups: the work and the artist of each row.
        index: returns the index in use; called only when needed.
    """

    def __init__(self, groups: Groups, index: Callable[[], ServedIndex]) -> None:
        self._groups, self._index = groups, index

    def nearest(self, query: QueryVector, request: SearchRequest, allowed: Mask | None) -> Neighbours:
        """The page of rows nearest to one query, best first.

        Args:
            query: what to be near to.
            request: what may be returned.
            allowed: bool (N,), the rows that pass its filter and hold its words; all by default.
        """
        nearest = self._search(request)
        first = self._recognised(query, allowed)
        excluded = np.union1d(self._excluded(query, request), first)
        if allowed is not None and len(excluded):
            allowed = allowed.copy()
            allowed[excluded] = False

        def search(count: int) -> Neighbours:
            rest = count - len(first)
            if allowed is not None:
                found = nearest.search(query.vector, max(rest, 1), allowed)
            else:
                found = nearest.search(query.vector, rest + len(excluded))
            return _after(first, _without(found, excluded, rest), query, nearest)

        if request.distinct is None:
            return request.page(search(request.depth))
        codes = self._groups.codes(request.distinct)
        taken = codes[list(query.source_rows)] if request.distinct == "work" else None
        return request.page(spread(search, codes, request.depth, taken))

    def nearest_to_each(
        self, queries: Sequence[QueryVector], request: SearchRequest, allowed: Mask | None
    ) -> list[Neighbours]:
        """The same for many queries at once."""
        if request.distinct is not None or len(queries) < 2:
            return [self.nearest(query, request, allowed) for query in queries]
        first = [self._recognised(query, allowed) for query in queries]
        excluded = [
            np.union1d(self._excluded(query, request), rows) for query, rows in zip(queries, first, strict=True)
        ]
        depths = [request.depth + len(rows) for rows in excluded]
        nearest = self._search(request)
        found = nearest.search_many(np.stack([query.vector for query in queries]), depths, allowed)
        return [
            request.page(_after(one, _without(near, rows, request.depth - len(one)), query, nearest))
            for near, rows, one, query in zip(found, excluded, first, queries, strict=True)
        ]

    def is_exact(self, request: SearchRequest) -> bool:
        """Whether the answer to a request is sure to hold the true neighbours."""
        return request.exact or self._index().is_exact

    def total(self, query: QueryVector, request: SearchRequest, allowed: Mask | None, rows: int) -> int:
        """How many works, or groups of them, a request may return on all pages; `rows` is that of the table."""
        excluded = self._excluded(query, request)
        if request.distinct is None:
            if allowed is None:
                return rows - len(excluded)
            return int(np.count_nonzero(allowed) - np.count_nonzero(allowed[excluded]))
        passing = np.ones(rows, dtype=np.bool_) if allowed is None else allowed.copy()
        passing[excluded] = False
        codes = self._groups.codes(request.distinct)
        if request.distinct == "work" and query.source_rows:
            passing &= ~np.isin(codes, codes[list(query.source_rows)])
        return count_groups(codes, passing)

    def _search(self, request: SearchRequest) -> NeighbourSearch:
        served = self._index()
        return served.exact if request.exact else served.nearest

    def _recognised(self, query: QueryVector, allowed: Mask | None) -> NDArray[np.int64]:
        """The row that must come first, if it may be returned."""
        row = query.recognised_row
        is_first = row is not None and (allowed is None or allowed[row])
        return np.array([row] if is_first else [], dtype=np.int64)

    def _excluded(self, query: QueryVector, request: SearchRequest) -> NDArray[np.int64]:
        rows = np.array(query.source_rows, dtype=np.int64)
        if request.include_same_work or not len(rows):
            return rows
        codes = self._groups.codes("work")
        return np.flatnonzero(np.isin(codes, codes[rows]))


def _after(first: NDArray[np.int64], found: Neighbours, query: QueryVector, nearest: NeighbourSearch) -> Neighbours:
    """What was found, behind a row that comes first whatever its similarity is."""
    if not len(first):
        return found
    similarities = nearest.vectors_at(first) @ query.vector
    return replace(
        found,
        positions=np.concatenate([first, found.positions]),
        similarities=np.concatenate([similarities, found.similarities]),
    )


def _without(found: Neighbours, excluded: NDArray[np.int64], count: int) -> Neighbours:
    """The best `count` of the rows that are not excluded."""
    if not len(excluded):
        return found
    kept = ~np.isin(found.positions, excluded)
    return replace(found, positions=found.positions[kept][:count], similarities=found.similarities[kept][:count])
