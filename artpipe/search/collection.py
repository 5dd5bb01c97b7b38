"""The collection as a notebook, a service or the command line searches it.

`Collection.open()` reads one version of the `embeddings` table and keeps to it: a refresh that rewrites the table is
seen by the next `open`, never half-way. torch is loaded only when a picture must be embedded.

`snapshot.py` opens the tables, `queries.py` makes vectors of queries, and `searcher.py` answers them.
"""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, Unpack

import polars as pl

from artpipe.embedding.image_text_model import ImageTextModelError
from artpipe.embedding.predictions import PictureEncoder
from artpipe.embedding.table import EmbeddingTable
from artpipe.images.reading import Picture
from artpipe.lake.paths import DamagedLakeError, DataLake, LakeMissingError, found_upwards
from artpipe.recognition.feature_index import FeatureIndex, NoFeatureIndexError
from artpipe.recognition.same_painting import Match, same_paintings
from artpipe.recognition.view import PHOTOGRAPH_SHORT_SIDE_PX, Crop, View
from artpipe.search.arguments import checked
from artpipe.search.descriptions import ImageTextSpace
from artpipe.search.filters import SearchFilter
from artpipe.search.groups import Distinct
from artpipe.search.guessed_words import SUBJECTS
from artpipe.search.hits import Explanation, Hits
from artpipe.search.index import ServedIndex
from artpipe.search.novelty import CANDIDATES, Novelty
from artpipe.search.photographs import Look, look_at
from artpipe.search.predictions import PredictionList, predict_pictures
from artpipe.search.queries import Resolver, UnknownArtworkError, refuse_mismatch
from artpipe.search.request import Query, QueryVector, SearchOptions, SearchRequest, UnusableArgumentError
from artpipe.search.searcher import Searcher
from artpipe.search.snapshot import AsOf, NothingEmbeddedError, Snapshot, opened_once
from artpipe.search.suggestions import Suggestion
from artpipe.search.text_encoder import NoTextEncoderError, TextEncoder
from artpipe.tasks import Tasks

if TYPE_CHECKING:
    from PIL.Image import Image


__all__ = [
    "Collection",
    "LakeMissingError",
    "NothingEmbeddedError",
    "UnknownArtworkError",
    "UnusableArgumentError",
]

logger = logging.getLogger(__name__)


