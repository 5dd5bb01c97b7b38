"""The collection as a notebook, a service or the command line asks it.

`Collection.open()` reads one version of the `embeddings` table and keeps to it: a refresh that rewrites the table is
seen by the next `open`, never half-way. torch is loaded only when a picture must be embedded.

What a query is tells `resolve.py`, which rows answer it `ranking.py`, what comes back `framing.py` and `hits.py`.
"""

import threading
import time
from collections.abc import Callable, Sequence
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

from numpy.typing import NDArray

from artpipe.embedding.table import EmbeddingTable, vectors_version
from artpipe.errors import ArtpipeError
from artpipe.images.pictures import StoredPictures
from artpipe.lake.paths import IMAGES_TABLE, DataLake
from artpipe.lake.versions import NoSuchVersionError, table_versions, version_as_of
from artpipe.models.served import served_model_id
from artpipe.recognition.feature_index import FeatureIndex, open_feature_index
from artpipe.recognition.local_features import SENT_SHORT_SIDE_PX
from artpipe.recognition.same_painting import Match, same_painting
from artpipe.search.filters import SearchFilter
from artpipe.search.framing import Framing
from artpipe.search.groups import Distinct
from artpipe.search.hits import Explanation, Hits
from artpipe.search.index import ServedIndex, open_index
from artpipe.search.novelty import CANDIDATES, Novelty, NoveltyScale, open_scale
from artpipe.search.predictions import Prediction, predict_pictures, stored_short_side_px
from artpipe.search.queries import PictureEncoder, refuse_mismatch, unit_vector
from artpipe.search.ranking import Ranking, SearchOptions, Target, Wanted
from artpipe.search.resolve import Asked, Resolver, UnknownArtworkError
from artpipe.search.suggestions import Suggestion, Suggestions
from artpipe.search.text import TextSearch

if TYPE_CHECKING:
    import polars as pl
    from PIL.Image import Image

AsOf = int | str | date | datetime
"""A version of the table, or a date."""


class LakeMissingError(ArtpipeError):
    """There is no lake at the address."""


class NothingEmbeddedError(ArtpipeError):
    """The collection holds no vectors yet."""


