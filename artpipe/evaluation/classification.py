"""How often the classifier is right, on one split at a time: @1, @3, macro-F1, the floor to beat, the confusions."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from artpipe.evaluation.bootstrap import RESAMPLES, interval_of_mean
from artpipe.training.calibration import Calibration, measure_calibration

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TaskScores:
    """One task on one split. A figure is None where it cannot be measured; `reason` then says why.

    Attributes:
        split: where the rows are from; training rows are named `train (seen)`.
        n: rows with a known label; all figures are about them.
        works: works these rows show.
        unlabelled: rows left out because their label is unknown.
        untaught: rows among `n` whose class the model was never taught; they count as wrong.
        at_1: share of rows whose most probable class is right.
        at_1_interval: 95 % bootstrap interval of `at_1`, resampling works.
        at_3: share of rows whose class is among the three most probable.
        macro_f1: mean F1 over the classes present in the split.
        majority_class: the most frequent class of the training rows.
        majority_floor: `at_1` of always answering `majority_class`.
        calibration: reliability of the highest probability.
        classes: names of the rows and columns of `confusion`: the model's, then the untaught ones.
        confusion: counts, true class by row, answered class by column.
    """

    task: str
    split: str
    n: int
    works: int
    unlabelled: int
    untaught: int
    at_1: float | None
    at_1_interval: tuple[float, float] | None
    at_3: float | None
    macro_f1: float | None
    majority_class: str | None
    majority_floor: float | None
    calibration: Calibration | None
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
    resamples: int = RESAMPLES,
) -> TaskScores:
    """Score one task on one split.

    Args:
        probabilities: (N, C) float, rows sum to 1.
        labels: N true classes, None where unknown.
        work_ids: N works.
        classes: the C classes the model knows, in column order.
        task: name of the task.
        split: name of the split.
        majority_class: see `majority_class`.
        seed: of the bootstrap.
        resamples: of the bootstrap.

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
        reason = "no rows" if not labels else "no row has a known label" if not truth else "the model knows no class"
        return TaskScores(
            task, split, len(truth), 0, len(labels) - len(truth), 0, None, None, None, None, majority_class, None, None,
            tuple(classes), (), reason,
        )  # fmt: skip
    kept = probabilities[known].astype(np.float64)
    if not np.isfinite(kept).all():
        raise ValueError(f"{task} on {split}: some probabilities are not finite")
    names = (*classes, *sorted(set(truth) - set(classes)))
    index = {name: i for i, name in enumerate(names)}
    true = np.array([index[label] for label in truth])
    answered = kept.argmax(axis=1)
    right = answered == true
    best_three = np.argsort(-kept, axis=1, kind="stable")[:, :3]
    confusion = np.bincount(true * len(names) + answered, minlength=len(names) ** 2).reshape(len(names), len(names))
    _, work_of = np.unique(np.array(work_ids)[known], return_inverse=True)
    return TaskScores(
        task=task,
        split=split,
        n=len(truth),
        works=int(work_of.max()) + 1,
        unlabelled=len(labels) - len(truth),
        untaught=int((true >= len(classes)).sum()),
        at_1=float(right.mean()),
        at_1_interval=interval_of_mean(right, work_of, seed, resamples),
        at_3=float((best_three == true[:, None]).any(axis=1).mean()),
        macro_f1=macro_f1(confusion),
        majority_class=majority_class,
        majority_floor=None if majority_class is None else float(np.mean([label == majority_class for label in truth])),
        calibration=measure_calibration(kept.max(axis=1), right),
        classes=names,
        confusion=tuple(tuple(int(count) for count in row) for row in confusion),
        reason=None,
    )


def majority_class(train_labels: Sequence[str | None]) -> str | None:
    """The most frequent known class, the first by name among equals; None where no label is known."""
    known = sorted(label for label in train_labels if label is not None)
    return max(dict.fromkeys(known), key=known.count, default=None)


def macro_f1(confusion: "NDArray[np.integer]") -> float:
    """Mean F1 over the classes that have true rows.

    Args:
        confusion: (C, C) counts, true class by row, answered class by column; at least one row.
    """
    hits = np.diag(confusion)
    f1 = 2 * hits / np.maximum(confusion.sum(axis=0) + confusion.sum(axis=1), 1)
    return float(f1[confusion.sum(axis=1) > 0].mean())
