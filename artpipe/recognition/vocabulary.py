"""The visual vocabulary of a collection: hierarchical k-means over local features, and Hamming-embedding signatures.

It is learnt once and kept while the collection grows, so that a new picture costs what one picture costs; it is
relearnt when there are `OUTGROWN` times as many pictures as it was learnt from.

Sources: Nister and Stewenius, Scalable recognition with a vocabulary tree (2006); Jegou, Douze and Schmid, Hamming
embedding and weak geometric consistency (2008).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artpipe.lake.arrays import read_arrays, write_arrays
from artpipe.lake.paths import DataLake
from artpipe.recognition.local_features import DESCRIPTOR_LENGTH

FILE = "visual_words.npz"
OUTGROWN = 4
_SIGNATURE_BITS = 64
_MAX_BRANCHES = 128
_FEATURES_PER_WORD = 100
_TRAINING_FEATURES = 120_000
_ROUNDS = 6
_SEED = 0
_CHUNK = 16_384

Rows = NDArray[np.float32]
Descriptors = NDArray[np.uint8]


@dataclass(frozen=True)
class Vocabulary:
    """A two-level vocabulary tree with the thresholds of its signatures.

    Attributes:
        coarse: float32 (B, 128), the centroids of the first level.
        fine: float32 (B, B, 128), the centroids of the second level, the words.
        projection: float32 (128, 64), a random orthogonal projection; one bit of the signature for each direction.
        medians: float32 (B * B, 64), the median projection of each word, above which a bit is 1.
        pictures: size of the collection when it was learnt.
    """

    coarse: Rows
    fine: Rows
    projection: Rows
    medians: Rows
    pictures: int

    @property
    def count(self) -> int:
        """How many words there are."""
        return len(self.medians)

    @cached_property
    def id(self) -> str:
        """A hash of the words."""
        return hashlib.sha256(self.fine.tobytes() + self.medians.tobytes()).hexdigest()[:16]

    def fits(self, pictures: int) -> bool:
        """Whether the collection has not outgrown it."""
        return self.pictures <= OUTGROWN * pictures and pictures <= OUTGROWN * self.pictures

    def words(self, descriptors: Descriptors, count: int) -> NDArray[np.int64]:
        """The nearest words below the nearest branch of the first level, int64 (N, count), the nearest first."""
        rows = descriptors.astype(np.float32)
        return _words(rows, self.coarse, self.fine, min(count, len(self.coarse)))

    def signatures(self, descriptors: Descriptors, words: NDArray[np.int64]) -> NDArray[np.uint64]:
        """The Hamming-embedding signatures, uint64 (N,), of descriptors in these words."""
        projected = descriptors.astype(np.float32) @ self.projection
        return np.packbits(projected > self.medians[words], axis=1).view(np.uint64)[:, 0]


def training_share(features: int) -> float:
    """The share of a collection's features that a vocabulary is learnt from."""
    return min(1.0, _TRAINING_FEATURES / max(1, features))


def learn_vocabulary(sample: Descriptors, features: int, pictures: int) -> Vocabulary:
    """Learn a vocabulary.

    Args:
        sample: uint8 (N, 128), descriptors to learn from.
        features: number of features of the whole collection.
        pictures: number of pictures of the collection.
    """
    rng = np.random.default_rng(_SEED)
    training = np.concatenate([sample, np.zeros((1, DESCRIPTOR_LENGTH), np.uint8)]).astype(np.float32)
    branches = int(np.clip(np.sqrt(features / _FEATURES_PER_WORD), 1, _MAX_BRANCHES))
    coarse = _k_means(training, branches, rng)
    nearest = _nearest(training, coarse, 1)[:, 0]
    fine = np.stack([_k_means(training[nearest == branch], branches, rng) for branch in range(branches)])
    projection = np.linalg.qr(rng.standard_normal((DESCRIPTOR_LENGTH, DESCRIPTOR_LENGTH)))[0][:, :_SIGNATURE_BITS]
    projection = np.ascontiguousarray(projection, dtype=np.float32)
    return Vocabulary(coarse, fine, projection, _medians(training, coarse, fine, projection), pictures)


def open_vocabulary(lake: DataLake) -> Vocabulary | None:
    """The vocabulary of a lake; None where there is none that can be read."""
    return read_arrays(lake.index(FILE), _vocabulary_of)


def _vocabulary_of(stored: Mapping[str, Any]) -> Vocabulary:
    rows: dict[str, Rows] = dict(stored)
    pictures = int(rows.pop("pictures"))
    return Vocabulary(**rows, pictures=pictures)


def save_vocabulary(lake: DataLake, vocabulary: Vocabulary) -> None:
    """Write the vocabulary into the lake."""
    write_arrays(lake.index(FILE), {field.name: getattr(vocabulary, field.name) for field in fields(vocabulary)})


def _k_means(rows: Rows, count: int, rng: np.random.Generator) -> Rows:
    """`count` centroids; where there are too few rows, the last ones are far from everything."""
    centres = np.full((count, rows.shape[1]), 1e4, dtype=np.float32)
    if len(rows) <= count:
        centres[: len(rows)] = rows
        return centres
    centres[:] = rows[rng.choice(len(rows), count, replace=False)]
    for _ in range(_ROUNDS):
        nearest = _nearest(rows, centres, 1)[:, 0]
        order = np.argsort(nearest, kind="stable")
        used, starts, sizes = np.unique(nearest[order], return_index=True, return_counts=True)
        centres[used] = np.add.reduceat(rows[order], starts, axis=0) / sizes[:, None]
    return centres


def _medians(training: Rows, coarse: Rows, fine: Rows, projection: Rows) -> Rows:
    words = _words(training, coarse, fine, 1)[:, 0]
    projected = training @ projection
    order = np.argsort(words, kind="stable")
    starts = np.searchsorted(words[order], np.arange(len(coarse) ** 2 + 1))
    medians = np.tile(np.median(projected, axis=0), (len(coarse) ** 2, 1)).astype(np.float32)
    for word, (first, last) in enumerate(pairwise(starts)):
        if last - first > 8:
            medians[word] = np.median(projected[order[first:last]], axis=0)
    return medians


def _words(rows: Rows, coarse: Rows, fine: Rows, count: int) -> NDArray[np.int64]:
    """The nearest words below the nearest branch, (N, count)."""
    branches = _nearest(rows, coarse, 1)[:, 0]
    words = np.empty((len(rows), count), dtype=np.int64)
    for branch in np.unique(branches):
        at = np.flatnonzero(branches == branch)
        words[at] = branch * len(coarse) + _nearest(rows[at], fine[branch], count)
    return words


def _nearest(rows: Rows, centres: Rows, count: int) -> NDArray[np.int64]:
    """The nearest centres, int64 (N, count), the nearest first."""
    squares = (centres * centres).sum(axis=1)
    found = np.empty((len(rows), count), dtype=np.int64)
    for first in range(0, len(rows), _CHUNK):
        chunk = slice(first, first + _CHUNK)
        distances = squares[None] - 2 * (rows[chunk] @ centres.T)
        found[chunk] = distances.argmin(axis=1)[:, None] if count == 1 else np.argsort(distances, axis=1)[:, :count]
    return found
