"""Scores compared with values computed by hand."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from artpipe.evaluation.bootstrap import interval_of_mean
from artpipe.evaluation.classification import (
    SelectiveScores,
    class_scores,
    macro_f1,
    majority_class,
    score_split,
    selective_accuracy,
)

CLASSES = ("a", "b", "c", "d")
# Predicted: a, a, b, d; true: a, b, b, a.
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


def test_an_unseen_class_counts_as_wrong():
    scores = scored(["a", "z", "b", "a"])
    assert (scores.unseen, scores.n, scores.at_1, scores.at_3) == (1, 4, 0.5, 0.5)
    assert scores.classes == (*CLASSES, "z")
    assert scores.confusion[-1] == (1, 0, 0, 0, 0)


def test_the_baseline_is_the_majority_of_train_not_of_the_split():
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
def test_scores_that_cannot_be_measured_are_none_with_a_reason(labels, reason):
    scores = scored(labels, PROBABILITIES[: len(labels)])
    assert (scores.n, scores.at_1, scores.macro_f1, scores.calibration, scores.reason) == (0, None, None, None, reason)


def test_a_model_without_classes_is_not_measured():
    scores = scored(["a", "b"], np.empty((2, 0)), classes=())
    assert (scores.at_1, scores.reason) == (None, "the model has no classes")


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="probabilities for 3 labels"):
        scored(["a", "b", "c"])


def test_probabilities_must_be_finite_where_they_are_used():
    spoiled = PROBABILITIES.copy()
    spoiled[0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        scored(["a", "b", "b", "a"], spoiled)
    assert scored([None, "b", "b", "a"], spoiled).n == 3


def test_the_interval_contains_the_accuracy_and_is_deterministic():
    rng = np.random.default_rng(1)
    right, work_of = rng.random(400) < 0.7, np.arange(400)
    low, high = interval_of_mean(right, work_of)
    assert low < right.mean() < high
    assert high - low == pytest.approx(2 * 1.96 * np.sqrt(0.7 * 0.3 / 400), rel=0.2)
    assert interval_of_mean(right, work_of) == (low, high)


def test_rows_of_one_work_narrow_the_interval_no_more_than_one_row():
    rng = np.random.default_rng(1)
    right = rng.random(100) < 0.7
    one_each = interval_of_mean(right, np.arange(100))
    ten_each = interval_of_mean(np.repeat(right, 10), np.repeat(np.arange(100), 10))
    assert ten_each == pytest.approx(one_each)


def test_the_majority_class_is_the_most_frequent_known_one():
    assert majority_class(["b", "a", None, "b", None, None]) == "b"
    assert majority_class(["b", "a"]) == "a"
    assert majority_class([None]) is None


def scores_of(labels: list[str | None], predicted: list[str]):
    classes = ("A", "B", "C")
    return scored(labels, np.eye(3)[[classes.index(name) for name in predicted]].reshape(-1, 3), classes=classes)


def test_each_class_has_its_precision_recall_and_f1():
    found = {each.name: each for each in class_scores(scores_of(["A", "A", "A", "B", None], ["A", "A", "B", "B", "A"]))}
    assert (found["A"].n, found["A"].answered) == (3, 2)
    assert (found["A"].precision, found["A"].recall, found["A"].f1) == (1, pytest.approx(2 / 3), pytest.approx(0.8))
    assert (found["B"].precision, found["B"].recall) == (0.5, 1)
    assert found["A"].mistaken_for == "B"
    assert found["B"].mistaken_for is None


def test_a_class_neither_present_nor_predicted_has_no_row():
    assert [each.name for each in class_scores(scores_of(["A"], ["A"]))] == ["A"]


def test_a_class_never_predicted_has_no_precision_and_an_absent_class_no_recall():
    found = {each.name: each for each in class_scores(scores_of(["A", "A"], ["C", "C"]))}
    assert (found["A"].precision, found["A"].recall, found["A"].f1) == (None, 0, 0)
    assert (found["C"].precision, found["C"].recall, found["C"].f1) == (0, None, 0)


def test_an_unseen_class_has_a_row_of_its_own():
    found = {each.name: each for each in class_scores(scores_of(["Z", "A"], ["A", "A"]))}
    assert (found["Z"].n, found["Z"].recall, found["Z"].mistaken_for) == (1, 0, "A")


def test_macro_f1_is_the_mean_f1_of_the_classes_present():
    scores = scores_of(["A", "B", "C", "C", "A"], ["A", "B", "B", "C", "C"])
    assert np.mean([each.f1 for each in class_scores(scores) if each.n]) == pytest.approx(scores.macro_f1)


def test_a_split_without_rows_has_no_classes():
    assert class_scores(scores_of([], [])) == ()


CONFIDENCE = np.array([0.95, 0.8, 0.6, 0.4])
RIGHT = np.array([True, True, False, False])


def test_predictions_below_the_threshold_are_abstained():
    assert selective_accuracy(CONFIDENCE, RIGHT, 0.5) == SelectiveScores(0.5, 0.75, pytest.approx(2 / 3))
    assert selective_accuracy(CONFIDENCE, RIGHT, 0.8) == SelectiveScores(0.8, 0.5, 1.0)
    assert selective_accuracy(CONFIDENCE, RIGHT, 0.99) == SelectiveScores(0.99, 0.0, None)


def of_two(labels: list[str | None], first: list[float], **options: float):
    """Scores of two classes, the first with these probabilities."""
    probabilities = np.stack([first, 1 - np.array(first)], axis=1)
    names = [str(i) for i in range(len(labels))]
    return score_split(
        probabilities, labels, names, ("a", "b"), task="style", split="test", majority_class=None, **options
    )


def test_the_configured_threshold_is_measured_once_with_the_default_ones():
    def thresholds(abstain_below: float) -> list[float]:
        scores = of_two(["a", "a", "b", None], [0.95, 0.8, 0.6, 0.4], abstain_below=abstain_below)
        return [one.threshold for one in scores.selective]

    assert thresholds(0.6) == [0.5, 0.6, 0.7, 0.9]
    assert thresholds(0.7) == thresholds(0) == [0.5, 0.7, 0.9]


def test_selective_accuracy_ignores_rows_without_a_label_and_counts_an_unseen_class_as_wrong():
    assert [one.accuracy for one in of_two(["a", None, "z"], [0.9] * 3).selective] == [0.5, 0.5, 0.5]
    assert of_two([None], [1.0]).selective == ()


def test_error_before_is_the_error_of_the_uncalibrated_probabilities():
    # softmax(z / 2) = (0.8, 0.2) comes of softmax(z) = (16, 1) / 17; all rows are right.
    assert of_two(["a"] * 10, [0.8] * 10, temperature=2.0).error_before == pytest.approx(1 / 17)