class Collection:
    """Every searchable work of a lake, at one version of its `embeddings` table. Open it with `Collection.open`.

    Args:
        lake: where everything is stored.
        encoder: the model for pictures; the lake's served model by default, loaded when first needed.
        device: where that model runs.
        as_of: the state to open, a version of the table or a date; the newest by default.
        abstain_below: a predicted label with a lower probability is unsure.

    Attributes:
        snapshot: the opened version of the tables.
    """

    @checked
    def __init__(
        self,
        lake: DataLake,
        encoder: PictureEncoder | None = None,
        device: str = "auto",
        as_of: AsOf | None = None,
        *,
        abstain_below: float = 0.5,
    ) -> None:
        self.lake = lake
        self.snapshot = opened = Snapshot(lake, as_of)
        self._given_encoder = encoder
        self._device = device
        self._abstain_below = abstain_below
        self._lock = threading.RLock()
        self._resolver = Resolver(
            opened.rows,
            opened.position_of,
            nearest=lambda: opened.index.nearest,
            look=self._look,
        )
        self._searcher = Searcher(opened, self._resolve)
        self._image_text = ImageTextSpace(opened, self._image_text_resolver, device)

    @classmethod
    @checked
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
            lake: a folder, an address such as `s3://bucket/prefix`, or a `DataLake`; that of the settings by default. A
                relative path is looked for in the current folder, and in those above it.
            encoder: another model for pictures than the lake's served one.
            device: where the model runs; `ARTPIPE_DEVICE` by default.
            as_of: a version number, or a date: the last state that is not later. A day counts to its end, and a time
                without a zone is UTC. `Collection.versions` lists what is kept. Such a collection is searched with
                the model of its time, and exactly where the index has moved on.

        Raises:
            NoSuchVersionError: that state is not kept; the oldest one is named.
            LakeMissingError: there is no lake at the address.
            NothingEmbeddedError: the lake has no vectors yet.
        """
        from artpipe.settings import read_settings

        settings = read_settings()
        lake = settings.lake_root if lake is None else lake
        return cls(
            _lake_at(lake, settings.cache),
            encoder,
            settings.device if device is None else device,
            as_of,
            abstain_below=settings.abstain_below,
        )

    @staticmethod
    @checked
    def versions(lake: str | Path | DataLake) -> pl.DataFrame:
        """The states that can be opened, oldest first: `version`, `date` (UTC) and `rows`.

        Raises:
            LakeMissingError: there is no lake at the address.
        """
        found = _lake_at(lake)
        found.refuse_missing()
        kept = EmbeddingTable(found).versions()
        kept = [found for found in kept if found.rows]
        schema = {"version": pl.Int64, "date": pl.Datetime("us", "UTC"), "rows": pl.Int64}
        return pl.DataFrame([(found.number, found.date, found.rows) for found in kept], schema=schema, orient="row")

    @property
    def works(self) -> pl.DataFrame:
        """Everything known of each work but its vector, in the order of `artwork_id`."""
        return self.snapshot.works

    @property
    def tasks(self) -> Tasks:
        """What the collection has labels and predictions of, such as style, and the classes of each."""
        return self.snapshot.tasks

    @property
    def version(self) -> int:
        """The opened version of the table."""
        return self.snapshot.version

    @property
    def as_of(self) -> datetime | None:
        """When the requested state was committed, UTC; None where the newest one is open."""
        return self.snapshot.past.date if self.snapshot.past else None

    @property
    def model_ids(self) -> list[str]:
        """Every model that made a vector of the table; more than one until `embeddings` is complete."""
        return self.snapshot.model_ids

    @property
    def index(self) -> ServedIndex:
        """What finds the neighbours of a vector; the vectors are read when it is first needed."""
        return self.snapshot.index

    @property
    def has_text(self) -> bool:
        """Whether words can be searched: their index was built."""
        return self._searcher.text.is_ready

    @property
    def has_local_features(self) -> bool:
        """Whether `same_painting` answers: the local features of every picture were extracted."""
        try:
            _ = self.snapshot.features
        except NoFeatureIndexError:
            return False
        return True

    def __len__(self) -> int:
        return self.snapshot.rows.height

    def __contains__(self, artwork_id: object) -> bool:
        return self.snapshot.position_of(artwork_id) is not None

    def __repr__(self) -> str:
        return f"Collection({len(self):,} works in {self.lake.root}, model {', '.join(self.model_ids)})"

    @checked
    def similar(
        self,
        query: Picture,
        k: int = 10,
        where: SearchFilter | None = None,
        *,
        text: str | None = None,
        distinct: Distinct | None = None,
        exact: bool = False,
        offset: int = 0,
        include_same_work: bool = True,
        crop: Crop | None = None,
    ) -> Hits:
        """The k works most similar to the query, best first.

        Of a photograph, the painting in it counts, not what is around. Where it shows a painting of the collection,
        that work is the first hit.

        Args:
            query: an `artwork_id`, the path of an image, its bytes, an open file, a PIL image, pixels of shape
                (height, width, channels) or (height, width), or a vector of the table's length, as an array, a tensor
                or a list.
            k: how many; fewer come back when fewer pass the filter.
            where: which works may be returned, as a `SearchFilter` or a dictionary of its fields.
            text: words that a work must hold, as for `find`; where none holds them as they are, nearly the same words
                count. The order stays that of similarity.
            distinct: `"work"` or `"artist"`: at most one hit of each.
            exact: compare every vector, instead of asking an approximate index, which may miss a few.
            offset: how many of the best to pass over: page n of k hits begins at (n - 1) * k.
            include_same_work: whether details and other photographs of the queried artwork may be returned; the
                queried artwork itself never is.
            crop: the part of a picture that shows the painting, as fractions of its width and height: x, y, width and
                height, or four corners; it is looked for by default. `(0, 0, 1, 1)` takes the picture as it is.

        Returns:
            rank, artwork_id, similarity (cosine), and what is known and predicted of each work.

        Raises:
            UnknownArtworkError: no artwork has this id; similar ones are named.
            UnusableQueryError: the query is no readable picture or no fitting vector.
            ModelMismatchError: the table was built by another model than the served one.
            UnusableArgumentError: an argument is of a type, or has a value, that is not taken.
            UnknownFilterValueError: no work has a label that the filter names.
            NoTextIndexError: `text` is given and the words were not indexed yet.
        """
        request = SearchRequest(k, where, text, distinct, exact, offset, include_same_work, crop)
        return self._searcher.nearest([query], (), request)

    @checked
    def like(
        self,
        liked: Sequence[Query],
        k: int = 10,
        where: SearchFilter | None = None,
        *,
        unlike: Sequence[Picture] = (),
        **options: Unpack[SearchOptions],
    ) -> Hits:
        """The works most similar to several at once, and away from others; none of those named is returned.

        Args:
            liked: queries as for `similar`, at least one; their vectors are averaged.
            k: how many.
            where: which works may be returned.
            unlike: half of the average of these is subtracted.
            options: as for `similar`.
        """
        if not liked:
            raise UnusableArgumentError("liked must hold at least one query.")
        return self._searcher.nearest(liked, unlike, SearchRequest(k, where, **options))

    @checked
    def similar_many(
        self,
        queries: Sequence[Picture],
        k: int = 10,
        where: SearchFilter | None = None,
        **options: Unpack[SearchOptions],
    ) -> list[Hits]:
        """The answers to many queries at once, each as `similar` gives it.

        Pictures go through the model together, and all vectors are compared together.
        """
        return self._searcher.nearest_to_each(queries, SearchRequest(k, where, **options))

    @checked
    def find(
        self,
        words: str,
        k: int = 10,
        where: SearchFilter | None = None,
        *,
        distinct: Distinct | None = None,
        offset: int = 0,
        loosen: bool = True,
    ) -> Hits:
        """The works that hold the words in their title, artist, technique, location or labels, the most relevant first.

        Accents, case and word forms are put aside, compounds are found in parts and as one ("sun flowers"), and artists
        and labels by their other names ("Titian", "nature morte"). Works that hold every word come first, then those
        that hold every word nearly so ("madona"), then those that hold some.

        Args:
            words: what to look for.
            k: how many.
            where: which works may be returned.
            distinct: `"work"` or `"artist"`: at most one hit of each.
            offset: how many of the best to pass over.
            loosen: go on with works that match less well until there are k; otherwise only those that match as well as
                the best of the collection.

        Returns:
            rank, artwork_id, relevance (BM25), and what is known and predicted of each work.

        Raises:
            NoTextIndexError: the words were not indexed yet.
            UnknownFilterValueError: no work has a label that the filter names.
        """
        request = SearchRequest(k, where, distinct=distinct, offset=offset)
        return self._searcher.find(words, request, loosen=loosen)

    @checked
    def describe(
        self,
        words: str,
        k: int = 10,
        where: SearchFilter | None = None,
        *,
        liked: Sequence[Query] = (),
        unlike: Sequence[Picture] = (),
        with_text: bool = False,
        **options: Unpack[SearchOptions],
    ) -> Hits:
        """The works that look like a description, the most similar first, whether or not their own text says it.

        With an image-text model (`ARTPIPE_IMAGE_TEXT_MODEL`) any words will do, and `is_doubtful` of the hits says that
        nothing seems to look so. Without, only words that the catalogue taught are known, see `text_encoder`; of
        others, `text_encoder.encode` tells.

        Args:
            words: what the works should look like, such as `winter landscape`.
            k: how many.
            where: which works may be returned.
            liked: queries as for `similar` that they should be similar to as well.
            unlike: queries that they should not be similar to.
            with_text: fuse them by reciprocal ranks with the works whose own text holds the words, as `find` has them.
            options: as for `similar`.

        Raises:
            ImageTextModelError: the image-text model cannot be loaded.
            UnknownWordsError: none of the words is known by its looks; the most similar ones are named.
            NoTextEncoderError: the words were not learned yet.
        """
        request = SearchRequest(k, where, **options)
        if (by_model := self._image_text.search()) is not None:
            return by_model.describe(words, liked, unlike, request, with_text=with_text)
        queries = [QueryVector(self.text_encoder.encode(words).vector), *liked]
        if with_text:
            return self._searcher.fused(words, queries, unlike, request)
        return self._searcher.nearest(queries, unlike, request)

    @checked
    def guess_words(self, query: Picture, k: int = 5, vocabulary: Sequence[str] = SUBJECTS) -> pl.DataFrame:
        """Words that a picture may show: guesses of the image-text model, which nobody checked.

        Args:
            query: an `artwork_id` or a picture, as for `similar`.
            k: how many.
            vocabulary: the words or descriptions to choose from.

        Returns:
            `word`, `similarity`, and `standard_score`: by how many standard deviations the word fits this picture
            better than other pictures of the collection; below 2 it is hardly worth a look.

        Raises:
            ImageTextModelError: there is no image-text model, or it cannot be loaded.
        """
        by_model = self._image_text.search()
        if by_model is None:
            raise ImageTextModelError(
                "words are guessed by an image-text model; set ARTPIPE_IMAGE_TEXT_MODEL and materialize "
                '"image_text_vectors".'
            )
        if not vocabulary:
            raise UnusableArgumentError("vocabulary must hold at least one word.")
        return by_model.guessed_words(query, vocabulary, k)

    @property
    def knows_any_words(self) -> bool:
        """Whether `describe` asks an image-text model, and not the words that the catalogue taught."""
        return self._image_text.search() is not None

    @property
    def text_encoder(self) -> TextEncoder:
        """The words that are known by looks.

        Raises:
            NoTextEncoderError: they were not learned yet.
        """
        if self.snapshot.past:
            raise NoTextEncoderError("the looks of words are known of the newest state alone; open it without `as_of`.")
        encoder = self.snapshot.text_encoder()
        if encoder is None:
            raise NoTextEncoderError('no word is known by its looks yet; materialize "text_encoder".')
        return encoder

    @checked
    def browse(self, k: int | None = 10, where: SearchFilter | None = None, *, offset: int = 0) -> Hits:
        """The works that pass a filter, in the order of `artwork_id`.

        Args:
            k: how many; all of them where it is None.
            where: which works may be returned.
            offset: how many to pass over.
        """
        return self._searcher.browse(k, where, offset)

    @checked
    def suggest(self, typed: str, count: int = 8) -> list[Suggestion]:
        """Artists, labels, schools, locations and titles with a word that begins as what was typed so far.

        Artists and labels are found by their other names too ("titi" suggests TIZIANO Vecellio), and, where nothing
        begins so, by misspelt ones.
        """
        return self.snapshot.suggestions.of(typed, count)

    @checked
    def did_you_mean(self, words: str, count: int = 3) -> list[Suggestion]:
        """The artists, else the labels such as styles, whose name is spelt most like some words."""
        return self.snapshot.suggestions.closest(words, count)

    @checked
    def same_painting(self, image: Picture, *, crop: Crop | None = None) -> Match:
        """Whether the picture shows a painting of the collection: whole or a detail, from aside, framed or badly lit.

        No model is needed: local features of the picture vote for works, and decide by how they lie in them.

        Args:
            image: a picture in any form that `similar` takes; an `artwork_id` stands for that work's stored picture.
            crop: the part of it to compare, as for `similar`.

        Returns:
            a `Match`, true where the painting is found, with the false-positive rate at such an agreement.

        Raises:
            NoFeatureIndexError: the local features were not extracted yet.
            UnusableQueryError: it is no readable picture.
        """
        return self.same_paintings([image], crop=crop)[0]

    @checked
    def same_paintings(self, images: Sequence[Picture], *, crop: Crop | None = None) -> list[Match]:
        """`same_painting` of each of many pictures, which reads a lake in a bucket far less often than one by one."""
        features = self.snapshot.features
        pictures = [self._resolver.picture(self._image_of(image)) for image in images]
        if crop is not None:
            pictures = [View.of_crop(crop).of(picture, PHOTOGRAPH_SHORT_SIDE_PX) for picture in pictures]
        return same_paintings(pictures, features)

    def _recognise(self, photographs: "Sequence[Image]") -> "Sequence[Match | None]":
        """`same_paintings` of RGB images; None where the local features were not extracted yet."""
        features = self._features
        return [None] * len(photographs) if features is None else same_paintings(photographs, features)

    def warm_up(self) -> None:
        """Load what the first query would wait for: the vectors, the index and the suggestions; for services."""
        nearest = self.index.nearest
        nearest.search(nearest.vectors_at([0])[0], 1)
        self.suggest("a")

    @checked
    def explain(
        self, query: Picture, k: int = 10, where: SearchFilter | None = None, **options: Unpack[SearchOptions]
    ) -> Explanation:
        """How a query is answered; takes the arguments of `similar`."""
        return self.similar(query, k, where, **options).explanation

    @checked
    def get(self, artwork_id: str) -> dict[str, Any]:
        """Everything known of one work.

        Raises:
            UnknownArtworkError: no artwork has this id.
        """
        return self.snapshot.works_at([self._position(artwork_id)], list(self.snapshot.schema)).row(0, named=True)

    @checked
    def image(self, artwork_id: str) -> bytes:
        """The stored JPEG of one work.

        Raises:
            UnknownArtworkError: no artwork has this id, or its picture is no longer stored.
        """
        self._position(artwork_id)
        jpeg = self.images([artwork_id]).get(artwork_id)
        if jpeg is None:
            raise UnknownArtworkError(f'the picture of {artwork_id} is no longer stored; materialize "images".')
        return jpeg

    @checked
    def images(self, artwork_ids: Sequence[str]) -> dict[str, bytes]:
        """The stored JPEGs of many works; those without a stored picture are left out."""
        return self.snapshot.pictures.read(artwork_ids)

    @checked
    def predict(self, images: Sequence[Picture], *, crop: Crop | None = None) -> PredictionList:
        """The labels that the model predicts for each picture, and how far the picture is from the collection.

        Of a photograph, the painting in it counts, not what is around. Where it shows a painting of the collection, the
        work and its labels in the catalogue are given beside the prediction.

        Args:
            images: paths, bytes, open files, PIL images or pixels; the `artwork_id` of a work stands for its picture.
            crop: the part of every picture that shows the painting, as for `similar`.

        Raises:
            UnusableQueryError: one of them is no readable picture.
            ModelMismatchError: the table was built by another model than the served one.
        """
        return predict_pictures(
            [self._image_of(image) for image in images],
            lambda pictures: self._look(pictures, crop),
            lambda: self._encoder.labels,
            self._abstain_below,
            self.novelty,
            self.catalogued_labels,
        )

    @checked
    def catalogued_labels(self, artwork_id: str) -> dict[str, str]:
        """What the catalogue says of a work, for each task that it has a label of."""
        work = self.get(artwork_id)
        return {task: work[task] for task in self.tasks if work[task] is not None}

    @checked
    def look(self, photograph: Picture, crop: Crop | None = None, match: Match | None = None) -> Look:
        """Which part of a photograph is the painting, and what the model makes of it.

        Args:
            photograph: a picture in any form that `predict` takes.
            crop: that part, where it is known.
            match: that of the photograph with the collection, where it was compared already; it is not compared here.
        """
        return self._look([self._resolver.picture(self._image_of(photograph))], crop, lambda _: [match])[0]

    @checked
    def novelty(self, query: Picture) -> Novelty:
        """How far a picture is from every work, and whether it is out of distribution.

        Args:
            query: in any form that `similar` takes; an `artwork_id` is compared with the works other than its own.

        Raises:
            UnusableQueryError: it is no readable picture or no fitting vector.
            ModelMismatchError: the table was built by another model than the served one.
        """
        resolved = self._resolve([query])[0]
        others = None
        if resolved.source_rows:
            rows = self.snapshot.rows
            work_ids = rows["work_id"].fill_null(rows["artwork_id"])
            others = (work_ids != work_ids[resolved.source_rows[0]]).to_numpy()
        nearest = self.index.nearest.search(resolved.vector, CANDIDATES, others)
        if not len(nearest.positions):
            return Novelty(0.0)
        similarity = float(nearest.similarities[0])
        scale = self.snapshot.novelty_scale()
        if scale is None:
            return Novelty(similarity)
        distance = scale.distance(resolved.vector, self.index.nearest.vectors_at(nearest.positions))
        return Novelty(similarity, distance, scale.threshold)

    def _resolve(self, queries: Sequence[Query], crop: Crop | None = None) -> list[QueryVector]:
        refuse_mismatch(self.model_ids, None if self._given_encoder else self.snapshot.model_id)
        return self._resolver.resolve(queries, crop)

    def _image_text_resolver(self, index: ServedIndex, model: Callable[[], PictureEncoder]) -> Resolver:
        """The resolver for an image-text model: the same works and photographs, other vectors."""

        def look(photographs: "Sequence[Image]", crop: Crop | None) -> list[Look]:
            return look_at(photographs, model, self.snapshot.short_side_px, self._recognise, crop)

        return replace(self._resolver, nearest=lambda: index.nearest, look=look)

    def _look(
        self,
        photographs: "Sequence[Image]",
        crop: Crop | None,
        recognise: "Callable[[Sequence[Image]], Sequence[Match | None]] | None" = None,
    ) -> list[Look]:
        px = self.snapshot.short_side_px
        return look_at(photographs, self._encoder_for_table, px, recognise or self._recognise, crop)

    @property
    def _features(self) -> FeatureIndex | None:
        """The local features; None where they were not extracted yet, or are damaged."""
        try:
            return self.snapshot.features
        except NoFeatureIndexError:
            return None
        except DamagedLakeError as error:
            logger.warning("paintings are not recognised in photographs: %s", error)
            return None

    def _image_of(self, query: Picture) -> Picture:
        """The picture of a work, where the query is an `artwork_id`."""
        return self.image(query) if isinstance(query, str) and query in self else query

    def _position(self, artwork_id: str) -> int:
        position = self.snapshot.position_of(artwork_id)
        if position is None:
            raise self._resolver.unknown(artwork_id)
        return position

    def _encoder_for_table(self) -> PictureEncoder:
        refuse_mismatch(self.model_ids, None if self._given_encoder else self.snapshot.model_id)
        encoder = self._encoder
        refuse_mismatch(self.model_ids, encoder.model_id)
        return encoder

    @opened_once
    def _encoder(self) -> PictureEncoder:
        if self._given_encoder is not None:
            return self._given_encoder
        from artpipe.search.served_model import load_served_model

        return load_served_model(self.lake, self._device, self.snapshot.model_id)


def _lake_at(lake: str | Path | DataLake, cache: str | None = None) -> DataLake:
    return lake if isinstance(lake, DataLake) else DataLake(found_upwards(str(lake)), cache)
