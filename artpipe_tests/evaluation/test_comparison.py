"""Comparison of two models on the same works."""

import numpy as np
import polars as pl
import pytest

from artpipe.evaluation.classification import score_split
from artpipe.evaluation.comparison import ModelPredictions, compare

CLASSES = {"style": ("Baroque", "Rococo"), "type": ("portrait", "landscape")}


def works(count: int, **labels: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "work_id": [f"w{number:03d}" for number in range(count)],
            "style": ["Baroque"] * count,
            "period": [None] * count,
            "type": ["portrait"] * count,
        }
        | labels
    )


def predictions(name: str, count: int, right: int, classes: dict[str, tuple[str, ...]] = CLASSES) -> ModelPredictions:
    """A model that predicts the first class of each task for the first `right` works, the last for the others."""
    chances = {
        task: np.eye(len(names))[[0 if number < right else len(names) - 1 for number in range(count)]]
        for task, names in classes.items()
    }
    return ModelPredictions(name, classes, chances)


def test_a_better_candidate_is_no_worse_and_the_verdict_has_the_difference():
    found = compare(works(100), predictions("new", 100, 90), predictions("old", 100, 60))
    assert found.difference == pytest.approx(0.3)
    assert found.is_no_worse(0)
    assert found.verdict(0.01).startswith("better than old: mean @1 90.0% against 60.0% on 100 test works")
    assert "style 90.0% against 60.0%" in found.verdict(0.01)
    assert found.interval is not None
    assert found.interval[0] > 0.15


@pytest.mark.parametrize(
    ("right", "tolerance", "is_no_worse"), [(99, 0.01, True), (98, 0.01, False), (98, 0.02, True), (99, 0.0, False)]
)
def test_the_tolerance_is_how_much_lower_the_mean_may_be(right: int, tolerance: float, is_no_worse: bool):
    found = compare(works(100), predictions("new", 100, right), predictions("old", 100, 100))
    assert found.is_no_worse(tolerance) is is_no_worse
    assert ("within the tolerance" in found.verdict(tolerance)) is is_no_worse


def test_a_difference_within_the_interval_is_reported_as_possible_chance():
    found = compare(works(10), predictions("new", 10, 5), predictions("old", 10, 6))
    assert not found.is_no_worse(0.01)
    assert "worse than old, which may be chance" in found.verdict(0.01)


def test_equal_models_differ_by_zero():
    found = compare(works(30), predictions("new", 30, 20), predictions("old", 30, 20))
    assert (found.difference, found.interval) == (0, (0, 0)), "equal predictions leave nothing to chance"
    assert found.verdict(0).startswith("as good as old")


def test_the_interval_resamples_whole_works():
    rows = works(40).with_columns(work_id=pl.Series(["one"] * 20 + [f"w{number}" for number in range(20)]))
    by_work = compare(rows, predictions("new", 40, 20), predictions("old", 40, 0))
    by_picture = compare(works(40), predictions("new", 40, 20), predictions("old", 40, 0))
    assert by_work.works == 21
    assert by_work.difference == by_picture.difference
    assert np.ptp(by_work.interval) > 1.5 * np.ptp(by_picture.interval)


def test_scores_are_those_of_the_evaluation_report():
    rows = works(50, style=["Baroque", "Mannerism", "Rococo", None, "Rococo"] * 10)
    new = predictions("new", 50, 33)
    found = compare(rows, new, predictions("old", 50, 10))
    report = score_split(
        new.probabilities["style"], rows["style"].to_list(), rows["work_id"].to_list(), CLASSES["style"],
        task="style", split="test", majority_class=None,
    )  # fmt: skip
    assert (found.tasks[0].n, found.tasks[0].candidate) == (report.n, report.at_1)


def test_a_class_that_one_model_was_not_trained_on_counts_as_wrong_and_is_named():
    rows = works(4, style=["Baroque", "Baroque", "Rococo", "Rococo"])
    wide = predictions("new", 4, 2)
    narrow = predictions("old", 4, 4, {"style": ("Baroque",), "type": CLASSES["type"]})
    found = compare(rows, wide, narrow)
    assert [(task.candidate, task.served) for task in found.tasks if task.task == "style"] == [(1.0, 0.5)]
    assert "of style, only new was trained on Rococo" in found.verdict(0.01)


def test_a_task_that_the_candidate_lost_counts_as_wrong():
    found = compare(works(10), predictions("new", 10, 10, {"style": CLASSES["style"]}), predictions("old", 10, 10))
    assert found.difference == -0.5
    assert "of type, only old was trained on landscape, portrait" in found.verdict(0.01)


def test_without_a_labelled_work_there_is_no_comparison_and_nothing_is_no_worse():
    for rows in (works(0), works(3, style=[None] * 3, type=[None] * 3)):
        found = compare(rows, predictions("new", rows.height, 0), predictions("old", rows.height, 0), learned=7)
        assert found.difference is None
        assert not found.is_no_worse(1)
        assert "cannot be compared with old" in found.verdict(0.01)
        assert "7 were left out" in found.verdict(0.01)
