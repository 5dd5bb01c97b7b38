"""Typing suggestions: artists, labels, schools, locations and titles with a word that begins as what was typed so far.

Artists and labels are also found by their other names, and by misspelt ones.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from artpipe.catalog.names import Names, artist_names, label_names, normalized_name

_MIN_MISSPELT_LETTERS = 4
_GROUPS = {"location": 1, "title": 2}
"""Kinds that come after all others."""


@dataclass(frozen=True)
class Suggestion:
    """Something to search for.

    Attributes:
        text: as the collection writes it.
        kind: `artist`, `school`, `location`, `title`, or the task that it is a label of, such as `style`.
        works: how many works have it.
    """

    text: str
    kind: str
    works: int


class Suggestions:
    """All suggestions of a collection, sorted so that a prefix is found by bisection.

    Args:
        works: the columns `artist` and `title`, one for each task, and `artist_id` where `artists` is not given;
            `school` and `location` where they are known.
        tasks: whose labels are suggested.
        artists: what the artists are called; made of `works` alone by default.
        with_titles: whether titles and locations are suggested; those of a million works take gigabytes.
    """

    def __init__(
        self, works: pl.DataFrame, tasks: Sequence[str], artists: Names | None = None, *, with_titles: bool = True
    ) -> None:
        # Of equally common suggestions the earlier kind comes first.
        self._label_kinds = [kind for kind in (*tasks, "school") if kind in works.columns]
        sources = ["artist", *self._label_kinds]
        sources += [kind for kind in ("location", "title") if with_titles and kind in works.columns]
        labels = {kind: label_names(kind, works[kind].drop_nulls().unique().to_list()) for kind in self._label_kinds}
        self._names = {"artist": artists or artist_names(works), **labels}
        self._entries: list[Suggestion] = []
        for kind in sources:
            counted = works[kind].drop_nulls().value_counts(sort=False).sort("count", kind, descending=[True, False])
            self._entries += [Suggestion(text, kind, count) for text, count in counted.iter_rows()]
        # An artist or a label leads to many works, so it comes before any place, and that before any title.
        weights = np.array(
            [len(sources) * (e.works + 1) - sources.index(e.kind) for e in self._entries], dtype=np.int64
        )
        group = np.array([_GROUPS.get(e.kind, 0) for e in self._entries], dtype=np.int64)
        self._order = np.lexsort((-weights, group))
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
                aside. Where nothing begins so, it is taken for one word, as "sun fl" for "sunfl", or a misspelt name.
            count: at most how many.
        """
        prefix = normalized_name(typed)
        if not prefix or count < 1:
            return []
        begun = self._begun(prefix, count) or self._begun(prefix.replace(" ", ""), count)
        return begun or self.closest(typed, count)

    def _begun(self, prefix: str, count: int) -> list[Suggestion]:
        first, last = bisect_left(self._texts, prefix), bisect_left(self._texts, prefix + "\U0010ffff")
        ranks = np.unique(self._ranks[first:last])[:count]
        return [self._entries[number] for number in self._order[ranks]]

    def closest(self, typed: str, count: int = 3) -> list[Suggestion]:
        """The artists, else the labels, that a misspelt name may mean, best first."""
        if len(normalized_name(typed)) < _MIN_MISSPELT_LETTERS or count < 1:
            return []
        for kinds in (("artist",), self._label_kinds):
            meant = [(kind, name) for kind in kinds for name in self._names[kind].closest(typed, count)]
            if meant:
                return [self._entry_of[one] for one in meant if one in self._entry_of][:count]
        return []

    @cached_property
    def _entry_of(self) -> dict[tuple[str, str], Suggestion]:
        return {(entry.kind, entry.text): entry for entry in self._entries if entry.kind in self._names}


def _word_starts(text: str) -> list[int]:
    return [0, *(place + 1 for place, letter in enumerate(text) if letter == " ")]
