"""Temperature scaling on invented logits whose right temperature is known."""

import numpy as np
import pytest

from artpipe.training.calibration import uncalibrated
from artpipe.training.temperature import (
    MAX_TEMPERATURE,
    MIN_ROWS,
    MIN_TEMPERATURE,
    calibrate,
    fit_temperature,
    mean_loss,
    weighted_temperature,
)


def calibrated_logits(rows: int, classes: int = 5, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits whose softmax is the true probability of each class, and labels drawn from it."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 2, (rows, classes))
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    labels = (probabilities.cumsum(axis=1) > rng.random((rows, 1))).argmax(axis=1)
    return logits.astype(np.float32), labels


@pytest.mark.parametrize("scale", [0.7, 1.0, 2.5])
def test_the_temperature_recovers_the_scale_of_the_logits(scale: float):
    logits, labels = calibrated_logits(20_000)
    assert fit_temperature(logits * scale, labels) == pytest.approx(scale, rel=0.05)


def test_the_calibration_error_falls():
    logits, labels = calibrated_logits(5_000)
    fitted = calibrate(logits * 3, labels)
    assert fitted.error_before is not None
    assert fitted.error_after is not None
    assert fitted.error_after < 0.03 < 0.1 < fitted.error_before
    assert fitted.rows == 5_000
    assert fitted.note == ""


@pytest.mark.parametrize("seed", range(20))
def test_the_fitted_temperature_never_raises_the_loss_of_its_rows(seed: int):
    rng = np.random.default_rng(seed)
    logits, labels = rng.normal(0, rng.uniform(0.1, 20), (MIN_ROWS, 4)), rng.integers(0, 4, MIN_ROWS)
    temperature = fit_temperature(logits, labels)
    assert MIN_TEMPERATURE <= temperature <= MAX_TEMPERATURE
    assert mean_loss(logits, labels, temperature) <= mean_loss(logits, labels, 1.0)


def test_rows_that_are_all_right_or_all_wrong_reach_the_bounds():
    labels = np.arange(MIN_ROWS) % 3
    logits = np.eye(3)[labels] * 5
    assert fit_temperature(logits, labels) == MIN_TEMPERATURE
    assert fit_temperature(logits, (labels + 1) % 3) == MAX_TEMPERATURE
    assert fit_temperature(logits * 1e4, (labels + 1) % 3) == MAX_TEMPERATURE


def test_groups_of_rows_weigh_the_same_whatever_their_size():
    (one, truth), (other, of_other) = calibrated_logits(500), calibrated_logits(500, seed=1)
    small, large = (one, truth), (2.5 * other, of_other)
    often = (np.tile(large[0], (9, 1)), np.tile(large[1], 9))
    found = weighted_temperature([small, large])
    assert weighted_temperature([small, often]) == found
    assert fit_temperature(*small) < found < fit_temperature(*large)


def test_what_suits_unseen_artists_is_part_of_the_temperature_within_the_bounds():
    logits, labels = calibrated_logits(500)
    fitted = fit_temperature(logits, labels)
    found = calibrate(logits, labels, 1.5)
    assert found.temperature == pytest.approx(1.5 * fitted, abs=1e-4)
    assert found.unseen_artists == 1.5
    assert calibrate(logits, labels, 99.0).temperature == MAX_TEMPERATURE
    assert calibrate(logits[:50], labels[:50], 1.5).temperature == 1


def test_too_few_known_labels_give_temperature_1_and_a_note():
    logits, labels = calibrated_logits(MIN_ROWS + 50)
    labels[:51] = -1
    fitted = calibrate(logits * 3, labels)
    assert fitted.temperature == 1.0
    assert fitted.note == "99 validation rows with a known label; 100 are needed"
    assert fit_temperature(logits * 3, np.abs(labels)) > 1
    assert calibrate(logits[:0], labels[:0]).error_before is None
    assert calibrate(logits[:51], labels[:51]).rows == 0


def test_temperature_scaling_can_be_undone_from_the_probabilities():
    logits, _ = calibrated_logits(50)
    probabilities = {t: np.exp(logits / t) / np.exp(logits / t).sum(axis=1, keepdims=True) for t in (1.0, 2.5)}
    assert np.allclose(uncalibrated(probabilities[2.5], 2.5), probabilities[1.0], atol=1e-6)
    certain = uncalibrated(np.array([[1.0, 0.0]], dtype=np.float32), 2.0)
    assert certain[0].tolist() == pytest.approx([1, 0])
    assert uncalibrated(np.empty((0, 3)), 2.0).shape == (0, 3)
