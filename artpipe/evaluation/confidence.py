"""What probabilities are worth on a split: how far off they were before tempering, and what abstaining would gain.

`measure_confidence` is called by `report.py` for each task on each split.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from artpipe.training.calibration import measure_calibration, uncalibrated

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLDS = (0.5, 0.7, 0.9)
"""Probabilities at which every report says what abstaining below them would gain."""


@dataclass(frozen=True)
class SelectiveScores:
    """Answers given only where the model is sure.

    Attributes:
        threshold: the least probability of an answer that is given.
        coverage: share of the rows that get one.
        accuracy: share of those that are right; None where no row gets an answer.
    """

    threshold: float
    coverage: float
    accuracy: float | None


@dataclass(frozen=True)
class ConfidenceScores:
    """One task on one split.

    Attributes:
        error_before: expected calibration error of the untempered probabilities; None without rows.
        selective: what abstaining would gain, by rising threshold.
    """

    task: str
    split: str
    error_before: float | None
    selective: tuple[SelectiveScores, ...]


def measure_confidence(
    probabilities: "NDArray[np.floating]",
    labels: Sequence[str | None],
    classes: Sequence[str],
    *,
    task: str,
    split: str,
    temperature: float = 1.0,
    abstain_below: float = 0.0,
) -> ConfidenceScores:
    """Measure one task on one split, on the rows whose label is known.

    Args:
        probabilities: (N, C) float, rows sum to 1.
        labels: N true classes, None where unknown; one that the model was not taught counts as wrong.
        classes: the C classes the model knows, in column order.
        task: name of the task.
        split: name of the split.
        temperature: that the probabilities were made with.
        abstain_below: the threshold that is set, told beside `THRESHOLDS`; 0 where none is.
    """
    known = np.array([label is not None for label in labels], dtype=bool)
    if not known.any() or not classes:
        return ConfidenceScores(task, split, None, ())
    kept = probabilities[known]
    column = {name: number for number, name in enumerate(classes)}
    truth = np.array([column.get(label, -1) for label in labels if label is not None])
    right = kept.argmax(axis=1) == truth
    before = measure_calibration(uncalibrated(kept, temperature).max(axis=1), right)
    thresholds = {*THRESHOLDS, abstain_below} if abstain_below > 0 else set(THRESHOLDS)
    return ConfidenceScores(
        task,
        split,
        before.expected_error if before else None,
        tuple(selective_accuracy(kept.max(axis=1), right, threshold) for threshold in sorted(thresholds)),
    )


def selective_accuracy(
    confidence: "NDArray[np.floating]", right: "NDArray[np.bool_]", threshold: float
) -> SelectiveScores:
    """How many answers are left, and how many of them are right, where those below a probability are withheld.

    Args:
        confidence: (N,) highest probability of each row, at least one.
        right: (N,) whether that answer was right.
        threshold: the least probability of an answer that is given.
    """
    given = confidence >= threshold
    return SelectiveScores(threshold, float(given.mean()), float(right[given].mean()) if given.any() else None)
