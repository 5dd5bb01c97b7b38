"""Everything that `same_painting.py` decides by: features of the pictures, their visual words, and the calibration.

Each follows what changed: pictures by the row; the words are learnt anew only when the collection outgrew them, and the
threshold is measured anew only then, or when many pictures changed.
"""

from dataclasses import dataclass, replace

import numpy as np

from artpipe.embedding.table import EmbeddingTable
from artpipe.errors import ArtpipeError
from artpipe.images.pictures import StoredPictures
from artpipe.lake.paths import DataLake
from artpipe.progress import Progress
from artpipe.recognition.calibration import Calibration, calibrate, open_calibration, photographs_of, save_calibration
from artpipe.recognition.feature_table import FeatureTable, KeptFeatures
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
    """The pictures of the table were not described yet."""


@dataclass(frozen=True)
class FeatureIndex:
    """What a photograph is compared with.

    Attributes:
        words: find the works that share features with it.
        features: of those works.
        calibration: how much agreement decides.
    """

    words: VisualWords
    features: KeptFeatures
    calibration: Calibration


@dataclass(frozen=True)
class FeatureUpdate:
    """What an update did: how many pictures it described and dropped, and what it had to do beyond them."""

    described: int
    dropped: int
    has_learnt_words: bool
    has_calibrated: bool
    least_share: float


def build_feature_index(
    lake: DataLake, progress: Progress | None = None, photographs: int | None = None
) -> FeatureUpdate:
    """Describe every embedded picture that is new or changed, and learn and calibrate anew what fits no more.

    Args:
        lake: of the collection.
        progress: whom to tell.
        photographs: how many the threshold is measured on; by default as many as suit the collection.
    """
    works = EmbeddingTable(lake).read(["artwork_id", "work_id", "jpeg_sha256"])
    features, words = FeatureTable(lake), WordTable(lake)
    described, dropped = features.update(dict(works.select("artwork_id", "jpeg_sha256").iter_rows()), progress)
    known = open_vocabulary(lake)
    vocabulary = known if known and known.fits(works.height) else _learnt(features, works.height)
    if vocabulary is not known:
        save_vocabulary(lake, vocabulary)
    words.update(vocabulary)
    measured = open_calibration(lake)
    if measured:
        measured = replace(measured, changed=measured.changed + described + dropped)
    if measured and measured.holds(vocabulary.id):
        calibration = measured
    else:
        work_of = {name: work or name for name, work in works.select("artwork_id", "work_id").iter_rows()}
        calibration = calibrate(
            VisualWords.of(vocabulary, words.all()),
            features,
            StoredPictures(lake),
            work_of,
            photographs_of(works.height) if photographs is None else photographs,
        )
    save_calibration(lake, calibration)
    return FeatureUpdate(
        described, dropped, vocabulary is not known, calibration is not measured, calibration.least_share
    )


def open_feature_index(lake: DataLake, pictures: dict[str, str]) -> FeatureIndex:
    """What photographs are compared with in a collection.

    Args:
        lake: of the collection.
        pictures: the `jpeg_sha256` of every work.

    Raises:
        NoFeatureIndexError: not all of these pictures are described.
    """
    vocabulary, calibration = open_vocabulary(lake), open_calibration(lake)
    words = WordTable(lake)
    held = words.keys()
    described = 0
    if vocabulary and calibration and calibration.vocabulary_id == vocabulary.id:
        described = sum(held.get(name) == word_key(vocabulary, sha256) for name, sha256 in pictures.items())
    if vocabulary is None or calibration is None or described < len(pictures):
        raise NoFeatureIndexError(
            f"{len(pictures) - described:,} of the {len(pictures):,} pictures are not described for comparison; "
            'materialize "local_features", or run `artpipe refresh` without ARTPIPE_SAME_PAINTING=false.'
        )
    # Pictures that the collection does not hold, because it is opened as of another time, have no vote.
    found = ((name, one) for name, one in words.all() if name in pictures)
    return FeatureIndex(VisualWords.of(vocabulary, found), KeptFeatures(FeatureTable(lake)), calibration)


def _learnt(features: FeatureTable, pictures: int) -> Vocabulary:
    """Words of the pictures that are described."""
    counts = [len(one.points) for _, one in features.all()]
    share, rng = training_share(sum(counts)), np.random.default_rng(_SEED)
    sample = [one.descriptors[rng.random(len(one.points)) < share] for _, one in features.all()]
    return learn_vocabulary(np.concatenate([*sample, np.empty((0, 128), np.uint8)]), sum(counts), pictures)
