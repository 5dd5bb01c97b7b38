"""Names as people write them: words in any order, accents, case and particles aside, by variants and initials.

`names.tsv` beside this file has the variants: one line is a kind (`artist`, or the column that has the name) and the
names of one artist, style, school, type or place, separated by `|`; the first is the one that most catalogues use.
Capitals, or a comma, mark the part of an artist's name that is enough alone: `Antonio ALLEGRI`, `Allegri, Antonio`.
`artpipe.search` reads the artist filter, the words of a search and suggestions with it.
"""

import difflib
import itertools
import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from importlib import resources

import polars as pl

_STROKES = str.maketrans(
    {"ł": "l", "đ": "d", "ð": "d", "ø": "o", "\u0131": "i", "ħ": "h", "æ": "ae", "œ": "oe", "ß": "ss", "þ": "th"}
)
_PREPOSITIONS = frozenset(
    word
    for words in (
        "van vande vander von vom zu zum zur ten ter te den der die das",
        "de du des di da do dos das del della delle dello degli dei dal dalla of",
    )
    for word in words.split()
)
_ARTICLES = ("la", "le", "les", "lo", "los", "las", "el", "il", "al", "the")
_OTHER_PARTICLES = ("et", "und", "and", "en", "af", "av", "sir", "fra")
PARTICLES = _PREPOSITIONS.union(_ARTICLES, _OTHER_PARTICLES)
"""Words of a name that people leave out, or write in another language."""
_LETTERS = frozenset("deilyt")
"""Particles of one letter, as in `d'Agnolo` and `Goya y Lucientes`; they may be initials too."""
_QUALIFIERS = {
    word: meaning
    for meaning, words in {
        "elder": "ancien vieux aine pere altere aeltere alte oude vecchio viejo padre senior",
        "younger": "jeune fils jungere juengere junge jonge giovane joven hijo junior ii",
    }.items()
    for word in words.split()
}
_MIN_FUZZY_LETTERS = 4
_WORD_CUTOFF = 0.8
_NAME_CUTOFF = 0.6
_LONGEST_NAME = 6


def normalized_name(name: str) -> str:
    """A name as it is compared: no accents, no strokes, no case, no punctuation."""
    plain = unicodedata.normalize("NFKD", name.casefold().translate(_STROKES))
    if not plain.isascii():
        plain = "".join(char for char in plain if not unicodedata.combining(char))
    return re.sub(r"[\W_]+", " ", plain).strip()


def name_words(name: str) -> list[str]:
    """The words of a name without its particles, `the Younger` in one language; a name of particles alone is kept."""
    return _significant(normalized_name(name).split())


def _significant(words: Sequence[str]) -> list[str]:
    known = [_QUALIFIERS.get(word, word) for word in words]
    return [word for word in known if word not in PARTICLES] or known


def sort_key(name: str) -> tuple[bool, list[str]]:
    """By what people sort names: without accents, and without prepositions that begin them (`van der Weyden`).

    Articles (`La Tour`) and what is written in capitals (`VAN DYCK, Anthony`) belong to the surname. Names that begin
    with no letter come last.
    """
    words = name.split()
    rest = next((place for place, word in enumerate(words) if not _is_preposition(word)), 0)
    key = normalized_name(" ".join(words[rest:])).split()
    return not (key and key[0][0].isalpha()), key


def _is_preposition(word: str) -> bool:
    plain = normalized_name(word)
    return plain in _PREPOSITIONS and (not word.isupper() or len(plain) == 1)


def initial_of(name: str) -> str:
    """The letter under which a name is listed; `#` for one that begins with none."""
    is_other, key = sort_key(name)
    return "#" if is_other else key[0][0].upper()


def similar_names(name: str, known: Iterable[str], count: int = 3) -> list[str]:
    """The known names spelt most like one, accents and case aside, best first."""
    by_plain = {normalized_name(value): value for value in reversed(list(known))}
    found = difflib.get_close_matches(normalized_name(name), list(by_plain), n=count, cutoff=_NAME_CUTOFF)
    return [by_plain[plain] for plain in found]


