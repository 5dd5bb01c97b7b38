"""Scores of the classifier on one split: accuracy (@1, @3), macro-F1, baseline, calibration, confusion matrix.

Selective classification: the classifier may abstain below a confidence (Geifman and El-Yaniv, arXiv:1705.08500).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from artpipe.evaluation.bootstrap import Interval, interval_of_mean
from artpipe.training.calibration import CalibrationCurve, calibration_curve, uncalibrated

if TYPE_CHECKING:
    from numpy.typing import NDArray


CONFIDENCES = (0.5, 0.7, 0.9)
"""Confidences below which every report measures abstaining."""


@dataclass(frozen=True)
class SelectiveScores:
    """Scores of a classifier that abstains below a confidence.

    Attributes:
        threshold: minimum confidence (highest probability) of a prediction.
        coverage: share of the rows that get a prediction.
        accuracy: share of those that are correct; None where the classifier always abstains.
    """

    threshold: float
    coverage: float
    accuracy: float | None


@dataclass(frozen=True)
class TaskScores:
    """One task on one split. A figure is None where it cannot be measured; `reason` then has the cause.

    Attributes:
        split: where the rows are from.
        n: rows with a known label; all figures are about them.
        works: number of works that these rows show.
        unlabelled: rows left out because their label is unknown.
        unseen: rows among `n` of a class that the model was not trained on; they count as wrong.
        at_1: accuracy, the share of rows whose most probable class is the label.
        at_1_interval: 95 % bootstrap interval of `at_1`, resampling works.
        at_3: share of rows whose label is among the three most probable classes.
        macro_f1: mean F1 over the classes present in the split.
        majority_class: the most frequent class of the training rows.
        majority_floor: `at_1` of the baseline that always predicts `majority_class`.
        calibration: of the highest probability.
        error_before: expected calibration error before temperature scaling.
        selective: abstaining below each confidence, rising.
        classes: names of the rows and columns of `confusion`: the model's, then those it was not trained on.
        confusion: counts, true class by row, predicted class by column.
    """

    task: str
    split: str
    n: int
    works: int
    unlabelled: int
    unseen: int
    at_1: float | None
    at_1_interval: Interval | None
    at_3: float | None
    macro_f1: float | None
    majority_class: str | None
    majority_floor: float | None
    calibration: CalibrationCurve | None
    error_before: float | None
    selective: tuple[SelectiveScores, ...]
    classes: tuple[str, ...]
    confusion: tuple[tuple[int, ...], ...]
    reason: str | None


def score_split(
    probabilities: "NDArray[np.floating]",
    labels: Sequence[str | None],
    work_ids: Sequence[str],
    classes: Sequence[str],
    *,
    task: str,
    split: str,
    majority_class: str | None,
    seed: int = 0,
    temperature: float = 1.0,
    abstain_below: float = 0.0,
) -> TaskScores:
    """Score one task on one split.

    Args:
        probabilities: (N, C) float, rows sum to 1.
        labels: N true classes, None where unknown.
        work_ids: N works.
        classes: the C classes the model was trained on, in column order.
        task: name of the task.
        split: name of the split.
        majority_class: see `majority_class`.
        seed: of the bootstrap.
        temperature: that the logits were divided by.
        abstain_below: the configured confidence, measured in addition to `CONFIDENCES`; 0 where there is none.

    Raises:
        ValueError: shapes that do not fit, or probabilities that are not finite.
    """
    if probabilities.shape != (len(labels), len(classes)) or len(work_ids) != len(labels):
        raise ValueError(
            f"{task} on {split}: {probabilities.shape} probabilities for {len(labels)} labels, "
            f"{len(work_ids)} works and {len(classes)} classes"
        )
    known = np.array([label is not None for label in labels], dtype=bool)
    truth = [label for label in labels if label is not None]
    if not truth or not classes:
        reason = "no rows" if not labels else "no row has a known label" if not truth else "the model has no classes"
        return TaskScores(
            task, split, len(truth), 0, len(labels) - len(truth), 0, None, None, None, None, majority_class, None, None,
            None, (), tuple(classes), (), reason,
        )  # fmt: skip
    kept = probabilities[known].astype(np.float64)
    if not np.isfinite(kept).all():
        raise ValueError(f"{task} on {split}: some probabilities are not finite")
    names = (*classes, *sorted(set(truth) - set(classes)))
    index = {name: i for i, name in enumerate(names)}
    true = np.array([index[label] for label in truth])
    predicted = kept.argmax(axis=1)
    is_correct = predicted == true
    best_three = np.argsort(-kept, axis=1, kind="stable")[:, :3]
    confusion = np.bincount(true * len(names) + predicted, minlength=len(names) ** 2).reshape(len(names), len(names))
    works = np.array(work_ids)[known]
    confidence = kept.max(axis=1)
    raw = calibration_curve(uncalibrated(kept, temperature).max(axis=1), is_correct)
    thresholds = sorted({*CONFIDENCES, abstain_below} if abstain_below > 0 else CONFIDENCES)
    return TaskScores(
        task=task,
        split=split,
        n=len(truth),
        works=len(set(works)),
        unlabelled=len(labels) - len(truth),
        unseen=int((true >= len(classes)).sum()),
        at_1=float(is_correct.mean()),
        at_1_interval=interval_of_mean(is_correct, works, seed),
        at_3=float((best_three == true[:, None]).any(axis=1).mean()),
        macro_f1=macro_f1(confusion),
        majority_class=majority_class,
        majority_floor=None if majority_class is None else float(np.mean([label == majority_class for label in truth])),
        calibration=calibration_curve(confidence, is_correct),
        error_before=raw.expected_error if raw else None,
        selective=tuple(selective_accuracy(confidence, is_correct, threshold) for threshold in thresholds),
        classes=names,
        confusion=tuple(map(tuple, confusion.tolist())),
        reason=None,
    )


def selective_accuracy(
    confidence: "NDArray[np.floating]", is_correct: "NDArray[np.bool_]", threshold: float
) -> SelectiveScores:
    """Coverage and accuracy of abstaining below a threshold.

    Args:
        confidence: (N,) highest probability of each row, at least one.
        is_correct: (N,) whether the predicted class is the label.
        threshold: minimum confidence of a prediction.
    """
    answered = confidence >= threshold
    accuracy = float(is_correct[answered].mean()) if answered.any() else None
    return SelectiveScores(threshold, float(answered.mean()), accuracy)


def majority_class(train_labels: Sequence[str | None]) -> str | None:
    """The most frequent known class, the first by name among equals; None where no label is known."""
    known = sorted(label for label in train_labels if label is not None)
    return max(dict.fromkeys(known), key=known.count, default=None)


def macro_f1(confusion: "NDArray[np.integer]") -> float:
    """Mean F1 over the classes that have true rows.

    Args:
        confusion: (C, C) counts, true class by row, predicted class by column; at least one row.
    """
    hits = np.diag(confusion)
    f1 = 2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    return float(f1[confusion.sum(axis=1) > 0].mean())


@dataclass(frozen=True)
class ClassScores:
    """One class of one task on one split.

    Attributes:
        n: rows of this class.
        answered: rows predicted as this class.
        precision: share of those that are of it; None where it was never predicted.
        recall: share of its rows that are predicted as it; None where it has none.
        f1: harmonic mean of precision and recall, 0 without a correct prediction.
        mistaken_for: the class that its rows are most often predicted as by mistake; None where none is.
    """

    name: str
    n: int
    answered: int
    precision: float | None
    recall: float | None
    f1: float
    mistaken_for: str | None


def class_scores(scores: TaskScores) -> tuple[ClassScores, ...]:
    """Every class that the split holds or the model predicted, in the order of `scores.classes`."""
    confusion = np.array(scores.confusion, dtype=np.int64)
    found: list[ClassScores] = []
    for i, row in enumerate(confusion):
        n, predicted, hits = int(row.sum()), int(confusion[:, i].sum()), int(row[i])
        if not n and not predicted:
            continue
        wrong = np.where(np.arange(len(row)) == i, 0, row)
        found.append(
            ClassScores(
                name=scores.classes[i],
                n=n,
                answered=predicted,
                precision=hits / predicted if predicted else None,
                recall=hits / n if n else None,
                f1=2 * hits / (n + predicted),
                mistaken_for=scores.classes[int(wrong.argmax())] if wrong.any() else None,
            )
        )
    return tuple(found)
