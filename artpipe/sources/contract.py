"""What every source of works yields: rows of one schema, whatever its catalogue looks like.

An adapter downloads the catalogue's own files into a folder of the lake, byte for byte, and reads them from there. The
catalogue stage joins the rows of all sources to `artworks`.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, SecretStr

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.crawler.client import GalleryClient
    from artpipe.progress import Progress

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


@dataclass(frozen=True)
class SourceRows:
    """What an adapter read.

    Attributes:
        rows: `ROWS` and a column `LABEL_PREFIX + task`, a list of texts, for each task that the source has labels of.
        quarantine: `schema.QUARANTINE`: every record that could not be read, with the reason.
        notes: remarks for a person, one sentence each, such as what was left out.
    """

    rows: pl.DataFrame
    quarantine: pl.DataFrame
    notes: tuple[str, ...] = ()


class Source(BaseModel, ABC):
    """A catalogue of works: what its file of sources says of it, and how it is read.

    Each adapter is a subclass with a field `adapter`, the word that chooses it in the file.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9_-]{0,39}$", description="short name; part of the ids of its works")
    requests_per_s: float | None = Field(default=None, gt=0, description="requests a second to one of its hosts")
    concurrency: int | None = Field(default=None, ge=1, le=64, description="requests to one of its hosts at a time")
    headers: Mapping[str, SecretStr] = Field(
        default={}, description="headers sent to the hosts of its catalogue, such as an API key as `${VARIABLE}`"
    )
    image_hosts: tuple[str, ...] = Field(default=(), description="hosts of its images; where empty, any public one")
    rights: Literal["open", "all"] | None = Field(default=None, description="which of its works are downloaded")

    @property
    @abstractmethod
    def hosts(self) -> tuple[str, ...]:
        """The hosts whose catalogue files are asked for; empty where the files are on this machine."""

    @abstractmethod
    def download(self, client: "GalleryClient", folder: "UPath", progress: "Progress") -> None:
        """Bring the catalogue's files in the lake up to date; what did not change is not sent again.

        Args:
            client: sends polite requests to absolute addresses.
            folder: of this source alone; its files are the source's own, byte for byte.
            progress: advanced with each file.

        Raises:
            ArtpipeError: the source cannot be read; what the folder held stays.
        """

    @abstractmethod
    def read(self, folder: "UPath") -> SourceRows:
        """The records of the downloaded files; the same for the same files.

        Raises:
            ArtpipeError: the files are of no known form; the message names the file, the place and the next step.
        """
