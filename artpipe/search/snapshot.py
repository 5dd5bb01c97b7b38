"""One version of a lake's tables, and what is opened beside them to search it; each part is read when first needed."""

import logging
import threading
from datetime import date, datetime
from functools import cached_property
from typing import TYPE_CHECKING, cast

import polars as pl

from artpipe.catalog.names import Names, artist_names
from artpipe.catalog.record_ids import artwork_ids_of
from artpipe.embedding.table import EmbeddingTable, has_rights, table_schema, tasks_of_table, vectors_version
from artpipe.errors import ArtpipeError
from artpipe.images.pictures import StoredPictures
from artpipe.lake.damage import refuse_damaged_table
from artpipe.lake.of_gallery import is_claimed_by
from artpipe.lake.parquet import read_table_if_exists
from artpipe.lake.paths import EMBEDDINGS_TABLE, IMAGES_TABLE, DamagedLakeError, DataLake
from artpipe.lake.versions import NoSuchVersionError, table_versions, version_as_of
from artpipe.models.card import CARD_FILE
from artpipe.models.served import served_model_id
from artpipe.recognition.feature_index import FeatureIndex, open_feature_index
from artpipe.search.hit_builder import hit_metadata
from artpipe.search.index import IN_MEMORY_ROWS, ServedIndex, open_index
from artpipe.search.novelty import NoveltyScale, open_scale
from artpipe.search.predictions import stored_short_side_px
from artpipe.search.suggestions import Suggestions
from artpipe.search.text_encoder import TextEncoder, open_text_encoder
from artpipe.settings import SAMPLE
from artpipe.tasks import Task, Tasks, read_tasks
from artpipe.vectors.lance_search import read_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    import lance

    from artpipe.vectors.nearest import Positions
    from artpipe.vectors.row_addresses import RowAddresses

    opened_once = cached_property
else:

    class opened_once(cached_property):  # noqa: N801 - used as a decorator
        """A cached property that is computed once, however many threads ask for it at the same time."""

        def __get__(self, instance, owner=None):
            if instance is None:
                return self
            with instance._lock:  # noqa: SLF001 - a property of that very object
                return super().__get__(instance, owner)


logger = logging.getLogger(__name__)

_LONGEST_ID = 1000
SEARCHED = ("artwork_id", "artist_id", "artist", "title", "technique", "year_from", "year_to", "school", "work_id")
"""The columns that are compared with a request, beside the labels of each task."""
AsOf = int | str | date | datetime
"""A version of the table, or a date."""


class NothingEmbeddedError(ArtpipeError):
    """The collection has no vectors yet."""


