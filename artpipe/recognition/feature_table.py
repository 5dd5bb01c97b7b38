"""The `local_features` table: one row is a searchable picture with its keypoints and descriptors, about 37 kB.

Rows record which stored JPEG they were made from, so that only new and changed pictures are described. `word_table.py`
quantises the descriptors, and `same_painting.py` reads the rows of its candidates.
"""

import threading
from collections import OrderedDict
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any, Protocol

import numpy as np

from artpipe.engine.derived_rows import update_rows
from artpipe.engine.shards import Engine, Shard
from artpipe.images.pictures import StoredPictures
from artpipe.lake.keyed_table import KeyedTable, bytes_table
from artpipe.lake.paths import DataLake
from artpipe.progress import Progress
from artpipe.recognition.local_features import DESCRIPTOR_LENGTH, POINT_LENGTH, LocalFeatures, describe_stored

LOCAL_FEATURES_TABLE = "local_features"
_COLUMNS = ("points", "descriptors", "size_px")
_ROWS_PER_FRAGMENT = 2048
"""76 MB."""
_FEATURES_VERSION = "sift-2"
"""Changes when `describe_stored` gives other features, so that all pictures are described again."""

CACHED_PICTURES = 1500
"""Pictures whose features stay in memory: 60 MB."""


def feature_key(jpeg_sha256: str) -> str:
    """Identifies what the features of a picture are made from."""
    return f"{_FEATURES_VERSION}:{jpeg_sha256}"


class FeatureSource(Protocol):
    """A source of local features."""

    def read(self, artwork_ids: Sequence[str]) -> dict[str, LocalFeatures]:
        """The features of some works in their order; works without features are left out."""
        ...


class DescribePictures:
    """The work of an engine: the local features of a shard's stored pictures.

    Args:
        lake: has the pictures.
    """

    def __init__(self, lake: DataLake) -> None:
        self._lake = lake

    @cached_property
    def _pictures(self) -> StoredPictures:
        return StoredPictures(self._lake)

    def __call__(self, shard: Shard, threads: int) -> Any:
        """Rows of the table without id and key; a picture that is not stored has no keypoints."""
        import cv2

        cv2.setNumThreads(threads)
        jpegs = self._pictures.read(shard.ids)
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(describe_stored, [jpegs.get(name, b"") for name in shard.ids]))
        columns = {
            "points": [one.points.tobytes() for one in found],
            "descriptors": [one.descriptors.tobytes() for one in found],
            "size_px": [np.array([one.width_px, one.height_px], np.int32).tobytes() for one in found],
        }
        return bytes_table(columns)


class FeatureTable:
    """The local features of a lake's pictures. Reading never creates or changes anything."""

    def __init__(self, lake: DataLake) -> None:
        self._lake = lake
        self._table = KeyedTable(lake, LOCAL_FEATURES_TABLE, _ROWS_PER_FRAGMENT)

    def update(
        self, pictures: Mapping[str, str], progress: Progress | None = None, engine: Engine | None = None
    ) -> tuple[int, int]:
        """Describe the pictures that are new or changed, and drop those that are gone; a killed run resumes.

        Args:
            pictures: the `jpeg_sha256` of every work to describe.
            progress: advances with each picture.
            engine: what computes; this machine by default.

        Returns:
            The numbers of pictures described and dropped.
        """
        keys = {name: feature_key(sha256) for name, sha256 in pictures.items()}
        return update_rows(self._table, keys, DescribePictures(self._lake), "local features", progress, engine)

    def keys(self) -> dict[str, str]:
        """The `feature_key` of each work."""
        return self._table.keys()

    def read(self, artwork_ids: Sequence[str]) -> dict[str, LocalFeatures]:
        """The features of some works in their order; works without features are left out."""
        return {name: _features(*row) for name, row in self._table.take(artwork_ids, _COLUMNS).items()}

    def all(self) -> "Generator[tuple[str, LocalFeatures]]":
        """The works with their features, in the table's order."""
        for batch in self._table.batches(("artwork_id", *_COLUMNS)):
            columns = [column.to_pylist() for column in batch.columns]
            for name, *row in zip(*columns, strict=True):
                yield name, _features(*row)


class CachedFeatures:
    """The features of a table, with an LRU cache in memory.

    Args:
        table: where they are read.
        size: number of pictures in the cache.
    """

    def __init__(self, table: FeatureTable, size: int = CACHED_PICTURES) -> None:
        self._table = table
        self._size = size
        self._lock = threading.Lock()
        self._cache: OrderedDict[str, LocalFeatures] = OrderedDict()

    def read(self, artwork_ids: Sequence[str]) -> dict[str, LocalFeatures]:
        """The features of some works in their order; works without features are left out."""
        with self._lock:
            found = {name: self._cache[name] for name in artwork_ids if name in self._cache}
        missing = [name for name in artwork_ids if name not in found]
        if missing:
            found |= self._table.read(missing)
        with self._lock:
            for name, features in found.items():
                self._cache[name] = features
                self._cache.move_to_end(name)
            while len(self._cache) > self._size:
                self._cache.popitem(last=False)
        return {name: found[name] for name in dict.fromkeys(artwork_ids) if name in found}


def _features(points: bytes, descriptors: bytes, size_px: bytes) -> LocalFeatures:
    """Those of a row of `_COLUMNS`."""
    width, height = np.frombuffer(size_px, dtype=np.int32)
    return LocalFeatures(
        np.frombuffer(points, dtype=np.float32).reshape(-1, POINT_LENGTH),
        np.frombuffer(descriptors, dtype=np.uint8).reshape(-1, DESCRIPTOR_LENGTH),
        int(width),
        int(height),
    )
