"""What does not look like a painting: the thresholds on features first, then pictures, described by hand."""

import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from artpipe.lake.paths import DataLake
from artpipe.models.card import ModelCard, TransformSpec, WeightsSource
from artpipe.recognition.rephotograph import rephotograph
from artpipe.search.drawn_pictures import KINDS, drawn_picture
from artpipe.search.painting_fit import MIN_WORKS, Shown, fit_detector, measure_detector, model_to_fit_with
from artpipe.search.paintings import DETECTOR_FILE, PaintingDetector, open_detector, save_detector
from artpipe_tests.fixtures.paintings import lit_figure


def features_near(axis: int, count: int, spread: float, seed: int) -> np.ndarray:
    """Features that differ around one axis of eight; their lengths say nothing."""
    rng = np.random.default_rng(seed)
    middle = np.eye(8, dtype=np.float32)[axis]
    return ((middle + rng.normal(0, spread, (count, 8))) * rng.uniform(1, 9, (count, 1))).astype(np.float32)


def shown(features: np.ndarray, first_artist: int = 0) -> Shown:
    return Shown(features, np.array([f"artist {first_artist + number // 4}" for number in range(len(features))]))


PAINTED, DRAWN, NEITHER = 0, 1, 2


@pytest.fixture(scope="module")
def detector() -> PaintingDetector:
    held_out = [shown(features_near(PAINTED, 400, 0.2, seed), 1000 * seed) for seed in (1, 2)]
    return fit_detector("3fa9", shown(features_near(PAINTED, 600, 0.2, 0)), held_out, features_near(DRAWN, 100, 0.2, 3))


def test_new_paintings_pass_and_drawn_pictures_do_not(detector: PaintingDetector):
    assert detector.pictures == 800
    assert np.mean(detector.is_painting(features_near(PAINTED, 2000, 0.2, 4))) > 0.98
    assert not detector.is_painting(features_near(DRAWN, 100, 0.2, 5)).any()


def test_what_is_like_neither_is_no_painting(detector: PaintingDetector):
    assert not detector.is_painting(features_near(NEITHER, 100, 0.2, 6)).any()


def test_each_rule_refuses_by_itself(detector: PaintingDetector):
    by_works_alone, by_drawn_alone = replace(detector, most_contrast=2.0), replace(detector, least_similarity=-1.0)
    assert not by_works_alone.is_painting(features_near(NEITHER, 100, 0.2, 6)).any()
    assert not by_drawn_alone.is_painting(features_near(DRAWN, 100, 0.2, 5)).any()


def test_photographed_paintings_pass_if_held_out_works_were_photographed():
    works, plain = shown(features_near(PAINTED, 600, 0.1, 0)), shown(features_near(PAINTED, 400, 0.1, 1), 1000)
    photographs = features_near(PAINTED, 800, 0.3, 2)
    drawn = features_near(DRAWN, 100, 0.1, 3)
    unprepared = fit_detector("3fa9", works, [plain], drawn)
    prepared = fit_detector("3fa9", works, [plain, shown(photographs[:400], 2000)], drawn)
    assert np.mean(unprepared.is_painting(photographs[400:])) < 0.6
    assert np.mean(prepared.is_painting(photographs[400:])) > 0.97


def test_a_held_out_work_is_compared_with_other_artists_only():
    features = features_near(PAINTED, 400, 0.2, 0)
    drawn = features_near(DRAWN, 100, 0.2, 3)
    by_others = fit_detector("3fa9", shown(features), [shown(features, 1000)], drawn)
    by_the_same = fit_detector("3fa9", shown(features), [shown(features)], drawn)
    assert by_the_same.least_similarity < by_others.least_similarity - 0.01


def test_too_few_held_out_works_refuse_nothing():
    works, drawn = shown(features_near(PAINTED, 200, 0.2, 0)), features_near(DRAWN, 50, 0.2, 1)
    few = shown(features_near(PAINTED, MIN_WORKS - 1, 0.2, 2), 1000)
    assert fit_detector("3fa9", works, [few], drawn).is_painting(drawn) is None
    enough = shown(features_near(PAINTED, MIN_WORKS, 0.2, 2), 1000)
    assert not fit_detector("3fa9", works, [enough], drawn).is_painting(drawn).any()


def test_works_without_enough_works_by_others_to_compare_them_with_refuse_nothing():
    features, drawn = features_near(PAINTED, 200, 0.2, 0), features_near(DRAWN, 50, 0.2, 1)
    by_one = Shown(features, np.array(["the only one"] * 200))
    assert fit_detector("3fa9", by_one, [by_one], drawn).is_painting(drawn) is None


