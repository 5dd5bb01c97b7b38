"""Which works a request lets through, by filter and by words, and how many works each label would leave."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from artpipe.catalog.names import Names
from artpipe.search.filters import FilterColumns, SearchFilter
from artpipe.search.groups import Groups, first_of_each
from artpipe.search.request import SearchRequest
from artpipe.search.text import TextMatches, TextSearch
from artpipe.search.word_query import WordMatch
from artpipe.tasks import Tasks
from artpipe.vectors.nearest import Mask, Positions

Facets = dict[str, list[tuple[str, int]]]
"""For each label filter its labels, in the order of time, and how many works would be found with each."""
_YEAR_STEPS = (1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000)
_MAX_YEAR_BINS = 60
_EVERY_WORD = (WordMatch.ALL, WordMatch.FUZZY)


@dataclass(frozen=True)
class YearCounts:
    """How many works there are in each span of years, by the middle of the years that a work may be of.

    Attributes:
        first: the first year of the first span.
        step: the years of a span.
        counts: the works of each span, from the earliest.
    """

    first: int
    step: int
    counts: list[int]

    @property
    def last(self) -> int:
        """The last year of the last span."""
        return self.first + self.step * len(self.counts) - 1


class Matcher:
    """Applies the filters and the words of requests to one version of the table.

    Args:
        works: the table without its vectors.
        tasks: whose labels it has.
        text: finds words.
        groups: the work and the artist of each row.
        artists: returns what the artists are called.
        read_column: returns a column that `works` lacks.
        position_of: returns the row of a work by its id; None where there is no such work.
    """

    def __init__(
        self,
        works: pl.DataFrame,
        tasks: Tasks,
        text: TextSearch,
        groups: Groups,
        artists: Callable[[], Names],
        read_column: Callable[[str], pl.Series],
        position_of: Callable[[object], int | None],
    ) -> None:
        self._works, self._text, self._groups, self._artists = works, text, groups, artists
        self._position_of, self._read_column, self._tasks = position_of, read_column, tasks

    @cached_property
    def columns(self) -> FilterColumns:
        """The columns that filters compare."""
        return FilterColumns(self._works, self._tasks.names, self._artists(), self._read_column)

    def allowed(self, where: SearchFilter | None, words: str | None) -> tuple[Mask | None, TextMatches | None]:
        """The works that pass a filter and hold every word; where none does, those that hold every word nearly so.

        Returns:
            bool (N,), which works may be returned, None when all may; and what the words match, None without words.
        """
        passing = self._passing(where)
        if words is None or not words.strip():
            return passing, None
        matches = self._text.search(words, levels=_EVERY_WORD)
        return _both(passing, matches.mask(self._works.height)), matches

    def by_words(self, words: str, request: SearchRequest, *, loosen: bool) -> tuple[Positions, TextMatches]:
        """The works that pass the filter and match the words, the most relevant first; before all, one of that id.

        Args:
            words: what a person typed.
            request: its filter, its depth and its `distinct`.
            loosen: go on with works that match less well until there are enough for the request's page; otherwise only
                those of the best level that any work reaches, filter aside.

        Returns:
            the places of all of them in `TextMatches.positions`, and the matches.
        """
        passing = self._passing(request.where)
        codes = None if request.distinct is None else self._groups.codes(request.distinct)

        def places(positions: Positions) -> Positions:
            kept = np.arange(len(positions)) if passing is None else np.flatnonzero(passing[positions])
            return kept if codes is None else kept[first_of_each(codes, positions[kept])]

        matches = self._text.search(
            words, lambda positions: len(places(positions) if loosen else positions) >= (request.depth if loosen else 1)
        )
        named = self._position_of(words.strip())
        if named is not None:
            matches = matches.led_by(named)
        return places(matches.positions), matches

    def passing(self, where: SearchFilter | None) -> Positions:
        """The works that pass the filter, in the order of the table."""
        passing = self._passing(where)
        return np.arange(self._works.height) if passing is None else np.flatnonzero(passing)

    def facets(self, where: SearchFilter | None, matches: TextMatches | None) -> Facets:
        """For each label how many works it would leave, whatever the filter says of its own kind.

        Args:
            where: the filter in force.
            matches: what the words match; None without words.
        """
        matched = matches.mask(self._works.height) if matches else None
        facets: Facets = {}
        for name, coded in self.columns.labels.items():
            allowed = _both(self._passing(where and where.without(name)), matched)
            codes = coded.codes if allowed is None else coded.codes[allowed]
            counts = np.bincount(codes + 1, minlength=len(coded.words) + 1)[1:]
            classes = self._tasks[name].classes if name in self._tasks else ()
            place = {label: number for number, label in enumerate(classes)}
            order = sorted(range(len(coded.words)), key=lambda code: (place.get(coded.words[code], len(place)), code))
            facets[name] = [(coded.words[code], int(counts[code])) for code in order if counts[code]]
        return facets

    def years(self, where: SearchFilter | None, matches: TextMatches | None) -> YearCounts:
        """How many works there are of each time, whatever the filter says of years; arguments as for `facets`."""
        matched = matches.mask(self._works.height) if matches else None
        allowed = _both(self._passing(where and where.without("year_from").without("year_to")), matched)
        first, step, spans, span_of = self._spans
        chosen = span_of if allowed is None else span_of[allowed]
        return YearCounts(first, step, np.bincount(chosen + 1, minlength=spans + 1)[1:].tolist())

    @cached_property
    def _spans(self) -> tuple[int, int, int, Positions]:
        """The first year and the length of the spans of years, their number, and that of each work; -1: unknown."""
        known = self._works["year_from"].is_not_null().to_numpy() & self._works["year_to"].is_not_null().to_numpy()
        middle = (self.columns.year_from.astype(np.int64) + self.columns.year_to) // 2
        if not known.any():
            return 0, 1, 0, np.full(len(known), -1, dtype=np.int64)
        earliest, latest = int(middle[known].min()), int(middle[known].max())
        step = next((one for one in _YEAR_STEPS if (latest - earliest) // one < _MAX_YEAR_BINS - 1), _YEAR_STEPS[-1])
        first = earliest // step * step
        span_of = np.where(known, (middle - first) // step, -1)
        return first, step, (latest - first) // step + 1, span_of

    def _passing(self, where: SearchFilter | None) -> Mask | None:
        return None if where is None or where.is_empty else where.mask(self.columns)


def _both(first: Mask | None, second: Mask | None) -> Mask | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second