@dataclass
class _Called:
    """What one artist or label is called.

    Attributes:
        words: all words of all of its names, and neighbouring ones written together.
        keys: words, each set of which is enough to name it.
        surnames: words that name it beside another word of its names, or in a text that nothing else explains.
        spellings: each name as it is typed: as it is written, first names first, without particles.
    """

    words: set[str] = field(default_factory=set)
    keys: set[frozenset[str]] = field(default_factory=set)
    surnames: set[frozenset[str]] = field(default_factory=set)
    spellings: set[str] = field(default_factory=set)

    def add(self, name: str, *, is_marked: bool = False) -> None:
        """Add one of its names.

        Args:
            name: in any form.
            is_marked: whether capitals, or a comma, mark the part that is enough alone.
        """
        self.words.update(name_words(name))
        name = _without_remarks(name)
        before, _, after = (normalized_name(part) for part in name.partition(","))
        natural = [*after.split(), *before.split()]
        if not natural:
            return
        words = _significant(natural)
        self.words.update(words, natural, map("".join, itertools.pairwise(natural)))
        self.spellings |= {f"{before} {after}".strip(), " ".join(natural)}
        self.spellings.add(" ".join(word for word in natural if word not in PARTICLES))
        self.keys |= {_long(words), frozenset(["".join(natural)])}
        if after:
            self.surnames |= {_long(_significant(before.split())), frozenset([before.replace(" ", "")])}
        capitals = normalized_name(" ".join(word for word in name.split() if word.isupper())).split()
        if is_marked and (after or capitals):
            marked = before.split() if after else capitals
            self.keys |= {_long(_significant(marked)), frozenset(["".join(marked)])}

    def is_named_by(self, words: Iterable[str], *, is_fuzzy: bool) -> bool:
        """Whether words that it is called by name it, and not only give one of its first names."""
        held = frozenset(words)
        is_enough = is_fuzzy or len(held) > 1
        return any(key <= held for key in self.keys) or (is_enough and any(key <= held for key in self.surnames))


def _long(words: Sequence[str]) -> frozenset[str]:
    """The words of more than one letter, where there are any."""
    return frozenset(word for word in words if len(word) > 1) or frozenset(words)


@dataclass(frozen=True)
class Span:
    """Words of a text that name something.

    Attributes:
        first: the place of the first word.
        last: the place after the last one.
        numbers: of what is named.
    """

    first: int
    last: int
    numbers: tuple[int, ...]


class Names:
    """Artists or labels by the names they have; each has a number, its place in `names`.

    Args:
        names: the name of each, as the collection writes it.
        others: further names of each, such as the aliases of the catalogue.
        marked: names of each as `names.tsv` has those of artists.
    """

    def __init__(
        self,
        names: Sequence[str],
        others: Sequence[Iterable[str]],
        marked: Sequence[Iterable[str]] | None = None,
    ) -> None:
        self.names = list(names)
        self._called: list[_Called] = []
        self._numbers: dict[str, set[int]] = {}
        for number, name in enumerate(names):
            called = _Called()
            for one in (name, *others[number]):
                called.add(one)
            for one in marked[number] if marked else ():
                called.add(one, is_marked=True)
            self._called.append(called)
            for word in called.words:
                self._numbers.setdefault(word, set()).add(number)

    def spellings(self, number: int) -> set[str]:
        """The names of one, normalized, as people type them."""
        return self._called[number].spellings

    def matching(self, text: str) -> list[int]:
        """Those whose names hold every word of a text: as a word or an initial, else as a beginning, else as a part."""
        words = name_words(text)
        if not words:
            return []
        part = normalized_name(text)
        return (
            self._holding(words)
            or self._all_of(self._beginning(word) for word in words)
            or [number for number, name in enumerate(self._plain) if part in name]
        )

    def closest(self, text: str, count: int = 3) -> list[str]:
        """Those that a misspelt text may mean, best first: each of its words spelt nearly so, else all of it."""
        words = name_words(text)
        found = self._all_of(self._spelt_like(word) for word in words) if words else []
        if not found:
            return similar_names(text, self.names, count)
        plain = normalized_name(text)
        ratio = {number: difflib.SequenceMatcher(None, plain, self._plain[number]).ratio() for number in found}
        ranked = sorted(found, key=lambda number: -ratio[number])
        return list(dict.fromkeys(self.names[number] for number in ranked))[:count]

    def spans(self, words: Sequence[str], *, is_fuzzy: bool = False) -> list[Span]:
        """The words of a text that name something, the longest name at each place, from left to right.

        Args:
            words: normalized words; particles between the words of a name belong to it.
            is_fuzzy: whether words may be spelt nearly so.
        """
        spans: list[Span] = []
        first = 0
        while first < len(words):
            found = next(
                (
                    span
                    for last in range(min(len(words), first + _LONGEST_NAME), first, -1)
                    if (span := self._span(words, first, last, is_fuzzy=is_fuzzy))
                ),
                None,
            )
            spans += [found] if found else []
            first = found.last if found else first + 1
        return spans

    def _span(self, words: Sequence[str], first: int, last: int, *, is_fuzzy: bool) -> Span | None:
        named = name_words(" ".join(words[first:last]))
        if words[first] in PARTICLES and len(named) < last - first:
            return None  # begins at the next word
        found = self._holding(named) if any(len(word) > 1 for word in named) else []
        spelt = set(named)
        if not found and is_fuzzy:
            close = [self._words_like(word) for word in named]
            found = self._all_of({n for word in like for n in self._numbers[word]} for like in close)
            spelt = {word for like in close for word in like}
        numbers = tuple(number for number in found if self._called[number].is_named_by(spelt, is_fuzzy=is_fuzzy))
        return Span(first, last, numbers) if numbers else None

    def _holding(self, words: Sequence[str]) -> list[int]:
        """Those whose names hold every word; one letter is an initial, or else a particle."""
        found = self._all_of(
            self._beginning(word) if len(word) == 1 else self._numbers.get(word, set()) for word in words
        )
        others = [word for word in words if word not in _LETTERS]
        return found or (self._holding(others) if 0 < len(others) < len(words) else [])

    def _all_of(self, found: Iterable[set[int]]) -> list[int]:
        sets = sorted(found, key=len)
        return sorted(sets[0].intersection(*sets[1:])) if sets else []

    def _beginning(self, word: str) -> set[int]:
        first, last = bisect_left(self._vocabulary, word), bisect_left(self._vocabulary, word + "\U0010ffff")
        return {number for one in self._vocabulary[first:last] for number in self._numbers[one]}

    def _spelt_like(self, word: str) -> set[int]:
        return {number for one in self._words_like(word) for number in self._numbers[one]}

    def _words_like(self, word: str) -> list[str]:
        """The word itself, else those that begin alike and differ little."""
        if word in self._numbers:
            return [word]
        if len(word) < _MIN_FUZZY_LETTERS:
            return []
        first, last = bisect_left(self._vocabulary, word[0]), bisect_left(self._vocabulary, word[0] + "\U0010ffff")
        near = [one for one in self._vocabulary[first:last] if abs(len(one) - len(word)) <= 2]
        return difflib.get_close_matches(word, near, n=5, cutoff=_WORD_CUTOFF)

    @cached_property
    def _vocabulary(self) -> list[str]:
        return sorted(self._numbers)

    @cached_property
    def _plain(self) -> list[str]:
        return [normalized_name(name) for name in self.names]


