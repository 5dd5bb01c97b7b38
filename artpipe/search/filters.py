"""Which works a search may return, as typed values; never as text that a database would run."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from artpipe.catalog.names import Names, artist_names, label_names, labels_known_as, names_with, normalized_name
from artpipe.errors import ArtpipeError
from artpipe.schema import year_text
from artpipe.vectors.nearest import Mask


class UnknownFilterValueError(ArtpipeError):
    """No work of the collection has the value that a filter asks for.

    Attributes:
        column: the field of the filter.
        similar: values that may have been meant, best first.
    """

    def __init__(self, message: str, column: str, similar: Sequence[str]) -> None:
        super().__init__(message)
        self.column, self.similar = column, tuple(similar)


def _as_tuple(value: object) -> object:
    """One value and a list of one are the same filter."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list | set | frozenset) else value


_Values = Annotated[tuple[str, ...], Field(min_length=1, max_length=1000)]
_Labels = Annotated[_Values, BeforeValidator(_as_tuple)]
OneOrMore = Annotated[_Values | None, BeforeValidator(_as_tuple)]
LABEL_FIELDS = ("style", "period", "type", "school")
"""The fields of a filter that are labels; those of other tasks than these are in its field `labels`."""


def _as_year(value: object) -> object:
    """`500 BC` is the year -500."""
    before_christ = (
        re.fullmatch(r"(?i)\s*([0-9]+)\s*b\.?\s?c\.?(?:\s?e\.?)?\s*", value) if isinstance(value, str) else None
    )
    return -int(before_christ[1]) if before_christ else value


def _as_pairs(value: object) -> object:
    """Labels by task as pairs, in the order of the tasks."""
    return (
        tuple(sorted((name, _as_tuple(labels)) for name, labels in value.items())) if isinstance(value, dict) else value
    )


_Year = Annotated[int | None, BeforeValidator(_as_year)]


