"""How well each class is told apart: precision, recall and F1, read off a confusion matrix."""

from dataclasses import dataclass

import numpy as np

from artpipe.evaluation.classification import TaskScores


@dataclass(frozen=True)
class ClassScores:
    """One class of one task on one split.

    Attributes:
        n: rows of this class.
        answered: rows taken for it.
        precision: share of the answers that are right; None where it was never answered.
        recall: share of its rows that were found; None where it has none.
        f1: their harmonic mean, 0 where nothing was found.
        mistaken_for: the class that its rows are most often taken for by mistake; None where none is.
    """

    name: str
    n: int
    answered: int
    precision: float | None
    recall: float | None
    f1: float
    mistaken_for: str | None


def class_scores(scores: TaskScores) -> tuple[ClassScores, ...]:
    """Every class that the split holds or the model answered, in the order of `scores.classes`."""
    confusion = np.array(scores.confusion, dtype=np.int64)
    found: list[ClassScores] = []
    for i, row in enumerate(confusion):
        n, answered, hits = int(row.sum()), int(confusion[:, i].sum()), int(row[i])
        if not n and not answered:
            continue
        wrong = np.where(np.arange(len(row)) == i, 0, row)
        found.append(
            ClassScores(
                name=scores.classes[i],
                n=n,
                answered=answered,
                precision=hits / answered if answered else None,
                recall=hits / n if n else None,
                f1=2 * hits / (n + answered),
                mistaken_for=scores.classes[int(wrong.argmax())] if wrong.any() else None,
            )
        )
    return tuple(found)
