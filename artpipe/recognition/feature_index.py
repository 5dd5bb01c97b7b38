"""The index that `same_painting.py` searches: local features of the pictures, their visual words, the match threshold.

Each is updated incrementally: features and words by the row; the vocabulary is relearnt only when the collection
outgrew it, and the threshold is measured again only then, or when many pictures changed.
"""

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from artpipe.embedding.table import EmbeddingTable
from artpipe.engine.shards import Engine
from artpipe.errors import ArtpipeError
from artpipe.images.pictures import StoredPictures
from artpipe.lake.paths import DataLake
from artpipe.progress import Progress
from artpipe.recognition.feature_table import CachedFeatures, FeatureTable
from artpipe.recognition.match_threshold import (
    MatchThreshold,
    measure_threshold,
    open_threshold,
    query_count,
    save_threshold,
)
from artpipe.recognition.visual_words import VisualWords
from artpipe.recognition.vocabulary import (
    Vocabulary,
    learn_vocabulary,
    open_vocabulary,
    save_vocabulary,
    training_share,
)
from artpipe.recognition.word_table import WordTable, word_key

_SEED = 0


class NoFeatureIndexError(ArtpipeError):
    """The pictures of the table have no local features yet."""


@dataclass(frozen=True)
class FeatureIndex:
    """The index of a collection.

    Attributes:
        words: the inverted file of visual words, for candidates.
        features: local features, to verify candidates.
        threshold: of the decision.
    """

    words: VisualWords
    features: CachedFeatures
    threshold: MatchThreshold


@dataclass(frozen=True)
class FeatureIndexUpdate:
    """Result of an update: pictures described and dropped, whether the vocabulary and the threshold are new."""

    described: int
    dropped: int
    has_new_vocabulary: bool
    has_new_threshold: bool
    min_inlier_ratio: float


def build_feature_index(
    lake: DataLake, progress: Progress | None = None, queries: int | None = None, engine: Engine | None = None
) -> FeatureIndexUpdate:
    """Describe every embedded picture that is new or changed; relearn the vocabulary and the threshold where outdated.

    Args:
        lake: of the collection.
        progress: advances with each picture.
        queries: how many negative queries the threshold is measured on; by default `query_count`.
        engine: what describes and quantises the pictures; this machine by default.
    """
    works = EmbeddingTable(lake).read(["artwork_id", "work_id", "jpeg_sha256"])
    features, words = FeatureTable(lake), WordTable(lake)
    pictures: dict[str, str] = dict(works.select("artwork_id", "jpeg_sha256").iter_rows())
    described, dropped = features.update(pictures, progress, engine)
    known = open_vocabulary(lake)
    vocabulary = known if known and known.fits(works.height) else _learnt(features, works.height)
    if vocabulary is not known:
        save_vocabulary(lake, vocabulary)
    words.update(vocabulary, engine)
    previous = open_threshold(lake)
    if previous:
        previous = replace(previous, changed=previous.changed + described + dropped)
    if previous and previous.is_valid_for(vocabulary.id):
        threshold = previous
    else:
        threshold = measure_threshold(
            VisualWords.of(vocabulary, words.all()),
            features,
            StoredPictures(lake),
            {name: work or name for name, work in works.select("artwork_id", "work_id").iter_rows()},
            query_count(works.height) if queries is None else queries,
        )
    save_threshold(lake, threshold)
    is_new = (vocabulary is not known, threshold is not previous)
    return FeatureIndexUpdate(described, dropped, *is_new, threshold.min_inlier_ratio)


def open_feature_index(lake: DataLake, pictures: dict[str, str]) -> FeatureIndex:
    """The index of a collection.

    Args:
        lake: of the collection.
        pictures: the `jpeg_sha256` of every work.

    Raises:
        NoFeatureIndexError: not all of these pictures are described.
    """
    vocabulary, threshold = open_vocabulary(lake), open_threshold(lake)
    words = WordTable(lake)
    keys = words.keys()
    described = 0
    if vocabulary and threshold and threshold.vocabulary_id == vocabulary.id:
        described = sum(keys.get(name) == word_key(vocabulary, sha256) for name, sha256 in pictures.items())
    if vocabulary is None or threshold is None or described < len(pictures):
        raise NoFeatureIndexError(
            f"{len(pictures) - described:,} of the {len(pictures):,} pictures have no local features; "
            'materialize "local_features", or run `artpipe refresh` without ARTPIPE_SAME_PAINTING=false.'
        )
    # The collection may be opened as of another time: pictures that it does not hold are left out.
    indexed = ((name, one) for name, one in words.all() if name in pictures)
    return FeatureIndex(VisualWords.of(vocabulary, indexed), CachedFeatures(FeatureTable(lake)), threshold)


def _learnt(features: FeatureTable, pictures: int) -> Vocabulary:
    """A vocabulary learnt from a sample of all descriptors, the same whatever the order of the table's rows."""
    count = sum(len(one.points) for _, one in features.all())
    share = training_share(count)
    sampled: dict[str, NDArray[np.uint8]] = {}
    for name, one in features.all():
        rng = np.random.default_rng([_SEED, zlib.crc32(name.encode())])
        sampled[name] = one.descriptors[rng.random(len(one.points)) < share]
    in_order = [sampled[name] for name in sorted(sampled)]
    return learn_vocabulary(np.concatenate([*in_order, np.empty((0, 128), np.uint8)]), count, pictures)
