"""The inference cache: every picture runs through a network once."""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest

from artpipe.embedding.inference import InferenceCache, cache_rows, embedding_rows
from artpipe.embedding.predictions import Predictions
from artpipe.lake.paths import DataLake
from artpipe.tasks import WGA_TASKS

CLASSES = {"style": ("Baroque", "Rococo"), "type": ("genre", "portrait", "study")}


class CountingCache(InferenceCache):
    """Stands in for the network, the far end of this module: a picture's vector encodes its number."""

    ran: list[str]

    def _computed(self, missing: pl.DataFrame, *_: object) -> Iterator[pl.DataFrame]:
        self.ran = [*getattr(self, "ran", []), *missing["jpeg_sha256"]]
        count = missing.height
        numbers = np.array([int(key[1:]) for key in missing["jpeg_sha256"]], dtype=np.float32)
        vectors = np.stack([np.cos(numbers), np.sin(numbers)], axis=1)
        chances = {task: np.full((count, len(names)), 1 / len(names), np.float32) for task, names in CLASSES.items()}
        yield cache_rows(self.card, missing["jpeg_sha256"], Predictions(vectors, chances))


@pytest.fixture
def cache(tmp_path) -> CountingCache:
    card = SimpleNamespace(model_id="m1", classes=CLASSES, embedding_dim=2, config={})
    return CountingCache(DataLake(tmp_path), card)


def rows(*numbers: int) -> pl.DataFrame:
    ids, keys = [f"a/x/{n}" for n in numbers], [f"h{n}" for n in numbers]
    return pl.DataFrame(
        {"artwork_id": ids, "jpeg_sha256": keys}, schema={"artwork_id": pl.String, "jpeg_sha256": pl.String}
    )


def test_cached_predictions_are_returned_in_the_order_of_the_rows(cache):
    first = cache.infer(rows(1, 2), images=None)
    again = cache.infer(rows(2, 3, 1), images=None)
    assert cache.ran == ["h1", "h2", "h3"]
    assert (first.computed, again.computed) == (2, 1)
    assert again.vectors[:, 0] == pytest.approx(np.cos([2, 3, 1]), abs=1e-6)


def test_one_picture_under_two_ids_runs_once(cache):
    both = pl.DataFrame({"artwork_id": ["a/x/1", "a/x/1b"], "jpeg_sha256": ["h1", "h1"]})
    assert cache.infer(both, images=None).vectors.shape == (2, 2)
    assert cache.ran == ["h1"]


def test_a_picture_in_two_parts_and_under_two_ids_is_given_once_for_each_id(cache):
    cache.infer(rows(1, 2), images=None)
    (part,) = cache.folder.glob("*.parquet")
    part.with_stem("000007").write_bytes(part.read_bytes())
    asked = pl.concat([rows(3, 2, 1), rows(2, 3).with_columns(artwork_id=pl.col("artwork_id") + "b")])
    given = list(cache.inferred(asked, images=None))
    assert sorted(name for some, _ in given for name in some["artwork_id"]) == sorted(asked["artwork_id"])
    for some, found in given:
        assert found.vectors[:, 0] == pytest.approx(np.cos([int(key[1:]) for key in some["jpeg_sha256"]]), abs=1e-6)
    assert cache.ran == ["h1", "h2", "h3"]


def test_a_damaged_part_is_computed_again(cache):
    cache.infer(rows(1), images=None)
    (part,) = cache.folder.glob("*.parquet")
    part.write_bytes(b"half a file")
    assert cache.infer(rows(1), images=None).computed == 1


def test_one_more_picture_writes_one_row_and_many_parts_are_merged(cache, monkeypatch):
    monkeypatch.setattr("artpipe.embedding.inference.MAX_PARTS", 3)
    for number in range(3):
        cache.infer(rows(number), images=None)
    parts = sorted(cache.folder.glob("*.parquet"))
    assert [pl.read_parquet(part)["jpeg_sha256"].to_list() for part in parts] == [["h0"], ["h1"], ["h2"]]
    cache.infer(rows(3), images=None)
    (part,) = cache.folder.glob("*.parquet")
    assert sorted(pl.read_parquet(part)["jpeg_sha256"]) == ["h0", "h1", "h2", "h3"]
    assert cache.infer(rows(3, 0, 2), images=None).vectors[:, 0] == pytest.approx(np.cos([3, 0, 2]), abs=1e-6)
    assert len(cache.ran) == 4


def test_no_rows_run_nothing(cache):
    assert cache.infer(rows(), images=None).vectors.shape == (0, 2)


def test_a_row_has_the_most_probable_label_of_each_task(cache):
    found = Predictions(
        np.eye(2, dtype=np.float32),
        {"style": np.array([[0.2, 0.8], [0.9, 0.1]], np.float32), "type": np.array([[0, 0.3, 0.7]] * 2, np.float32)},
        computed=2,
    )
    table = embedding_rows(rows(1, 2), found, cache.card, WGA_TASKS)
    assert table["predicted_style"].to_list() == ["Rococo", "Baroque"]
    assert table["predicted_style_probability"].to_list() == pytest.approx([0.8, 0.9])
    assert table["predicted_type"].to_list() == ["study", "study"]
    assert table["model_id"].to_list() == ["m1", "m1"]
