"""How the columns of a table become the rows of a source: what a person writes, and the values that it makes.

A batch of records has one column for each path that the mapping names: a text, or a list of texts. Everything here
works on whole columns; a record is never looked at alone. `record_mapper` makes the rows.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Annotated, Any, Self, cast

import polars as pl
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)

from artpipe.errors import ArtpipeError
from artpipe.tasks import NAME

_PLACEHOLDER = re.compile(r"\{([^{}]+)\}")
TEXTS = pl.List(pl.String())

Text = Annotated[str, BeforeValidator(lambda value: str(value) if isinstance(value, int | float) else value)]
"""A text that YAML may take for a number."""


class BadMappingError(ArtpipeError):
    """A mapping cannot be applied to the records."""


class Strict(BaseModel):
    """A part of the file of sources: a key that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True, arbitrary_types_allowed=True)


def _refuse_regex(regex: str | None) -> None:
    if regex is None:
        return
    try:
        re.compile(regex)
        pl.select(pl.lit("").str.contains(regex))
    except (pl.exceptions.PolarsError, re.error) as error:
        why = str(error) if isinstance(error, re.error) else "look-around and back-references are not known here"
        raise ValueError(f"regex {regex!r} cannot be used: {why}") from error


class Value(Strict):
    """What a field is made from; a text alone is a column, a list is the first of several that is not empty."""

    column: Text | None = Field(default=None, description="a column, or a path such as `creators[0].description`")
    first: "tuple[Value, ...]" = Field(default=(), description="several values: the first that is not empty")
    template: str | None = Field(
        default=None, description="a text with columns in braces, `{title} ({year})`; empty where one of them is"
    )
    constant: Text | None = Field(default=None, description="the same for every record")
    split: str | tuple[str, ...] | None = Field(
        default=None, description="split at this text, or at each of several, into several values"
    )
    regex: str | None = Field(
        default=None, description="keep what its first group matches, or all of the match; empty where nothing does"
    )
    strip: str | None = Field(default=None, description="characters to remove from both ends, besides spaces")
    lower: bool = Field(default=False, description="in lower case")
    lookup: Mapping[Text, Text | None] | None = Field(
        default=None, description="a table of values and what each becomes"
    )
    otherwise: Text | None = Field(default=None, description="what a value outside `lookup` becomes; empty where unset")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        if isinstance(data, str | int | float) and not isinstance(data, bool):
            return {"column": data}
        if isinstance(data, list | tuple):
            return {"first": data}
        if not isinstance(data, Mapping):
            raise ValueError("a column's name, a list, or a mapping with `column` is expected here")  # noqa: TRY004
        return data

    @field_validator("split", mode="before")
    @classmethod
    def _separators(cls, split: Any) -> Any:
        texts = split if isinstance(split, list | tuple) else [split]
        if split is not None and not (texts and all(isinstance(text, str) and text for text in texts)):
            raise ValueError("a text to split at, or a list of several, is expected here")
        return split

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        given = [name for name in ("column", "first", "template", "constant") if getattr(self, name) not in (None, ())]
        if len(given) != 1:
            raise ValueError(f"exactly one of column, first, template and constant is needed, not {len(given)}")
        _refuse_regex(self.regex)
        if self.otherwise is not None and self.lookup is None:
            raise ValueError("otherwise is for use with lookup")
        return self

    @cached_property
    def _group(self) -> int:
        return min(re.compile(self.regex or "").groups, 1)

    @property
    def paths(self) -> Iterator[str]:
        """The columns that it is made from."""
        if self.column is not None:
            yield self.column
        for value in self.first:
            yield from value.paths
        if self.template is not None:
            yield from _PLACEHOLDER.findall(self.template)

    def of(self, frame: pl.DataFrame) -> pl.Series:
        """The values for a batch: texts, or lists of texts; an empty one is null."""
        found = self._origin(frame)
        if self.split is not None:
            first, *others = (self.split,) if isinstance(self.split, str) else self.split
            found = as_text(found)
            for other in others:
                found = found.str.replace_all(other, first, literal=True)
            found = found.str.split(first)
        return _elementwise(found, self._changed)

    def _origin(self, frame: pl.DataFrame) -> pl.Series:
        if self.column is not None:
            return frame[self.column]
        if self.first:
            return _first_filled([value.of(frame) for value in self.first])
        if self.template is not None:
            return _filled_in(self.template, frame)
        return pl.Series([self.constant], dtype=pl.String()).new_from_index(0, frame.height)

    def _changed(self, text: pl.Expr) -> pl.Expr:
        text = text.str.strip_chars()
        if self.regex is not None:
            text = text.str.extract(self.regex, self._group).str.strip_chars()
        if self.strip is not None:
            text = text.str.strip_chars(self.strip + " ")
        if self.lower:
            text = text.str.to_lowercase()
        if self.lookup is not None:
            text = text.replace_strict(dict(self.lookup), default=self.otherwise, return_dtype=pl.String())
        return pl.when(text != "").then(text)


