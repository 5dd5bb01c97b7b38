"""A model's record of what it saw, and what that leaves to measure it on."""

from dataclasses import replace

import polars as pl
import pytest

from artpipe.evaluation.report import rows_to_measure
from artpipe.lake.paths import DataLake, write_whole
from artpipe.models.card import NO_WEIGHTS, ModelCard, TransformSpec, WeightsSource
from artpipe.models.learned import (
    LEARNED,
    LEARNED_FILE,
    as_parquet,
    held_out_and_fitted_on,
    learned_rows,
    load_learned,
    restore_learned,
    without_learned,
)
from artpipe.schema import splits_schema
from artpipe.tasks import WGA_TASKS

SPLITS = splits_schema(WGA_TASKS)


def splits(*rows: tuple[str, str, str, str]) -> pl.DataFrame:
    """Rows of `splits`: artwork, work, artist and split; each artwork has a picture of its own."""
    plain = dict.fromkeys(SPLITS)
    named = [dict(zip(("artwork_id", "work_id", "artist_id", "split"), row, strict=True)) for row in rows]
    return pl.DataFrame(
        [plain | row | {"jpeg_sha256": f"picture of {row['artwork_id']}"} for row in named],
        schema=SPLITS,
    )


def ids(rows: pl.DataFrame) -> list[str]:
    return rows["artwork_id"].sort().to_list()


def test_a_work_that_a_model_saw_is_known_under_any_name():
    rows = splits(*((name, f"w{name}", "anna", "test") for name in "abcdf"), ("e", "wd", "anna", "test"))
    seen = pl.DataFrame(
        [
            {"artwork_id": "x", "work_id": "wa", "jpeg_sha256": "1"},
            {"artwork_id": "y", "work_id": "v", "jpeg_sha256": "picture of b"},
            {"artwork_id": "c", "work_id": "v", "jpeg_sha256": "2"},
            {"artwork_id": "e", "work_id": "v", "jpeg_sha256": "3"},
        ],
        schema=LEARNED,
    )
    assert ids(without_learned(rows, seen)) == ["f"], "by work, by picture, by id, and by another picture of the work"


def test_a_work_that_came_after_the_training_is_not_one_that_the_model_was_fitted_on():
    before = splits(("a", "a", "anna", "train"), ("b", "b", "bob", "test"))
    now = pl.concat([before, splits(("c", "c", "cara", "train"))])
    learned = learned_rows(before)
    assert [ids(some) for some in held_out_and_fitted_on(now, learned)] == [["b"], ["a"]]
    assert [ids(some) for some in held_out_and_fitted_on(now, None)] == [["b"], ["a", "c"]]


@pytest.mark.parametrize("has_artist", [True, False], ids=["recorded", "older record"])
def test_an_artist_of_whom_a_model_saw_a_work_is_not_unseen(has_artist):
    rows = splits(
        ("a", "a", "anna", "unseen_artists"), ("b", "b", "anna", "train"), ("c", "c", "cara", "unseen_artists")
    )
    seen = learned_rows(rows.filter(split="train"))
    left = without_learned(rows, seen if has_artist else seen.with_columns(artist_id=pl.lit(None, pl.String)))
    assert ids(left) == ["c"]


def test_a_seen_artist_may_be_tested_on_other_works():
    rows = splits(("a", "a", "anna", "test"), ("b", "b", "anna", "train"))
    assert ids(without_learned(rows, learned_rows(rows.filter(split="train")))) == ["a"]


def test_what_left_train_after_training_is_measured_on_no_split():
    then = splits(*((name, "joined", "anna", "train") for name in "ab"), ("c", "c", "anna", "validation"))
    now = splits(
        *((name, name, "anna", split) for name, split in zip("abcd", ("train", "test", "test", "test"), strict=True))
    )
    measured = rows_to_measure(now, learned_rows(then))
    assert dict(measured.select("artwork_id", "split").iter_rows()) == {"a": "train", "d": "test"}


def test_a_validated_work_may_be_validated_on_again():
    rows = splits(("a", "a", "anna", "train"), ("b", "b", "anna", "validation"))
    assert ids(rows_to_measure(rows, learned_rows(rows))) == ["a", "b"]


def test_what_a_model_started_from_was_trained_on_stays_trained_on():
    first = learned_rows(splits(("a", "a", "anna", "train"), ("b", "b", "anna", "train")))
    second = learned_rows(splits(("b", "b", "anna", "validation"), ("c", "c", "anna", "train")), first)
    assert dict(second.select("artwork_id", "split").sort("artwork_id").iter_rows()) == dict.fromkeys("abc", "train")


def test_an_older_record_has_no_artists_and_a_missing_one_is_none(lake: DataLake):
    folder = lake.model("old")
    assert load_learned(folder) is None
    folder.mkdir(parents=True)
    record = learned_rows(splits(("a", "a", "anna", "train"))).drop("artist_id")
    record.write_parquet(str(folder / LEARNED_FILE))
    found = load_learned(folder)
    assert found is not None
    assert (found.schema, found["artist_id"].to_list()) == (LEARNED, [None])


def test_a_lost_record_is_restored_only_with_that_of_the_model_it_started_from(lake: DataLake):
    rows = splits(("c", "c", "anna", "train"))
    start = WeightsSource("model", None, "start")
    warm = ModelCard({}, TransformSpec(32, (0.5,) * 3, (0.5,) * 3), "b", 8, start, "v", 0, {}, model_id="warm")
    restore_learned(lake, warm, rows)
    assert load_learned(lake.model("warm")) is None, "a part of it would pass for the whole"
    write_whole(lake.model("start") / LEARNED_FILE, as_parquet(learned_rows(splits(("a", "a", "anna", "train")))))
    restore_learned(lake, warm, rows)
    restored = load_learned(lake.model("warm"))
    assert restored is not None
    assert ids(restored) == ["a", "c"]
    cold = replace(warm, weights_source=WeightsSource(NO_WEIGHTS, None), model_id="cold")
    restore_learned(lake, cold, rows)
    restored = load_learned(lake.model("cold"))
    assert restored is not None
    assert ids(restored) == ["c"]