class Snapshot:
    """One version of the `embeddings` table, and the index, pictures and features that belong to it.

    Args:
        lake: where everything is stored.
        as_of: the state to open, a version of the table or a date; the newest by default.

    Attributes:
        has_rights: whether it says what may be done with the pictures.
        tasks: what the opened table has labels and predictions of.
        rows: what is searched, filtered and grouped by of each work, in the order of `artwork_id`.
        version: that of the table.
        past: the opened state where one was requested; None where the newest is open.
        model_ids: every model that made a vector; more than one until `embeddings` is complete.
        model_id: the model to embed queries with: that of the vectors while it is saved, else the served one; None
            where neither is there.

    Raises:
        NoSuchVersionError: that state is not kept; the oldest one is named.
        LakeMissingError: there is no lake at the address.
        NothingEmbeddedError: the lake has no vectors yet.
        DamagedLakeError: the table is not whole.
    """

    def __init__(self, lake: DataLake, as_of: AsOf | None = None) -> None:
        lake.refuse_missing()
        self.lake = lake
        self._lock = threading.RLock()
        refuse_damaged_table(lake, EMBEDDINGS_TABLE)
        self._table = EmbeddingTable(lake)
        self.past = None if as_of is None or not self._table.exists else version_as_of(self._table.versions(), as_of)
        version = self.past.number if self.past else self._table.version
        columns = self._table.columns(version)
        self.tasks, self.has_rights = _tasks_of(lake, tasks_of_table(columns)), has_rights(columns)
        self._searched = frozenset((*SEARCHED, *self.tasks))
        self.rows = self._table.read([*SEARCHED, *self.tasks], version)
        if version is None or self.rows.is_empty():
            raise NothingEmbeddedError(
                f'nothing in the lake {lake.root} was embedded yet; run `artpipe demo` or materialize "embeddings".'
            )
        self.version: int = version
        self.model_ids: list[str] = self._table.read(["model_id"], version)["model_id"].unique().sort().to_list()
        # The past is searched with the model that made it, and the newest state too until the served one embedded it.
        served, made_by = served_model_id(lake), self.model_ids[0]
        self.model_id = made_by if self.past or (lake.model(made_by) / CARD_FILE).exists() else served
        self.pictures = StoredPictures(lake, lambda: self._images_version)

    @property
    def schema(self) -> pl.Schema:
        """The columns of the table but its vectors."""
        return table_schema(self.tasks, rights=self.has_rights)

    @property
    def hit_columns(self) -> tuple[str, ...]:
        """What is told of a hit."""
        return hit_metadata(self.tasks, rights=self.has_rights)

    def position_of(self, artwork_id: object) -> int | None:
        """The row of a work; None where there is no such work.

        Args:
            artwork_id: its id, or that of its record as the source writes it, such as an inventory number.
        """
        if not isinstance(artwork_id, str):
            return None
        found = self.row_of(artwork_id)
        if found is None and len(artwork_id) <= _LONGEST_ID:
            found = next((row for one in artwork_ids_of(artwork_id) if (row := self.row_of(one)) is not None), None)
        return found

    def row_of(self, artwork_id: str) -> int | None:
        """The row of a work by its own id alone; None where there is no such work."""
        if self.rows.height <= IN_MEMORY_ROWS:
            return self._positions.get(artwork_id)
        ids = self.rows["artwork_id"]
        position = int(ids.search_sorted(artwork_id))
        return position if position < len(ids) and ids[position] == artwork_id else None

    @opened_once
    def _positions(self) -> dict[str, int]:
        """The row of each work; beyond memory the sorted ids are bisected instead, which takes longer and no memory."""
        return {artwork_id: position for position, artwork_id in enumerate(self.rows["artwork_id"].to_list())}

    @opened_once
    def works(self) -> pl.DataFrame:
        """The whole table but its vectors, in the order of `artwork_id`; not needed to search."""
        return self._without_dead_links(self._table.read(version=self.version))

    @opened_once
    def is_drawn(self) -> bool:
        """Whether the works are those of the sample gallery, of which no site has a page."""
        return self.lake.is_local and is_claimed_by(self.lake.local_root, SAMPLE)

    def _without_dead_links(self, works: pl.DataFrame) -> pl.DataFrame:
        links = [name for name in ("page_url", "image_url") if name in works.columns]
        if not links or not self.is_drawn:
            return works
        return works.with_columns(pl.lit(None, pl.String).alias(name) for name in links)

    def columns(self, names: "Sequence[str]") -> pl.DataFrame:
        """Some columns of `works`; of a collection beyond memory they are read from the table and not kept."""
        if self.rows.height <= IN_MEMORY_ROWS:
            return self.works.select(names)
        if all(name in self._searched for name in names):
            return self.rows.select(names)
        return self._without_dead_links(self._table.read(list(names), self.version))

    def works_at(self, positions: "Sequence[int] | Positions", columns: "Sequence[str]") -> pl.DataFrame:
        """Some rows of `works`; of a collection beyond memory they are read from the table."""
        columns = list(columns)  # in brackets: `select` would plan a query, which takes a tenth of a search
        if self.rows.height <= IN_MEMORY_ROWS:
            return self.works[columns][positions]
        held = self.rows[[name for name in columns if name in self._searched]][positions]
        read = [name for name in columns if name not in self._searched]
        if not read or not len(positions):
            return held.with_columns(pl.lit(None, self.schema[name]).alias(name) for name in read)[columns]
        taken = read_rows(self.dataset, self.addresses, positions, read)
        return self._without_dead_links(held.hstack(cast("pl.DataFrame", pl.from_arrow(taken)))[columns])

    @opened_once
    def index(self) -> ServedIndex:
        """What finds the neighbours of a vector."""
        return open_index(
            self._table,
            self.version,
            model_id=self.model_ids[0],
            content_version=self.content_version,
            past=self.past.date if self.past else None,
            addresses=lambda: self.addresses,
        )

    @opened_once
    def content_version(self) -> str:
        """A hash of which pictures the vectors are of, and of the models that made them."""
        return vectors_version(self._table.read(["artwork_id", "jpeg_sha256", "model_id"], self.version))

    @opened_once
    def dataset(self) -> "lance.LanceDataset":
        """This version of the Lance table."""
        return cast("lance.LanceDataset", self._table.dataset(self.version))

    @opened_once
    def addresses(self) -> "RowAddresses":
        """Where the rows lie in it."""
        return self._table.row_addresses(self.version)

    @opened_once
    def artist_names(self) -> Names:
        """What the artists are called, by the catalogue's list as it is now; without aliases where that is damaged."""
        try:
            listed = read_table_if_exists(self.lake, "artists")
        except DamagedLakeError as error:
            logger.warning("artists are found by the names of their works alone: %s", error)
            listed = None
        if listed is None:
            return artist_names(self.rows)
        aliases = listed.filter(pl.col("alias_of").is_not_null()).group_by("alias_of").agg("name")
        return artist_names(self.rows, dict(aliases.iter_rows()))

    @opened_once
    def suggestions(self) -> Suggestions:
        """What a person who types may mean."""
        return Suggestions(
            self.rows, self.tasks.labelled, self.artist_names, with_titles=self.rows.height <= IN_MEMORY_ROWS
        )

    @opened_once
    def features(self) -> FeatureIndex:
        """The local features of the pictures; raises NoFeatureIndexError where they were not extracted."""
        pictures = self._table.read(["artwork_id", "jpeg_sha256"], self.version)
        return open_feature_index(self.lake, dict(pictures.iter_rows()))

    @opened_once
    def short_side_px(self) -> int:
        """The short side of the stored pictures."""
        return stored_short_side_px(self.lake, self._images_version)

    def novelty_scale(self) -> NoveltyScale | None:
        """The units of distance from the collection; None until they were measured, which is after the table."""
        with self._lock:
            self._scale = self._scale or open_scale(self.lake, self.model_ids[0])
            return self._scale

    _scale: NoveltyScale | None = None

    def text_encoder(self) -> TextEncoder | None:
        """The words that are known by looks; None until they were learned, which is after the table."""
        with self._lock:
            self._text_encoder = self._text_encoder or open_text_encoder(self.lake, self.model_ids[0])
            return self._text_encoder

    _text_encoder: TextEncoder | None = None

    @opened_once
    def _images_version(self) -> int | None:
        """The images of the opened state, where they are kept; else the newest."""
        if self.past is None:
            return None
        try:
            return version_as_of(table_versions(self.lake.lance_table(IMAGES_TABLE)), self.past.date).number
        except NoSuchVersionError:
            return None


def _tasks_of(lake: DataLake, names: "Sequence[str]") -> Tasks:
    """The tasks of a table: as they are declared now, but for one that it still has, or does not have yet."""
    declared = read_tasks(lake).among(names)
    return Tasks(*declared.values(), *(Task(name, ()) for name in names if name not in declared))
