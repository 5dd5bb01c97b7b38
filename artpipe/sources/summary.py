"""What a person wants to know of a source before the collection is built: `artpipe sources check` shows it."""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from artpipe.catalog.dates import parse_date
from artpipe.catalog.rows import LABEL_PREFIX, SourceRows

_VARYING = re.compile(r"'[^']*'|(?<=the id )\S+|\d+")
"""What differs between reasons of one kind."""


@dataclass(frozen=True)
class Reason:
    """Why some records could not be read: how many, and the first of them."""

    count: int
    first: str
    raw: str


@dataclass(frozen=True)
class SourceSummary:
    """What was read of a source.

    Attributes:
        years: the first and the last year of its works; None where none has one.
        labels: how many works each class of each task has, the most frequent first.
        rights: how many works have each `rights_uri`.
        first: its first rows.
        reasons: why records were quarantined, the most frequent first.
        notes: remarks of the adapter.
    """

    name: str
    rows: int
    quarantined: int
    with_image: int
    open: int
    years: tuple[int, int] | None
    labels: dict[str, dict[str, int]]
    rights: dict[str, int]
    first: list[dict[str, Any]]
    reasons: list[Reason]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """What `artpipe sources check --json` prints."""
        names = ("name", "rows", "quarantined", "with_image", "open", "years", "labels", "first")
        return {name: getattr(self, name) for name in names}


def summary_of(name: str, found: SourceRows, first: int = 5) -> SourceSummary:
    """Count what was read of a source.

    Args:
        name: of the source.
        found: what its adapter read.
        first: how many rows to show.
    """
    rows = found.rows
    return SourceSummary(
        name=name,
        rows=rows.height,
        quarantined=found.quarantine.height,
        with_image=int((rows["images"].list.len() > 0).sum()),
        open=int(rows["is_open"].fill_null(value=False).sum()),
        years=_years(rows),
        labels={
            column.removeprefix(LABEL_PREFIX): _counts(rows[column].explode())
            for column in rows.columns
            if column.startswith(LABEL_PREFIX)
        },
        rights=_counts(rows["rights_uri"]),
        first=[_shown(row) for row in rows.head(first).iter_rows(named=True)],
        reasons=_reasons(found.quarantine),
        notes=(*found.notes, *_empty_fields(rows)),
    )


def _empty_fields(rows: pl.DataFrame) -> Iterator[str]:
    """What no row has, although most collections have it."""
    if rows.height and not (rows["artists"].list.len() > 0).any():
        yield (
            "no row has an artist: look whether `columns.artists` names the right column. Without artists, no page "
            "lists them, and works of unseen artists are not measured"
        )
    if rows.height and not (rows["images"].list.len() > 0).any():
        yield "no row has a picture, so nothing can be searched by its looks: look at `columns.images`"


def _counts(values: pl.Series) -> dict[str, int]:
    return dict(sorted(Counter(values.drop_nulls().to_list()).items(), key=lambda one: (-one[1], one[0])))


def _years(rows: pl.DataFrame) -> tuple[int, int] | None:
    """The span of the years given, and of the date texts of works that give none."""
    texts = rows.filter(pl.col("year_from").is_null() & pl.col("year_to").is_null())["date_text"].drop_nulls().unique()
    dates = [parse_date(text) for text in texts]
    years = [
        *rows["year_from"].drop_nulls(),
        *rows["year_to"].drop_nulls(),
        *(year for date in dates for year in (date.year_from, date.year_to) if year is not None),
    ]
    return (min(years), max(years)) if years else None


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    """A row with its labels by task, and without what it does not have."""
    labels = {key.removeprefix(LABEL_PREFIX): value for key, value in row.items() if key.startswith(LABEL_PREFIX)}
    plain = {key: value for key, value in row.items() if not key.startswith(LABEL_PREFIX)}
    plain["extra"] = json.loads(row["extra"]) if row["extra"] else None
    for key in ("artists", "images"):
        plain[key] = [{part: value for part, value in item.items() if value is not None} for item in row[key]]
    return {**plain, "labels": labels}


def _reasons(quarantine: pl.DataFrame) -> list[Reason]:
    kinds: dict[str, Reason] = {}
    for reason, raw in quarantine.select("reason", "raw").iter_rows():
        kind = _VARYING.sub("…", reason)
        before = kinds.get(kind, Reason(0, reason, raw))
        kinds[kind] = Reason(before.count + 1, before.first, before.raw)
    return sorted(kinds.values(), key=lambda one: -one.count)
