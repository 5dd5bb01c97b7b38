"""The collection as a notebook, a service or the command line asks it.

`Collection.open()` reads one version of the `embeddings` table and keeps to it: a refresh that rewrites the table is
seen by the next `open`, never half-way. torch is loaded only when a picture must be embedded.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.embedding.table import PREDICTIONS, EmbeddingTable, content_version
from artpipe.errors import ArtpipeError
from artpipe.lake import IMAGES_TABLE, DataLake
from artpipe.search.filters import FilterColumns, SearchFilter, closest
from artpipe.search.index import ServedIndex, open_index
from artpipe.search.predictions import Prediction, predict_pictures, stored_short_side_px
from artpipe.search.queries import PictureEncoder, UnusableQueryError, refuse_mismatch, stored_form
from artpipe.search.queries import unit_vector as as_unit_vector
from artpipe.table_versions import NoSuchVersionError, table_versions, version_as_of
from artpipe.training.served import served_model_id

if TYPE_CHECKING:
    from PIL.Image import Image

    from artpipe.search.nearest import Neighbours, Vector

HIT_METADATA = (
    "artist",
    "title",
    "date_text",
    "year_from",
    "year_to",
    "style",
    "period",
    "type",
    "school",
    "technique",
    "location",
    "page_url",
    "image_url",
    *PREDICTIONS,
)
"""What a hit tells of a work, after `rank`, `artwork_id` and `similarity`."""

AsOf = int | str | date | datetime
"""A version of the table, or a date."""

_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif", ".heic")


class LakeMissingError(ArtpipeError):
    """There is no lake at the address."""


class NothingEmbeddedError(ArtpipeError):
    """The collection holds no vectors yet."""


class UnknownArtworkError(ArtpipeError):
    """No artwork of the collection has this id."""


@dataclass(frozen=True)
class Explanation:
    """How a query was answered.

    Attributes:
        index: `exact`, `byte_scan` or `hnsw`.
        how: the same for people.
        note: why the index that was built is not used; empty when it is.
        rows: vectors in the collection.
        rows_scanned: vectors compared with the query in any form.
        milliseconds: from the query to the finished frame.
    """

    index: str
    how: str
    note: str
    rows: int
    rows_scanned: int
    milliseconds: float


@dataclass(frozen=True)
class _Query:
    """A query made comparable: its vector, and where it stands in the table if it is a work of it."""

    vector: "Vector"
    position: int | None = None


class Collection:
    """Every searchable work of a lake, at one version of its `embeddings` table. Open it with `Collection.open`.

    Args:
        lake: where everything is kept.
        encoder: the model for pictures; the lake's served model by default, loaded when first needed.
        device: where that model runs.
        as_of: the state to open, a version of the table or a date; the newest by default.
    """

    def __init__(
        self,
        lake: DataLake,
        encoder: PictureEncoder | None = None,
        device: str = "auto",
        as_of: AsOf | None = None,
    ) -> None:
        self.lake = lake
        self._table = EmbeddingTable(lake)
        self._given_encoder = encoder
        self._device = device
        self._lock = threading.RLock()
        if lake.is_local and not lake.root.exists():
            raise LakeMissingError(f"there is no data lake at {lake.root}; run `artpipe demo`, or set ARTPIPE_LAKE.")
        self._past = None if as_of is None or not self._table.exists else version_as_of(self._table.versions(), as_of)
        version = self._past.number if self._past else self._table.version
        self.works = self._table.read(version=version)
        if version is None or self.works.is_empty():
            raise NothingEmbeddedError(
                f'nothing in the lake {lake.root} was embedded yet; run `artpipe demo` or materialize "embeddings".'
            )
        self._version: int = version
        # The past is asked with the model that made it, whichever is served now.
        self._served = self.model_ids[0] if self._past else served_model_id(lake)
        self._hits = self.works.select("artwork_id", *HIT_METADATA)

    @classmethod
    def open(
        cls,
        lake: str | Path | DataLake | None = None,
        *,
        encoder: PictureEncoder | None = None,
        device: str | None = None,
        as_of: AsOf | None = None,
    ) -> Self:
        """Open a lake for searching, as it is or as it was.

        Args:
            lake: a folder, an address such as `s3://bucket/prefix`, or a `DataLake`; the one in force by default.
            encoder: another model for pictures than the lake's served one.
            device: where the model runs; `ARTPIPE_DEVICE` by default.
            as_of: a version number, or a date: the last state that is not later. A day counts to its end, and a time
                without a zone is UTC. `Collection.versions` lists what is kept. Such a collection is searched with
                the model of its time, and exactly where the index has moved on.

        Raises:
            NoSuchVersionError: that state is not kept; the oldest one is named.
            LakeMissingError: there is no lake at the address.
            NothingEmbeddedError: the lake holds no vectors yet.
        """
        if lake is None or device is None:
            from artpipe.settings import Settings

            settings = Settings()  # pyright: ignore[reportCallIssue]
            lake = settings.lake_root if lake is None else lake
            device = settings.device if device is None else device
        return cls(lake if isinstance(lake, DataLake) else DataLake(lake), encoder, device, as_of)

    @staticmethod
    def versions(lake: str | Path | DataLake) -> pl.DataFrame:
        """The states that can be opened, oldest first: `version`, `date` (UTC) and `rows`."""
        kept = EmbeddingTable(lake if isinstance(lake, DataLake) else DataLake(lake)).versions()
        schema = {"version": pl.Int64, "date": pl.Datetime("us", "UTC"), "rows": pl.Int64}
        return pl.DataFrame([(found.number, found.date, found.rows) for found in kept], schema=schema, orient="row")

    @property
    def as_of(self) -> datetime | None:
        """When the state that was asked for was committed, UTC; None where the newest one is open."""
        return self._past.date if self._past else None

    def __len__(self) -> int:
        return self.works.height

    def __contains__(self, artwork_id: object) -> bool:
        return artwork_id in self._position_of

    def __repr__(self) -> str:
        return f"Collection({len(self):,} works in {self.lake.root}, model {', '.join(self.model_ids)})"

    @cached_property
    def model_ids(self) -> list[str]:
        """Every model that made a vector of the table; more than one until `embeddings` is complete."""
        return self.works["model_id"].unique().sort().to_list()

    @property
    def index(self) -> ServedIndex:
        """What answers the queries; the vectors are read when it is first asked for."""
        with self._lock:
            return self._index

    def similar(
        self,
        query: "str | Path | bytes | Image | NDArray[Any]",
        k: int = 10,
        where: SearchFilter | None = None,
        *,
        include_same_work: bool = True,
    ) -> pl.DataFrame:
        """The k works most like the query, best first.

        Args:
            query: an `artwork_id`, the path of an image, its bytes, a PIL image, or a vector of the table's length.
            k: how many; fewer come back when fewer pass the filter.
            where: which works may be returned.
            include_same_work: whether details and other photographs of the queried artwork may be returned; the
                queried artwork itself never is.

        Returns:
            rank, artwork_id, similarity (cosine), and what is known and predicted of each work.

        Raises:
            UnknownArtworkError: no artwork has this id; the closest ones are named.
            UnusableQueryError: the query is no readable picture or no fitting vector.
            ModelMismatchError: the table was built by another model than the served one.
            UnknownFilterValueError: no work has a label that the filter asks for.
        """
        return self._frame(self._nearest(self._resolve(query), k, where, include_same_work))

    def explain(
        self,
        query: "str | Path | bytes | Image | NDArray[Any]",
        k: int = 10,
        where: SearchFilter | None = None,
        *,
        include_same_work: bool = True,
    ) -> Explanation:
        """Answer a query and tell how it was done; takes the arguments of `similar`."""
        served = self.index
        began = time.perf_counter()
        found = self._nearest(self._resolve(query), k, where, include_same_work)
        self._frame(found)
        spent_ms = (time.perf_counter() - began) * 1e3
        return Explanation(served.nearest.kind, found.how, served.note, len(self), found.scanned, round(spent_ms, 3))

    def get(self, artwork_id: str) -> dict[str, Any]:
        """Everything known of one work.

        Raises:
            UnknownArtworkError: no artwork has this id.
        """
        return self.works.row(self._position(artwork_id), named=True)

    def image(self, artwork_id: str) -> bytes:
        """The stored JPEG of one work.

        Raises:
            UnknownArtworkError: no artwork has this id, or its picture is no longer held.
        """
        import lance

        self._position(artwork_id)
        quoted = artwork_id.replace("'", "''")
        try:
            images = lance.dataset(self.lake.lance_table(IMAGES_TABLE), version=self._images_version)
            found = images.to_table(columns=["jpeg"], filter=f"artwork_id = '{quoted}'")["jpeg"].to_pylist()
        except ValueError:  # there is no such table
            found = []
        jpeg = found[0] if found else None
        if jpeg is None:
            raise UnknownArtworkError(f'the picture of {artwork_id} is no longer held; materialize "images".')
        return jpeg

    def predict(self, images: "Sequence[str | Path | bytes | Image]") -> list[Prediction]:
        """What the model takes each picture for.

        Args:
            images: paths, bytes or PIL images.

        Raises:
            UnusableQueryError: one of them is no readable picture.
            ModelMismatchError: the table was built by another model than the served one.
        """
        return predict_pictures(self._encoder_for_table, images, self._short_side_px)

    def _frame(self, found: "Neighbours") -> pl.DataFrame:
        hits = self._hits[found.positions]
        hits.insert_column(0, pl.Series("rank", np.arange(1, hits.height + 1, dtype=np.int32)))
        return hits.insert_column(2, pl.Series("similarity", found.similarities))

    def _nearest(self, query: _Query, k: int, where: SearchFilter | None, include_same_work: bool) -> "Neighbours":
        if k < 1:
            raise ValueError(f"k must be at least 1, not {k}")
        nearest = self.index.nearest
        allowed = None
        if where is not None and not where.is_empty:
            allowed = where.mask(self._filterable)
        excluded: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        if query.position is not None:
            excluded = np.array([query.position], dtype=np.int64)
            work_id = self.works["work_id"][query.position]
            if not include_same_work and work_id is not None:
                excluded = (self.works["work_id"] == work_id).arg_true().to_numpy().astype(np.int64)
        if allowed is not None:
            allowed[excluded] = False
            return nearest.search(query.vector, k, allowed)
        found = nearest.search(query.vector, k + len(excluded))
        if not len(excluded):
            return found
        kept = ~np.isin(found.positions, excluded)
        return type(found)(found.positions[kept][:k], found.similarities[kept][:k], found.scanned, found.how)

    def _resolve(self, query: "str | Path | bytes | Image | NDArray[Any]") -> _Query:
        refuse_mismatch(self.model_ids, None if self._given_encoder else self._served)
        if isinstance(query, np.ndarray):
            return _Query(as_unit_vector(query, self._vectors.shape[1]))
        if isinstance(query, str):
            position = self._position_of.get(query)
            if position is not None:
                return _Query(self._vectors[position], position)
            if not Path(query).is_file():
                raise self._unknown(query)
        jpeg = stored_form(Path(query) if isinstance(query, str) else query, self._short_side_px)
        return _Query(as_unit_vector(self._encoder_for_table().encode([jpeg]).vectors[0], self._vectors.shape[1]))

    def _encoder_for_table(self) -> PictureEncoder:
        refuse_mismatch(self.model_ids, None if self._given_encoder else self._served)
        with self._lock:
            encoder = self._encoder
        refuse_mismatch(self.model_ids, encoder.model_id)
        return encoder

    def _position(self, artwork_id: str) -> int:
        position = self._position_of.get(artwork_id)
        if position is None:
            raise self._unknown(artwork_id)
        return position

    def _unknown(self, asked: str) -> UnknownArtworkError | UnusableQueryError:
        if asked.lower().endswith(_PICTURE_SUFFIXES) or asked.startswith(("/", "~", ".")):
            return UnusableQueryError(f"{asked} is neither a file nor the id of an artwork; check the path.")
        return UnknownArtworkError(f"the collection has no artwork {asked!r}; {self._suggestion(asked)}.")

    def _suggestion(self, asked: str) -> str:
        """The closest ids; where none is like it, the works whose title is."""
        ids = closest(asked, list(self._position_of))
        if not ids:
            titles = closest(asked, self.works["title"].drop_nulls().unique().to_list())
            ids = self.works.filter(pl.col("title").is_in(titles))["artwork_id"].head(3).to_list()
        if not ids:
            return f"ids look like {self.works['artwork_id'][0]!r}"
        named = self.works.filter(pl.col("artwork_id").is_in(ids)).select("artwork_id", "title", "artist")
        told = {name: f"{name} ({title}, {artist})" for name, title, artist in named.iter_rows()}
        return "the closest are: " + "; ".join(told[name] for name in ids)

    @cached_property
    def _position_of(self) -> dict[str, int]:
        return {name: position for position, name in enumerate(self.works["artwork_id"])}

    @cached_property
    def _filterable(self) -> FilterColumns:
        return FilterColumns(self.works)

    @property
    def _vectors(self) -> "Vector":
        with self._lock:
            return self._matrix

    @cached_property
    def _matrix(self) -> "Vector":
        return self._table.vectors(self._version)[1]

    @cached_property
    def _index(self) -> ServedIndex:
        version = content_version(self.works)
        served = open_index(self._matrix, self.lake, model_id=self.model_ids[0], content_version=version)
        if self._past and served.note:
            return replace(served, note=f"opened as of {self._past.date:%Y-%m-%d %H:%M} UTC, and searched exactly")
        return served

    @cached_property
    def _images_version(self) -> int | None:
        """The images of the opened state, where they are kept; else the newest."""
        if self._past is None:
            return None
        try:
            return version_as_of(table_versions(self.lake.lance_table(IMAGES_TABLE)), self._past.date).number
        except NoSuchVersionError:
            return None

    @cached_property
    def _encoder(self) -> PictureEncoder:
        if self._given_encoder is not None:
            return self._given_encoder
        from artpipe.search.served_model import load_served_model

        return load_served_model(self.lake, self._device, self._served if self._past else None)

    @cached_property
    def _short_side_px(self) -> int:
        return stored_short_side_px(self.lake, self._images_version)
