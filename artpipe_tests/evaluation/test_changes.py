"""The served model compared with its predecessor, split by split."""

import numpy as np
import polars as pl
import pytest

from artpipe.evaluation.changes import measure_changes
from artpipe.evaluation.comparison import ModelPredictions

CLASSES = {"style": ("Baroque", "Rococo")}


def rows(**splits: int) -> pl.DataFrame:
    names = [(f"{split}{i}", split) for split, count in splits.items() for i in range(count)]
    return pl.DataFrame(names, schema=["work_id", "split"], orient="row").with_columns(
        style=pl.lit("Baroque"), period=pl.lit(None, pl.String), type=pl.lit(None, pl.String)
    )


def predictions(name: str, right: list[bool]) -> ModelPredictions:
    return ModelPredictions(name, CLASSES, {"style": np.array([[1.0, 0.0] if each else [0.0, 1.0] for each in right])})


def test_each_split_has_its_own_difference_and_paired_interval():
    table = rows(test=40, unseen_artists=20)
    current = predictions("new", [True] * 30 + [False] * 10 + [False] * 20)
    previous = predictions("old", [True] * 20 + [False] * 20 + [True] * 10 + [False] * 10)
    found = measure_changes(table, current, previous)
    test, unseen = found.table
    assert (test.split, test.task, test.n, test.previous, test.current) == ("test", "style", 40, 0.5, 0.75)
    assert test.difference == 0.25
    assert 0 < test.interval[0] < 0.25 < test.interval[1]
    assert (unseen.split, unseen.difference) == ("unseen_artists", -0.5)
    assert found.to_dict()["table"][0]["difference"] == 0.25
    assert (found.works, found.previous, found.current) == (60, "old", "new")


def test_a_paired_interval_is_narrower_than_that_of_either_score():
    right = [i % 2 == 0 for i in range(100)]
    better = [True, *right[1:]]
    better[1] = True
    (found,) = measure_changes(rows(test=100), predictions("new", better), predictions("old", right)).table
    assert found.difference == pytest.approx(0.01)
    assert np.ptp(found.interval) < 0.05


def test_a_task_without_labels_has_no_row():
    table = rows(test=3).with_columns(style=pl.lit(None, pl.String))
    assert measure_changes(table, predictions("new", [True] * 3), predictions("old", [True] * 3)).table == ()