class SearchFilter(BaseModel):
    """A condition on works; every field that is set must hold, and of several values of a field one.

    `SearchFilter(style="Baroque")` and `SearchFilter(style=["Baroque", "Rococo"])` are both well formed, and so is
    `SearchFilter(labels={"movement": "Cubism"})` in a collection that has this task. A work with an unknown year passes
    no year filter, because nobody can say that it belongs there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True, str_min_length=1)

    style: OneOrMore = Field(default=None, description="the artist's style, such as `Baroque`")
    period: OneOrMore = Field(default=None, description="when the work was made, such as `1550-1650`")
    type: OneOrMore = Field(default=None, description="what the work shows, such as `portrait`")
    artist: OneOrMore = Field(
        default=None, description="a name of the artist or part of it, such as `van gogh` or `Titian`, or an artist_id"
    )
    school: OneOrMore = Field(default=None, description="the artist's school, such as `Dutch`")
    technique: OneOrMore = Field(
        default=None, description="part of the technique, accents and case aside, such as `oil on copper`"
    )
    location: OneOrMore = Field(
        default=None, description="part of where the work is, such as `Louvre`, or another name of the place"
    )
    year_from: _Year = Field(
        default=None, description="works that may be of this year or later; -500 and `500 BC` are before Christ"
    )
    year_to: _Year = Field(default=None, description="works that may be of this year or earlier")
    labels: Annotated[tuple[tuple[str, _Labels], ...] | None, BeforeValidator(_as_pairs)] = Field(
        default=None, description="labels of other tasks of the collection, such as `{'movement': 'Cubism'}`"
    )

    @model_validator(mode="before")
    @classmethod
    def _each_label_once(cls, fields: Any) -> Any:
        """A label that has a field of its own is moved there."""
        labels = fields.get("labels") if isinstance(fields, dict) else None
        if not isinstance(labels, dict):
            return fields
        moved = {name: labels[name] for name in LABEL_FIELDS if name in labels}
        if both := sorted(name for name in moved if fields.get(name) is not None):
            raise ValueError(f"{both[0]} is given twice, also in labels")
        return fields | moved | {"labels": {name: one for name, one in labels.items() if name not in moved} or None}

    @model_validator(mode="after")
    def _years_in_order(self) -> Self:
        if self.year_from is not None and self.year_to is not None and self.year_from > self.year_to:
            raise ValueError(f"year_from {year_text(self.year_from)} is after year_to {year_text(self.year_to)}")
        return self

    @property
    def is_empty(self) -> bool:
        """Whether every work passes."""
        return not self.model_dump(exclude_none=True)

    @property
    def conditions(self) -> list[tuple[str, Any]]:
        """Every field that is set, and every task of `labels`, with each of its values."""
        fields = self.model_dump(exclude_none=True, exclude={"labels"}).items()
        return [
            (name, one)
            for name, values in (*fields, *(self.labels or ()))
            for one in (values if isinstance(values, tuple) else (values,))
        ]

    def without(self, name: str) -> Self:
        """The same filter with one field, or the labels of one task, not set."""
        return self.replaced(name, None)

    def replaced(self, name: str, values: tuple[Any, ...] | None) -> Self:
        """The same filter with other values of a field, or other labels of a task."""
        if name in type(self).model_fields:
            return self.model_copy(update={name: values})
        others = {task: labels for task, labels in self.labels or () if task != name}
        labels = others | ({name: values} if values else {})
        return self.model_copy(update={"labels": tuple(sorted(labels.items())) or None})

    def mask(self, works: "FilterColumns") -> Mask:
        """Which rows pass, bool (N,).

        Raises:
            UnknownFilterValueError: no row has the label or the artist.
        """
        passing = np.ones(works.rows, dtype=np.bool_)
        fields: list[tuple[str, tuple[str, ...] | None]] = [(name, getattr(self, name)) for name in LABEL_FIELDS]
        for column, values in (*fields, *(self.labels or ())):
            if values is not None:
                passing &= _has_label(_known_labels(works, column), column, values)
        if self.artist is not None:
            passing &= np.logical_or.reduce([_is_artist(works, value) for value in self.artist])
        if self.technique is not None:
            passing &= _holds_part(works.techniques, self.technique)
        if self.location is not None:
            passing &= _is_at(works.locations, self.location)
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
        """The number of each word as it is compared; of words that are compared alike, the first."""
        return {normalized_name(word): code for code, word in reversed(list(enumerate(self.words)))}

    def is_any_of(self, passes: Callable[[str], bool]) -> Mask:
        """Which rows have a word that passes, bool (N,)."""
        # The code -1 of a row without a word looks up the last place, which never passes.
        chosen = np.array([*map(passes, self.words), False], dtype=np.bool_)
        return chosen[self.codes]


class FilterColumns:
    """The columns that filters compare, prepared once so that a filter costs microseconds.

    Args:
        works: a column for each task, `school`, `artist`, `artist_id`, `technique`, `year_from` and `year_to`.
        tasks: of the collection.
        artists: what the artists are called; made of `works` alone by default.
        read_column: returns another column of the works, `location`; that of `works` by default.
    """

    def __init__(
        self,
        works: pl.DataFrame,
        tasks: Sequence[str],
        artists: Names | None = None,
        read_column: Callable[[str], pl.Series] | None = None,
    ) -> None:
        self.rows = works.height
        self._read_column = read_column or works.get_column
        self.names = artists or artist_names(works)
        self._techniques = works["technique"]
        self.labels = {column: Coded.of(works[column]) for column in (*tasks, "school")}
        self.artists = Coded.of(works["artist"])
        self.artist_ids = Coded.of(works["artist_id"])
        limits = np.iinfo(np.int32)
        # An unknown year is put where no condition reaches it.
        self.year_from = works["year_from"].cast(pl.Int32).fill_null(int(limits.max)).to_numpy()
        self.year_to = works["year_to"].cast(pl.Int32).fill_null(int(limits.min)).to_numpy()

    @cached_property
    def techniques(self) -> Coded:
        """The techniques, numbered when they are first needed: nearly every work has its own size in it."""
        return Coded.of(self._techniques)

    @cached_property
    def locations(self) -> Coded:
        """The locations, read and numbered when they are first needed."""
        return Coded.of(self._read_column("location"))


def _known_labels(works: FilterColumns, column: str) -> Coded:
    if column not in works.labels:
        known = ", ".join(works.labels)
        raise UnknownFilterValueError(f"no work of this collection has a {column}; filter by {known}.", column, ())
    return works.labels[column]


def _has_label(known: Coded, column: str, labels: tuple[str, ...]) -> Mask:
    codes = [_known_label(known, column, label) for label in labels]
    if len(codes) == 1:
        return known.codes == codes[0]
    return np.isin(known.codes, codes)


def _holds_part(texts: Coded, values: Sequence[str]) -> Mask:
    """Which rows have a text with one of these parts in it, accents and case aside."""
    parts = [part for value in values if (part := normalized_name(value))]
    return texts.is_any_of(lambda text: any(part in normalized_name(text) for part in parts))


def _is_at(places: Coded, values: Sequence[str]) -> Mask:
    """Which rows are at a place: a part of its text, but for the names of known places, which are whole words."""
    known = {normalized_name(one) for value in values for names in names_with("location", value) for one in names}
    parts = {part for value in values if (part := normalized_name(value))} - known

    def passes(text: str) -> bool:
        plain = normalized_name(text)
        return any(part in plain for part in parts) or any(f" {name} " in f" {plain} " for name in known)

    return places.is_any_of(passes)


def _known_label(known: Coded, column: str, label: str) -> int:
    """The code of the label, however the person writes it."""
    names = [label, *labels_known_as(column, label)]
    code = next((known.code_of[plain] for plain in map(normalized_name, names) if plain in known.code_of), None)
    if code is None:
        raise UnknownFilterValueError(
            f"no work has the {column} {label!r}; choose one of: {', '.join(known.words) or '(none is known yet)'}.",
            column,
            label_names(column, known.words).closest(label),
        )
    return code


def _is_artist(works: FilterColumns, artist: str) -> Mask:
    found = {works.names.names[number] for number in works.names.matching(artist)}
    has_name = works.artists.is_any_of(found.__contains__)
    if artist in works.artist_ids.words:
        return has_name | works.artist_ids.is_any_of(artist.__eq__)
    if not found:
        similar = works.names.closest(artist)
        hint = f"the closest are: {'; '.join(similar)}" if similar else "try a part of the name"
        raise UnknownFilterValueError(f"no artist of the collection is called {artist!r}; {hint}.", "artist", similar)
    return has_name
