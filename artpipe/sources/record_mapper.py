"""Makes the rows of a source of batches of records, as its `mapping` says."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import cast
from urllib.parse import urlsplit

import polars as pl

from artpipe.catalog.rows import ARTIST, IMAGE, LABEL_PREFIX, ROWS
from artpipe.sources.iiif_image import service_of_address
from artpipe.sources.mapping import (
    TEXTS,
    Columns,
    Condition,
    Conditions,
    Labels,
    Strict,
    Value,
    as_list,
    as_text,
    holds,
)
from artpipe.sources.record_paths import FILE, NUMBER
from artpipe.sources.remarks import Remarks
from artpipe.sources.rights import is_open

_INTEGER = r"^([+-]?\d{1,9})(?:\.0*)?$"
_YEARS = (-9999, 2999)
"""Beyond these, a number is no year: catalogues write 9999 for "still living"."""
_PLAIN = [name for name, kind in ROWS.items() if kind == pl.String() and name in Columns.model_fields]
_YEAR_FIELDS = ("year_from", "year_to")


@dataclass
class RecordMapper:
    """Makes rows of batches of records.

    Args:
        columns: which columns are what.
        labels: of each task.
        extra: further columns to keep.
        where: the records to read; None are left out without conditions.
        base_url: what relative addresses of pictures are below.
    """

    columns: Columns
    labels: Labels
    extra: tuple[str, ...] = ()
    where: Conditions = field(default_factory=dict[str, Condition])
    base_url: str | None = None
    remarks: Remarks = field(default_factory=Remarks)
    left_out: int = 0

    @cached_property
    def paths(self) -> Mapping[str, str]:
        """The columns that are needed, each with the place in the file of sources that names it first."""
        found: dict[str, str] = {}
        for name in Columns.model_fields:
            value = getattr(self.columns, name)
            for part in cast("tuple[object, ...]", value) if isinstance(value, tuple) else (value,):
                for path in _paths_of(part):
                    found.setdefault(path, f"columns.{name}")
        for task, value in self.labels.items():
            for path in value.paths:
                found.setdefault(path, f"labels.{task}")
        for path in self.extra:
            found.setdefault(path, "extra")
        for path in self.where:
            found.setdefault(path, "where")
        return found

    def rows(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The rows of a batch: `ROWS` and the labels of each task.

        Args:
            frame: `NUMBER`, a column for each of `paths`, and `FILE`, which is kept.
        """
        if self.where:
            kept = frame.filter(holds(frame, self.where))
            self.left_out += frame.height - kept.height
            frame = kept
        columns = self.columns
        rows: dict[str, pl.Series] = {"row_number": frame[NUMBER]}
        empty = pl.Series([None], dtype=pl.String()).new_from_index(0, frame.height)
        for name in _PLAIN:
            value: Value | None = getattr(columns, name)
            rows[name] = empty if value is None else as_text(value.of(frame))
        for name in _YEAR_FIELDS:
            value = getattr(columns, name)
            rows[name] = empty if value is None else self._years(as_text(value.of(frame)), frame[NUMBER], name)
        rows["is_open"] = _open(frame, columns.is_open, rows["rights_uri"])
        rows["artists"] = self._structs(frame, columns.artists, ARTIST, self._artist)
        rows["images"] = self._structs(frame, columns.images, IMAGE, self._image)
        rows["extra"] = empty
        if self.extra:
            texts = pl.DataFrame({path: as_text(frame[path]) for path in self.extra})
            rows["extra"] = texts.select(pl.struct(pl.all()).struct.json_encode()).to_series()
        table = pl.DataFrame(rows).cast(dict(ROWS)).select(ROWS.names())  # pyright: ignore[reportArgumentType]
        labels = [as_list(value.of(frame)).alias(LABEL_PREFIX + task) for task, value in self.labels.items()]
        return table.with_columns(*labels, frame[FILE])

    def _years(self, texts: pl.Series, numbers: pl.Series, name: str) -> pl.Series:
        frame = pl.DataFrame({"text": texts, "number": numbers}).with_columns(
            year=pl.col("text").str.strip_chars().str.extract(_INTEGER, 1).cast(pl.Int32())
        )
        not_years = frame.filter(pl.col("text").is_not_null() & pl.col("year").is_null())
        self._say(f"values of {name} that are no years, and count as unknown", not_years)
        # There is no year 0: catalogues write it for "unknown".
        is_year = pl.col("year").is_between(*_YEARS) & (pl.col("year") != 0)
        return frame.select(pl.when(is_year).then(pl.col("year"))).to_series()

    def _say(self, what: str, found: pl.DataFrame) -> None:
        """Remark on some values, given as `text` with the `number` of their record."""
        if found.height:
            self.remarks.add(what, f"row {found['number'][0]}: {found['text'][0][:120]!r}", found.height)

    def _structs(
        self,
        frame: pl.DataFrame,
        parts: tuple[Strict, ...],
        kind: pl.Struct,
        finished: Callable[[pl.DataFrame], pl.DataFrame],
    ) -> pl.Series:
        """The list of makers, or of pictures, of each record."""
        names = [one.name for one in kind.fields]
        tables: list[pl.DataFrame] = []
        for part in parts:
            found = {name: value.of(frame) for name in names if (value := getattr(part, name)) is not None}
            table = _side_by_side(found, next(iter(found)) if "name" not in found else "name")
            table = finished(table.with_columns(frame[NUMBER].gather(table["_record"]).alias(NUMBER)))
            missing = [pl.lit(None).alias(name) for name in names if name not in table.columns]
            tables.append(table.with_columns(missing).select("_record", *names).cast(dict(kind.to_schema())))  # pyright: ignore[reportArgumentType]
        every = pl.DataFrame({"_record": pl.int_range(frame.height, dtype=pl.UInt32(), eager=True)})
        if not tables:
            return pl.Series([[]], dtype=pl.List(kind)).new_from_index(0, frame.height)
        grouped = (
            pl.concat(tables)
            .select("_record", pl.struct(names).alias("_item"))
            .group_by("_record", maintain_order=True)
            .agg("_item")
        )
        items = every.join(grouped, on="_record", how="left", maintain_order="left")["_item"]
        return pl.DataFrame({"": items}).select(pl.col("").fill_null(pl.lit([], dtype=pl.List(kind)))).to_series()

    def _artist(self, table: pl.DataFrame) -> pl.DataFrame:
        is_address = pl.col("name").str.contains(r"^https?://")
        self._say("names of artists that are addresses, and left out", _texts(table.filter(is_address), "name"))
        table = table.filter(pl.col("name").is_not_null() & ~is_address)
        given = [name for name in ("born", "died") if name in table]
        return table.with_columns(
            self._years(table[name], table[NUMBER], f"artists.{name}").alias(name) for name in given
        )

    def _image(self, table: pl.DataFrame) -> pl.DataFrame:
        numbers = ("service_version", "width_px", "height_px", "max_width_px", "max_area_px")
        table = table.with_columns(
            pl.col(name).str.extract(_INTEGER, 1).cast(pl.Int64()) for name in numbers if name in table
        )
        for name in ("url", "service"):
            if name in table:
                table = table.with_columns(self._addresses(table[name], table[NUMBER]).alias(name))
        if "service" not in table.columns and table["url"].str.contains("/full/", literal=True).any():
            table = _with_services(table)
        return table.filter(
            pl.any_horizontal(pl.col(name).is_not_null() for name in ("url", "service") if name in table)
        )

    def _addresses(self, texts: pl.Series, numbers: pl.Series) -> pl.Series:
        """Addresses of pictures; what is none is left out, and said."""
        text = pl.col("text")
        frame = pl.DataFrame({"text": texts, "number": numbers}).with_columns(
            text.str.replace(r"^//", "https://").str.replace_all(" ", "%20")
        )
        frame = frame.with_columns(
            pl.when(text.is_null())
            .then(None)
            .when(text.str.contains(r"^(?i)https?://[^/%]+"))
            .then(pl.lit("fine"))
            .when(text.str.starts_with("<"))
            .then(pl.lit("HTML"))
            .when(text.str.contains(r"^[A-Za-z][A-Za-z0-9+.-]*:"))
            .then(pl.lit("not http"))
            .otherwise(pl.lit("relative"))
            .alias("kind")
        )
        if self.base_url:
            parts = urlsplit(self.base_url)
            below = pl.lit(self.base_url.rstrip("/") + "/") + text
            at_root = pl.lit(f"{parts.scheme}://{parts.netloc}") + text
            joined = pl.when(text.str.starts_with("/")).then(at_root).otherwise(below)
            is_relative = pl.col("kind") == "relative"
            frame = frame.with_columns(
                pl.when(is_relative).then(joined).otherwise(text).alias("text"),
                pl.when(is_relative).then(pl.lit("fine")).otherwise("kind").alias("kind"),
            )
        for kind, what in _NO_ADDRESSES.items():
            self._say(what, frame.filter(pl.col("kind") == kind))
        return frame.select(pl.when(pl.col("kind") == "fine").then(text)).to_series()


