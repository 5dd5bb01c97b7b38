"""A work that was trained on under another name is found by its vector and confirmed without it."""

import numpy as np
import polars as pl
import pytest

from artpipe.evaluation.leaks import (
    PAIRS,
    SAME_PICTURE,
    VERSION,
    Leaks,
    confirm,
    find_candidates,
    same_work_csv,
    verdict,
    without_leaks,
)
from artpipe.images.fingerprint import perceptual_hash
from artpipe.recognition.rephotograph import rephotograph
from artpipe.splits.overrides import SAME_WORK
from artpipe_tests.fixtures.paintings import StoredJpegs, jpeg_of, painting


def rows(*pictures: tuple[str, str, str | None, str]) -> pl.DataFrame:
    """Pictures by work, artist and split."""
    columns = ("artwork_id", "work_id", "artist_id", "split")
    return pl.DataFrame(pictures, schema=dict.fromkeys(columns, pl.String()), orient="row")


def collection(seed: int = 0) -> tuple[pl.DataFrame, np.ndarray]:
    """Forty training and twenty held-out pictures by many artists, with vectors that have nothing in common."""
    rng = np.random.default_rng(seed)
    pictures = [(f"t{i:02d}", f"t{i:02d}", f"artist {i % 12}", "train") for i in range(40)]
    pictures += [(f"u{i:02d}", f"u{i:02d}", f"artist {i % 12}", "test") for i in range(20)]
    vectors = rng.normal(size=(60, 32))
    return rows(*pictures), vectors


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_a_held_out_image_that_is_nearly_a_training_image_is_the_first_candidate():
    table, vectors = collection()
    vectors[45] = vectors[5] + 0.1 * vectors[45]
    threshold, found = find_candidates(table, unit(vectors))
    assert found.row(0)[:3] == ("u05", "t05", "test")
    assert found["similarity"][0] > 0.95 > threshold
    assert found["similarity"].min() >= threshold
    assert found["similarity"].is_sorted(descending=True)


def test_pictures_of_one_work_are_no_candidates_and_neither_are_two_held_out_ones():
    table, vectors = collection()
    vectors[45], vectors[46] = vectors[5], vectors[47]
    one_work = pl.when(pl.col("artwork_id").is_in(["t05", "u05"])).then(pl.lit("w")).otherwise(pl.col("work_id"))
    _, found = find_candidates(table.with_columns(work_id=one_work), unit(vectors))
    assert ("u05", "t05") not in set(found.select("held_out", "train").iter_rows())
    assert not found["train"].str.starts_with("u").any()


def test_the_threshold_is_a_quantile_of_similarities_between_artists():
    table, vectors = collection()
    threshold, found = find_candidates(table, unit(vectors))
    similarity = unit(vectors)[40:] @ unit(vectors)[:40].T
    artists = table["artist_id"].to_numpy()
    similarity[artists[40:, None] == artists[None, :40]] = -1
    assert np.mean(similarity.max(axis=1) > threshold) == pytest.approx(0.25, abs=0.05)
    assert found.height > 3


def test_without_training_or_held_out_images_there_is_nothing_to_compare():
    table, vectors = collection()
    for split in ("train", "test"):
        kept = (table["split"] == split).to_numpy()
        threshold, found = find_candidates(table.filter(kept), unit(vectors[kept]))
        assert (threshold, found.height) == (None, 0)
        assert confirm(found, {}, StoredJpegs({})).schema == PAIRS


@pytest.mark.parametrize(
    ("bits", "ratio", "expected"),
    [(30, 0.5, SAME_PICTURE), (0, 0.0, None), (10, 0.1, VERSION), (12, 0.4, None), (10, 0.09, None),
     (None, 0.4, None), (None, 0.5, SAME_PICTURE)],
)  # fmt: skip
def test_half_of_the_local_features_or_some_with_the_hash_confirm_a_pair(bits, ratio, expected):
    assert verdict(bits, ratio) == expected


def test_a_second_photograph_is_confirmed_and_another_painting_is_not():
    pictures = {"one": painting(1), "again": rephotograph(painting(1), "perspective", 3), "other": painting(7)}
    candidates = pl.DataFrame(
        {"held_out": ["again", "other"], "train": ["one", "one"], "split": "test", "similarity": [0.9, 0.9]}
    )
    hashes = {name: perceptual_hash(picture) for name, picture in pictures.items()}
    found = confirm(candidates, hashes, StoredJpegs({name: jpeg_of(picture) for name, picture in pictures.items()}))
    assert found["verdict"].to_list() == [SAME_PICTURE, None]
    assert found["inlier_ratio"][0] > 0.5 > 0.1 > found["inlier_ratio"][1]


def leak(held_out: str, train: str, verdict: str | None = SAME_PICTURE) -> Leaks:
    pair = (held_out, train, "test", 0.91, 12, 40, 0.7, verdict)
    return Leaks(0.5, pl.DataFrame([pair], schema=PAIRS, orient="row"))


def test_without_leaks_removes_all_held_out_images_of_a_leaking_work():
    table = rows(
        ("a", "w", "m", "test"), ("b", "w", "m", "test"), ("c", "x", "m", "test"), ("d", "y", "m", "train")
    )  # fmt: skip
    assert without_leaks(table, leak("a", "d"))["artwork_id"].to_list() == ["c", "d"]
    assert without_leaks(table, leak("a", "d", verdict=None)).height == 4


def test_the_suggestions_are_lines_of_the_overrides_with_a_reason():
    suggested = same_work_csv(leak("b", "a").confirmed, "model 3fa9", "2026-01-02")
    assert pl.read_csv(suggested, schema=SAME_WORK).row(0) == (
        "a", "b", "model 3fa9",
        "the same picture: similarity 0.91, 70% of the local features in common, 12 bits apart", "2026-01-02",
    )  # fmt: skip
    assert same_work_csv(leak("b", "a", None).confirmed, "m", "t").decode() == "left,right,by,reason,at\n"
