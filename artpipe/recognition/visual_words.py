"""Candidates by a bag of visual words: an inverted file with a 64-bit Hamming-embedding signature for each feature.

A global vector of a picture forgets its parts, so a photograph of a detail may lie far from its painting. Here every
local feature votes: it is quantised to its nearest visual words (`vocabulary.py`) and matches the features of those
words whose signatures are within a Hamming distance. Votes for one work count together if they agree on a rotation and
a scale (weak geometric consistency). `word_table.py` stores the words of each work.

Source: Jegou, Douze and Schmid, Hamming embedding and weak geometric consistency for large scale image search (2008).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artpipe.recognition.local_features import ANGLE, DIAMETER, LocalFeatures
from artpipe.recognition.vocabulary import Vocabulary

_MAX_HAMMING = 18
_HAMMING_SIGMA = 12.0
_WORDS_PER_QUERY_FEATURE = 3
_SHORTLIST = 10
"""Works checked for geometric consistency, as a multiple of the works returned."""
_ROTATION_BINS, _OCTAVE_BINS = 16, 9


@dataclass(frozen=True)
class WordsOfWork:
    """The quantised local features of one work.

    Attributes:
        words: uint16 (N,), the visual word of each.
        signatures: uint64 (N,), its Hamming-embedding signature.
        rotations: uint8 (N,), its angle in 256ths of a turn.
        scales: uint8 (N,), its diameter in sixteenths of an octave.
    """

    words: NDArray[np.uint16]
    signatures: NDArray[np.uint64]
    rotations: NDArray[np.uint8]
    scales: NDArray[np.uint8]


@dataclass(frozen=True)
class VisualWords:
    """The inverted file.

    Attributes:
        ids: the works.
        norms: float32 (N,), the square root of each work's number of features.
        vocabulary: of the words.
        starts: int64 (W + 1,), where the postings of each word begin.
        works: int32 (P,), the work of each posting.
        signatures: uint64 (P,), its signature.
        rotations: uint8 (P,), its angle.
        scales: uint8 (P,), its diameter.
    """

    ids: list[str]
    norms: NDArray[np.float32]
    vocabulary: Vocabulary
    starts: NDArray[np.int64]
    works: NDArray[np.int32]
    signatures: NDArray[np.uint64]
    rotations: NDArray[np.uint8]
    scales: NDArray[np.uint8]

    @classmethod
    def of(cls, vocabulary: Vocabulary, features: Iterable[tuple[str, WordsOfWork]]) -> "VisualWords":
        """Invert: sort the features of all works by their words."""
        ids: list[str] = []
        found: list[WordsOfWork] = []
        for name, words in features:
            ids.append(name)
            found.append(words)
        sizes = np.array([len(one.words) for one in found], dtype=np.int64)
        words = np.concatenate([*(one.words for one in found), np.empty(0, np.uint16)])
        order = np.argsort(words, kind="stable")
        return cls(
            ids,
            np.sqrt(np.maximum(sizes, 1)).astype(np.float32),
            vocabulary,
            np.concatenate([[0], np.cumsum(np.bincount(words, minlength=vocabulary.count))]),
            np.repeat(np.arange(len(ids), dtype=np.int32), sizes)[order],
            np.concatenate([*(one.signatures for one in found), np.empty(0, np.uint64)])[order],
            np.concatenate([*(one.rotations for one in found), np.empty(0, np.uint8)])[order],
            np.concatenate([*(one.scales for one in found), np.empty(0, np.uint8)])[order],
        )

    def vote(self, query: LocalFeatures, count: int) -> list[str]:
        """The works that share most local features with a picture, most first.

        Args:
            query: features of the picture.
            count: at most how many works.
        """
        if not len(query.descriptors) or not len(self.works):
            return []
        words = self.vocabulary.words(query.descriptors, _WORDS_PER_QUERY_FEATURE)
        features = np.repeat(np.arange(len(words)), words.shape[1])
        flat = words.ravel()
        signatures = self.vocabulary.signatures(query.descriptors[features], flat)
        lengths = self.starts[flat + 1] - self.starts[flat]
        source = np.repeat(np.arange(len(flat)), lengths)  # of each posting, the entry of `flat` that it comes from
        ends = np.cumsum(lengths)
        postings = np.arange(len(source)) - np.repeat(ends - lengths, lengths) + np.repeat(self.starts[flat], lengths)
        distances = np.bitwise_count(self.signatures[postings] ^ signatures[source])
        near = np.flatnonzero(distances <= _MAX_HAMMING)
        if not len(near):
            return []
        source, postings, distances = source[near], postings[near], distances[near].astype(np.float32)
        inverse_frequency = np.log(1 + len(self.works) / np.maximum(lengths, 1)).astype(np.float32)
        votes = np.exp(-((distances / _HAMMING_SIGMA) ** 2)) * inverse_frequency[source] ** 2
        scores = np.bincount(self.works[postings], votes, len(self.ids)) / self.norms
        shortlist = np.argsort(-scores, kind="stable")[: _SHORTLIST * count]
        scores = self._consistent_votes(query, shortlist, features[source], postings, votes)
        best = np.argsort(-scores, kind="stable")[:count]
        return [self.ids[shortlist[row]] for row in best if scores[row] > 0]

    def _consistent_votes(
        self,
        query: LocalFeatures,
        works: NDArray[np.int64],
        features: NDArray[np.int64],
        postings: NDArray[np.int64],
        votes: NDArray[np.float32],
    ) -> NDArray[np.float64]:
        """The largest sum of votes for each of some works that agree on a rotation and a scale.

        Args:
            query: features of the photograph.
            works: numbers of the works.
            features: int64 (V,), the feature of the photograph that each vote comes from.
            postings: int64 (V,), the posting that it is for.
            votes: float32 (V,), its weight.
        """
        row_of = np.full(len(self.ids), -1)
        row_of[works] = np.arange(len(works))
        rows = row_of[self.works[postings]]
        kept = np.flatnonzero(rows >= 0)
        rows, features, postings = rows[kept], features[kept], postings[kept]
        rotations, scales = rotations_and_scales(query)
        # uint8 wraps round, as angles do.
        rotated = (rotations[features] - self.rotations[postings]) // (256 // _ROTATION_BINS)
        octaves = (scales[features].astype(np.int64) - self.scales[postings]) // 16 + _OCTAVE_BINS // 2
        bins = (rows * _ROTATION_BINS + rotated) * _OCTAVE_BINS + np.clip(octaves, 0, _OCTAVE_BINS - 1)
        histogram = np.bincount(bins, votes[kept], len(works) * _ROTATION_BINS * _OCTAVE_BINS).reshape(
            -1, _ROTATION_BINS, _OCTAVE_BINS
        )
        # Neighbouring bins count together, since consistent votes may lie on both sides of a border.
        histogram = histogram + np.roll(histogram, 1, axis=1)
        histogram[..., 1:] += histogram[..., :-1].copy()
        return histogram.max(axis=(1, 2)) / self.norms[works]


def rotations_and_scales(features: LocalFeatures) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The angles in 256ths of a turn, and the diameters in sixteenths of an octave."""
    rotations = np.floor(features.points[:, ANGLE] * (256 / 360)) % 256
    scales = np.clip(np.rint(16 * np.log2(features.points[:, DIAMETER])), 0, 255)
    return rotations.astype(np.uint8), scales.astype(np.uint8)
