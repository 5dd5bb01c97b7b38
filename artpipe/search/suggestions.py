"""Typing suggestions: artists, titles, styles and types with a word that begins with what was typed so far.

Artists and labels are also found by their other names, and by misspelt ones.
"""

from bisect import bisect_left
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from artpipe.catalog.names import Names, artist_names, label_names, normalized_name

SOURCES = ("artist", "style", "type", "title")
"""Where suggestions come from; of equally common ones the earlier kind comes first."""
_LABELS = ("style", "type")
_MIN_MISSPELT_LETTERS = 4


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
        works: the columns `artist`, `style`, `type` and `title`, and `artist_id` where `artists` is not given.
        artists: what the artists are called; made of `works` alone by default.
        with_titles: whether titles are suggested; those of a million works take gigabytes.
    """

    def __init__(self, works: pl.DataFrame, artists: Names | None = None, *, with_titles: bool = True) -> None:
        labels = {kind: label_names(kind, works[kind].drop_nulls().unique().to_list()) for kind in _LABELS}
        self._names = {"artist": artists or artist_names(works), **labels}
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
        spellings = {
            (kind, name): names.spellings(number)
            for kind, names in self._names.items()
            for number, name in enumerate(names.names)
        }
        starts = sorted(
            {
                (text[start:], number)
                for number, entry in enumerate(self._entries)
                for text in spellings.get((entry.kind, entry.text)) or [normalized_name(entry.text)]
                for start in _word_starts(text)
            }
        )
        self._texts = [text for text, _ in starts]
        self._ranks = rank[np.array([number for _, number in starts], dtype=np.int64)]

    def of(self, typed: str, count: int = 8) -> list[Suggestion]:
        """The suggestions for what was typed so far, the most useful first.

        Args:
            typed: the beginning of a word of a name, or of a variant of it, and what follows it; accents and case
                aside. Where nothing begins so, it is taken for a misspelt name.
            count: at most how many.
        """
        prefix = normalized_name(typed)
        if not prefix or count < 1:
            return []
        first, last = bisect_left(self._texts, prefix), bisect_left(self._texts, prefix + "\U0010ffff")
        ranks = np.unique(self._ranks[first:last])[:count]
        return [self._entries[number] for number in self._order[ranks]] or self.closest(typed, count)

    def closest(self, typed: str, count: int = 3) -> list[Suggestion]:
        """The artists, else the styles and types, that a misspelt name may mean, best first."""
        if len(normalized_name(typed)) < _MIN_MISSPELT_LETTERS or count < 1:
            return []
        for kinds in (("artist",), _LABELS):
            meant = [(kind, name) for kind in kinds for name in self._names[kind].closest(typed, count)]
            if meant:
                return [self._entry_of[one] for one in meant if one in self._entry_of][:count]
        return []

    @cached_property
    def _entry_of(self) -> dict[tuple[str, str], Suggestion]:
        return {(entry.kind, entry.text): entry for entry in self._entries if entry.kind in self._names}


def _word_starts(text: str) -> list[int]:
    return [0, *(place + 1 for place, letter in enumerate(text) if letter == " ")]
