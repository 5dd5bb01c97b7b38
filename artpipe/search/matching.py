"""Which works a request lets through, by filter and by words, and how many works each label would leave."""

from collections.abc import Callable
from functools import cached_property

import numpy as np
import polars as pl

from artpipe.catalog.names import Names
from artpipe.schema import CLASSES
from artpipe.search.filters import LABELS, FilterColumns, SearchFilter
from artpipe.search.groups import Groups, first_of_each
from artpipe.search.request import SearchRequest
from artpipe.search.text import TextMatches, TextSearch
from artpipe.search.word_query import WordMatch
from artpipe.vectors.nearest import Mask, Positions

Facets = dict[str, list[tuple[str, int]]]
"""For each label filter its labels, in the order of time, and how many works would be found with each."""
_EVERY_WORD = (WordMatch.ALL, WordMatch.FUZZY)


class Matcher:
    """Applies the filters and the words of requests to one version of the table.

    Args:
        works: the table without its vectors.
        text: finds words.
        groups: the work and the artist of each row.
        artists: returns what the artists are called.
        read_column: returns a column that `works` lacks.
    """

    def __init__(
        self,
        works: pl.DataFrame,
        text: TextSearch,
        groups: Groups,
        artists: Callable[[], Names],
        read_column: Callable[[str], pl.Series],
    ) -> None:
        self._works, self._text, self._groups, self._artists = works, text, groups, artists
        self._read_column = read_column

    @cached_property
    def columns(self) -> FilterColumns:
        """The columns that filters compare."""
        return FilterColumns(self._works, self._artists(), self._read_column)

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
        """The works that pass the filter and match the words, the most relevant first.

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
        for name in LABELS:
            allowed = _both(self._passing(where and where.without(name)), matched)
            coded = self.columns.labels[name]
            codes = coded.codes if allowed is None else coded.codes[allowed]
            counts = np.bincount(codes + 1, minlength=len(coded.words) + 1)[1:]
            place = {label: number for number, label in enumerate(CLASSES.get(name, ()))}
            order = sorted(range(len(coded.words)), key=lambda code: (place.get(coded.words[code], len(place)), code))
            facets[name] = [(coded.words[code], int(counts[code])) for code in order if counts[code]]
        return facets

    def _passing(self, where: SearchFilter | None) -> Mask | None:
        return None if where is None or where.is_empty else where.mask(self.columns)


def _both(first: Mask | None, second: Mask | None) -> Mask | None:
    if first is None or second is None:
        return second if first is None else first
    return first & second
