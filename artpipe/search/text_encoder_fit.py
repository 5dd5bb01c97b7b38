"""Teaches words their looks, and finds out which of them are told by pictures at all.

All works teach. For the measurement the works are cut into folds by artist, and each fold is searched with what the
others taught; a word stays where that search is better than chance. Where the model learned the labels of these works,
as a refit did, words that are labels pass more easily; a search for those is as good as the model's predictions.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.catalog.names import normalized_name
from artpipe.progress import Progress, SilentProgress
from artpipe.search.text_encoder import TextEncoder, stems
from artpipe.splits.assign import hash_fraction
from artpipe.vectors.nearest import Vector

MIN_WORKS = 8
MIN_ARTISTS = 3
"""A word of fewer artists says who painted a work, and not what it shows."""
MIN_GAIN = 0.05
"""The least average precision of a word, 0 being that of chance and 1 that of a perfect search."""
FOLDS = 5
_PRIOR_WORKS = 3_000
"""The strength of the regression's penalty, as the number of works that would say nothing. On the recorded gallery
1,000 to 20,000 hardly differ."""
_MAX_WORDS = 4_000
_MAX_MEASURED = 20_000
_ROWS_AT_A_TIME = 8_192


def fit_text_encoder(
    model_id: str, works: pl.DataFrame, vectors: Vector, texts: Sequence[str], progress: Progress | None = None
) -> TextEncoder:
    """Teach the words of a collection.

    Args:
        model_id: of the model that made the vectors.
        works: `artist_id`, `artist` and the columns of `texts`, N rows.
        vectors: float32 (N, D), each of length 1.
        texts: the columns whose words are taught.
        progress: advances with each fold.
    """
    vocabulary = _Vocabulary.of(works, texts)
    folds = np.array([int(hash_fraction("text_encoder", "artist", one) * FOLDS) for one in _artists(works)])
    sums = [_Sums.of(vectors, vocabulary, np.flatnonzero(folds == fold)) for fold in range(FOLDS)]
    total = sum(sums[1:], start=sums[0])
    measured = _sample(len(vectors))
    scores = np.zeros((len(measured), len(vocabulary.stems)), np.float32)
    with (progress or SilentProgress()).track("describe", FOLDS, "folds") as step:
        for fold in range(FOLDS):
            inside = folds[measured] == fold
            # Less the mean of the works that taught, so that scores of different folds are comparable.
            rest = total - sums[fold]
            scores[inside] = (vectors[measured[inside]] - rest.mean) @ rest.solve()
            step.advance()
    has = vocabulary.has(measured)
    precision, share = _measured(scores, has)
    directions = total.solve()
    kept = np.flatnonzero((precision - share) / np.maximum(1 - share, 1e-9) >= MIN_GAIN)
    return TextEncoder(
        model_id,
        vocabulary.stems[kept],
        vocabulary.words[kept],
        (directions * vocabulary.rarity).T[kept].astype(np.float32),
        precision[kept],
        share[kept],
    )


@dataclass(frozen=True)
class _Vocabulary:
    """The words of works.

    Attributes:
        stems: (W,).
        words: how each is written most often, (W,).
        rarity: the logarithm of one in how many works has it, float32 (W,).
        of_works: the numbers of the words of each work.
    """

    stems: NDArray[np.str_]
    words: NDArray[np.str_]
    rarity: NDArray[np.float32]
    of_works: list[NDArray[np.int64]]

    @classmethod
    def of(cls, works: pl.DataFrame, texts: Sequence[str]) -> "_Vocabulary":
        written: dict[str, Counter[str]] = {}
        artists: dict[str, set[str]] = {}
        found: list[list[str]] = []
        columns = [works[column].to_list() for column in texts]
        for who, name, *parts in zip(_artists(works), works["artist"].to_list(), *columns, strict=True):
            own = set(stems(name or ""))  # a portrait of the artist says nothing of how the name looks
            words = {s: w for part in parts if part for w in normalized_name(part).split() for s in stems(w)}
            found.append([stem for stem in words if stem not in own and not stem.isdecimal()])
            for stem in found[-1]:
                written.setdefault(stem, Counter())[words[stem]] += 1
                artists.setdefault(stem, set()).add(who)
        frequent = sorted(written, key=lambda stem: (-written[stem].total(), stem))[:_MAX_WORDS]
        kept = sorted(s for s in frequent if written[s].total() >= MIN_WORKS and len(artists[s]) >= MIN_ARTISTS)
        places = {stem: place for place, stem in enumerate(kept)}
        counts = np.array([written[stem].total() for stem in kept], np.float32)
        return cls(
            np.array(kept, dtype=np.str_),
            np.array([min(written[s].items(), key=lambda one: (-one[1], one[0]))[0] for s in kept], dtype=np.str_),
            np.log(works.height / counts),
            [np.array([places[stem] for stem in some if stem in places], np.int64) for some in found],
        )

    def has(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Whether each of some works has each word, (N, W)."""
        found = np.zeros((len(rows), len(self.stems)), np.bool_)
        for place, row in enumerate(rows):
            found[place, self.of_works[row]] = True
        return found

    def weights(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """The words of some works as tf-idf, float32 (N, W), each row of length 1 or 0."""
        weights = self.has(rows) * self.rarity
        lengths = np.linalg.norm(weights, axis=1, keepdims=True)
        return weights / np.maximum(lengths, 1e-9)


@dataclass(frozen=True)
class _Sums:
    """What the regression needs of some works.

    Attributes:
        count: of works.
        sums: of vectors, (D,), and weights, (W,), and their products: (D, D) and (D, W).
    """

    count: int
    sums: tuple[NDArray[np.floating], ...]

    @classmethod
    def of(cls, vectors: Vector, vocabulary: _Vocabulary, rows: NDArray[np.int64]) -> "_Sums":
        dimension, words = vectors.shape[1], len(vocabulary.stems)
        total = cls(
            0, (np.zeros(dimension), np.zeros(words), np.zeros((dimension, dimension)), np.zeros((dimension, words)))
        )
        for block in _blocks(rows):
            some, weights = vectors[block], vocabulary.weights(block)
            products = (some.T @ some, some.T @ weights)
            total += cls(len(block), (some.sum(axis=0), weights.sum(axis=0), *products))
        return total

    def __add__(self, other: "_Sums") -> "_Sums":
        return _Sums(self.count + other.count, tuple(map(np.add, self.sums, other.sums)))

    def __sub__(self, other: "_Sums") -> "_Sums":
        return _Sums(self.count - other.count, tuple(map(np.subtract, self.sums, other.sums)))

    @property
    def mean(self) -> NDArray[np.floating]:
        """The mean vector, (D,)."""
        return self.sums[0] / max(self.count, 1)

    def solve(self) -> NDArray[np.float64]:
        """The directions of the words, (D, W)."""
        count = max(self.count, 1)
        mean, usual, squares, products = (found / count for found in self.sums)
        covariance = squares - np.outer(mean, mean)
        variance = max(np.trace(covariance) / max(len(mean), 1), 1e-12)
        penalty = variance * _PRIOR_WORKS / count * np.eye(len(mean))
        return np.linalg.solve(covariance + penalty, products - np.outer(mean, usual))


def _measured(scores: NDArray[np.float32], has: NDArray[np.bool_]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The average precision of a search for each word, and the share of works that have it, (W,)."""
    words = scores.shape[1]
    precision, share = np.zeros(words, np.float32), np.zeros(words, np.float32)
    ranks = np.arange(1, len(scores) + 1)
    for word in range(words):
        right = has[np.argsort(-scores[:, word], kind="stable"), word]
        precision[word] = (np.cumsum(right) / ranks)[right].mean() if right.any() else 0
        share[word] = right.mean()
    return precision, share


def _artists(works: pl.DataFrame) -> list[str]:
    """Whom each work is by; the works of nobody known are apart."""
    unknown = pl.format("?{}", pl.int_range(pl.len()))
    return works.select(pl.coalesce("artist_id", "artist", unknown)).to_series().to_list()


def _sample(count: int) -> NDArray[np.int64]:
    """The rows that are measured on: all, or evenly spread ones."""
    return np.unique(np.linspace(0, count - 1, min(count, _MAX_MEASURED)).astype(np.int64))


def _blocks(rows: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    for first in range(0, len(rows), _ROWS_AT_A_TIME):
        yield rows[first : first + _ROWS_AT_A_TIME]
