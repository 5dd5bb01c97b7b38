"""Temperature scaling: one number for each task that calibrates a trained network's probabilities.

Cross-entropy training leaves a network overconfident or, with label smoothing, underconfident. Dividing its logits by a
temperature changes every probability and no prediction. It is fitted on the validation rows once the weights are
chosen, suited to unseen artists, and saved on the model card, since it decides the probabilities.

Source: Guo et al., arXiv:1706.04599.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from artpipe.training.calibration import calibration_curve

MIN_ROWS = 100
"""With fewer, the temperature is 1. On the recorded gallery a temperature fitted on 100 validation rows was worse than
none on the test works in 1 to 15 of 100 draws, on 50 rows in 6 to 28, on 20 rows in 19 to 54."""
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.5, 4.0
"""Without bounds, a few validation rows that are all right would fit 0, and rows that are all wrong infinity."""
_BISECTIONS = 40

Logits = NDArray[np.floating]


@dataclass(frozen=True)
class FittedTemperature:
    """A task's temperature and what it does to the rows that it was fitted on.

    Attributes:
        temperature: what the logits are divided by.
        rows: validation rows with a known label.
        error_before: expected calibration error of the uncalibrated probabilities; None without rows.
        error_after: the same with the temperature.
        loss_before: mean negative log-likelihood of the uncalibrated probabilities; None without rows.
        loss_after: the same with the temperature.
        note: why the temperature was left at 1; empty where it was fitted.
        unseen_artists: the factor in it that suits it to artists that the model never saw, see `unseen_artists.py`.
    """

    temperature: float
    rows: int
    error_before: float | None
    error_after: float | None
    loss_before: float | None
    loss_after: float | None
    note: str = ""
    unseen_artists: float = 1.0


def fit_temperature(logits: Logits, labels: NDArray[np.integer]) -> float:
    """The temperature within the bounds that minimises the negative log-likelihood; 1 with fewer than `MIN_ROWS`.

    The loss is convex in 1 / temperature, so that the bounded optimum is never worse than 1, which lies within.

    Args:
        logits: (N, C), one row for each picture.
        labels: (N,) the true class of each; a negative one is unknown and ignored.
    """
    return 1.0 if int((labels >= 0).sum()) < MIN_ROWS else weighted_temperature([(logits, labels)])


def weighted_temperature(groups: Sequence[tuple[Logits, NDArray[np.integer]]]) -> float:
    """As `fit_temperature`, on several groups of rows that weigh the same whatever their size, each with a label."""
    known = [(logits[labels >= 0].astype(np.float64), labels[labels >= 0]) for logits, labels in groups]
    low, high = 1 / MAX_TEMPERATURE, 1 / MIN_TEMPERATURE
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        if sum(_slope(logits, truth, middle) for logits, truth in known) > 0:
            high = middle
        else:
            low = middle
    found = round(2 / (low + high), 4)
    at_found, at_1 = (sum(mean_loss(logits, truth, each) for logits, truth in known) for each in (found, 1.0))
    return found if at_found <= at_1 else 1.0


def calibrate(logits: Logits, labels: NDArray[np.integer], unseen_artists: float = 1.0) -> FittedTemperature:
    """Fit a task's temperature and measure the rows before and after; takes what `fit_temperature` takes.

    `unseen_artists` is the factor that suits it to artists the model never saw, too.
    """
    known = labels >= 0
    rows = int(known.sum())
    temperature = fit_temperature(logits, labels)
    if rows >= MIN_ROWS:
        temperature = round(min(max(temperature * unseen_artists, MIN_TEMPERATURE), MAX_TEMPERATURE), 4)
    note = "" if rows >= MIN_ROWS else f"{rows} validation rows with a known label; {MIN_ROWS} are needed"
    if not rows:
        return FittedTemperature(temperature, 0, None, None, None, None, note)
    known_logits, truth = logits[known].astype(np.float64), labels[known]
    return FittedTemperature(
        temperature,
        rows,
        _calibration_error(known_logits, truth, 1.0),
        _calibration_error(known_logits, truth, temperature),
        mean_loss(known_logits, truth, 1.0),
        mean_loss(known_logits, truth, temperature),
        note,
        unseen_artists,
    )


def mean_loss(logits: Logits, labels: NDArray[np.integer], temperature: float) -> float:
    """Mean negative log-likelihood of known labels with a temperature, at least one row."""
    log_likelihood = _log_softmax(logits / temperature)
    return float(-log_likelihood[np.arange(len(labels)), labels].mean())


def _slope(logits: Logits, labels: NDArray[np.integer], inverse: float) -> float:
    """The derivative of the mean loss by 1 / temperature."""
    expected = (np.exp(_log_softmax(logits * inverse)) * logits).sum(axis=1)
    return float((expected - logits[np.arange(len(labels)), labels]).mean())


def _calibration_error(logits: Logits, labels: NDArray[np.integer], temperature: float) -> float | None:
    probabilities = np.exp(_log_softmax(logits / temperature))
    measured = calibration_curve(probabilities.max(axis=1), logits.argmax(axis=1) == labels)
    return measured.expected_error if measured else None


def _log_softmax(logits: Logits) -> NDArray[np.float64]:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
