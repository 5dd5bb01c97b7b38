"""Which works share local features with a picture: an inverted file of visual words, with 64 bits a feature.

A vector for a whole picture forgets its parts, so a photograph of a detail may lie far from its painting. Here every
feature votes: it is put to the nearest of a few thousand words learnt from the collection, and agrees with the features
of that word whose 64 signs differ little from its own.

Source: Jegou, Douze and Schmid, Hamming embedding and weak geometric consistency (2008).
"""

import io
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artpipe.lake import DataLake, write_whole
from artpipe.search.feature_table import FeatureTable
from artpipe.search.local_features import DESCRIPTOR_LENGTH, LocalFeatures

FILE = "visual_words.npz"
_SIGNS = 64
_MOST_BRANCHES = 64
_FEATURES_A_WORD = 60
_TRAINING_FEATURES = 250_000
_MOST_DIFFERING = 22
_DECAY = 12.0
_WORDS_ASKED = 3
_SEED = 0

Rows = NDArray[np.float32]


@dataclass(frozen=True)
class VisualWords:
    """The inverted file.

    Attributes:
        ids: the works.
        sizes: float32 (N,), the square root of each work's number of features.
        coarse: float32 (B, 128), the first level of the words.
        fine: float32 (B, B, 128), the second level below each.
        projection: float32 (128, 64), onto the directions whose signs are kept.
        medians: float32 (B * B, 64), where the signs change.
        starts: int64 (B * B + 1,), where the postings of each word begin.
        works: int32 (P,), the work of each posting.
        signs: uint64 (P,), its signs.
        strangers: int32 (S,), ascending, the agreeing points of photographs of paintings that are not held, from
            `calibration.py`.
    """

    ids: list[str]
    sizes: Rows
    coarse: Rows
    fine: Rows
    projection: Rows
    medians: Rows
    starts: NDArray[np.int64]
    works: NDArray[np.int32]
    signs: NDArray[np.uint64]
    strangers: NDArray[np.int32] = field(default_factory=lambda: np.empty(0, np.int32))

    def vote(self, asked: LocalFeatures, count: int) -> list[str]:
        """The works that share most features with a picture, most first.

        Args:
            asked: of the picture that is looked for.
            count: at most how many.
        """
        if not len(asked.descriptors) or not len(self.works):
            return []
        descriptors = asked.descriptors.astype(np.float32)
        projected = descriptors @ self.projection
        words = _words(descriptors, self.coarse, self.fine, _WORDS_ASKED)
        features = np.repeat(np.arange(len(words)), words.shape[1])
        flat = words.ravel()
        signs = _packed(projected[features] > self.medians[flat])
        lengths = self.starts[flat + 1] - self.starts[flat]
        asker = np.repeat(np.arange(len(flat)), lengths)
        ends = np.cumsum(lengths)
        postings = np.arange(len(asker)) - np.repeat(ends - lengths, lengths) + np.repeat(self.starts[flat], lengths)
        differing = np.bitwise_count(self.signs[postings] ^ signs[asker])
        near = np.flatnonzero(differing <= _MOST_DIFFERING)
        if not len(near):
            return []
        rarity = np.log(1 + len(self.works) / np.maximum(lengths, 1)).astype(np.float32)
        agreed = differing[near].astype(np.float32)
        votes = np.exp(-((agreed / _DECAY) ** 2)) * rarity[asker[near]] ** 2
        # A feature votes once for a work, however often the work repeats it.
        ballots = features[asker[near]].astype(np.int64) * len(self.ids) + self.works[postings[near]]
        order = np.lexsort((-votes, ballots))
        _, first = np.unique(ballots[order], return_index=True)
        once = order[first]
        scores = np.bincount(self.works[postings[near[once]]], votes[once], len(self.ids)) / self.sizes
        best = np.argsort(-scores, kind="stable")[:count]
        return [self.ids[work] for work in best if scores[work] > 0]


