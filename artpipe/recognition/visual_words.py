"""Which works share local features with a picture: an inverted file of visual words, with 64 bits a feature.

A vector for a whole picture forgets its parts, so a photograph of a detail may lie far from its painting. Here every
feature votes: it is put to the nearest of a few thousand words of `vocabulary.py`, and agrees with the features of that
word whose 64 signs differ little from its own. Votes for one work count together as far as they turn and scale it
alike. `word_table.py` keeps the words of each work.

Source: Jegou, Douze and Schmid, Hamming embedding and weak geometric consistency (2008).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artpipe.recognition.local_features import ANGLE, DIAMETER, LocalFeatures
from artpipe.recognition.vocabulary import Vocabulary

_MOST_DIFFERING = 18
_DECAY = 12.0
_WORDS_ASKED = 3
_SHORTLIST = 10
"""So many times as many works as are asked for are looked at closely."""
_TURNS, _OCTAVES = 16, 9


@dataclass(frozen=True)
class WordsOfWork:
    """The features of one work, as the inverted file knows them.

    Attributes:
        words: uint16 (N,), the word of each.
        signs: uint64 (N,), its signs.
        turns: uint8 (N,), its angle in 256ths of a turn.
        scales: uint8 (N,), its diameter in sixteenths of an octave.
    """

    words: NDArray[np.uint16]
    signs: NDArray[np.uint64]
    turns: NDArray[np.uint8]
    scales: NDArray[np.uint8]


@dataclass(frozen=True)
class VisualWords:
    """The inverted file.

    Attributes:
        ids: the works.
        sizes: float32 (N,), the square root of each work's number of features.
        vocabulary: of the words.
        starts: int64 (W + 1,), where the postings of each word begin.
        works: int32 (P,), the work of each posting.
        signs: uint64 (P,), its signs.
        turns: uint8 (P,), its angle.
        scales: uint8 (P,), its diameter.
    """

    ids: list[str]
    sizes: NDArray[np.float32]
    vocabulary: Vocabulary
    starts: NDArray[np.int64]
    works: NDArray[np.int32]
    signs: NDArray[np.uint64]
    turns: NDArray[np.uint8]
    scales: NDArray[np.uint8]

    @classmethod
    def of(cls, vocabulary: Vocabulary, held: Iterable[tuple[str, WordsOfWork]]) -> "VisualWords":
        """Sort the features of all works by their words."""
        ids: list[str] = []
        found: list[WordsOfWork] = []
        for name, words in held:
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
            np.concatenate([*(one.signs for one in found), np.empty(0, np.uint64)])[order],
            np.concatenate([*(one.turns for one in found), np.empty(0, np.uint8)])[order],
            np.concatenate([*(one.scales for one in found), np.empty(0, np.uint8)])[order],
        )

    def vote(self, asked: LocalFeatures, count: int) -> list[str]:
        """The works that share most features with a picture, most first.

        Args:
            asked: of the picture that is looked for.
            count: at most how many.
        """
        if not len(asked.descriptors) or not len(self.works):
            return []
        words = self.vocabulary.words(asked.descriptors, _WORDS_ASKED)
        features = np.repeat(np.arange(len(words)), words.shape[1])
        flat = words.ravel()
        signs = self.vocabulary.signs(asked.descriptors[features], flat)
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
        scores = np.bincount(self.works[postings[near]], votes, len(self.ids)) / self.sizes
        likeliest = np.argsort(-scores, kind="stable")[: _SHORTLIST * count]
        scores = self._united(asked, likeliest, features[asker[near]], postings[near], votes)
        best = np.argsort(-scores, kind="stable")[:count]
        return [self.ids[likeliest[row]] for row in best if scores[row] > 0]

    def _united(
        self,
        asked: LocalFeatures,
        works: NDArray[np.int64],
        features: NDArray[np.int64],
        postings: NDArray[np.int64],
        votes: NDArray[np.float32],
    ) -> NDArray[np.float64]:
        """The votes for each of some works that agree on how it is turned and scaled in the photograph.

        Args:
            asked: of the photograph.
            works: numbers of the works.
            features: int64 (V,), the feature of the photograph that each vote comes from.
            postings: int64 (V,), what it is for.
            votes: float32 (V,), how much it counts.
        """
        row_of = np.full(len(self.ids), -1)
        row_of[works] = np.arange(len(works))
        rows = row_of[self.works[postings]]
        kept = np.flatnonzero(rows >= 0)
        rows, features, postings = rows[kept], features[kept], postings[kept]
        turns, scales = turns_and_scales(asked)
        # uint8 wraps round, as angles do.
        turned = (turns[features] - self.turns[postings]) // (256 // _TURNS)
        octaves = (scales[features].astype(np.int64) - self.scales[postings]) // 16 + _OCTAVES // 2
        bins = (rows * _TURNS + turned) * _OCTAVES + np.clip(octaves, 0, _OCTAVES - 1)
        ballot = np.bincount(bins, votes[kept], len(works) * _TURNS * _OCTAVES).reshape(-1, _TURNS, _OCTAVES)
        # Neighbouring bins together, since what agrees may lie on both sides of a border.
        ballot = ballot + np.roll(ballot, 1, axis=1)
        ballot[..., 1:] += ballot[..., :-1].copy()
        return ballot.max(axis=(1, 2)) / self.sizes[works]


def turns_and_scales(features: LocalFeatures) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """The angles in 256ths of a turn, and the diameters in sixteenths of an octave."""
    turns = np.floor(features.points[:, ANGLE] * (256 / 360)) % 256
    scales = np.clip(np.rint(16 * np.log2(features.points[:, DIAMETER])), 0, 255)
    return turns.astype(np.uint8), scales.astype(np.uint8)
