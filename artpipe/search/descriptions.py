"""Descriptions by an image-text model: the second space of a collection, in which words and pictures are comparable.

Without such a model descriptions are made of the words that the catalogue taught, see `text_encoder.py`.
"""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import polars as pl

from artpipe.embedding.image_text_model import ImageTextModel, load_image_text_model
from artpipe.embedding.image_text_table import ImageTextCard, ImageTextTable, read_card
from artpipe.images.reading import Picture
from artpipe.search.guessed_words import MOST_COMPARED, guessed_words
from artpipe.search.hits import Hits
from artpipe.search.index import ServedIndex
from artpipe.search.queries import ModelMismatchError, Resolver
from artpipe.search.request import Query, QueryVector, SearchRequest
from artpipe.search.searcher import Resolve, Searcher
from artpipe.search.snapshot import Snapshot
from artpipe.vectors.nearest import in_memory

logger = logging.getLogger(__name__)

_LOOKS_AGAIN_S = 30.0
"""How long there is no image-text model where there was none: a bucket would be asked at each request."""
_ANY_PICTURE = ("a painting", "a picture", "an image")
"""What describes any work: a description that fits no work better than these is not among what the collection shows."""


@dataclass(frozen=True)
class DescriptionSearch:
    """Finds works by description.

    Attributes:
        model: loads the image-text model, once.
        index: of the pictures' vectors by it.
        searcher: answers with that index.
        resolve: makes vectors of queries.
    """

    model: Callable[[], ImageTextModel]
    index: ServedIndex
    searcher: Searcher
    resolve: Resolve

    def describe(
        self,
        words: str,
        liked: Sequence[Query],
        unlike: Sequence[Picture],
        request: SearchRequest,
        *,
        with_text: bool,
    ) -> Hits:
        """The works that look like a description and like some pictures; see `Collection.describe`."""
        described, *usual = self.model().encode_texts([words, *_ANY_PICTURE])
        queries = [QueryVector(described), *liked]
        if with_text:
            return self.searcher.fused(words, queries, unlike, request)
        hits = self.searcher.nearest(queries, unlike, request)
        if not liked and not unlike and len(hits.positions):
            best = self.index.nearest.vectors_at(hits.positions[:1])[0]
            hits.is_doubtful = bool(best @ described <= max(best @ one for one in usual))
        return hits

    def guessed_words(self, query: Query, vocabulary: Sequence[str], count: int) -> pl.DataFrame:
        """The words that fit a picture best; see `Collection.guess_words`."""
        (picture,) = self.resolve([query], None)
        rows = self.searcher.rows
        sample = np.unique(np.linspace(0, rows - 1, min(rows, MOST_COMPARED)).astype(np.int64))
        pictures = self.index.nearest.vectors_at(sample)
        return guessed_words(picture.vector, pictures, vocabulary, self.model().encode_texts(vocabulary), count)


class ImageTextSpace:
    """Opens the image-text vectors of a snapshot when they are first needed.

    Args:
        snapshot: the opened tables.
        resolver: returns what makes queries comparable with an index by a model.
        device: where the model runs.
        clock: seconds, monotonic.
    """

    def __init__(
        self,
        snapshot: Snapshot,
        resolver: Callable[[ServedIndex, Callable[[], ImageTextModel]], Resolver],
        device: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._snapshot, self._resolver, self._device, self._clock = snapshot, resolver, device, clock
        self._lock = threading.RLock()
        self._found: DescriptionSearch | None = None
        self._table = ImageTextTable(snapshot.lake)
        self._incomplete: tuple[ImageTextCard, int | None] | None = None
        self._looks_again = 0.0

    def search(self) -> DescriptionSearch | None:
        """What finds works by description; None where not every picture has its vector yet."""
        with self._lock:
            self._found = self._found or self._open()
            return self._found

    def _open(self) -> DescriptionSearch | None:
        if self._snapshot.past or self._clock() < self._looks_again:
            return None
        card = read_card(self._snapshot.lake)
        if card is None:
            self._looks_again = self._clock() + _LOOKS_AGAIN_S
            return None
        read = card, self._table.version()
        if read == self._incomplete:  # all vectors are not read again for each request
            return None
        pictures = self._snapshot.columns(["artwork_id", "jpeg_sha256"]).rows()
        vectors = self._table.vectors(card, pictures)
        if vectors is None:
            self._incomplete = read
            logger.warning(
                "some pictures have no vector by %s, so descriptions are made of the words of the catalogue; set "
                'ARTPIPE_IMAGE_TEXT_MODEL=%s and materialize "image_text_vectors".',
                card.name,
                card.name,
            )
            return None
        index = ServedIndex(in_memory(vectors), None)
        model = cache(partial(_load, card, self._device))
        resolve = self._resolver(index, model).resolve
        return DescriptionSearch(model, index, Searcher(self._snapshot, resolve, lambda: index), resolve)


def _load(card: ImageTextCard, device: str) -> ImageTextModel:
    model = load_image_text_model(card.name, device)
    if model.model_id != card.version:
        raise ModelMismatchError(
            f'the image-text model {card.name} is another one than made the vectors; materialize "image_text_vectors".'
        )
    return model
