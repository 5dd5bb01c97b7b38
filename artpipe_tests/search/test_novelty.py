"""What is out of distribution: vectors first, then pictures embedded by hand-made features."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from artpipe.embedding.predictions import Predictions
from artpipe.embedding.table import EmbeddingTable
from artpipe.images.reading import read_picture
from artpipe.lake.paths import DataLake
from artpipe.recognition.rephotograph import rephotograph
from artpipe.search import Collection
from artpipe.search.novelty import SCALE_FILE, Novelty, NoveltyScale, measure_scale, open_scale, save_scale, transferred
from artpipe_tests.fixtures.paintings import lit_figure


def on_sphere(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def paintings(count: int, seed: int = 0) -> np.ndarray:
    """Vectors that differ in two directions, hardly in a third, and are all much alike."""
    rng = np.random.default_rng(seed)
    spread = rng.normal(0, [0.3, 0.3, 0.01], (count, 3))
    return on_sphere(np.hstack([np.ones((count, 1)), spread]))


def names(count: int) -> np.ndarray:
    return np.array([f"w{number}" for number in range(count)])


def test_one_in_a_hundred_of_its_own_kind_is_flagged():
    vectors = paintings(4000)
    is_held_out = np.arange(4000) < 1000
    scale = measure_scale(vectors, names(4000), is_held_out, "3fa9")
    assert scale.pictures == 1000
    new = paintings(1000, seed=1)
    nearest = np.argsort(-(new @ vectors.T), axis=1)[:, :50]
    far = [scale.distance(one, vectors[near]) > scale.threshold for one, near in zip(new, nearest, strict=True)]
    assert 0.003 < np.mean(far) < 0.03


def test_a_small_difference_counts_where_paintings_do_not_differ():
    vectors = paintings(1000)
    scale = measure_scale(vectors, names(1000), np.ones(1000, dtype=bool), "3fa9")
    middle = on_sphere(np.array([[1, 0, 0, 0.0], [1, 0.3, 0, 0], [1, 0, 0, 0.3]]))
    within, aside = (scale.distance(one, vectors) for one in middle[1:])
    assert within < scale.threshold < aside


def test_a_work_is_not_compared_with_its_own_pictures():
    vectors = np.repeat(paintings(60), 2, axis=0)
    scale = measure_scale(vectors, np.repeat(names(60), 2), np.ones(120, dtype=bool), "3fa9")
    assert scale.threshold > 0.1
    assert measure_scale(vectors, names(120), np.ones(120, dtype=bool), "3fa9").threshold == pytest.approx(0)


def test_too_few_held_out_works_say_nothing():
    scale = measure_scale(paintings(100), names(100), np.arange(100) < 29, "3fa9")
    assert (scale.threshold, scale.pictures) == (None, 29)
    assert Novelty(0.9, 1e9, scale.threshold).is_out_of_distribution is None
    assert measure_scale(paintings(40), np.full(40, "w"), np.ones(40, dtype=bool), "3fa9").pictures == 0


def test_the_scale_of_a_refit_flags_as_few_new_works_although_no_held_out_work_is_new_to_it():
    """The refit draws what it knows together, held-out works too, and leaves new works where they were."""
    count, is_held_out = 3000, np.arange(3000) < 1000
    vectors, new = paintings(count), paintings(1000, seed=1)
    nearest = np.argsort(-(vectors @ vectors.T) + 9 * np.eye(count), axis=1)[:, 0]
    trained = ~is_held_out
    of_measured, of_refit = vectors.copy(), on_sphere(0.3 * vectors + 0.7 * vectors[nearest])
    of_measured[trained] = of_refit[trained]
    scale = measure_scale(of_measured, names(count), is_held_out, "3fa9")
    fooled = measure_scale(of_refit, names(count), is_held_out, "81c0")
    moved = transferred(scale, of_measured, of_refit, names(count), trained, "81c0")

    def flagged(one: NoveltyScale) -> float:
        near = np.argsort(-(new @ of_refit.T), axis=1)[:, :50]
        return float(
            np.mean([one.distance(v, of_refit[k]) > (one.threshold or 0) for v, k in zip(new, near, strict=True)])
        )

    assert flagged(fooled) > 0.04
    assert 0.003 < flagged(moved) < 0.03
    assert (moved.model_id, moved.pictures) == ("81c0", 1000)


def test_the_scale_of_a_refit_is_in_its_own_units():
    vectors, work_ids, is_held_out = paintings(400), names(400), np.arange(400) < 200
    scale = measure_scale(vectors, work_ids, is_held_out, "3fa9")
    wider = NoveltyScale("3fa9", 3 * scale.matrix, 3 * (scale.threshold or 0), scale.pictures)
    moved = transferred(wider, vectors, vectors, work_ids, ~is_held_out, "81c0")
    assert moved.threshold == pytest.approx(scale.threshold)
    assert np.allclose(moved.matrix, scale.matrix)


def test_a_scale_is_read_back_for_its_own_model_alone(tmp_path: Path):
    lake = DataLake(tmp_path)
    assert open_scale(lake, "3fa9") is None
    for held_out in (100, 3):
        scale = measure_scale(paintings(100), names(100), np.arange(100) < held_out, "3fa9")
        save_scale(lake, scale)
        back = open_scale(lake, "3fa9")
        assert back is not None
        assert (back.threshold, back.pictures) == (scale.threshold, held_out)
        assert np.array_equal(back.matrix, scale.matrix)
    assert open_scale(lake, "81c0") is None
    np.savez(str(lake.index(SCALE_FILE)), model_id="3fa9", matrix=scale.matrix, usual_up_to=0.5, pictures=40)
    assert open_scale(lake, "3fa9").threshold == 0.5, "a file of an earlier release"
    lake.index(SCALE_FILE).write_bytes(b"damaged")
    assert open_scale(lake, "3fa9") is None


class PatchModel:
    """Embeds a picture as the brightness and colour of its quarters, and how much they vary within."""

    model_id = "3fa9"
    labels = {"style": ["Baroque"], "period": ["1550-1650"], "type": ["portrait"]}  # noqa: RUF012

    def encode(self, pictures):
        seen = []
        for picture in pictures:
            small = picture.resize((64, 64), Image.Resampling.BILINEAR)
            pixels = np.asarray(small, dtype=np.float64) / 255
            quarters = [pixels[y : y + 32, x : x + 32] for y in (0, 32) for x in (0, 32)]
            grain = np.abs(np.diff(pixels, axis=0)).mean() + np.abs(np.diff(pixels, axis=1)).mean()
            light = [quarter.mean((0, 1)) for quarter in quarters]
            seen.append(np.concatenate([[1.0], *light, [8 * grain, 4 * np.std(light, axis=0).mean()]]))
        ones = np.ones((len(seen), 1), dtype=np.float32)
        return Predictions(on_sphere(np.array(seen)), dict.fromkeys(self.labels, ones))


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Collection:
    lake, model = DataLake(tmp_path_factory.mktemp("novelty") / "lake"), PatchModel()
    stored = []
    for number in range(300):
        packed = io.BytesIO()
        lit_figure(number).save(packed, "JPEG", quality=90)
        stored.append(read_picture(packed.getvalue()))
    ids = [f"p/painter/{number:03}" for number in range(300)]
    rows = pl.DataFrame({"artwork_id": ids, "work_id": ids, "model_id": model.model_id, "jpeg_sha256": ids})
    vectors = model.encode(stored).vectors
    EmbeddingTable(lake).upsert(rows.with_columns(vector=vectors))
    save_scale(lake, measure_scale(vectors, np.array(ids), np.arange(300) % 3 == 0, model.model_id))
    return Collection(lake, encoder=model)


def test_noise_and_a_plain_colour_are_unlike_a_collection_of_paintings(collection: Collection):
    rng = np.random.default_rng(0)
    noise = Image.fromarray(rng.integers(0, 256, (96, 80, 3), dtype=np.uint8))
    for foreign in (noise, Image.new("RGB", (80, 96), (30, 200, 230)), Image.new("RGB", (80, 96), "white")):
        found = collection.novelty(foreign)
        assert found.is_out_of_distribution
        assert found.distance > found.threshold


@pytest.mark.parametrize("kind", ["jpeg 30", "blur"])
def test_photographs_of_held_works_are_not(collection: Collection, kind: str):
    flagged = [collection.novelty(rephotograph(lit_figure(n), kind, n)).is_out_of_distribution for n in range(20)]
    assert sum(flagged) <= 2


def test_a_new_painting_of_the_same_kind_is_not_and_a_held_one_is_compared_with_the_others(collection: Collection):
    assert sum(bool(collection.novelty(lit_figure(1000 + n)).is_out_of_distribution) for n in range(40)) <= 2
    held = collection.novelty("p/painter/007")
    assert held.nearest_similarity < 1 - 1e-6
    assert held.distance > 0


def test_a_prediction_tells_it_too(collection: Collection):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 80, 3), dtype=np.uint8))
    foreign, held = collection.predict([noise, lit_figure(3)])
    assert foreign.as_json()["is_out_of_distribution"] is True
    assert held.as_json()["is_out_of_distribution"] is False
    assert held.as_json()["nearest_similarity"] > 0.99


def test_no_label_is_predicted_for_what_is_no_painting(collection: Collection):
    class Detecting(PatchModel):
        """Takes every other picture for a painting."""

        def encode(self, pictures):
            return replace(super().encode(pictures), is_painting=np.arange(len(pictures)) % 2 == 1)

    foreign, held = Collection(collection.lake, encoder=Detecting()).predict([lit_figure(3), lit_figure(3)])
    assert (foreign.is_painting, foreign.best, foreign.is_sure) == (False, {}, {})
    assert foreign.novelty == held.novelty
    assert "not look like a painting" in foreign._repr_html_()
    assert "Baroque" in held._repr_html_()
    assert held.is_painting
    assert list(held.best) == ["style", "period", "type"]
    assert [answer.is_painting for answer in collection.predict([lit_figure(3)])] == [None]


def test_without_a_measured_scale_only_the_similarity_is_told(collection: Collection, tmp_path: Path):
    lake = DataLake(tmp_path)
    rows = collection.works.select("artwork_id", "work_id", "model_id", "jpeg_sha256")
    EmbeddingTable(lake).upsert(rows.with_columns(vector=EmbeddingTable(collection.lake).vectors()[1]))
    found = Collection(lake, encoder=PatchModel()).novelty(lit_figure(3))
    assert (found.is_out_of_distribution, found.distance, found.threshold) == (None, None, None)
    assert found.nearest_similarity == pytest.approx(1, abs=1e-3)
