"""The rows of a source before they are artworks: one schema, whatever the source's own catalogue looks like."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from artpipe.catalog.spilled import SpilledFrame
from artpipe.schema import QUARANTINE
from artpipe.tasks import TaskDeclaration

ARTIST = pl.Struct(
    {
        "artist_id": pl.String(),
        "name": pl.String(),
        "role": pl.String(),
        "born": pl.Int32(),
        "died": pl.Int32(),
        "authority_uri": pl.String(),
    }
)
"""A maker of a work; `authority_uri` is an address at Wikidata, ULAN or the like."""

IMAGE = pl.Struct(
    {
        "url": pl.String(),
        "service": pl.String(),
        "service_version": pl.Int32(),
        "width_px": pl.Int32(),
        "height_px": pl.Int32(),
        "max_width_px": pl.Int32(),
        "max_area_px": pl.Int64(),
        "role": pl.String(),
    }
)
"""A picture of a work: its address, or the base address of a IIIF image service (version 1 to 3), which is asked for
the size that the lake stores. `role` is such as `recto` or `detail`."""

ROWS = pl.Schema(
    {
        "row_number": pl.Int64(),
        "source_id": pl.String(),
        "work_id": pl.String(),
        "title": pl.String(),
        "artists": pl.List(ARTIST),
        "date_text": pl.String(),
        "year_from": pl.Int32(),
        "year_to": pl.Int32(),
        "medium": pl.String(),
        "classification": pl.String(),
        "location": pl.String(),
        "school": pl.String(),
        "landing_url": pl.String(),
        "modified": pl.String(),
        "images": pl.List(IMAGE),
        "rights_uri": pl.String(),
        "is_open": pl.Boolean(),
        "credit_line": pl.String(),
        "extra": pl.String(),
    }
)
"""One row is a record of a source. `row_number` is its line or place in the catalogue, from 1; `source_id` identifies
it there; records with one `work_id` show one work; `extra` is a JSON object of what else the source has. The labels of
a task are in the column `label_prefix + task`, as a list of texts: none, one or several."""

LABEL_PREFIX = "label."
BATCH_ROWS = 50_000
"""So many rows of a large source are in memory at a time."""


@dataclass(frozen=True)
class SourceRows:
    """What an adapter read.

    Attributes:
        stored: `ROWS` and a column `LABEL_PREFIX + task`, a list of texts, for each task that the source has labels of;
            of a gallery also `timeframe`. In memory, or on disk where there may be many.
        quarantine: `schema.QUARANTINE`: every record that could not be read, with the reason.
        notes: remarks for a person, one sentence each, such as what was left out.
    """

    stored: pl.DataFrame | SpilledFrame
    quarantine: pl.DataFrame
    notes: tuple[str, ...] = ()

    @property
    def rows(self) -> pl.DataFrame:
        """All rows, in memory."""
        return self.stored if isinstance(self.stored, pl.DataFrame) else self.stored.scan().collect()

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return self.stored.columns

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pl.DataFrame]:
        """The rows in order, at most `BATCH_ROWS` at a time; of these columns, or of all."""
        if isinstance(self.stored, SpilledFrame):
            yield from self.stored.batches(columns)
            return
        wanted = self.stored if columns is None else self.stored.select(columns)
        yield from wanted.iter_slices(BATCH_ROWS) if wanted.height else [wanted]


def source_rows(
    rows: Sequence[Mapping[str, Any]],
    quarantine: Sequence[tuple[int, str, str]],
    tasks: Iterable[str] = (),
    notes: Iterable[str] = (),
) -> SourceRows:
    """What an adapter read, as tables.

    Args:
        rows: values of the columns of `ROWS` and of the labels; a column that is not there is null.
        quarantine: number, reason and raw text of each record that could not be read.
        tasks: those that the source has labels of.
        notes: as in `SourceRows`.
    """
    schema = {**ROWS, **{f"{LABEL_PREFIX}{task}": pl.List(pl.String) for task in tasks}}
    refused = pl.DataFrame(quarantine, schema=QUARANTINE, orient="row")
    return SourceRows(pl.DataFrame(rows, schema=schema), refused, tuple(notes))


@dataclass(frozen=True)
class ReadSource:
    """A source that was read.

    Attributes:
        name: its short name.
        rights: which of its works are downloaded, by the file of sources: `open`, or all.
        read: its rows.
        is_gallery: whether its ids are those of a lake of `ARTPIPE_GALLERY`: of works, and of artists.
    """

    name: str
    rights: str | None
    read: SourceRows
    is_gallery: bool = False


@dataclass(frozen=True)
class ReadSources:
    """Every source of a collection, in the order of the file that names them.

    Attributes:
        sources: each with its rows.
        tasks: those that the file declares; None where it leaves them to the rows.
    """

    sources: tuple[ReadSource, ...]
    tasks: tuple[TaskDeclaration, ...] | None = None