def test_a_detector_is_read_back_for_its_own_model_alone(tmp_path: Path, detector: PaintingDetector):
    lake = DataLake(tmp_path)
    assert open_detector(lake, "3fa9") is None
    mixed = np.concatenate([features_near(axis, 50, 0.2, 7) for axis in (PAINTED, DRAWN)])
    save_detector(lake, detector)
    assert np.array_equal(open_detector(lake, "3fa9").is_painting(mixed), detector.is_painting(mixed))
    assert open_detector(lake, "81c0") is None
    assert open_detector(lake, "3fa9").positions(mixed) is None
    weights = np.arange(36, dtype=np.float32).reshape(9, 4)
    save_detector(lake, replace(detector, position_weights=weights))
    np.testing.assert_array_equal(open_detector(lake, "3fa9").positions(mixed), mixed @ weights[:-1] + weights[-1])
    save_detector(lake, replace(detector, least_similarity=None, most_contrast=None))
    assert open_detector(lake, "3fa9").is_painting(mixed) is None
    lake.index(DETECTOR_FILE).write_bytes(b"damaged")
    assert open_detector(lake, "3fa9") is None


@pytest.mark.parametrize("kind", KINDS)
def test_a_drawn_picture_is_the_same_for_the_same_seed_alone(kind: str):
    pictures = [drawn_picture(kind, seed) for seed in (0, 0, 1, 2)]
    assert all(picture.mode == "RGB" and min(picture.size) >= 40 for picture in pictures)
    first, again, *others = [picture.tobytes() for picture in pictures]
    assert first == again
    assert all(first != other for other in others)


def described(pictures: Sequence[Image.Image]) -> np.ndarray:
    """How grey levels and steps between neighbours are distributed, and the mean colour."""
    found = []
    for picture in pictures:
        pixels = np.asarray(picture.resize((64, 64))).astype(float)
        grey = pixels.mean(2)
        levels = np.histogram(grey, 8, (0, 256))[0] / grey.size
        steps = np.histogram(np.abs(np.diff(grey)), [0, 1, 3, 8, 20, 60, 256])[0] / grey.size
        found.append(np.concatenate([levels, 3 * steps, pixels.mean((0, 1)) / 255]))
    return np.array(found, np.float32)


class Stored:
    """The JPEGs of paintings; an id is the painting's seed."""

    def jpegs(self, artwork_ids: Sequence[str], /) -> list[bytes]:
        files = []
        for name in artwork_ids:
            packed = io.BytesIO()
            lit_figure(int(name)).save(packed, "JPEG", quality=90)
            files.append(packed.getvalue())
        return files


def collection(held_out: int) -> pl.DataFrame:
    ids = [str(number) for number in range(300)]
    return pl.DataFrame(
        {
            "artwork_id": ids,
            "work_id": ids,
            "artist_id": [f"artist {number // 3}" for number in range(300)],
            "split": ["test"] * held_out + ["train"] * (300 - held_out),
            "jpeg_sha256": ids,
        }
    )


def test_pictures_drawn_by_code_are_told_from_the_works_of_a_collection():
    detector = measure_detector("3fa9", collection(120), None, Stored(), described, 80)
    assert detector.pictures == 240
    for kind in KINDS:
        refused = ~detector.is_painting(described([drawn_picture(kind, 1000 + number) for number in range(20)]))
        assert refused.mean() > 0.7, kind
    new = [lit_figure(1000 + number) for number in range(60)]
    assert detector.is_painting(described(new)).mean() > 0.95
    framed = [rephotograph(picture, "frame", number) for number, picture in enumerate(new)]
    assert detector.is_painting(described(framed)).mean() > 0.95
    assert detector.positions(described(new)).shape == (60, 4)


def test_works_that_the_model_has_seen_set_no_threshold():
    rows = collection(120)
    seen = rows.with_columns(split=pl.lit("train")).head(60)
    assert measure_detector("3fa9", rows, seen, Stored(), described, 80).least_similarity is None


def test_a_refit_with_a_backbone_of_its_own_refuses_and_turns_nothing():
    transform, source = TransformSpec(64, (0.5, 0.5, 0.5), (0.2, 0.2, 0.2)), WeightsSource("none", None)
    refit = ModelCard({"style": ("Baroque",)}, transform, "resnet18", 8, source, "v", 0, {}, refit_of="3fa9")
    refit = replace(refit, model_id="81c0", best_epoch=1)
    assert model_to_fit_with(replace(refit, config={"head_epochs": 9})) == "3fa9", "the backbone stayed frozen"
    assert model_to_fit_with(refit) == "81c0"
    rows = collection(120)
    detector = measure_detector("81c0", rows, rows.with_columns(split=pl.lit("train")), Stored(), described, 80)
    assert (detector.least_similarity, detector.most_contrast, detector.position_weights) == (None, None, None)
