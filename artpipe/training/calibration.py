"""Calibration of predicted probabilities: whether a confidence of 0.8 is right eight times in ten."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 15


@dataclass(frozen=True)
class CalibrationBin:
    """Rows whose highest probability lies in (low, high]; the first bin holds 0 too."""

    low: float
    high: float
    rows: int
    mean_confidence: float | None
    accuracy: float | None


@dataclass(frozen=True)
class CalibrationCurve:
    """The reliability diagram and the expected calibration error: the mean gap between confidence and accuracy."""

    expected_error: float
    mean_confidence: float
    bins: tuple[CalibrationBin, ...]


def calibration_curve(
    confidence: "NDArray[np.floating]", is_correct: "NDArray[np.bool_]", bins: int = BINS
) -> CalibrationCurve | None:
    """Expected calibration error (ECE) over equally wide bins, weighted by their rows; None without rows.

    Args:
        confidence: (N,) highest probability of each row, 0 to 1.
        is_correct: (N,) whether the predicted class is the label.
        bins: number of bins.
    Source: Guo et al., On Calibration of Modern Neural Networks, arXiv:1706.04599.
    """
    if len(confidence) == 0:
        return None
    edges = np.linspace(0, 1, bins + 1)
    bin_of = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    rows = np.bincount(bin_of, minlength=bins)
    confidences = np.bincount(bin_of, weights=confidence, minlength=bins)
    hits = np.bincount(bin_of, weights=is_correct, minlength=bins)
    return CalibrationCurve(
        expected_error=float(np.abs(confidences - hits).sum() / len(confidence)),
        mean_confidence=float(np.mean(confidence)),
        bins=tuple(
            CalibrationBin(
                low=float(edges[i]),
                high=float(edges[i + 1]),
                rows=int(rows[i]),
                mean_confidence=float(confidences[i] / rows[i]) if rows[i] else None,
                accuracy=float(hits[i] / rows[i]) if rows[i] else None,
            )
            for i in range(bins)
        ),
    )


def uncalibrated(probabilities: "NDArray[np.floating]", temperature: float) -> "NDArray[np.float64]":
    """The probabilities before temperature scaling.

    Args:
        probabilities: (N, C), rows sum to 1; a row that is not finite stays so.
        temperature: that their logits were divided by.
    """
    # softmax(z / T) is p where z / T = log p + a constant, so z is T log p up to a constant that softmax ignores.
    logits = temperature * np.log(np.maximum(probabilities.astype(np.float64), np.finfo(np.float32).tiny))
    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return exponentials / exponentials.sum(axis=1, keepdims=True)
