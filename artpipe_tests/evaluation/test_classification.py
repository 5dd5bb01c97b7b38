"""Scores against figures worked out by hand."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from artpipe.evaluation.bootstrap import interval_of_mean
from artpipe.evaluation.classification import macro_f1, majority_class, score_split

CLASSES = ("a", "b", "c", "d")
# Answers: a, a, b, d; the truth is a, b, b, a.
PROBABILITIES = np.array(
    [[0.7, 0.1, 0.1, 0.1], [0.5, 0.3, 0.1, 0.1], [0.1, 0.6, 0.2, 0.1], [0.05, 0.15, 0.2, 0.6]], dtype=np.float32
)


def scored(labels, probabilities=PROBABILITIES, works=None, classes=CLASSES, majority="b"):
    works = works or [str(i) for i in range(len(labels))]
    return score_split(
        probabilities, labels, works, classes, task="style", split="test", majority_class=majority, seed=0
    )


def test_a_case_worked_out_by_hand():
    scores = scored(["a", "b", "b", "a"])
    assert scores.at_1 == 0.5
    assert scores.at_3 == 0.75
    # a: precision 1/2, recall 1/2; b: precision 1, recall 1/2.
    assert scores.macro_f1 == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert scores.majority_floor == 0.5
    assert scores.confusion == ((1, 0, 0, 1), (1, 1, 0, 0), (0, 0, 0, 0), (0, 0, 0, 0))
    assert (scores.split, scores.n, scores.works, scores.reason) == ("test", 4, 4, None)


def test_rows_without_a_label_are_left_out():
    scores = scored(["a", None, "b", None])
    assert (scores.n, scores.unlabelled, scores.at_1) == (2, 2, 1.0)


def test_a_class_the_model_was_never_taught_counts_as_wrong_and_is_told():
    scores = scored(["a", "z", "b", "a"])
    assert (scores.untaught, scores.n, scores.at_1, scores.at_3) == (1, 4, 0.5, 0.5)
    assert scores.classes == (*CLASSES, "z")
    assert scores.confusion[-1] == (1, 0, 0, 0, 0)


def test_the_floor_is_the_majority_of_train_not_of_the_split():
    assert scored(["a", "a", "a", "b"], majority="b").majority_floor == 0.25
    assert scored(["a", "a", "a", "b"], majority=None).majority_floor is None


def test_macro_f1_agrees_with_scikit_learn():
    rng = np.random.default_rng(0)
    true, answered = rng.integers(0, 3, 200), rng.integers(0, 4, 200)
    confusion = np.bincount(true * 4 + answered, minlength=16).reshape(4, 4)
    assert macro_f1(confusion) == pytest.approx(f1_score(true, answered, labels=[0, 1, 2], average="macro"))


def test_at_3_of_two_classes_is_one():
    assert scored(["a", "b"], np.array([[0.4, 0.6], [0.9, 0.1]]), classes=("a", "b")).at_3 == 1.0


@pytest.mark.parametrize(("labels", "reason"), [([], "no rows"), ([None] * 4, "no row has a known label")])
def test_what_cannot_be_measured_is_none_with_a_reason(labels, reason):
    scores = scored(labels, PROBABILITIES[: len(labels)])
    assert (scores.n, scores.at_1, scores.macro_f1, scores.calibration, scores.reason) == (0, None, None, None, reason)


def test_a_model_without_classes_is_not_measured():
    scores = scored(["a", "b"], np.empty((2, 0)), classes=())
    assert (scores.at_1, scores.reason) == (None, "the model knows no class")


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="probabilities for 3 labels"):
        scored(["a", "b", "c"])


def test_probabilities_must_be_finite_where_they_are_used():
    spoiled = PROBABILITIES.copy()
    spoiled[0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        scored(["a", "b", "b", "a"], spoiled)
    assert scored([None, "b", "b", "a"], spoiled).n == 3


def test_the_interval_holds_the_share_and_repeats():
    rng = np.random.default_rng(1)
    right, work_of = rng.random(400) < 0.7, np.arange(400)
    low, high = interval_of_mean(right, work_of)
    assert low < right.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 400), rel=0.2)
    assert interval_of_mean(right, work_of) == (low, high)


def test_rows_of_one_work_tell_no_more_than_one_row():
    rng = np.random.default_rng(1)
    right = rng.random(100) < 0.7
    one_each = interval_of_mean(right, np.arange(100))
    ten_each = interval_of_mean(np.repeat(right, 10), np.repeat(np.arange(100), 10))
    assert ten_each == pytest.approx(one_each)


def test_the_majority_class_is_the_most_frequent_known_one():
    assert majority_class(["b", "a", None, "b", None, None]) == "b"
    assert majority_class(["b", "a"]) == "a"
    assert majority_class([None]) is None