def artist_names(works: pl.DataFrame, aliases: Mapping[str, Sequence[str]] | None = None) -> Names:
    """What the artists of some works are called: by the works, their folder, the catalogue's aliases and `names.tsv`.

    Args:
        works: the columns `artist` and `artist_id`.
        aliases: further names by `artist_id`.
    """
    named = works.select("artist", "artist_id").filter(pl.col("artist").is_not_null()).unique()
    by_name = dict(named.group_by("artist").agg("artist_id").sort("artist").iter_rows())
    others = [
        [other for one in ids if one for other in (_folder_name(one, name), *(aliases or {}).get(one, ()))]
        for name, ids in by_name.items()
    ]
    return Names(list(by_name), others, [_artist_variants().get(_all_words(name), ()) for name in by_name])


def label_names(column: str, labels: Sequence[str]) -> Names:
    """What the labels of a column are called: by their own name and `names.tsv`."""
    others = {normalized_name(names[0]): names[1:] for names in variants(column)}
    return Names(labels, [others.get(normalized_name(label), ()) for label in labels])


def _folder_name(artist_id: str, name: str) -> str:
    """The words of a folder that the name lacks: `raphael` of `r/raphael`, but not `caravagg` of `c/caravagg`.

    A folder in it tells members of a family apart: `father`, `son`.
    """
    own = normalized_name(name).split()
    words = re.findall(r"[^\W\d_]{2,}", "/".join(artist_id.split("/")[:2]))
    return " ".join(word for word in words if not any(other.startswith(normalized_name(word)) for other in own))


@cache
def variants(kind: str) -> tuple[tuple[str, ...], ...]:
    """The names of each artist, or of each label of a column, in `names.tsv`."""
    text = resources.files("artpipe.catalog").joinpath("names.tsv").read_text(encoding="utf-8")
    lines = [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]
    return tuple(tuple(name.strip() for name in names.split("|")) for of, names in lines if of == kind)


def labels_known_as(column: str, text: str) -> list[str]:
    """The labels of a column of which a text is another name."""
    return [names[0] for names in names_with(column, text)]


def names_with(column: str, text: str) -> list[tuple[str, ...]]:
    """The names, in all languages, of what a text names in a column."""
    plain = normalized_name(text)
    return [names for names in variants(column) if plain in map(normalized_name, names)]


@cache
def _artist_variants() -> dict[frozenset[str], tuple[str, ...]]:
    """The names of an artist, by the words of each of them."""
    found: dict[frozenset[str], tuple[str, ...]] = {}
    for names in variants("artist"):
        for name in names:
            found.setdefault(_all_words(name), names)
    return found


def _all_words(name: str) -> frozenset[str]:
    """The words of a name, particles included, without what stands in brackets."""
    return frozenset(normalized_name(_without_remarks(name)).split())


def _without_remarks(name: str) -> str:
    """A name without what stands in brackets, such as years."""
    return re.sub(r"\([^)]*\)", " ", name)
