"""Answers search requests over one snapshot: by similarity, by words, or by a filter alone.

`matching.py` applies filters and words, `ranking.py` orders what is left, `hit_builder.py` makes the frames.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
import polars as pl

from artpipe.images.reading import Picture
from artpipe.recognition.view import Crop
from artpipe.search.filters import SearchFilter
from artpipe.search.fusion import FUSED_RANKS, fuse
from artpipe.search.groups import Groups, first_of_each
from artpipe.search.hit_builder import HitBuilder
from artpipe.search.hits import Explanation, Hits
from artpipe.search.index import ServedIndex
from artpipe.search.matching import Matcher
from artpipe.search.queries import unit_vector
from artpipe.search.ranking import Ranking
from artpipe.search.request import Query, QueryVector, SearchRequest
from artpipe.search.snapshot import Snapshot
from artpipe.search.text import TextMatches, TextSearch
from artpipe.vectors.nearest import Positions

Resolve = Callable[[Sequence[Query], Crop | None], list[QueryVector]]


class Searcher:
    """Answers requests.

    Args:
        snapshot: what is searched.
        resolve: makes vectors of queries.
        index: returns what finds their neighbours; that of the snapshot by default.

    Attributes:
        rows: how many works are searched.
    """

    def __init__(self, snapshot: Snapshot, resolve: Resolve, index: Callable[[], ServedIndex] | None = None) -> None:
        self._snapshot, self._resolve = snapshot, resolve
        self._index = index or (lambda: snapshot.index)
        self.rows = snapshot.rows.height
        self._groups = groups = Groups(snapshot.rows)
        self.text = TextSearch(lambda: snapshot.dataset, lambda: snapshot.addresses, lambda: snapshot.artist_names)
        self._matcher = Matcher(
            snapshot.rows,
            snapshot.tasks,
            self.text,
            groups,
            lambda: snapshot.artist_names,
            lambda name: snapshot.columns([name])[name],
            snapshot.position_of,
        )
        self._ranking = Ranking(groups, self._index)
        self._builder = HitBuilder(snapshot.works_at, snapshot.hit_columns)

    def nearest(self, liked: Sequence[Query], unlike: Sequence[Query], request: SearchRequest) -> Hits:
        """The works nearest to the mean of some queries, and away from that of others."""
        request = request.within(self.rows)
        served = self._index()  # read before the clock starts
        began = time.perf_counter()
        query = self._mixed(liked, unlike, request.crop)
        allowed, matches = self._matcher.allowed(request.where, request.text)
        page = self._ranking.nearest(query, request, allowed)
        frame = self._builder.frame(page.positions, request.offset, pl.Series("similarity", page.similarities))
        is_exact = self._ranking.is_exact(request)
        explained = self._explained(served.nearest.kind, page.how, began, is_exact, served.note, page.scanned)
        total = partial(self._ranking.total, query, request, allowed, self.rows)
        return self._hits(frame, page.positions, total, request.where, matches, explained)

    def fused(self, words: str, liked: Sequence[Query], unlike: Sequence[Query], request: SearchRequest) -> Hits:
        """The works nearest to some queries, and those that hold the words, fused by their ranks in either."""
        request = request.within(self.rows)
        began = time.perf_counter()
        query = self._mixed(liked, unlike, request.crop)
        allowed, filtered = self._matcher.allowed(request.where, request.text)
        deep = replace(request, k=max(request.depth, FUSED_RANKS), offset=0).within(self.rows)
        places, matches = self._matcher.by_words(words, deep, loosen=False)
        held = matches.positions[places]
        held = held[~np.isin(held, query.source_rows)]
        held = held if allowed is None else held[allowed[held]]
        by_looks = self._ranking.nearest(query, deep, allowed)
        positions, scores = fuse([by_looks.positions, held[: deep.k]])
        if request.distinct is not None:
            first = first_of_each(self._groups.codes(request.distinct), positions)
            positions, scores = positions[first], scores[first]
        page = slice(request.offset, request.depth)
        frame = self._builder.frame(positions[page], request.offset, pl.Series("relevance", scores[page]))
        how = f"{by_looks.how}, fused with the full-text index by reciprocal ranks"
        explained = self._explained("fused", how, began, self._ranking.is_exact(request), scanned=by_looks.scanned)
        return self._hits(frame, positions[page], lambda: len(positions), request.where, filtered, explained)

    def _mixed(self, liked: Sequence[Query], unlike: Sequence[Query], crop: Crop | None) -> QueryVector:
        """One vector of several queries."""
        resolved = self._resolve([*liked, *unlike], crop)
        if len(resolved) == 1:
            return resolved[0]
        mixed = QueryVector.between(resolved[: len(liked)], resolved[len(liked) :])
        return replace(mixed, vector=unit_vector(mixed.vector, len(mixed.vector)))

    def nearest_to_each(self, queries: Sequence[Picture], request: SearchRequest) -> list[Hits]:
        """The works nearest to each query; all queries are compared together."""
        if not queries:
            return []
        request = request.within(self.rows)
        began = time.perf_counter()
        vectors = self._resolve(queries, request.crop)
        allowed, matches = self._matcher.allowed(request.where, request.text)
        pages = self._ranking.nearest_to_each(vectors, request, allowed)
        frames = self._builder.frames(pages, request.offset)
        explained = self._explained("batch", "", began, self._ranking.is_exact(request))
        share_ms = round(explained.milliseconds / len(queries), 3)
        return [
            self._hits(
                frame,
                page.positions,
                partial(self._ranking.total, query, request, allowed, self.rows),
                request.where,
                matches,
                replace(explained, how=page.how, rows_scanned=page.scanned, milliseconds=share_ms),
            )
            for frame, page, query in zip(frames, pages, vectors, strict=True)
        ]

    def find(self, words: str, request: SearchRequest, *, loosen: bool) -> Hits:
        """The works that hold the words, the most relevant first; see `Collection.find`."""
        request = request.within(self.rows)
        began = time.perf_counter()
        places, matches = self._matcher.by_words(words, request, loosen=loosen)
        page = places[request.offset : request.depth]
        positions = matches.positions[page]
        frame = self._builder.frame(positions, request.offset, pl.Series("relevance", matches.relevance[page]))
        how = f"full-text index: {matches.level.description}" if matches.level else "full-text index"
        explained = self._explained("text", how, began)
        return self._hits(frame, positions, lambda: len(places), request.where, matches, explained)

    def browse(self, k: int | None, where: SearchFilter | None, offset: int) -> Hits:
        """The works that pass a filter, in the order of the table."""
        began = time.perf_counter()
        request = SearchRequest(max(self.rows, 1) if k is None else k, where, offset=offset).within(self.rows)
        passing = self._matcher.passing(where)
        positions = passing[request.offset : request.depth]
        frame = self._builder.frame(positions, request.offset)
        return self._hits(
            frame, positions, lambda: len(passing), where, None, self._explained("filter", "filter", began)
        )

    def _explained(
        self, index: str, how: str, began: float, is_exact: bool = True, reason: str = "", scanned: int = 0
    ) -> Explanation:
        spent_ms = round((time.perf_counter() - began) * 1e3, 3)
        return Explanation(index, is_exact, how, reason, self.rows, scanned, spent_ms)

    def _hits(
        self,
        frame: pl.DataFrame,
        positions: Positions,
        total: Callable[[], int],
        where: SearchFilter | None,
        matches: TextMatches | None,
        explanation: Explanation,
    ) -> Hits:
        return Hits(
            frame,
            self._snapshot.pictures.read,
            explanation,
            positions=positions,
            total=total,
            word_match=matches.level if matches else None,
            facets=lambda: self._matcher.facets(where, matches),
            years=lambda: self._matcher.years(where, matches),
            caption=self._snapshot.tasks.caption,
        )
