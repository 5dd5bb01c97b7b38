"""Which works share local features with a picture: an inverted file of visual words, with 64 bits a feature.

A vector for a whole picture forgets its parts, so a photograph of a detail may lie far from its painting. Here every
feature votes: it is put to the nearest of a few thousand words of `vocabulary.py`, and agrees with the features of that
word whose 64 signs differ little from its own. `word_table.py` keeps the words of each work.

Source: Jegou, Douze and Schmid, Hamming embedding and weak geometric consistency (2008).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artpipe.search.local_features import LocalFeatures
from artpipe.search.vocabulary import Vocabulary

_MOST_DIFFERING = 22
_DECAY = 12.0
_WORDS_ASKED = 3


@dataclass(frozen=True)
class WordsOfWork:
    """The features of one work, as the inverted file knows them.

    Attributes:
        words: uint16 (N,), the word of each.
        signs: uint64 (N,), its signs.
    """

    words: NDArray[np.uint16]
    signs: NDArray[np.uint64]


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
    """

    ids: list[str]
    sizes: NDArray[np.float32]
    vocabulary: Vocabulary
    starts: NDArray[np.int64]
    works: NDArray[np.int32]
    signs: NDArray[np.uint64]

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
        # A feature votes once for a work, however often the work repeats it.
        ballots = features[asker[near]].astype(np.int64) * len(self.ids) + self.works[postings[near]]
        order = np.lexsort((-votes, ballots))
        _, first = np.unique(ballots[order], return_index=True)
        once = order[first]
        scores = np.bincount(self.works[postings[near[once]]], votes[once], len(self.ids)) / self.sizes
        best = np.argsort(-scores, kind="stable")[:count]
        return [self.ids[work] for work in best if scores[work] > 0]