class Collection:
    """Every searchable work of a lake, at one version of its `embeddings` table. Open it with `Collection.open`.

    Args:
        lake: where everything is kept.
        encoder: the model for pictures; the lake's served model by default, loaded when first needed.
        device: where that model runs.
        as_of: the state to open, a version of the table or a date; the newest by default.
        allows_urls: whether a query may be the web address of a picture.
        abstain_below: a predicted label that is less probable is told as unsure.
    """

    def __init__(
        self,
        lake: DataLake,
        encoder: PictureEncoder | None = None,
        device: str = "auto",
        as_of: AsOf | None = None,
        *,
        allows_urls: bool = False,
        abstain_below: float = 0.5,
    ) -> None:
        self.lake = lake
        self._table = EmbeddingTable(lake)
        self._given_encoder = encoder
        self._device = device
        self._abstain_below = abstain_below
        self._scale: NoveltyScale | None = None
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
        self._pictures = StoredPictures(lake, lambda: self._images_version)
        self._framing = Framing(self.works, self._pictures.read)
        self._position_of = {name: position for position, name in enumerate(self.works["artwork_id"])}
        self._ranking = Ranking(self.works, lambda: self.index, TextSearch(lake, version, self._position_of))
        self._resolver = Resolver(
            self.works,
            self._position_of,
            nearest=lambda: self.index.nearest,
            encoder=self._encoder_for_table,
            short_side_px=lambda: self._short_side_px,
            allows_urls=allows_urls,
        )

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
        from artpipe.settings import Settings

        settings = Settings()  # pyright: ignore[reportCallIssue]
        lake = settings.lake_root if lake is None else lake
        return cls(
            lake if isinstance(lake, DataLake) else DataLake(lake),
            encoder,
            settings.device if device is None else device,
            as_of,
            allows_urls=settings.allow_url_queries,
            abstain_below=settings.abstain_below,
        )

    @staticmethod
    def versions(lake: str | Path | DataLake) -> "pl.DataFrame":
        """The states that can be opened, oldest first: `version`, `date` (UTC) and `rows`."""
        import polars as pl

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
        text: str | None = None,
        distinct: Distinct | None = None,
        exact: bool = False,
        offset: int = 0,
        include_same_work: bool = True,
    ) -> Hits:
        """The k works most like the query, best first.

        Args:
            query: an `artwork_id`, the path of an image, its bytes, a PIL image, pixels as uint8 (H, W, 3), a vector of
                the table's length, or, where `ARTPIPE_ALLOW_URL_QUERIES` is set, a web address.
            k: how many; fewer come back when fewer pass the filter.
            where: which works may be returned.
            text: words that a work must hold in its title, artist or technique to be returned; where none holds them
                as they are, nearly the same words count. The order stays that of similarity.
            distinct: `"work"` or `"artist"`: at most one hit of each.
            exact: compare every vector, instead of asking the index that was chosen, which from 100,000 works on may
                miss a few.
            offset: how many of the best to pass over: page n of k hits begins at (n - 1) * k.
            include_same_work: whether details and other photographs of the queried artwork may be returned; the
                queried artwork itself never is.

        Returns:
            rank, artwork_id, similarity (cosine), and what is known and predicted of each work.

        Raises:
            UnknownArtworkError: no artwork has this id; the closest ones are named.
            UnusableQueryError: the query is no readable picture or no fitting vector.
            ModelMismatchError: the table was built by another model than the served one.
            UnknownFilterValueError: no work has a label that the filter asks for.
            NoTextIndexError: words are asked for and were not indexed yet.
        """
        wanted = Wanted(k, where, text, distinct, exact, offset, include_same_work)
        return self._answered(lambda: Target.of(self._resolve([query])[0]), wanted)

    def similar_many(
        self,
        queries: "Sequence[str | Path | bytes | Image | NDArray[Any]]",
        k: int = 10,
        where: SearchFilter | None = None,
        **options: Unpack[SearchOptions],
    ) -> list[Hits]:
        """The answers to many queries at once, each as `similar` gives it but always exact.

        Pictures go through the model together, and all vectors are compared by one matrix product.
        """
        wanted = Wanted(k, where, **options)
        began = time.perf_counter()
        targets = [Target.of(asked) for asked in self._resolve(queries)]
        return self._framing.alike_each(self._ranking.nearest_to_each(targets, wanted), wanted.offset, began)

    def like(
        self,
        liked: "Sequence[str | Path | bytes | Image | NDArray[Any]]",
        k: int = 10,
        where: SearchFilter | None = None,
        *,
        unlike: "Sequence[str | Path | bytes | Image | NDArray[Any]]" = (),
        **options: Unpack[SearchOptions],
    ) -> Hits:
        """The works most like several at once, and unlike others; none of those asked with is returned.

        Args:
            liked: queries as for `similar`, at least one; their vectors are averaged.
            k: how many.
            where: which works may be returned.
            unlike: half of the average of these is taken away.
            options: as for `similar`.
        """
        if not liked:
            raise ValueError("liked must hold at least one query")

        def target() -> Target:
            asked = self._resolve([*liked, *unlike])
            between = Target.between(asked[: len(liked)], asked[len(liked) :])
            return Target(unit_vector(between.vector, len(between.vector)), between.made_of)

        return self._answered(target, Wanted(k, where, **options))

    def find(
        self,
        words: str,
        k: int = 10,
        where: SearchFilter | None = None,
        *,
        distinct: Distinct | None = None,
        offset: int = 0,
    ) -> Hits:
        """The works whose title, artist or technique hold the words, the most relevant first.

        Accents, case and word forms are put aside. Works that hold every word come first, then those that hold every
        word nearly so ("madona"), then those that hold some.

        Returns:
            rank, artwork_id, relevance (BM25), and what is known and predicted of each work.

        Raises:
            NoTextIndexError: the words were not indexed yet.
            UnknownFilterValueError: no work has a label that the filter asks for.
        """
        wanted = Wanted(k, where, distinct=distinct, offset=offset)
        began = time.perf_counter()
        return self._framing.holding(self._ranking.holding(words, wanted), offset, began)

    def suggest(self, typed: str, count: int = 8) -> list[Suggestion]:
        """Artists, styles, types and titles that hold a word beginning with what was typed so far."""
        with self._lock:
            suggestions = self._suggestions
        return suggestions.of(typed, count)

    def same_painting(self, image: "str | Path | bytes | Image | NDArray[Any]") -> Match:
        """Whether the collection holds this very painting, seen whole or in a detail, from aside, framed or badly lit.

        No model is asked: points of the picture vote for works, and decide by how they lie in them.

        Args:
            image: a picture in any form that `similar` takes; an `artwork_id` asks with that work's stored picture.

        Returns:
            a `Match`, true where the painting is held, with the rate of false positives at such an agreement.

        Raises:
            NoFeatureIndexError: the pictures were not described yet.
            UnusableQueryError: it is no readable picture.
        """
        if isinstance(image, str) and image in self:
            image = self.image(image)
        with self._lock:
            index = self._feature_index
        return same_painting(self._resolver.picture(image, SENT_SHORT_SIDE_PX), index)

    def warm_up(self) -> None:
        """Load what the first query would wait for: the vectors, the index and the suggestions; for services."""
        nearest = self.index.nearest
        nearest.search(nearest.vectors_at([0])[0], 1)
        self.suggest("a")

    def explain(
        self,
        query: "str | Path | bytes | Image | NDArray[Any]",
        k: int = 10,
        where: SearchFilter | None = None,
        **options: Unpack[SearchOptions],
    ) -> Explanation:
        """Answer a query and tell how it was done; takes the arguments of `similar`."""
        return self.similar(query, k, where, **options).explanation

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
        self._position(artwork_id)
        jpeg = self.images([artwork_id]).get(artwork_id)
        if jpeg is None:
            raise UnknownArtworkError(f'the picture of {artwork_id} is no longer held; materialize "images".')
        return jpeg

    def images(self, artwork_ids: Sequence[str]) -> dict[str, bytes]:
        """The stored JPEGs of many works; those whose picture is not held are left out."""
        return self._pictures.read(artwork_ids)

    def predict(self, images: "Sequence[str | Path | bytes | Image]") -> list[Prediction]:
        """What the model takes each picture for, how sure it is, and how far the picture is from the collection.

        Args:
            images: paths, bytes or PIL images.

        Raises:
            UnusableQueryError: one of them is no readable picture.
            ModelMismatchError: the table was built by another model than the served one.
        """
        return predict_pictures(self._encoder_for_table, images, self._short_side_px, self._abstain_below, self.novelty)

    def novelty(self, query: "str | Path | bytes | Image | NDArray[Any]") -> Novelty:
        """How far a picture is from every work, and whether it is unlike anything in the collection.

        Args:
            query: in any form that `similar` takes; an `artwork_id` is compared with the works other than its own.

        Raises:
            UnusableQueryError: it is no readable picture or no fitting vector.
            ModelMismatchError: the table was built by another model than the served one.
        """
        asked = self._resolve([query])[0]
        others = None
        if asked.position is not None:
            work_ids = self.works["work_id"].fill_null(self.works["artwork_id"])
            others = (work_ids != work_ids[asked.position]).to_numpy()
        nearest = self.index.nearest.search(asked.vector, CANDIDATES, others)
        if not len(nearest.positions):
            return Novelty(0.0)
        similarity = float(nearest.similarities[0])
        with self._lock:  # looked for anew until it is there: it is measured after the table is written
            scale = self._scale = self._scale or open_scale(self.lake, self.model_ids[0])
        if scale is None:
            return Novelty(similarity)
        return Novelty(
            similarity,
            scale.distance(asked.vector, self.index.nearest.vectors_at(nearest.positions)),
            scale.usual_up_to,
        )

    def _answered(self, target: Callable[[], Target], wanted: Wanted) -> Hits:
        """Rank, frame and time a single query."""
        served = self.index
        began = time.perf_counter()
        return self._framing.alike(self._ranking.nearest(target(), wanted), wanted.offset, served, began)

    def _resolve(self, queries: "Sequence[str | Path | bytes | Image | NDArray[Any]]") -> list[Asked]:
        refuse_mismatch(self.model_ids, None if self._given_encoder else self._served)
        return self._resolver.resolve(queries)

    def _encoder_for_table(self) -> PictureEncoder:
        refuse_mismatch(self.model_ids, None if self._given_encoder else self._served)
        with self._lock:
            encoder = self._encoder
        refuse_mismatch(self.model_ids, encoder.model_id)
        return encoder

    def _position(self, artwork_id: str) -> int:
        position = self._position_of.get(artwork_id)
        if position is None:
            raise self._resolver.unknown(artwork_id)
        return position

    @cached_property
    def _suggestions(self) -> Suggestions:
        return Suggestions(self.works)

    @cached_property
    def _index(self) -> ServedIndex:
        return open_index(
            self._table,
            self._version,
            model_id=self.model_ids[0],
            content_version=vectors_version(self.works),
            past=self.as_of,
        )

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
    def _feature_index(self) -> FeatureIndex:
        return open_feature_index(self.lake, dict(self.works.select("artwork_id", "jpeg_sha256").iter_rows()))

    @cached_property
    def _encoder(self) -> PictureEncoder:
        if self._given_encoder is not None:
            return self._given_encoder
        from artpipe.search.served_model import load_served_model

        return load_served_model(self.lake, self._device, self._served if self._past else None)

    @cached_property
    def _short_side_px(self) -> int:
        return stored_short_side_px(self.lake, self._images_version)
