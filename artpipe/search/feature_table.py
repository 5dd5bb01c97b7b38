"""The `local_features` table: one row is a searchable picture with its points and their descriptors.

Rows say which stored JPEG they were made from, so that only new and changed pictures are described again. The voting
index of `visual_words.py` is made from it, and `same_painting.py` reads the rows of its candidates.
"""

from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from typing import TYPE_CHECKING, Any

import numpy as np

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake import DataLake
from artpipe.progress import Progress, SilentProgress
from artpipe.search.local_features import DESCRIPTOR_LENGTH, LocalFeatures, describe
from artpipe.search.pictures import StoredPictures

if TYPE_CHECKING:
    import lance

LOCAL_FEATURES_TABLE = "local_features"
_CHUNK = 512
_RECIPE = "sift-1"
"""Changes when pictures must be described anew, because `describe` does so differently."""


class FeatureTable:
    """The local features of a lake's pictures. Reading never creates or changes anything."""

    def __init__(self, lake: DataLake) -> None:
        self._lake = lake

    def update(self, progress: Progress | None = None) -> int:
        """Describe every embedded picture that is new or changed, drop those that are gone; returns how many were new.

        A killed run goes on where it stopped.
        """
        wanted = EmbeddingTable(self._lake).read(["artwork_id", "jpeg_sha256"])
        keys = {name: f"{_RECIPE}:{sha256}" for name, sha256 in wanted.iter_rows()}
        held = self._keys()
        missing = [name for name, key in keys.items() if held.get(name) != key]
        pictures = StoredPictures(self._lake)
        described = 0
        with (
            ThreadPoolExecutor(cpu_count() or 1) as pool,
            (progress or SilentProgress()).track("local features", len(missing), "images") as step,
        ):
            for first in range(0, len(missing), _CHUNK):
                chunk = missing[first : first + _CHUNK]
                jpegs = pictures.read(chunk)
                features = list(pool.map(describe, jpegs.values()))
                self._upsert(list(jpegs), [keys[name] for name in jpegs], features)
                described += len(features)
                step.advance(len(chunk))
        self._remove(sorted(held.keys() - keys.keys()))
        return described

    def read(self, artwork_ids: Sequence[str]) -> dict[str, LocalFeatures]:
        """The features of some works; works that have none are left out."""
        import pyarrow.compute as pc

        dataset = self._dataset()
        if dataset is None or not artwork_ids:
            return {}
        rows = dataset.to_table(filter=pc.field("artwork_id").isin(list(artwork_ids)))
        return {name: features for chunk in _batches(rows.to_batches()) for name, features in chunk}

    def chunks(self) -> "Generator[list[tuple[str, LocalFeatures]]]":
        """All works with their features, a chunk at a time."""
        dataset = self._dataset()
        if dataset is not None:
            yield from _batches(dataset.to_batches(batch_size=_CHUNK))

    def count(self) -> int:
        """How many pictures are described."""
        dataset = self._dataset()
        return 0 if dataset is None else int(dataset.count_rows())

    def _keys(self) -> dict[str, str]:
        dataset = self._dataset()
        if dataset is None:
            return {}
        rows = dataset.to_table(columns=["artwork_id", "key"])
        return dict(zip(rows["artwork_id"].to_pylist(), rows["key"].to_pylist(), strict=True))

    def _upsert(self, names: list[str], keys: list[str], features: list[LocalFeatures]) -> None:
        import pyarrow as pa

        if not names:
            return
        data = pa.table(
            {
                "artwork_id": pa.array(names, pa.string()),
                "key": pa.array(keys, pa.string()),
                "points": pa.array([found.points.tobytes() for found in features], pa.binary()),
                "descriptors": pa.array([found.descriptors.tobytes() for found in features], pa.binary()),
            }
        )
        lake = self._lake.connect()
        if self._dataset() is None:
            lake.create_table(LOCAL_FEATURES_TABLE, data=data)
        else:
            table = lake.open_table(LOCAL_FEATURES_TABLE)
            table.merge_insert("artwork_id").when_matched_update_all().when_not_matched_insert_all().execute(data)

    def _remove(self, names: list[str]) -> None:
        import pyarrow.compute as pc

        dataset = self._dataset()
        for first in range(0, len(names) if dataset is not None else 0, _CHUNK):
            dataset.delete(pc.field("artwork_id").isin(names[first : first + _CHUNK]))  # pyright: ignore[reportOptionalMemberAccess]

    def _dataset(self) -> "lance.LanceDataset | None":
        import lance

        try:
            return lance.dataset(f"{self._lake.lance_uri}/{LOCAL_FEATURES_TABLE}.lance")
        except ValueError:
            return None


def _batches(batches: Any) -> "Generator[list[tuple[str, LocalFeatures]]]":
    for batch in batches:
        columns = (batch["artwork_id"].to_pylist(), batch["points"].to_pylist(), batch["descriptors"].to_pylist())
        yield [
            (
                name,
                LocalFeatures(
                    np.frombuffer(points, dtype=np.float32).reshape(-1, 2),
                    np.frombuffer(descriptors, dtype=np.uint8).reshape(-1, DESCRIPTOR_LENGTH),
                ),
            )
            for name, points, descriptors in zip(*columns, strict=True)
        ]
