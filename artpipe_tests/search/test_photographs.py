"""What is looked at in a photograph, and what search makes of it."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image, ImageOps

from artpipe.embedding.predictions import Predictions
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DamagedLakeError, DataLake, write_whole
from artpipe.recognition.feature_index import build_feature_index
from artpipe.recognition.view import WHOLE, UnusableCropError
from artpipe.search import Collection, SearchFilter
from artpipe.search.photographs import look_at
from artpipe_tests.fixtures.paintings import jpeg_of, painting
from artpipe_tests.fixtures.photographs import photograph

WORKS = [f"p/painter/work{n}" for n in range(8)]


class ThumbnailModel:
    """Embeds a picture as its pixels at 8 x 6, and predicts Baroque where it is light."""

    model_id = "m"
    labels = {"style": ["Baroque", "Rococo"], "period": ["1550-1650"], "type": ["portrait"]}  # noqa: RUF012

    def encode(self, pictures: Sequence[Image.Image]) -> Predictions:
        small = np.stack([np.asarray(one.resize((8, 6), Image.Resampling.BOX), np.float32) for one in pictures])
        flat = small.reshape(len(small), -1) - small.mean((1, 2, 3))[:, None]
        vectors = (flat / np.linalg.norm(flat, axis=1, keepdims=True)).astype(np.float32)
        light = small.mean((1, 2, 3)) / 255
        ones = np.ones((len(pictures), 1), np.float32)
        return Predictions(vectors, {"style": np.stack([light, 1 - light], axis=1), "period": ones, "type": ones})


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    lake, model = DataLake(tmp_path_factory.mktemp("photographs") / "lake"), ThumbnailModel()
    pictures = [painting(seed) for seed in range(len(WORKS))]
    rows = pl.DataFrame(
        {
            "artwork_id": WORKS,
            "model_id": "m",
            "jpeg_sha256": [str(seed) for seed in range(len(WORKS))],
            "style": ["Baroque", "Rococo"] * 4,
            "type": "still-life",
        }
    )
    EmbeddingTable(lake).upsert(rows.with_columns(vector=model.encode(pictures).vectors))
    images = pl.DataFrame({"artwork_id": WORKS, "jpeg": [jpeg_of(one) for one in pictures]})
    images = images.with_columns(short_side_px=pl.lit(240), status=pl.lit("fetched"))
    lake.connect().create_table("images", data=images.to_arrow(), mode="overwrite")
    write_whole(lake.served_model, json.dumps({"model_id": "m"}).encode())
    build_feature_index(lake)
    return Collection(lake, encoder=model)


def framed(seed: int) -> Image.Image:
    return photograph(painting(seed), "framed, wall 20 % wider", seed)


def looked(picture: Image.Image, **options: object) -> object:
    return look_at([picture], ThumbnailModel, 240, **options)[0]


def test_what_is_around_a_painting_does_not_count():
    plain, seen, whole = looked(painting(20)), looked(framed(20)), looked(framed(20), crop=(0, 0, 1, 1))
    assert plain.view == WHOLE
    assert 0.2 < seen.view.area < 0.8
    assert seen.vector @ plain.vector > 0.97 > whole.vector @ plain.vector


class UprightModel(ThumbnailModel):
    """Also knows how a painting stands: the more alike to it in a position, the higher its score."""

    def __init__(self, seed: int, confidence: float) -> None:
        views = [WHOLE.turned(quarters).of(painting(seed), 240) for quarters in range(4)]
        self.views, self.confidence = super().encode(views).vectors, confidence
        self.seen = 0

    def encode(self, pictures: Sequence[Image.Image]) -> Predictions:
        self.seen += len(pictures)
        found = super().encode(pictures)
        return replace(found, positions=self.confidence * found.vectors @ self.views.T)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_a_photograph_is_turned_upright(quarters: int):
    lying = photograph(painting(3), "framed, wall 20 % wider", 3).rotate(90 * quarters, expand=True)
    seen = look_at([lying], lambda: UprightModel(3, 4), 240)[0]
    assert seen.view == looked(lying).view.turned(quarters)
    assert seen.vector @ looked(painting(3)).vector > 0.97


@pytest.mark.parametrize(("quarters", "encoded"), [(0, 1), (1, 4)])
def test_only_a_photograph_that_may_be_turned_is_looked_at_in_all_positions(quarters: int, encoded: int):
    model = UprightModel(3, 4)
    look_at([painting(3).rotate(90 * quarters, expand=True)], lambda: model, 240)
    assert model.seen == encoded


def test_a_photograph_that_looks_hardly_more_upright_in_another_position_is_left_as_it_is():
    lying = painting(3).rotate(90, expand=True)
    assert look_at([lying], lambda: UprightModel(3, 0.05), 240)[0].view == WHOLE


def test_a_recognised_work_comes_first_whatever_the_vector_says(collection: Collection):
    detail = painting(4).crop((120, 60, 300, 220))
    hits = collection.similar(detail, k=8)
    assert hits["artwork_id"][0] == WORKS[4]
    assert sorted(hits["artwork_id"]) == WORKS
    assert hits["rank"].to_list() == list(range(1, 9))
    rest = hits["similarity"].to_list()[1:]
    assert rest == sorted(rest, reverse=True)
    assert hits.total == len(WORKS)
    pages = [collection.similar(detail, k=3, offset=offset)["artwork_id"].to_list() for offset in (0, 3, 6)]
    assert [name for page in pages for name in page] == hits["artwork_id"].to_list()
    assert collection.similar_many([detail, painting(5)], k=2)[0]["artwork_id"].to_list() == pages[0][:2]


def test_a_recognised_work_that_the_filter_leaves_out_is_left_out(collection: Collection):
    hits = collection.similar(framed(4), k=8, where=SearchFilter(style="Rococo"))
    assert set(hits["style"]) == {"Rococo"}
    only = collection.similar(framed(4), k=1, where=SearchFilter(style="Baroque"))
    assert only["artwork_id"].to_list() == [WORKS[4]]


@pytest.mark.parametrize("treatment", ["framed, wall 20 % wider", "from aside, wall around", "rotated 90", "mirrored"])
def test_the_labels_of_a_recognised_work_stand_beside_the_prediction(collection: Collection, treatment: str):
    taken = photograph(painting(4), treatment, 1)
    plain, seen = collection.predict([painting(4), taken])
    assert (seen.work, seen.labels) == (WORKS[4], {"style": "Baroque", "type": "still-life"})
    assert seen.as_json()["recognised"] == {"artwork_id": WORKS[4], "style": "Baroque", "type": "still-life"}
    assert seen.view.is_mirrored == (treatment == "mirrored")
    assert dict(seen.best["style"]) == pytest.approx(dict(plain.best["style"]), abs=0.01)
    assert seen.novelty.nearest_similarity > 0.97


def test_a_painting_that_is_not_held_has_a_prediction_alone(collection: Collection):
    seen = collection.predict([framed(99)])[0]
    assert (seen.work, seen.labels, seen.as_json()["recognised"]) == (None, {}, None)


def test_a_crop_is_taken_as_it_is(collection: Collection):
    crop = (0.5, 0.5, 0.5, 0.5)
    seen = collection.predict([painting(6)], crop=crop)[0]
    assert seen.as_json()["corners"] == [[0.5, 0.5], [1, 0.5], [1, 1], [0.5, 1]]
    assert seen.work == WORKS[6]
    part = ThumbnailModel().encode([painting(6).crop((160, 120, 320, 240))]).vectors[0]
    hit = collection.similar(painting(6), k=1, crop=crop)
    works = EmbeddingTable(collection.lake).vectors()[1]
    assert hit["similarity"][0] == pytest.approx(float(works[6] @ part), abs=0.02)
    with pytest.raises(UnusableCropError, match="fractions from 0 to 1"):
        collection.similar(painting(6), crop=(10, 10, 50, 50))


def test_a_mirrored_photograph_is_said_to_be_mirrored(collection: Collection):
    match = collection.same_painting(ImageOps.mirror(painting(2)))
    assert (bool(match), match.artwork_id, match.is_mirrored) == (True, WORKS[2], True)
    assert not collection.same_painting(painting(2)).is_mirrored
    assert not collection.same_painting(ImageOps.mirror(painting(99)))


def test_without_local_features_a_photograph_is_looked_at_all_the_same(collection: Collection, tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    rows = EmbeddingTable(collection.lake).read()
    EmbeddingTable(lake).upsert(rows.with_columns(vector=EmbeddingTable(collection.lake).vectors()[1]))
    write_whole(lake.served_model, json.dumps({"model_id": "m"}).encode())
    hits = Collection(lake, encoder=ThumbnailModel()).similar(framed(4), k=1)
    assert hits["artwork_id"].to_list() == [WORKS[4]]


def test_damaged_local_features_cost_recognition_alone(
    collection: Collection, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    lake = DataLake(tmp_path / "lake")
    shutil.copytree(collection.lake.root, tmp_path / "lake")
    for manifest in (tmp_path / "lake" / "lance" / "visual_words.lance" / "_versions").iterdir():
        manifest.write_bytes(manifest.read_bytes()[:20])
    torn = Collection(lake, encoder=ThumbnailModel())
    assert torn.similar(framed(4), k=1)["artwork_id"].to_list() == [WORKS[4]]
    assert "not recognised in photographs" in caplog.text
    with pytest.raises(DamagedLakeError):
        torn.same_painting(framed(4))
