"""Class by class: precision, recall and F1 worked out by hand."""

import numpy as np
import pytest

from artpipe.evaluation.classes import class_scores
from artpipe.evaluation.classification import score_split


def scores_of(labels: list[str | None], answers: list[str], classes: tuple[str, ...] = ("A", "B", "C")):
    chances = np.array([[1.0 if name == answer else 0.0 for name in classes] for answer in answers]).reshape(
        len(answers), len(classes)
    )
    works = [str(number) for number in range(len(labels))]
    return score_split(chances, labels, works, classes, task="style", split="test", majority_class=None)


def test_each_class_has_its_precision_recall_and_f1():
    found = {each.name: each for each in class_scores(scores_of(["A", "A", "A", "B", None], ["A", "A", "B", "B", "A"]))}
    assert (found["A"].n, found["A"].answered) == (3, 2)
    assert (found["A"].precision, found["A"].recall, found["A"].f1) == (1, pytest.approx(2 / 3), pytest.approx(0.8))
    assert (found["B"].precision, found["B"].recall) == (0.5, 1)
    assert found["A"].mistaken_for == "B"
    assert found["B"].mistaken_for is None


def test_a_class_that_is_neither_there_nor_answered_has_no_line():
    assert [each.name for each in class_scores(scores_of(["A"], ["A"]))] == ["A"]


def test_a_class_never_answered_has_no_precision_and_one_never_there_no_recall():
    found = {each.name: each for each in class_scores(scores_of(["A", "A"], ["C", "C"]))}
    assert (found["A"].precision, found["A"].recall, found["A"].f1) == (None, 0, 0)
    assert (found["C"].precision, found["C"].recall, found["C"].f1) == (0, None, 0)


def test_an_untaught_class_has_a_line_of_its_own():
    found = {each.name: each for each in class_scores(scores_of(["Z", "A"], ["A", "A"]))}
    assert (found["Z"].n, found["Z"].recall, found["Z"].mistaken_for) == (1, 0, "A")


def test_the_mean_f1_of_the_classes_there_is_the_macro_f1():
    scores = scores_of(["A", "B", "C", "C", "A"], ["A", "B", "B", "C", "C"])
    assert np.mean([each.f1 for each in class_scores(scores) if each.n]) == pytest.approx(scores.macro_f1)


def test_a_split_without_rows_has_no_classes():
    assert class_scores(scores_of([], [])) == ()
