"""Typing suggestions: artists, titles, styles and types with a word that begins with what was typed so far."""

from bisect import bisect_left
from dataclasses import dataclass

import numpy as np
import polars as pl

from artpipe.search.filters import folded

SOURCES = ("artist", "style", "type", "title")
"""Where suggestions come from; of equally common ones the earlier kind comes first."""


@dataclass(frozen=True)
class Suggestion:
    """Something to search for.

    Attributes:
        text: as the collection writes it.
        kind: `artist`, `style`, `type` or `title`.
        works: how many works have it.
    """

    text: str
    kind: str
    works: int


class Suggestions:
    """All suggestions of a collection, sorted so that a prefix is found by bisection.

    Args:
        works: the columns `artist`, `style`, `type` and `title`.
        with_titles: whether titles are suggested; those of a million works take gigabytes.
    """

    def __init__(self, works: pl.DataFrame, *, with_titles: bool = True) -> None:
        self._entries: list[Suggestion] = []
        for kind in SOURCES if with_titles else SOURCES[:-1]:
            counted = works[kind].drop_nulls().value_counts(sort=False).sort("count", kind, descending=[True, False])
            self._entries += [Suggestion(text, kind, count) for text, count in counted.iter_rows()]
        # An artist or a style leads to many works, so it comes before any title.
        weights = np.array([(e.works << 2) | (3 - SOURCES.index(e.kind)) for e in self._entries], dtype=np.int64)
        is_title = np.array([e.kind == "title" for e in self._entries], dtype=np.bool_)
        self._order = np.lexsort((-weights, is_title))
        rank = np.empty(len(self._order), dtype=np.int64)
        rank[self._order] = np.arange(len(rank))
        starts = sorted(
            (text[start:], number)
            for number, entry in enumerate(self._entries)
            for text in [" ".join(_words(entry.text))]
            for start in _word_starts(text)
        )
        self._texts = [text for text, _ in starts]
        self._ranks = rank[np.array([number for _, number in starts], dtype=np.int64)]

    def of(self, typed: str, count: int = 8) -> list[Suggestion]:
        """The suggestions for what was typed so far, the most useful first.

        Args:
            typed: the beginning of a word and what follows it; accents and case aside.
            count: at most how many.
        """
        prefix = " ".join(_words(typed))
        if not prefix or count < 1:
            return []
        first, last = bisect_left(self._texts, prefix), bisect_left(self._texts, prefix + "\U0010ffff")
        ranks = np.unique(self._ranks[first:last])[:count]
        return [self._entries[number] for number in self._order[ranks]]


def _words(text: str) -> list[str]:
    return "".join(letter if letter.isalnum() else " " for letter in folded(text)).split()


def _word_starts(text: str) -> list[int]:
    return [0, *(place + 1 for place, letter in enumerate(text) if letter == " ")]
