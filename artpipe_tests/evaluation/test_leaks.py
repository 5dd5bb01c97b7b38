"""A painting that was taught under another name is found by its vector and confirmed without it."""

import csv
import io

import numpy as np
import polars as pl
import pytest
from PIL import Image

from artpipe.evaluation.leaks import (
    PAIRS,
    SAME_PICTURE,
    SUGGESTED,
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


def rows(*told: tuple[str, str, str | None, str]) -> pl.DataFrame:
    """Pictures by work, artist and split."""
    columns = ("artwork_id", "work_id", "artist_id", "split")
    return pl.DataFrame(told, schema=dict.fromkeys(columns, pl.String()), orient="row")


def collection(seed: int = 0) -> tuple[pl.DataFrame, np.ndarray]:
    """Forty taught and twenty held-out pictures by many artists, with vectors that have nothing in common."""
    rng = np.random.default_rng(seed)
    told = [(f"t{i:02d}", f"t{i:02d}", f"artist {i % 12}", "train") for i in range(40)]
    told += [(f"u{i:02d}", f"u{i:02d}", f"artist {i % 12}", "test") for i in range(20)]
    vectors = rng.normal(size=(60, 32))
    return rows(*told), vectors


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def test_a_held_out_picture_that_is_nearly_a_taught_one_is_the_first_candidate():
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
    assert ("u05", "t05") not in set(found.select("held_out", "taught").iter_rows())
    assert not found["taught"].str.starts_with("u").any()


def test_the_threshold_is_what_pictures_by_other_artists_rarely_reach():
    table, vectors = collection()
    threshold, found = find_candidates(table, unit(vectors))
    similarity = unit(vectors)[40:] @ unit(vectors)[:40].T
    artists = table["artist_id"].to_numpy()
    similarity[artists[40:, None] == artists[None, :40]] = -1
    assert np.mean(similarity.max(axis=1) > threshold) == pytest.approx(0.25, abs=0.05)
    assert find_candidates(table, unit(vectors), most=3)[1].height == min(3, found.height)


def test_without_taught_or_held_out_pictures_there_is_nothing_to_compare():
    table, vectors = collection()
    for split in ("train", "test"):
        kept = (table["split"] == split).to_numpy()
        threshold, found = find_candidates(table.filter(kept), unit(vectors[kept]))
        assert (threshold, found.height) == (None, 0)
        assert confirm(found, {}, Stored({})).schema == PAIRS


@pytest.mark.parametrize(
    ("bits", "share", "said"),
    [(30, 0.5, SAME_PICTURE), (0, 0.0, None), (10, 0.1, VERSION), (12, 0.4, None), (10, 0.09, None),
     (None, 0.4, None), (None, 0.5, SAME_PICTURE)],
)  # fmt: skip
def test_the_points_must_agree_by_half_or_the_hash_with_them(bits, share, said):
    assert verdict(bits, share) == said


class Stored:
    """JPEGs by name."""

    def __init__(self, held: dict[str, bytes]) -> None:
        self.held = held

    def jpegs(self, names):
        return [self.held[name] for name in names]


def painting(seed: int) -> Image.Image:
    """Blots of colour, the same for one seed."""
    small = np.random.default_rng(seed).integers(0, 255, (12, 16, 3), dtype=np.uint8)
    large = Image.fromarray(small).resize((320, 240), Image.Resampling.BICUBIC)
    fine = np.random.default_rng(seed + 1).integers(-40, 40, (60, 80, 1)).repeat(4, 0).repeat(4, 1)
    return Image.fromarray(np.clip(np.asarray(large, int) + fine, 0, 255).astype(np.uint8))


def jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=92)
    return out.getvalue()


def test_a_second_photograph_is_confirmed_and_another_painting_is_not():
    pictures = {"one": painting(1), "again": rephotograph(painting(1), "perspective", 3), "other": painting(7)}
    candidates = pl.DataFrame(
        {"held_out": ["again", "other"], "taught": ["one", "one"], "split": "test", "similarity": [0.9, 0.9]}
    )
    hashes = {name: perceptual_hash(picture) for name, picture in pictures.items()}
    found = confirm(candidates, hashes, Stored({name: jpeg(picture) for name, picture in pictures.items()}))
    assert found["verdict"].to_list() == [SAME_PICTURE, None]
    assert found["share"][0] > 0.5 > 0.1 > found["share"][1]


def leak(held_out: str, taught: str, said: str | None = SAME_PICTURE) -> Leaks:
    pair = (held_out, taught, "test", 0.91, 12, 40, 0.7, said)
    return Leaks(0.5, pl.DataFrame([pair], schema=PAIRS, orient="row"))


def test_without_leaks_a_leaking_work_is_gone_from_the_held_out_rows_with_all_its_pictures():
    table = rows(
        ("a", "w", "m", "test"), ("b", "w", "m", "test"), ("c", "x", "m", "test"), ("d", "y", "m", "train")
    )  # fmt: skip
    assert without_leaks(table, leak("a", "d"))["artwork_id"].to_list() == ["c", "d"]
    assert without_leaks(table, leak("a", "d", said=None)).height == 4


def test_the_suggestions_have_the_columns_of_the_overrides_and_say_why():
    lines = list(
        csv.DictReader(io.StringIO(same_work_csv(leak("b", "a").confirmed, "model 3fa9", "2026-01-02").decode()))
    )
    assert list(lines[0]) == list(SUGGESTED) == ["left", "right", "by", "reason", "at"]
    assert (lines[0]["left"], lines[0]["right"], lines[0]["by"], lines[0]["at"]) == (
        "a",
        "b",
        "model 3fa9",
        "2026-01-02",
    )
    assert lines[0]["reason"] == "the same picture: similarity 0.91, 70% of the points in common, 12 bits apart"
    assert same_work_csv(leak("b", "a", None).confirmed, "m", "t").decode() == ",".join(SUGGESTED) + "\n"
