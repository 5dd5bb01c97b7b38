"""What abstaining gains, against figures worked out by hand."""

import numpy as np
import pytest

from artpipe.evaluation.confidence import SelectiveScores, measure_confidence, selective_accuracy

CONFIDENCE = np.array([0.95, 0.8, 0.6, 0.4])
RIGHT = np.array([True, True, False, False])


def test_answers_below_the_threshold_are_withheld():
    assert selective_accuracy(CONFIDENCE, RIGHT, 0.5) == SelectiveScores(0.5, 0.75, pytest.approx(2 / 3))
    assert selective_accuracy(CONFIDENCE, RIGHT, 0.8) == SelectiveScores(0.8, 0.5, 1.0)
    assert selective_accuracy(CONFIDENCE, RIGHT, 0.99) == SelectiveScores(0.99, 0.0, None)


def test_the_threshold_that_is_set_is_told_among_the_usual_ones_and_once():
    probabilities = np.stack([CONFIDENCE, 1 - CONFIDENCE], axis=1)
    labels = ["Baroque", "Baroque", "Rococo", None]

    def thresholds(abstain_below: float) -> list[float]:
        scores = measure_confidence(
            probabilities, labels, ("Baroque", "Rococo"), task="style", split="test", abstain_below=abstain_below
        )
        return [one.threshold for one in scores.selective]

    assert thresholds(0.6) == [0.5, 0.6, 0.7, 0.9]
    assert thresholds(0.7) == thresholds(0) == [0.5, 0.7, 0.9]


def test_rows_without_a_label_do_not_count_and_an_untaught_one_is_wrong():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.9, 0.1]])
    scores = measure_confidence(
        probabilities, ["Baroque", None, "Cubism"], ("Baroque", "Rococo"), task="style", split="test"
    )
    assert [one.accuracy for one in scores.selective] == [0.5, 0.5, 0.5]


def test_the_error_before_is_that_of_the_untempered_probabilities():
    # softmax(z / 2) = (0.8, 0.2) comes of softmax(z) = (16, 1) / 17; all rows are right.
    probabilities = np.tile([[0.8, 0.2]], (10, 1))
    scores = measure_confidence(
        probabilities, ["Baroque"] * 10, ("Baroque", "Rococo"), task="style", split="test", temperature=2.0
    )
    assert scores.error_before == pytest.approx(1 / 17)


def test_nothing_to_measure_is_told_as_nothing():
    scores = measure_confidence(np.ones((1, 1)), [None], ("Baroque",), task="style", split="test")
    assert (scores.error_before, scores.selective) == (None, ())
