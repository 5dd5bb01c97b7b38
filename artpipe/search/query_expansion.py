"""Other words for the words of a query: what an artist, a label or a place that they name is called in the table."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from artpipe.catalog.names import Names, Span, label_names, normalized_name, variants

_LABELS = ("school", "style", "type", "technique", "location", "title")
_MAX_ALTERNATIVES = 20


@dataclass(frozen=True)
class Expansion:
    """Words of a query that name something, and what it is called.

    Attributes:
        first: the place of the first word.
        last: the place after the last one.
        alternatives: columns, and the words there that mean the same.
    """

    first: int
    last: int
    alternatives: tuple[tuple[str, str], ...]


class QueryExpansion:
    """Expands queries.

    Args:
        artists: what the artists of the collection are called.
    """

    def __init__(self, artists: Names) -> None:
        self._names = {"artist": artists} | {column: _labels(column) for column in _LABELS}
        self._equal: dict[str, tuple[str, ...]] = {}
        for words in variants("word"):
            self._equal |= {word: tuple(other for other in words if other != word) for word in words}

    def equal_words(self, word: str) -> tuple[str, ...]:
        """Words that are written for another one everywhere, such as `saint` for `st`."""
        return self._equal.get(word, ())

    def of(self, words: Sequence[str], *, is_fuzzy: bool = False) -> list[Expansion]:
        """The names among the words of a query that are others in the table, from left to right.

        Args:
            words: normalized words, in their order.
            is_fuzzy: whether names may be spelt nearly so.
        """
        found: dict[tuple[int, int], list[tuple[str, str]]] = {}
        for column, names in self._names.items():
            for span in names.spans(words, is_fuzzy=is_fuzzy):
                others = _others(names, span, words)
                if others and len(others) <= _MAX_ALTERNATIVES:
                    found.setdefault((span.first, span.last), []).extend((column, name) for name in others)
        return _apart(Expansion(first, last, tuple(others)) for (first, last), others in found.items())


def _labels(column: str) -> Names:
    return label_names(column, [names[0] for names in variants(column)])


def _others(names: Names, span: Span, words: Sequence[str]) -> list[str]:
    """What is named by a whole name, as `leonardo` is, or by words that its name in the table lacks.

    Works by `BELLINI, Giovanni` are found by the word `bellini` without this.
    """
    typed = words[span.first : span.last]
    named = ((number, normalized_name(names.names[number])) for number in span.numbers)
    return [
        name
        for number, name in named
        if " ".join(typed) in names.spellings(number) or not set(typed) <= set(name.split())
    ]


def _apart(expansions: Iterable[Expansion]) -> list[Expansion]:
    """Those that share no word, the longest of several."""
    kept: list[Expansion] = []
    for one in sorted(expansions, key=lambda one: (one.first - one.last, one.first)):
        if all(one.last <= other.first or one.first >= other.last for other in kept):
            kept.append(one)
    return sorted(kept, key=lambda one: one.first)