def _elementwise(values: pl.Series, change: Callable[[pl.Expr], pl.Expr]) -> pl.Series:
    """Change each text, or each text of each list."""
    if values.dtype == TEXTS:
        return values.list.eval(change(pl.element()))
    return pl.DataFrame({"": values}).select(change(pl.col(""))).to_series()


def _first_filled(found: list[pl.Series]) -> pl.Series:
    if any(values.dtype == TEXTS for values in found):
        lists = [as_list(values) for values in found]
        frame = pl.DataFrame({str(number): values for number, values in enumerate(lists)})
        filled = [pl.when(pl.col(name).list.len() > 0).then(pl.col(name)) for name in frame.columns]
        return frame.select(pl.coalesce(filled)).to_series()
    return (
        pl.DataFrame({str(number): values for number, values in enumerate(found)})
        .select(pl.coalesce(pl.all()))
        .to_series()
    )


def _filled_in(template: str, frame: pl.DataFrame) -> pl.Series:
    paths = list(dict.fromkeys(_PLACEHOLDER.findall(template)))
    lists = [path for path in paths if frame[path].dtype == TEXTS]
    pieces = _PLACEHOLDER.split(template)  # texts and paths in turn
    filled = [
        pl.when(pl.col(piece).str.contains(r"\S")).then(pl.col(piece).str.strip_chars())
        if number % 2
        else pl.lit(piece)
        for number, piece in enumerate(pieces)
    ]
    if not lists:
        return frame.select(pl.concat_str(filled)).to_series()
    records = frame.select(paths).with_row_index("\0record")
    try:
        texts = records.explode(lists, empty_as_null=True).select("\0record", pl.concat_str(filled).alias(template))
    except pl.exceptions.ShapeError as error:
        raise BadMappingError(
            f"template {template!r}: {' and '.join(lists)} do not have the same number of values in every record; "
            f"take one of them by `{lists[0]}[0]`."
        ) from error
    return texts.group_by("\0record", maintain_order=True).agg(template)[template]


def as_text(values: pl.Series) -> pl.Series:
    """One text each: those of a list are joined by `; `; empty ones are null."""
    if values.dtype != TEXTS:
        return values
    joined = values.list.drop_nulls().list.join("; ")
    return pl.DataFrame({"": joined}).select(pl.when(pl.col("") != "").then(pl.col(""))).to_series()


def as_list(values: pl.Series) -> pl.Series:
    """A list of texts each, none of them empty, none twice."""
    if values.dtype != TEXTS:
        values = values.cast(pl.String()).reshape((-1, 1)).cast(TEXTS) if len(values) else pl.Series([], dtype=TEXTS)
    return values.list.drop_nulls().list.unique(maintain_order=True).fill_null(pl.Series([[]], dtype=TEXTS))


def _some(value: Any) -> Any:
    return value if isinstance(value, list | tuple) else (value,)


def _named(field_name: str) -> BeforeValidator:
    """One or several mappings; a text alone is the column of this field."""

    def normal(value: Any) -> Any:
        return tuple({field_name: one} if isinstance(one, str) else one for one in _some(value))

    return BeforeValidator(normal)


class ArtistColumns(Strict):
    """The makers of a work: fields with several values are read in parallel, one maker for each name."""

    name: Value = Field(description="the name; a record without one has no such maker")
    artist_id: Value | None = Field(default=None, description="what identifies the maker in the source")
    role: Value | None = Field(default=None, description="such as `painter` or `after`")
    born: Value | None = Field(default=None, description="year of birth")
    died: Value | None = Field(default=None, description="year of death")
    authority_uri: Value | None = Field(default=None, description="address at Wikidata, ULAN or the like")