def _texts(table: pl.DataFrame, column: str) -> pl.DataFrame:
    return table.select(pl.col(column).alias("text"), pl.col(NUMBER).alias("number"))


def _open(frame: pl.DataFrame, rule: bool | Conditions | None, rights: pl.Series) -> pl.Series:
    """Whether each work is open: by the rule, or else by its rights statement."""
    if isinstance(rule, bool):
        return pl.Series([rule], dtype=pl.Boolean()).new_from_index(0, frame.height)
    if rule is not None:
        return holds(frame, rule)
    known = {uri: is_open(uri) for uri in rights.drop_nulls().unique()}
    return rights.replace_strict(known, default=None, return_dtype=pl.Boolean())


def _with_services(table: pl.DataFrame) -> pl.DataFrame:
    """Pictures whose address asks a IIIF service for the full size, with that service: it is asked for less."""
    asks = [service_of_address(url) if url else None for url in table["url"]]
    return table.with_columns(
        pl.Series("service", [one and one.base for one in asks], dtype=pl.String()),
        pl.Series("service_version", [one and one.version for one in asks], dtype=pl.Int64()),
    )


_NO_ADDRESSES = {
    "HTML": "addresses of images are HTML (take the address out of it by `regex`)",
    "not http": "addresses of images are not http(s), and those are left out",
    "relative": "addresses of images are relative (set `base_url` to what they are below)",
}


