"""Which works a search may return, as typed values; never as text that a database would run."""

import difflib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from artpipe.errors import ArtpipeError
from artpipe.schema import year_text
from artpipe.vectors.nearest import Mask

LABELS = ("style", "period", "type", "school")


class UnknownFilterValueError(ArtpipeError):
    """No work of the collection has the value that a filter asks for."""


def _as_tuple(value: object) -> object:
    """One value and a list of one are the same filter."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list | set | frozenset) else value


_Values = Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]
OneOrMore = Annotated[_Values | None, BeforeValidator(_as_tuple)]


def _as_year(value: object) -> object:
    """`500 BC` is the year -500."""
    before_christ = (
        re.fullmatch(r"(?i)\s*([0-9]+)\s*b\.?\s?c\.?(?:\s?e\.?)?\s*", value) if isinstance(value, str) else None
    )
    return -int(before_christ[1]) if before_christ else value


_Year = Annotated[int | None, BeforeValidator(_as_year)]


class SearchFilter(BaseModel):
    """A condition on works; every field that is set must hold, and of several values of a field one.

    `SearchFilter(style="Baroque")` and `SearchFilter(style=["Baroque", "Rococo"])` are both well formed. A work with an
    unknown year passes no year filter, because nobody can say that it belongs there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, str_min_length=1)

    style: OneOrMore = Field(default=None, description="the artist's style, such as `Baroque`")
    period: OneOrMore = Field(default=None, description="when the work was made, such as `1550-1650`")
    type: OneOrMore = Field(default=None, description="what the work shows, such as `portrait`")
    artist: OneOrMore = Field(
        default=None, description="part of the artist's name, accents and case aside, or an artist_id"
    )
    school: OneOrMore = Field(default=None, description="the artist's school, such as `Dutch`")
    technique: OneOrMore = Field(
        default=None, description="part of the technique, accents and case aside, such as `oil on copper`"
    )
    year_from: _Year = Field(
        default=None, description="works that may be of this year or later; -500 and `500 BC` are before Christ"
    )
    year_to: _Year = Field(default=None, description="works that may be of this year or earlier")

    @model_validator(mode="after")
    def _years_in_order(self) -> Self:
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            raise ValueError(f"year_from {year_text(self.year_from)} is after year_to {year_text(self.year_to)}")
        return self

    @property
    def is_empty(self) -> bool:
        """Whether every work passes."""
        return not self.model_dump(exclude_none=True)

    def without(self, name: str) -> Self:
        """The same filter with one field not set."""
        return self.model_copy(update={name: None})

    def mask(self, works: "FilterColumns") -> Mask:
        """Which rows pass, bool (N,).

        Raises:
            UnknownFilterValueError: no row has the label or the artist.
        """
        passing = np.ones(works.rows, dtype=np.bool_)
        for column in LABELS:
            values: tuple[str, ...] | None = getattr(self, column)
            if values is not None:
                passing &= _has_label(works.labels[column], column, values)
        if self.artist is not None:
            passing &= np.logical_or.reduce([_is_artist(works, value) for value in self.artist])
        if self.technique is not None:
            parts = [folded(value) for value in self.technique]
            passing &= works.techniques.is_any_of(lambda text: any(part in folded(text) for part in parts))
        if self.year_from is not None:
            passing &= works.year_to >= self.year_from
        if self.year_to is not None:
            passing &= works.year_from <= self.year_to
        return passing


@dataclass(frozen=True)
class Coded:
    """A column of words as numbers.

    Attributes:
        words: the distinct words, sorted.
        codes: int32 (N,), the place of each row's word in `words`; -1 where it has none.
    """

    words: list[str]
    codes: NDArray[np.int32]

    @classmethod
    def of(cls, column: pl.Series) -> "Coded":
        """Number the words of a column."""
        words: list[str] = column.drop_nulls().unique().sort().to_list()
        codes = column.cast(pl.Enum(words)).to_physical().cast(pl.Int32).fill_null(-1)
        return cls(words, codes.to_numpy())

    @cached_property
    def code_of(self) -> dict[str, int]:
        """The number of each word, by its folded form; of words that fold alike, the first."""
        return {folded(word): code for code, word in reversed(list(enumerate(self.words)))}

    def is_any_of(self, passes: Callable[[str], bool]) -> Mask:
        """Which rows have a word that passes, bool (N,)."""
        # The code -1 of a row without a word looks up the last place, which never passes.
        chosen = np.array([*map(passes, self.words), False], dtype=np.bool_)
        return chosen[self.codes]


class FilterColumns:
    """The columns that filters compare, prepared once so that a filter costs microseconds.

    Args:
        works: the columns `style`, `period`, `type`, `school`, `artist`, `artist_id`, `technique`, `year_from` and
            `year_to`.
    """

    def __init__(self, works: pl.DataFrame) -> None:
        self.rows = works.height
        self._techniques = works["technique"]
        self.labels = {column: Coded.of(works[column]) for column in LABELS}
        self.artists = Coded.of(works["artist"])
        self.artist_ids = Coded.of(works["artist_id"])
        self.folded_artists = {name: folded(name) for name in self.artists.words}
        limits = np.iinfo(np.int32)
        # An unknown year is put where no condition reaches it.
        self.year_from = works["year_from"].cast(pl.Int32).fill_null(int(limits.max)).to_numpy()
        self.year_to = works["year_to"].cast(pl.Int32).fill_null(int(limits.min)).to_numpy()

    @cached_property
    def techniques(self) -> Coded:
        """The techniques, numbered when they are first needed: nearly every work has its own size in it."""
        return Coded.of(self._techniques)


def folded(text: str) -> str:
    """Text without accents and case, as it is compared: `Dürer` becomes `durer`."""
    decomposed = unicodedata.normalize("NFKD", text)
    return "".join(letter for letter in decomposed if not unicodedata.combining(letter)).casefold()


def similar_names(name: str, known: list[str], count: int = 3) -> list[str]:
    """The known names spelt most like one, accents and case aside, best first."""
    by_folded = {folded(value): value for value in reversed(known)}
    found = difflib.get_close_matches(folded(name), list(by_folded), n=count, cutoff=0.6)
    return [by_folded[value] for value in found]


def _has_label(known: Coded, column: str, labels: tuple[str, ...]) -> Mask:
    codes = [_known_label(known, column, label) for label in labels]
    if len(codes) == 1:
        return known.codes == codes[0]
    return np.isin(known.codes, codes)


def _known_label(known: Coded, column: str, label: str) -> int:
    """The code of the label, however the person writes it."""
    code = known.code_of.get(folded(label))
    if code is None:
        raise UnknownFilterValueError(
            f"no work has the {column} {label!r}; choose one of: {', '.join(known.words) or '(none is known yet)'}."
        )
    return code


def _is_artist(works: FilterColumns, artist: str) -> Mask:
    part = folded(artist)
    found = works.artists.is_any_of(lambda name: part in works.folded_artists[name])
    if artist in works.artist_ids.words:
        found |= works.artist_ids.is_any_of(lambda artist_id: artist_id == artist)
    if not found.any():
        similar = similar_names(artist, works.artists.words)
        hint = f"the closest are: {'; '.join(similar)}" if similar else "try a part of the name"
        raise UnknownFilterValueError(f"no artist of the collection is called {artist!r}; {hint}.")
    return found
