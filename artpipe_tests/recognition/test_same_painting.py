"""A handful of textured pictures; each must be recognised, and no other painting must be."""

import json
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from artpipe.embedding.predictions import Predictions
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake, write_whole
from artpipe.recognition.feature_index import FeatureIndexUpdate, build_feature_index
from artpipe.recognition.feature_table import CachedFeatures, FeatureTable
from artpipe.recognition.geometry import MIN_INLIERS, Alignment, AlignmentSearch, best_alignment
from artpipe.recognition.local_features import LocalFeatures, describe, grey_picture
from artpipe.recognition.match_threshold import (
    MIN_INLIER_RATIO,
    MIN_QUERIES,
    MatchThreshold,
    open_threshold,
    query_count,
)
from artpipe.recognition.rephotograph import KINDS, rephotograph
from artpipe.recognition.same_painting import Match, NoFeatureIndexError
from artpipe.recognition.vocabulary import open_vocabulary
from artpipe.search import Collection
from artpipe_tests.fixtures.paintings import jpeg_of, painting

WORKS = [f"p/painter/work{n}" for n in range(6)]


class BlindModel:
    """Gives every picture the same embedding, so that similarity does not help."""

    model_id = "m"
    labels: dict[str, list[str]] = {}  # noqa: RUF012

    def encode(self, pictures: Sequence[Image.Image]) -> Predictions:
        return Predictions(np.tile(np.float32([1, 0]), (len(pictures), 1)), {})


def embed(lake: DataLake, seeds: dict[str, int], size: tuple[int, int] = (320, 240)) -> None:
    names = list(seeds)
    angles = np.linspace(0, 1, len(names))
    rows = pl.DataFrame({"artwork_id": names, "model_id": "m", "jpeg_sha256": [str(seeds[n]) for n in names]})
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)
    EmbeddingTable(lake).upsert(rows.with_columns(vector=vectors))
    images = pl.DataFrame({"artwork_id": names, "jpeg": [jpeg_of(painting(seeds[n]).resize(size)) for n in names]})
    images = images.with_columns(short_side_px=pl.lit(240), status=pl.lit("fetched"))
    lake.connect().create_table("images", data=images.to_arrow(), mode="overwrite")
    write_whole(lake.served_model, json.dumps({"model_id": "m"}).encode())


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> DataLake:
    lake = DataLake(tmp_path_factory.mktemp("same") / "lake")
    embed(lake, {name: seed for seed, name in enumerate(WORKS)})
    build_feature_index(lake)
    return lake


@pytest.fixture(scope="module")
def collection(lake: DataLake) -> Collection:
    return Collection(lake, BlindModel())


@pytest.mark.parametrize("kind", KINDS)
def test_a_painting_is_recognised_however_it_was_photographed(collection: Collection, kind: str):
    match = collection.same_painting(rephotograph(painting(4), kind, seed=7))
    assert match
    assert match.artwork_id == WORKS[4]
    assert match.inliers >= MIN_INLIERS
    assert match.false_positive_rate == pytest.approx(
        1 / 49, abs=1e-3
    )  # none of the 48 negative queries aligned as well


@pytest.mark.parametrize("kind", KINDS)
def test_a_painting_outside_the_collection_matches_none(collection: Collection, kind: str):
    match = collection.same_painting(rephotograph(painting(99), kind, seed=7))
    assert not match
    assert match.inliers < MIN_INLIERS


def test_the_corners_are_the_visible_part_of_the_painting(collection: Collection):
    part = painting(2).crop((100, 60, 300, 200))
    match = collection.same_painting(part)
    assert match.corners is not None
    np.testing.assert_allclose(match.corners[0], (100 / 320, 60 / 240), atol=0.02)
    np.testing.assert_allclose(match.corners[2], (300 / 320, 200 / 240), atol=0.02)


def test_a_work_is_searched_for_by_its_id(collection: Collection):
    assert collection.same_painting(WORKS[1]).artwork_id == WORKS[1]


def test_a_blank_picture_aligns_with_nothing(collection: Collection):
    match = collection.same_painting(Image.new("RGB", (320, 240), "grey"))
    assert (bool(match), match.artwork_id, match.inliers, match.false_positive_rate) == (False, None, 0, 1.0)


