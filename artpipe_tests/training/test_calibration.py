"""Expected calibration error against figures worked out by hand."""

import numpy as np
import pytest

from artpipe.training.calibration import calibration_curve


def test_a_case_worked_out_by_hand():
    # Bin (0.5, 0.6]: two rows at 0.6, one right, gap 0.1. Bin (0.8, 0.9]: three rows at 0.9, all right, gap 0.1.
    measured = calibration_curve(np.array([0.6, 0.6, 0.9, 0.9, 0.9]), np.array([1, 0, 1, 1, 1], dtype=bool), bins=10)
    assert measured.expected_error == pytest.approx(0.1)
    assert measured.mean_confidence == pytest.approx(0.78)
    filled = [b for b in measured.bins if b.rows]
    assert [(b.rows, round(b.mean_confidence, 6), b.accuracy) for b in filled] == [(2, 0.6, 0.5), (3, 0.9, 1.0)]


def test_there_are_fifteen_bins_and_an_empty_one_has_no_accuracy():
    measured = calibration_curve(np.array([0.0, 1.0]), np.array([False, True]))
    assert len(measured.bins) == 15
    assert (measured.bins[0].rows, measured.bins[-1].rows) == (1, 1)
    assert (measured.bins[7].accuracy, measured.bins[7].mean_confidence) == (None, None)
    assert measured.expected_error == 0


def test_calibrated_probabilities_have_a_small_error_and_overconfident_ones_a_large_one():
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.3, 1, 20_000)
    right = rng.random(20_000) < confidence
    assert calibration_curve(confidence, right).expected_error < 0.02
    assert calibration_curve(np.full(20_000, 0.999), right).expected_error == pytest.approx(0.35, abs=0.02)


def test_no_rows_have_no_calibration():
    assert calibration_curve(np.array([]), np.array([], dtype=bool)) is None
