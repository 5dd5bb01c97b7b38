"""The full-text query for some words: which columns they may be in, how they may be written, and which are needed.

Typed query objects, so that no word is ever read as an operator.
"""

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from string import ascii_lowercase
from typing import TYPE_CHECKING

from artpipe.catalog.names import PARTICLES, normalized_name
from artpipe.search.query_expansion import Expansion, QueryExpansion

if TYPE_CHECKING:
    from lance.query import FullTextQuery

COLUMNS = ("title", "artist", "technique", "location", "school")
"""The searched columns; the labels of each task are searched too."""
_BOOSTS = {"title": 2.0, "artist": 2.0}
"""A word in a title or a name counts more than one in a technique."""

MAX_WORDS = 16
_MIN_FUZZY_LETTERS = 4
_MIN_LETTERS_OF_TWO_EDITS = 7
_WITHOUT_COMPOUNDS = ("artist", "location", "school", "style", "period")
_MISSPELT_COLUMNS = ("title", "artist", "location")
_MIN_PART_LETTERS = 3
_MAX_LETTERS = 24
"""A longer word is looked for as it is: it would be cut, and misspelt, in too many ways."""
_OPTIONAL = PARTICLES | {"a", "an", "at", "by", "for", "from", "in", "on", "to", "with"}
"""Words that a work need not hold; those that it holds make it more relevant."""


class WordMatch(StrEnum):
    """How well works match the words of a query."""

    ALL = "all"
    """They hold every word."""
    FUZZY = "fuzzy"
    """They hold every word, or one spelt nearly so."""
    SOME = "some"
    """They hold some of the words, or ones spelt nearly so."""

    @property
    def description(self) -> str:
        """The level in words, to follow "they hold"."""
        return {
            "all": "every word",
            "fuzzy": "every word, or one spelt nearly so",
            "some": "some of the words, or ones spelt nearly so",
        }[self.value]


def query_words(text: str) -> list[str]:
    """The words of a query without accents and case, each once and at most 16."""
    return list(dict.fromkeys(normalized_name(text).split()))[:MAX_WORDS]


@dataclass(frozen=True)
class WordQuery:
    """Words to look for.

    Attributes:
        words: as `query_words` gives them.
        columns: those that are indexed.
        expansion: gives other words for them.
    """

    words: Sequence[str]
    columns: Collection[str]
    expansion: QueryExpansion

    def at(self, level: WordMatch) -> "FullTextQuery":
        """The query for works that match so well."""
        from lance.query import BooleanQuery, Occur

        expansions = self.expansion.of(self.words, is_fuzzy=level is not WordMatch.ALL)
        expanded = {place: one for one in expansions for place in range(one.first, one.last)}
        needed = [place for place in range(len(self.words)) if place in expanded or not _is_optional(self.words[place])]
        needed = needed or list(range(len(self.words)))
        occur = Occur.SHOULD if level is WordMatch.SOME else Occur.MUST
        clauses: list[tuple[Occur, FullTextQuery]] = []
        for place, word in enumerate(self.words):
            if place in expanded:
                if place == expanded[place].first:
                    clauses.append((occur, self._expanded(expanded[place], level)))
            elif place in needed:
                clauses.append((occur, self._written(place, level)))
            elif level is not WordMatch.SOME:
                clauses.append((Occur.SHOULD, _any_of(self._in_each_column(word, 0))))
        return BooleanQuery(clauses)

    def _expanded(self, one: Expansion, level: WordMatch) -> "FullTextQuery":
        """The words themselves, or another name for what they name."""
        from lance.query import BooleanQuery, Occur

        places = [place for place in range(one.first, one.last) if not _is_optional(self.words[place])]
        literal = BooleanQuery(
            [(Occur.MUST, self._written(place, level)) for place in places or range(one.first, one.last)]
        )
        named = (_all_words(text, column) for column, text in one.alternatives if column in self.columns)
        return _any_of([literal, *named])

    def _written(self, place: int, level: WordMatch) -> "FullTextQuery":
        """A word in any column: as it is, as another is written for it, as a part of a compound, or as one."""
        word = self.words[place]
        edits = 0 if level is WordMatch.ALL else _edits(word)
        ways = list(self._in_each_column(word, edits))
        if edits and level is WordMatch.FUZZY and word.isalpha() and len(word) > _MIN_FUZZY_LETTERS:
            ways += self._in_each_column(_one_edit(word), 0, _MISSPELT_COLUMNS)
        for other in self.expansion.equal_words(word):
            ways += self._in_each_column(other, 0)
        columns = [column for column in self.columns if column not in _WITHOUT_COMPOUNDS]
        for joined in self._joined(place):
            ways += [_all_words(joined, column) for column in columns]
        for parts in _split(word):
            ways += [_all_words(parts, column) for column in columns]
        return _any_of(ways)

    def _in_each_column(
        self, words: str, edits: int, columns: Collection[str] | None = None
    ) -> "Iterator[FullTextQuery]":
        from lance.query import MatchQuery

        for column in self.columns:
            if columns is None or column in columns:
                yield MatchQuery(words, column, boost=_BOOSTS.get(column, 1.0), fuzziness=edits)

    def _joined(self, place: int) -> Iterator[str]:
        """`sunflowers` for either of `sun flowers`."""
        for first in (place - 1, place):
            pair = self.words[max(first, 0) : first + 2]
            if len(pair) == 2 and all(len(word) >= _MIN_PART_LETTERS for word in pair):
                yield "".join(pair)


def _is_optional(word: str) -> bool:
    return word in _OPTIONAL or (len(word) == 1 and not word.isdigit())


def _edits(word: str) -> int:
    """How many letters may be wrong; none in numbers, because 1502 is not a misspelt 1602."""
    if word.isdigit() or not _MIN_FUZZY_LETTERS <= len(word) <= _MAX_LETTERS:
        return 0
    return 1 if len(word) < _MIN_LETTERS_OF_TWO_EDITS else 2


def _one_edit(word: str) -> str:
    """All texts that differ from a word by one letter, or by two swapped ones: they are reduced to stems, as words are.

    Source: Peter Norvig, "How to Write a Spelling Corrector" (2007).
    """
    cuts = [(word[:place], word[place:]) for place in range(len(word) + 1)]
    edited = {first + rest[1:] for first, rest in cuts if rest}
    edited |= {first + rest[1] + rest[0] + rest[2:] for first, rest in cuts if len(rest) > 1}
    for letter in ascii_lowercase:
        edited |= {first + letter + rest for first, rest in cuts}
        edited |= {first + letter + rest[1:] for first, rest in cuts if rest}
    return " ".join(sorted(edited - {word}))


def _split(word: str) -> Iterator[str]:
    """`sun flowers` for `sunflowers`, and every other way to cut it."""
    if word.isalpha() and len(word) <= _MAX_LETTERS:
        for cut in range(_MIN_PART_LETTERS, len(word) - _MIN_PART_LETTERS + 1):
            yield f"{word[:cut]} {word[cut:]}"


def _all_words(words: str, column: str) -> "FullTextQuery":
    from lance.query import FullTextOperator, MatchQuery

    return MatchQuery(words, column, boost=_BOOSTS.get(column, 1.0), operator=FullTextOperator.AND)


def _any_of(queries: "Sequence[FullTextQuery] | Iterator[FullTextQuery]") -> "FullTextQuery":
    from lance.query import BooleanQuery, Occur

    return BooleanQuery([(Occur.SHOULD, query) for query in queries])