def test_without_local_features_the_error_names_the_next_step(tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    embed(lake, {"a/b/c": 1, "a/b/d": 2})
    with pytest.raises(NoFeatureIndexError, match="2 of the 2 pictures have no local features"):
        Collection(lake, BlindModel()).same_painting(painting(1))


def test_only_new_and_changed_pictures_are_described_again(tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    embed(lake, {"a/b/c": 1, "a/b/d": 2, "a/b/e": 3})
    assert build_feature_index(lake, queries=4).described == 3
    assert build_feature_index(lake, queries=4).described == 0
    EmbeddingTable(lake).remove(["a/b/e"])
    embed(lake, {"a/b/c": 1, "a/b/d": 9, "a/b/f": 4})
    with pytest.raises(NoFeatureIndexError, match="2 of the 3"):
        Collection(lake, BlindModel()).same_painting(painting(9))
    done = build_feature_index(lake, queries=4)
    assert (done.described, done.dropped) == (2, 1)
    assert set(FeatureTable(lake).read(["a/b/c", "a/b/d", "a/b/e", "a/b/f"])) == {"a/b/c", "a/b/d", "a/b/f"}
    assert Collection(lake, BlindModel()).same_painting(painting(9)).artwork_id == "a/b/d"


@pytest.mark.parametrize("size", [(2000, 100), (1200, 20)], ids=["as long as allowed", "stored by an older artpipe"])
def test_the_threshold_is_measured_where_a_photograph_would_be_too_narrow_to_search_with(tmp_path: Path, size):
    lake = DataLake(tmp_path / "lake")
    embed(lake, {f"a/b/{n}": n for n in range(3)}, size)
    assert build_feature_index(lake, queries=3 * len(KINDS)).min_inlier_ratio >= MIN_INLIER_RATIO


def test_vocabulary_and_threshold_are_kept_until_the_collection_outgrew_them(tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    pictures = {f"a/b/{n}": n for n in range(4)}
    embed(lake, pictures)
    assert build_feature_index(lake, queries=4).has_new_vocabulary
    learnt = open_vocabulary(lake)
    assert learnt
    embed(lake, pictures | {"a/b/4": 4})
    done = build_feature_index(lake, queries=4)
    assert done == FeatureIndexUpdate(1, 0, False, False, done.min_inlier_ratio)
    embed(lake, pictures | {"a/b/4": 4, "a/b/5": 5})
    done = build_feature_index(lake, queries=4)
    assert (done.has_new_vocabulary, done.has_new_threshold) == (False, True)  # 2 of 4 changed since the threshold
    measured = open_threshold(lake)
    assert measured
    assert (measured.pictures, measured.changed, measured.vocabulary_id) == (6, 0, learnt.id)
    embed(lake, {f"a/b/{n}": n for n in range(17)})
    assert build_feature_index(lake, queries=4).has_new_vocabulary


def test_the_false_positive_rate_holds_for_new_negative_queries():
    rng = np.random.default_rng(3)
    passed: list[float] = []
    for _ in range(400):
        measured = MatchThreshold(np.sort(rng.beta(2, 30, MIN_QUERIES)).tolist(), "words", 9)
        passed.append(np.mean(rng.beta(2, 30, 200) >= measured.min_inlier_ratio))
    assert 0.004 < np.mean(passed) < 0.0105


def test_more_queries_are_tried_for_a_larger_collection_up_to_a_limit():
    assert [query_count(works) for works in (0, 888, 4444, 50_000)] == [120, 120, 444, 500]


def test_a_duplicate_painting_is_no_negative_query(tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    embed(lake, {"a/b/c": 1, "a/b/again": 1})
    build_feature_index(lake, queries=8)
    measured = open_threshold(lake)
    assert measured
    assert len(measured.inlier_ratios) < 8
    assert measured.min_inlier_ratio == MIN_INLIER_RATIO


def alignment(photograph: Image.Image, indexed: LocalFeatures) -> Alignment:
    grey = grey_picture(jpeg_of(photograph), 400)
    return best_alignment(grey, describe(grey, 600), {"indexed": indexed})


def test_a_mirrored_picture_is_not_the_same(lake: DataLake):
    indexed = FeatureTable(lake).read([WORKS[0]])[WORKS[0]]
    assert alignment(painting(0), indexed).inliers > 50
    assert alignment(painting(0).transpose(Image.Transpose.FLIP_LEFT_RIGHT), indexed).inliers < MIN_INLIERS


def test_many_keypoints_on_one_spot_are_one_inlier(lake: DataLake):
    indexed = FeatureTable(lake).read([WORKS[0]])[WORKS[0]]
    once = indexed.take(np.arange(1))
    often = indexed.take(np.zeros(40, dtype=int))
    assert alignment(painting(0), once).inliers == alignment(painting(0), often).inliers <= 1


def test_the_best_alignment_is_returned_and_none_without_any(lake: DataLake):
    indexed = FeatureTable(lake).read(WORKS)
    grey = grey_picture(jpeg_of(painting(3)), 400)
    query = describe(grey, 600)
    search = AlignmentSearch(grey, query)
    search.compare(indexed)
    assert search.result[0] == WORKS[3]
    assert AlignmentSearch(grey, query).result == (None, Alignment(0))
    assert best_alignment(grey, query, {}) == Alignment(0)
    assert best_alignment(grey, query.take(np.arange(2)), indexed) == Alignment(0)


def test_the_first_sufficient_alignment_ends_the_search(lake: DataLake):
    indexed = FeatureTable(lake).read(WORKS)
    grey = grey_picture(jpeg_of(painting(3)), 400)
    search = AlignmentSearch(grey, describe(grey, 600), lambda one: one.inlier_ratio > 0.5)
    search.compare({WORKS[2]: indexed[WORKS[2]]})
    assert not search.is_done
    search.compare({WORKS[3]: indexed[WORKS[3]]})
    assert search.is_done
    assert search.result[0] == WORKS[3]


class ForgettingModel(BlindModel):
    """Must not run."""

    def encode(self, pictures: Sequence[Image.Image]) -> Predictions:
        raise AssertionError(f"{len(pictures)} pictures were embedded")


def test_no_model_runs_and_the_first_candidates_may_decide(lake: DataLake):
    collection = Collection(lake, ForgettingModel())
    found = collection.same_painting(painting(2))
    assert (found.artwork_id, found.candidates) == (WORKS[2], 1)
    unknown = collection.same_painting(painting(99))
    assert (bool(unknown), unknown.candidates) == (False, len(WORKS))


def test_the_feature_cache_evicts_the_least_recently_used(lake: DataLake):
    read: list[str] = []

    class Noted(FeatureTable):
        def read(self, artwork_ids: Sequence[str]) -> dict[str, LocalFeatures]:
            read.extend(artwork_ids)
            return super().read(artwork_ids)

    kept = CachedFeatures(Noted(lake), size=2)
    for names in ([WORKS[0], WORKS[1]], [WORKS[1], "nobody", WORKS[0]], [WORKS[2]], [WORKS[0], WORKS[1]]):
        assert list(kept.read(names)) == [name for name in names if name in WORKS]
    assert read == [WORKS[0], WORKS[1], "nobody", WORKS[2], WORKS[1]]


def test_a_picture_is_read_once_while_the_threshold_is_measured(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    read = FeatureTable.read
    names: list[str] = []

    def counted(table: FeatureTable, artwork_ids: Sequence[str]) -> dict[str, LocalFeatures]:
        names.extend(artwork_ids)
        return read(table, artwork_ids)

    monkeypatch.setattr(FeatureTable, "read", counted)
    lake.index("same_painting.json").unlink()
    build_feature_index(lake)
    at_a_time = os.cpu_count() or 1
    assert len(names) <= at_a_time * len(WORKS), "48 queries have 5 candidates each"


def test_a_threshold_of_another_method_is_measured_again(tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    embed(lake, {"a/b/c": 1, "a/b/d": 2})
    build_feature_index(lake, queries=4)
    stored = json.loads(lake.index("same_painting.json").read_bytes())
    del stored["rule"]
    write_whole(lake.index("same_painting.json"), json.dumps(stored).encode())
    assert build_feature_index(lake, queries=4).has_new_threshold
    assert not build_feature_index(lake, queries=4).has_new_threshold


def test_three_of_four_inliers_count_less_than_thirty_of_forty(lake: DataLake):
    indexed = FeatureTable(lake).read([WORKS[0]])[WORKS[0]]
    few, many = (alignment(painting(0), indexed.take(np.arange(0, 250, step))).inlier_ratio for step in (60, 6))
    assert 0 < few < many < 1


def test_the_false_positive_rate_falls_with_the_inlier_ratio_and_is_never_zero():
    shares = sorted(np.random.default_rng(0).beta(2, 30, 300).tolist())
    rates = [MatchThreshold(shares, "words", 9).false_positive_rate(share) for share in np.linspace(0, 1, 60)]
    assert rates[0] == 1
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == pytest.approx(1 / 301, abs=1e-4)


@pytest.mark.parametrize(
    ("shares", "refused", "taken"),
    [
        ([], MIN_INLIER_RATIO - 0.01, MIN_INLIER_RATIO),
        ([0.01] * 50, MIN_INLIER_RATIO - 0.01, MIN_INLIER_RATIO),
        ([0.01] * 97 + [0.3, 0.4], 0.4, 0.41),
        ([0.01] * 197 + [0.3, 0.4], 0.3, 0.31),
        ([0.2] * 50, 0.2, 0.21),
    ],
)
def test_the_threshold_lets_one_negative_query_in_a_hundred_pass(shares: list[float], refused: float, taken: float):
    measured = MatchThreshold(shares, "words", 9)
    assert not measured.is_match(Alignment(100, refused))
    assert measured.is_match(Alignment(100, taken))
    assert not measured.is_match(Alignment(MIN_INLIERS - 1, taken))


def test_a_threshold_of_an_old_lake_is_read(tmp_path: Path):
    lake = DataLake(tmp_path / "lake")
    old = {"shares": [0.0, 0.2], "vocabulary_id": "words", "pictures": 9, "changed": 1, "rule": "by-votes-1"}
    write_whole(lake.index("same_painting.json"), json.dumps(old).encode())
    assert open_threshold(lake) == MatchThreshold([0.0, 0.2], "words", 9, 1, "by-votes-1")


def test_a_match_is_shown_in_a_notebook():
    found = Match("a/<b>/c", True, 41, 0.0083, None, 12)
    assert "This painting is <code>a/&lt;b&gt;/c</code>" in found._repr_html_()
    assert "41 keypoints agree" in found._repr_html_()
    other = replace(found, is_same=False)
    assert "We did not find this painting in the collection.</b> Closest: <code>a/&lt;b" in other._repr_html_()
    assert "12 works compared" in replace(other, artwork_id=None)._repr_html_()
