"""A handful of textured pictures; each must be known again, and a stranger must not be."""

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from artpipe.embedding.predictions import Predictions
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake, write_whole
from artpipe.recognition.calibration import (
    LEAST_PHOTOGRAPHS,
    LEAST_POINTS,
    LEAST_SHARE,
    Calibration,
    open_calibration,
    photographs_of,
)
from artpipe.recognition.candidates import FIRST
from artpipe.recognition.feature_index import FeatureUpdate, build_feature_index
from artpipe.recognition.feature_table import FeatureTable, KeptFeatures
from artpipe.recognition.geometry import Agreement, best_agreement
from artpipe.recognition.local_features import LocalFeatures, describe, grey_picture
from artpipe.recognition.rephotograph import KINDS, rephotograph
from artpipe.recognition.same_painting import NoFeatureIndexError
from artpipe.recognition.vocabulary import open_vocabulary
from artpipe.search import Collection

WORKS = [f"p/painter/work{n}" for n in range(6)]


def painting(seed: int) -> Image.Image:
    """Blots of all sizes, which no other seed has."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.integers(0, 255, (side, side * 4 // 3, 3), dtype=np.uint8)).resize(
                (320, 240), Image.Resampling.BICUBIC
            ),
            dtype=float,
        )
        for side in (6, 15, 40)
    ]
    return Image.fromarray((0.5 * layers[0] + 0.3 * layers[1] + 0.2 * layers[2]).astype(np.uint8))


def jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()


class BlindModel:
    """Sees the same in every picture, so that likeness helps nobody."""

    model_id = "m"
    labels: dict[str, list[str]] = {}  # noqa: RUF012

    def encode(self, pictures: Sequence[Image.Image]) -> Predictions:
        return Predictions(np.tile(np.float32([1, 0]), (len(pictures), 1)), {})


def hold(lake: DataLake, seeds: dict[str, int]) -> None:
    names = list(seeds)
    angles = np.linspace(0, 1, len(names))
    rows = pl.DataFrame({"artwork_id": names, "model_id": "m", "jpeg_sha256": [str(seeds[n]) for n in names]})
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    EmbeddingTable(lake).upsert(rows.with_columns(vector=vectors))
    images = pl.DataFrame({"artwork_id": names, "jpeg": [jpeg(painting(seeds[n])) for n in names]})
    images = images.with_columns(short_side_px=pl.lit(240), status=pl.lit("fetched"))
    lake.connect().create_table("images", data=images.to_arrow(), mode="overwrite")
    write_whole(lake.served_model, json.dumps({"model_id": "m"}).encode())


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> DataLake:
    lake = DataLake(tmp_path_factory.mktemp("same") / "lake")
    hold(lake, {name: seed for seed, name in enumerate(WORKS)})
    build_feature_index(lake)
    return lake


@pytest.fixture(scope="module")
def collection(lake: DataLake) -> Collection:
    return Collection(lake, BlindModel())


@pytest.mark.parametrize("kind", KINDS)
def test_a_painting_is_known_again_however_it_was_photographed(collection: Collection, kind: str):
    match = collection.same_painting(rephotograph(painting(4), kind, seed=7))
    assert match
    assert match.artwork_id == WORKS[4]
    assert match.inliers >= LEAST_POINTS
    assert match.false_positive_rate == pytest.approx(1 / 49, abs=1e-3)  # none of the 48 strangers agreed so far


@pytest.mark.parametrize("kind", KINDS)
def test_a_painting_that_is_not_held_is_not_taken_for_another(collection: Collection, kind: str):
    match = collection.same_painting(rephotograph(painting(99), kind, seed=7))
    assert not match
    assert match.inliers < LEAST_POINTS


def test_the_corners_say_which_part_of_the_painting_is_seen(collection: Collection):
    part = painting(2).crop((100, 60, 300, 200))
    match = collection.same_painting(part)
    assert match.corners is not None
    np.testing.assert_allclose(match.corners[0], (100 / 320, 60 / 240), atol=0.02)
    np.testing.assert_allclose(match.corners[2], (300 / 320, 200 / 240), atol=0.02)


def test_a_held_work_is_asked_for_by_its_id(collection: Collection):
    assert collection.same_painting(WORKS[1]).artwork_id == WORKS[1]


def test_a_bare_wall_agrees_with_nothing(collection: Collection):
    match = collection.same_painting(Image.new("RGB", (320, 240), "grey"))
    assert (bool(match), match.artwork_id, match.inliers, match.false_positive_rate) == (False, None, 0, 1.0)


def test_pictures_that_were_not_described_say_what_to_do(tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    hold(lake, {"a/b/c": 1, "a/b/d": 2})
    with pytest.raises(NoFeatureIndexError, match="2 of the 2 pictures are not described"):
        Collection(lake, BlindModel()).same_painting(painting(1))


def test_only_new_and_changed_pictures_are_described_again(tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    hold(lake, {"a/b/c": 1, "a/b/d": 2, "a/b/e": 3})
    assert build_feature_index(lake, photographs=4).described == 3
    assert build_feature_index(lake, photographs=4).described == 0
    EmbeddingTable(lake).remove(["a/b/e"])
    hold(lake, {"a/b/c": 1, "a/b/d": 9, "a/b/f": 4})
    with pytest.raises(NoFeatureIndexError, match="2 of the 3"):
        Collection(lake, BlindModel()).same_painting(painting(9))
    done = build_feature_index(lake, photographs=4)
    assert (done.described, done.dropped) == (2, 1)
    assert set(FeatureTable(lake).read(["a/b/c", "a/b/d", "a/b/e", "a/b/f"])) == {"a/b/c", "a/b/d", "a/b/f"}
    assert Collection(lake, BlindModel()).same_painting(painting(9)).artwork_id == "a/b/d"


def test_words_and_threshold_are_kept_until_the_collection_outgrew_them(tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    held = {f"a/b/{n}": n for n in range(4)}
    hold(lake, held)
    assert build_feature_index(lake, photographs=4).has_learnt_words
    learnt = open_vocabulary(lake)
    assert learnt
    hold(lake, held | {"a/b/4": 4})
    done = build_feature_index(lake, photographs=4)
    assert done == FeatureUpdate(1, 0, has_learnt_words=False, has_calibrated=False, least_share=done.least_share)
    hold(lake, held | {"a/b/4": 4, "a/b/5": 5})
    done = build_feature_index(lake, photographs=4)
    assert (done.has_learnt_words, done.has_calibrated) == (False, True)  # 2 of 4 changed since the threshold
    measured = open_calibration(lake)
    assert measured
    assert (measured.pictures, measured.changed, measured.vocabulary_id) == (6, 0, learnt.id)
    hold(lake, {f"a/b/{n}": n for n in range(17)})
    assert build_feature_index(lake, photographs=4).has_learnt_words


def test_the_stated_rate_holds_for_strangers_who_were_not_asked():
    rng = np.random.default_rng(3)
    passed: list[float] = []
    for _ in range(400):
        measured = Calibration(np.sort(rng.beta(2, 30, LEAST_PHOTOGRAPHS)).tolist(), "words", 9)
        passed.append(np.mean(rng.beta(2, 30, 200) >= measured.least_share))
    assert 0.004 < np.mean(passed) < 0.0105


def test_more_photographs_are_tried_for_a_larger_collection_but_never_without_end():
    assert [photographs_of(works) for works in (0, 888, 4444, 50_000)] == [120, 120, 444, 500]


def test_a_painting_that_hangs_twice_is_no_stranger_to_itself(tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    hold(lake, {"a/b/c": 1, "a/b/again": 1})
    build_feature_index(lake, photographs=8)
    measured = open_calibration(lake)
    assert measured
    assert len(measured.shares) < 8
    assert measured.least_share == LEAST_SHARE


def agreement(photograph: Image.Image, held: LocalFeatures) -> Agreement:
    grey = grey_picture(jpeg(photograph), 400)
    return best_agreement(grey, describe(grey, 600), [{"held": held}])[1]


def test_a_mirrored_picture_is_not_the_same(lake: DataLake):
    held = FeatureTable(lake).read([WORKS[0]])[WORKS[0]]
    assert agreement(painting(0), held).points > 50
    assert agreement(painting(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT), held).points < LEAST_POINTS


def test_many_points_on_one_spot_are_one_piece_of_evidence(lake: DataLake):
    held = FeatureTable(lake).read([WORKS[0]])[WORKS[0]]
    once = held.take(np.arange(1))
    often = held.take(np.zeros(40, dtype=int))
    assert agreement(painting(0), once).points == agreement(painting(0), often).points <= 1


def test_the_picture_that_agrees_most_is_named_and_without_any_none_is(lake: DataLake):
    held = FeatureTable(lake).read(WORKS)
    grey = grey_picture(jpeg(painting(3)), 400)
    asked = describe(grey, 600)
    assert best_agreement(grey, asked, [held])[0] == WORKS[3]
    assert best_agreement(grey, asked, [{}]) == (None, Agreement(0))
    assert best_agreement(grey, asked.take(np.arange(2)), [held]) == (None, Agreement(0))


def test_the_first_picture_that_agrees_enough_ends_the_search(lake: DataLake):
    held = FeatureTable(lake).read(WORKS)
    asked_for: list[str] = []

    def groups() -> Iterator[dict[str, LocalFeatures]]:
        for name in (WORKS[2], WORKS[3], WORKS[4]):
            asked_for.append(name)
            yield {name: held[name]}

    grey = grey_picture(jpeg(painting(3)), 400)
    found, _ = best_agreement(grey, describe(grey, 600), groups(), lambda one: one.share > 0.5)
    assert (found, asked_for) == (WORKS[3], [WORKS[2], WORKS[3]])


class ForgettingModel(BlindModel):
    """Must not be asked."""

    def encode(self, pictures: Sequence[Image.Image]) -> Predictions:
        raise AssertionError(f"{len(pictures)} pictures were embedded")


def test_no_model_is_asked_and_the_first_votes_may_decide(lake: DataLake):
    collection = Collection(lake, ForgettingModel())
    found = collection.same_painting(painting(2))
    assert (found.artwork_id, found.candidates) == (WORKS[2], FIRST)
    unknown = collection.same_painting(painting(99))
    assert (bool(unknown), unknown.candidates) == (False, len(WORKS))


def test_features_that_were_read_are_kept_until_others_take_their_place(lake: DataLake):
    read: list[str] = []

    class Noted(FeatureTable):
        def read(self, artwork_ids: Sequence[str]) -> dict[str, LocalFeatures]:
            read.extend(artwork_ids)
            return super().read(artwork_ids)

    kept = KeptFeatures(Noted(lake), most=2)
    for asked in ([WORKS[0], WORKS[1]], [WORKS[1], "nobody", WORKS[0]], [WORKS[2]], [WORKS[0], WORKS[1]]):
        assert list(kept.read(asked)) == [name for name in asked if name in WORKS]
    assert read == [WORKS[0], WORKS[1], "nobody", WORKS[2], WORKS[1]]


def test_a_threshold_that_was_measured_in_another_way_is_measured_anew(tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    hold(lake, {"a/b/c": 1, "a/b/d": 2})
    build_feature_index(lake, photographs=4)
    told = json.loads(lake.index("same_painting.json").read_bytes())
    del told["rule"]
    write_whole(lake.index("same_painting.json"), json.dumps(told).encode())
    assert build_feature_index(lake, photographs=4).has_calibrated
    assert not build_feature_index(lake, photographs=4).has_calibrated


def test_three_of_four_points_say_less_than_thirty_of_forty(lake: DataLake):
    held = FeatureTable(lake).read([WORKS[0]])[WORKS[0]]
    few, many = (agreement(painting(0), held.take(np.arange(0, 250, step))).share for step in (60, 6))
    assert 0 < few < many < 1


def test_further_agreement_is_never_less_certain_and_never_impossible():
    shares = sorted(np.random.default_rng(0).beta(2, 30, 300).tolist())
    rates = [Calibration(shares, "words", 9).false_positive_rate(share) for share in np.linspace(0, 1, 60)]
    assert rates[0] == 1
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(1 / 301, abs=1e-4)


@pytest.mark.parametrize(
    ("shares", "refused", "taken"),
    [
        ([], LEAST_SHARE - 0.01, LEAST_SHARE),
        ([0.01] * 50, LEAST_SHARE - 0.01, LEAST_SHARE),
        ([0.01] * 97 + [0.3, 0.4], 0.4, 0.41),
        ([0.01] * 197 + [0.3, 0.4], 0.3, 0.31),
        ([0.2] * 50, 0.2, 0.21),
    ],
)
def test_the_threshold_lets_one_stranger_in_a_hundred_pass(shares: list[float], refused: float, taken: float):
    measured = Calibration(shares, "words", 9)
    assert not measured.is_enough(Agreement(100, refused))
    assert measured.is_enough(Agreement(100, taken))
    assert not measured.is_enough(Agreement(LEAST_POINTS - 1, taken))
