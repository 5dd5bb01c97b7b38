"""A new model beside the one before it, split by split."""

import numpy as np
import polars as pl
import pytest

from artpipe.evaluation.changes import measure_changes
from artpipe.evaluation.comparison import Answers

CLASSES = {"style": ("Baroque", "Rococo")}


def rows(**splits: int) -> pl.DataFrame:
    names = [(f"{split}{i}", split) for split, count in splits.items() for i in range(count)]
    return pl.DataFrame(names, schema=["work_id", "split"], orient="row").with_columns(
        style=pl.lit("Baroque"), period=pl.lit(None, pl.String), type=pl.lit(None, pl.String)
    )


def answers(name: str, right: list[bool]) -> Answers:
    return Answers(name, CLASSES, {"style": np.array([[1.0, 0.0] if each else [0.0, 1.0] for each in right])})


def test_each_split_has_its_own_difference_and_paired_interval():
    table = rows(test=40, unseen_artists=20)
    now = answers("new", [True] * 30 + [False] * 10 + [False] * 20)
    before = answers("old", [True] * 20 + [False] * 20 + [True] * 10 + [False] * 10)
    found = measure_changes(table, now, before)
    test, unseen = found.table
    assert (test.split, test.task, test.n, test.before, test.now) == ("test", "style", 40, 0.5, 0.75)
    assert test.difference == 0.25
    assert 0 < test.interval[0] < 0.25 < test.interval[1]
    assert (unseen.split, unseen.difference) == ("unseen_artists", -0.5)
    assert found.to_dict()["table"][0]["difference"] == 0.25
    assert (found.works, found.before, found.now) == (60, "old", "new")


def test_pairs_make_the_interval_narrower_than_either_score_s():
    right = [i % 2 == 0 for i in range(100)]
    better = [True, *right[1:]]
    better[1] = True
    (found,) = measure_changes(rows(test=100), answers("new", better), answers("old", right)).table
    assert found.difference == pytest.approx(0.01)
    assert np.ptp(found.interval) < 0.05


def test_what_has_no_label_has_no_line():
    table = rows(test=3).with_columns(style=pl.lit(None, pl.String))
    assert measure_changes(table, answers("new", [True] * 3), answers("old", [True] * 3)).table == ()