def build_visual_words(table: FeatureTable) -> VisualWords:
    """Make the inverted file of all described pictures."""
    held = table.count()
    rng = np.random.default_rng(_SEED)
    sampled: list[NDArray[np.uint8]] = []
    share = min(1.0, _TRAINING_FEATURES / max(1, held * 200))
    total = 0
    for chunk in table.chunks():
        for _, features in chunk:
            total += len(features.descriptors)
            sampled.append(features.descriptors[rng.random(len(features.descriptors)) < share])
    training = np.concatenate([*sampled, np.zeros((1, DESCRIPTOR_LENGTH), np.uint8)]).astype(np.float32)
    branches = int(np.clip(np.sqrt(total / _FEATURES_A_WORD), 1, _MOST_BRANCHES))
    coarse, fine = _learnt_words(training, branches)
    projection = np.linalg.qr(rng.standard_normal((DESCRIPTOR_LENGTH, DESCRIPTOR_LENGTH)))[0][:, :_SIGNS]
    projection = np.ascontiguousarray(projection, dtype=np.float32)
    medians = _medians(training, coarse, fine, projection)
    ids: list[str] = []
    sizes: list[int] = []
    words: list[NDArray[np.int64]] = []
    works: list[NDArray[np.int32]] = []
    signs: list[NDArray[np.uint64]] = []
    for chunk in table.chunks():
        for name, features in chunk:
            descriptors = features.descriptors.astype(np.float32)
            if len(descriptors):
                word = _words(descriptors, coarse, fine, 1)[:, 0]
                words.append(word)
                signs.append(_packed(descriptors @ projection > medians[word]))
                works.append(np.full(len(word), len(ids), dtype=np.int32))
            ids.append(name)
            sizes.append(max(len(descriptors), 1))
    all_words = np.concatenate([*words, np.empty(0, np.int64)])
    order = np.argsort(all_words, kind="stable")
    return VisualWords(
        ids,
        np.sqrt(np.array(sizes, dtype=np.float32)),
        coarse,
        fine,
        projection,
        medians,
        np.searchsorted(all_words[order], np.arange(branches * branches + 1)).astype(np.int64),
        np.concatenate([*works, np.empty(0, np.int32)])[order],
        np.concatenate([*signs, np.empty(0, np.uint64)])[order],
    )


def open_visual_words(lake: DataLake, version: str) -> VisualWords | None:
    """The inverted file of these very pictures; None when there is none, or it was made of others."""
    try:
        with np.load(io.BytesIO(lake.index(FILE).read_bytes()), allow_pickle=False) as kept:
            held: dict[str, Any] = {name: kept[name] for name in kept.files}
        if str(held.pop("content_version")) != version:
            return None
        return VisualWords(**{**held, "ids": held["ids"].tolist()})
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save_visual_words(lake: DataLake, made: VisualWords, version: str) -> None:
    """Keep the inverted file in the lake; `version` is `artpipe.embedding.table.content_version` of the embeddings."""
    packed = io.BytesIO()
    arrays = {name: value for name, value in vars(made).items() if name != "ids"}
    np.savez(packed, ids=np.array(made.ids, dtype=np.str_), content_version=np.array(version), **arrays)
    write_whole(lake.index(FILE), packed.getvalue())


def _learnt_words(training: Rows, branches: int) -> tuple[Rows, Rows]:
    """Two levels of k-means."""
    coarse = _k_means(training, branches)
    nearest = _nearest(training, coarse, 1)[:, 0]
    fine = np.stack([_k_means(training[nearest == branch], branches) for branch in range(branches)])
    return coarse, fine


def _k_means(rows: Rows, count: int) -> Rows:
    """`count` centres; the last ones stand apart from everything where there are too few rows."""
    import cv2

    centres = np.full((count, rows.shape[1]), 1e4, dtype=np.float32)
    if len(rows) <= count:
        centres[: len(rows)] = rows
        return centres
    cv2.setRNGSeed(_SEED)
    stop = (cv2.TERM_CRITERIA_MAX_ITER + cv2.TERM_CRITERIA_EPS, 8, 1.0)
    labels: Any = None
    found = cv2.kmeans(rows, count, labels, stop, 1, cv2.KMEANS_RANDOM_CENTERS)[2]
    return np.asarray(found, dtype=np.float32)


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


def _words(descriptors: Rows, coarse: Rows, fine: Rows, count: int) -> NDArray[np.int64]:
    """The nearest words below the nearest branch, (N, count)."""
    branches = _nearest(descriptors, coarse, 1)[:, 0]
    count = min(count, len(coarse))
    words = np.empty((len(descriptors), count), dtype=np.int64)
    for branch in np.unique(branches):
        at = np.flatnonzero(branches == branch)
        words[at] = branch * len(coarse) + _nearest(descriptors[at], fine[branch], count)
    return words


def _nearest(rows: Rows, centres: Rows, count: int) -> NDArray[np.int64]:
    squares = (centres * centres).sum(axis=1)
    found = np.empty((len(rows), count), dtype=np.int64)
    for first in range(0, len(rows), 16384):
        chunk = slice(first, first + 16384)
        distances = squares[None] - 2 * (rows[chunk] @ centres.T)
        found[chunk] = distances.argmin(axis=1)[:, None] if count == 1 else np.argsort(distances, axis=1)[:, :count]
    return found


def _packed(signs: NDArray[np.bool_]) -> NDArray[np.uint64]:
    return np.packbits(signs, axis=1).view(np.uint64)[:, 0]