class ImageColumns(Strict):
    """The pictures of a work: fields with several values are read in parallel, one picture for each address."""

    url: Value | None = Field(default=None, description="address of the picture")
    service: Value | None = Field(default=None, description="base address of its IIIF image service")
    service_version: Value | None = Field(default=None, description="1, 2 or 3")
    width_px: Value | None = Field(default=None, description="width")
    height_px: Value | None = Field(default=None, description="height")
    max_width_px: Value | None = Field(default=None, description="largest width that the service sends")
    max_area_px: Value | None = Field(default=None, description="largest number of pixels that it sends")
    role: Value | None = Field(default=None, description="such as `recto` or `detail`")

    @model_validator(mode="after")
    def _has_address(self) -> Self:
        if self.url is None and self.service is None:
            raise ValueError("url or service is needed")
        return self


class Condition(Strict):
    """What a column must be; a text alone, or a list of texts, is `is`. Case and spaces around do not count."""

    is_: tuple[str, ...] | None = Field(default=None, alias="is", description="it is one of these")
    not_: tuple[str, ...] | None = Field(default=None, alias="not", description="it is none of these")
    empty: bool | None = Field(default=None, description="`true`: it is empty; `false`: it is not")
    regex: str | None = Field(default=None, description="this regular expression matches somewhere in it")

    @model_validator(mode="before")
    @classmethod
    def _short_form(cls, data: Any) -> Any:
        given = cast("Mapping[str, Any]", data) if isinstance(data, Mapping) else {"is": data}
        return {key: tuple(map(_word, _some(value))) if key in ("is", "not") else value for key, value in given.items()}

    @model_validator(mode="after")
    def _regex_is_known(self) -> Self:
        _refuse_regex(self.regex)
        return self


def _word(value: Any) -> Any:
    """A text that a condition compares with; a `true` of YAML is the text "true"."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


Conditions = Mapping[str, Condition]


def holds(frame: pl.DataFrame, conditions: Conditions) -> pl.Series:
    """Whether each record meets every condition; of a column with several values, one has to."""
    met = pl.Series([True]).new_from_index(0, frame.height)
    for path, condition in conditions.items():
        lists = as_list(frame[path])
        words = lists.list.eval(pl.element().str.strip_chars().str.to_lowercase())
        for wanted, is_met in ((condition.is_, True), (condition.not_, False)):
            if wanted is not None:
                among = words.list.eval(pl.element().is_in([word.strip().lower() for word in wanted])).list.any()
                met &= among == is_met
        if condition.empty is not None:
            met &= words.list.eval(pl.element() != "").list.any() != condition.empty
        if condition.regex is not None:
            met &= lists.list.eval(pl.element().str.contains(condition.regex)).list.any()
    return met


def _is_open_kind(value: object) -> str | None:
    if isinstance(value, bool):
        return "all"
    return "conditions" if isinstance(value, Mapping) else None


IsOpen = Annotated[
    Annotated[bool, Tag("all")] | Annotated[Conditions, Tag("conditions")],
    Discriminator(
        _is_open_kind,
        custom_error_type="is_open",
        custom_error_message="conditions such as `license: CC0`, or true or false for all, are expected here",
    ),
]


class Columns(Strict):
    """Which columns are what; only `source_id` is needed, and a text alone is the name of a column."""

    source_id: Value = Field(description="what identifies a record in the source; no two have the same")
    work_id: Value | None = Field(default=None, description="records with the same one show one work")
    title: Value | None = Field(default=None, description="title")
    artists: Annotated[tuple[ArtistColumns, ...], _named("name")] = Field(
        default=(), description="the makers; one mapping or several, a text alone is the name"
    )
    date_text: Value | None = Field(default=None, description="when it was made, as the source writes it")
    year_from: Value | None = Field(default=None, description="first year; before Christ negative")
    year_to: Value | None = Field(default=None, description="last year")
    medium: Value | None = Field(default=None, description="materials and technique")
    classification: Value | None = Field(default=None, description="such as `painting`")
    location: Value | None = Field(default=None, description="where it is")
    school: Value | None = Field(default=None, description="school, culture or nationality")
    landing_url: Value | None = Field(default=None, description="its page on the source's site")
    modified: Value | None = Field(default=None, description="when the record changed last")
    images: Annotated[tuple[ImageColumns, ...], _named("url")] = Field(
        default=(), description="the pictures; one mapping or several, a text alone is the address"
    )
    rights_uri: Value | None = Field(default=None, description="address at rightsstatements.org or Creative Commons")
    is_open: IsOpen | None = Field(
        default=None,
        description="which are open: conditions such as `license: CC0`, or `true` for all; default: by `rights_uri`",
    )
    credit_line: Value | None = Field(default=None, description="the credit line")


Labels = Mapping[Annotated[str, StringConstraints(pattern=rf"^{NAME.pattern}$")], Value]
