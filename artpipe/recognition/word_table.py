"""The `visual_words` table: one row is a picture with its quantised local features, about 3 kB.

It follows the `local_features` table row by row; `visual_words.py` builds its inverted file from it when a collection
is first searched for a painting.
"""

from collections.abc import Generator
from functools import cached_property
from typing import Any

import numpy as np

from artpipe.engine.derived_rows import update_rows
from artpipe.engine.shards import Engine, Shard
from artpipe.lake.keyed_table import KeyedTable, bytes_table
from artpipe.lake.paths import DataLake
from artpipe.recognition.feature_table import FeatureTable, feature_key
from artpipe.recognition.visual_words import WordsOfWork, rotations_and_scales
from artpipe.recognition.vocabulary import Vocabulary

VISUAL_WORDS_TABLE = "visual_words"
_COLUMNS = ("artwork_id", "words", "signs", "turns", "scales")
_ROWS_PER_BATCH = 4096
"""12 MB."""


def word_key(vocabulary: Vocabulary, jpeg_sha256: str) -> str:
    """Identifies what the words of a picture are made from."""
    return f"{vocabulary.id}:{feature_key(jpeg_sha256)}"


class QuantiseFeatures:
    """The work of an engine: the visual words of a shard's described pictures.

    Args:
        lake: has their local features.
        vocabulary: the words.
    """

    def __init__(self, lake: DataLake, vocabulary: Vocabulary) -> None:
        self._lake, self._vocabulary = lake, vocabulary

    @cached_property
    def _features(self) -> FeatureTable:
        return FeatureTable(self._lake)

    def __call__(self, shard: Shard, threads: int) -> Any:  # noqa: ARG002 - NumPy has its own
        """Rows of the table without id and key."""
        found = list(self._features.read(shard.ids).values())
        descriptors = np.concatenate([features.descriptors for features in found])
        words = self._vocabulary.words(descriptors, 1)[:, 0]
        signatures = self._vocabulary.signatures(descriptors, words)
        ends = np.cumsum([len(features.descriptors) for features in found])[:-1]
        poses = [rotations_and_scales(features) for features in found]
        columns = {
            "words": [part.astype(np.uint16).tobytes() for part in np.split(words, ends)],
            "signs": [part.tobytes() for part in np.split(signatures, ends)],
            "turns": [rotations.tobytes() for rotations, _ in poses],
            "scales": [scales.tobytes() for _, scales in poses],
        }
        return bytes_table(columns)


class WordTable:
    """The visual words of a lake's pictures. Reading never creates or changes anything."""

    def __init__(self, lake: DataLake) -> None:
        self._lake = lake
        self._features = FeatureTable(lake)
        self._table = KeyedTable(lake, VISUAL_WORDS_TABLE)

    def update(self, vocabulary: Vocabulary, engine: Engine | None = None) -> None:
        """Quantise the features of new and changed pictures, and drop pictures that are gone.

        Args:
            vocabulary: with which.
            engine: what computes; this machine by default.
        """
        keys = {name: f"{vocabulary.id}:{key}" for name, key in self._features.keys().items()}
        work = QuantiseFeatures(self._lake, vocabulary)
        update_rows(self._table, dict(sorted(keys.items())), work, "visual words", engine=engine)

    def keys(self) -> dict[str, str]:
        """The `word_key` of each work."""
        return self._table.keys()

    def all(self) -> "Generator[tuple[str, WordsOfWork]]":
        """Every work with its words."""
        for batch in self._table.batches(_COLUMNS, _ROWS_PER_BATCH):
            columns = [column.to_pylist() for column in batch.columns]
            for name, words, signatures, rotations, scales in zip(*columns, strict=True):
                yield (
                    name,
                    WordsOfWork(
                        np.frombuffer(words, np.uint16),
                        np.frombuffer(signatures, np.uint64),
                        np.frombuffer(rotations, np.uint8),
                        np.frombuffer(scales, np.uint8),
                    ),
                )