def _paths_of(part: object) -> Iterator[str]:
    """The columns that a part of a mapping names."""
    if isinstance(part, Value):
        yield from part.paths
    elif isinstance(part, Mapping):
        yield from cast("Mapping[str, object]", part)
    elif isinstance(part, Strict):
        for name in type(part).model_fields:
            yield from _paths_of(getattr(part, name))


def _side_by_side(parts: Mapping[str, pl.Series], lead: str) -> pl.DataFrame:
    """A row for each value of the leading field, with `_record`, the place of its record; single values repeat."""
    frame = pl.DataFrame(dict(parts)).with_row_index("_record")
    if all(values.dtype != TEXTS for values in parts.values()):
        return frame
    if frame[lead].dtype != TEXTS:
        frame = frame.with_columns(pl.concat_list(pl.col(lead)))
    frame = frame.filter(pl.col(lead).list.len() > 0)
    count = pl.col(lead).list.len()
    others: list[pl.Expr] = []
    for name in parts:
        if frame[name].dtype == TEXTS:
            padding = pl.lit(None, dtype=pl.String()).repeat_by(count)
            filled = pl.col(name).fill_null(pl.lit([], dtype=TEXTS))
            others.append(pl.concat_list(filled, padding).list.head(count).alias(name))
        else:
            others.append(pl.col(name).repeat_by(count).alias(name))
    return frame.with_columns(others).explode(*parts)
