"""The training set stays as it is until enough has changed."""

import polars as pl
import pytest

from artpipe.schema import splits_schema
from artpipe.splits.freeze import freeze
from artpipe.tasks import WGA_TASKS

SPLITS = splits_schema(WGA_TASKS)


def table(n: int) -> pl.DataFrame:
    rows = [
        dict.fromkeys(SPLITS) | {"artwork_id": f"{i:03d}", "split": "train", "jpeg_sha256": f"{i}"} for i in range(n)
    ]
    return pl.DataFrame(rows, schema=SPLITS)


def changed(frame: pl.DataFrame, column: str, first: int, value: str | None = "other") -> pl.DataFrame:
    """The frame with `column` changed in its `first` rows."""
    is_first = pl.int_range(pl.len()) < first
    return frame.with_columns(pl.when(is_first).then(pl.lit(value)).otherwise(column).alias(column))


def test_the_first_training_set_is_the_splits():
    frozen = freeze(table(3), None, 0.02)
    assert (frozen.thawed, frozen.training_set.equals(table(3)), frozen.drift.added) == (True, True, 3)
    assert frozen.reason == "there was no training set yet"


def test_the_training_set_is_sorted():
    assert freeze(table(3).reverse(), None, 0.02).training_set.equals(table(3))


def test_the_summary_counts_each_kind_of_change():
    new = changed(changed(table(12).slice(1), "split", 2), "style", 3)
    assert freeze(new, table(10), 1).drift.summary() == {
        "new": 2, "gone": 1, "relabelled": 3, "replaced": 0, "moved to another split": 2,
    }  # fmt: skip


def test_two_percent_of_changed_rows_do_not_thaw_it_and_three_do():
    old = table(100)
    kept, thawed = (freeze(changed(old, "style", n), old, 0.02) for n in (2, 3))
    assert (kept.thawed, kept.training_set.equals(old), kept.drift.share) == (False, True, 0.02)
    assert (thawed.thawed, thawed.training_set["style"].null_count()) == (True, 97)
    assert "3 of 100 rows changed (3.00%)" in thawed.reason


@pytest.mark.parametrize(
    ("column", "counted"), [("style", "relabelled"), ("split", "resplit"), ("jpeg_sha256", "replaced")]
)
def test_every_kind_of_change_is_counted_by_name(column, counted):
    drift = freeze(changed(table(10), column, 4), table(10), 1).drift.to_dict()
    assert (drift[counted], drift["changed"], drift["share"]) == (4, 4, 0.4)


def test_a_label_that_became_unknown_is_a_change():
    old = changed(table(4), "style", 4, "Rococo")
    assert freeze(changed(old, "style", 1, None), old, 0.02).drift.relabelled == 1


def test_a_row_that_changed_twice_counts_once():
    new = changed(changed(table(10), "split", 2), "jpeg_sha256", 3)
    assert freeze(new, table(10), 1).drift.changed == 3


def test_added_and_removed_rows_both_count():
    drift = freeze(table(12).slice(2), table(10), 1).drift
    assert (drift.added, drift.removed, drift.changed, drift.share) == (2, 2, 4, 0.4)


def test_a_renamed_work_alone_is_no_drift():
    assert freeze(changed(table(5), "work_id", 5), table(5), 0).drift.changed == 0


def test_a_change_of_the_tasks_thaws_the_set_whatever_the_drift_is():
    found = freeze(changed(table(100), "style", 1), table(100), 0.02, changes="type has fresco now")
    assert (found.thawed, found.reason) == (True, "type has fresco now; 1 of 100 rows changed (1.00%)")


def test_with_zero_drift_allowed_any_change_thaws_the_set():
    assert not freeze(table(5), table(5), 0).thawed
    assert freeze(table(6), table(5), 0).thawed


def test_it_thaws_on_demand():
    frozen = freeze(table(5), table(5), 0.5, force=True)
    assert frozen.thawed
    assert frozen.reason.startswith("requested")


def test_an_empty_training_set_thaws_when_rows_come():
    assert freeze(table(1), table(0), 0.5).thawed
    assert not freeze(table(0), table(0), 0.5).thawed


def test_a_task_that_is_added_or_removed_thaws_and_counts_as_relabelled():
    before = table(4)
    after = before.drop("type").with_columns(movement=pl.lit("Cubism"))
    frozen = freeze(after, before, retrain_drift=1.0)
    assert (frozen.thawed, frozen.training_set.columns) == (True, after.columns)
    assert (frozen.drift.relabelled, "the tasks are style, period, movement now" in frozen.reason) == (4, True)
