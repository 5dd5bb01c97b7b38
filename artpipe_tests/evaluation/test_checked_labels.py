"""The labels that were checked by eye, which `benchmarks/bench_labels.py` measures with."""

from pathlib import Path

import polars as pl
import pytest

from artpipe.schema import CLASSES

CHECKED = Path(__file__).parents[1] / "benchmarks" / "labels_checked.csv"


@pytest.fixture(scope="module")
def labels() -> pl.DataFrame:
    return pl.read_csv(CHECKED).with_columns(pl.col("also").fill_null("").str.split("|"))


def test_each_of_300_works_has_one_label_of_each_task(labels):
    assert labels.height == labels.unique(["artwork_id", "task"]).height == 900
    assert labels.group_by("task").len().sort("task").rows() == [("period", 300), ("style", 300), ("type", 300)]


def test_every_label_is_a_class_of_its_task(labels):
    for row in labels.iter_rows(named=True):
        named = {row["first"], row["second"], row["checked"], *row["also"]} - {""}
        assert named <= set(CLASSES[row["task"]]), row


def test_the_checked_label_is_that_of_a_reading_and_the_other_one_passes(labels):
    for row in labels.iter_rows(named=True):
        assert row["checked"] in (row["first"], row["second"]), row
        assert {row["first"], row["second"]} <= {row["checked"], *row["also"]}, row
        assert row["checked"] not in row["also"], row
