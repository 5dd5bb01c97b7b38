"""Mean absolute error in years of a predicted period, so that a near miss in time counts for less than a far one.

A period is a class of a task whose labels are made from years. It stands for its middle year (`Task.middle_years`), an
open-ended one as if it were as long as its neighbour. A work from beyond the bounds of that, such as one of 500 BC, is
measured from them: no period of the model is nearer to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from artpipe.evaluation.bootstrap import Interval, intervals_of_means
from artpipe.tasks import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class YearScores:
    """The mean absolute error in years on one split; None where no work has a year of its own.

    Attributes:
        task: what was predicted.
        split: where the rows are from.
        n: rows whose year is the work's own, not its artist's.
        by_mean: error of the mean of the periods' middles, weighted by their probabilities.
        by_mean_interval: its 95 % bootstrap interval, resampling works.
        by_best: error of the middle of the most probable period.
        by_best_interval: its interval.
        by_majority: error of the baseline that always predicts the most frequent period of the training rows.
    """

    task: str
    split: str
    n: int
    by_mean: float | None = None
    by_mean_interval: Interval | None = None
    by_best: float | None = None
    by_best_interval: Interval | None = None
    by_majority: float | None = None


def score_years(
    probabilities: "NDArray[np.floating]",
    years: "NDArray[np.floating]",
    work_ids: Sequence[str],
    classes: Sequence[str],
    *,
    task: Task,
    split: str,
    majority_class: str | None,
    seed: int = 0,
) -> YearScores:
    """Measure the error in years of one split.

    Args:
        probabilities: (N, C) float of the task.
        years: (N,) float, the middle year of each work; NaN where it has none of its own.
        work_ids: N works.
        classes: the C periods the model was trained on, in column order.
        task: with `year_bounds`.
        split: name of the split.
        majority_class: the most frequent period of the training rows.
        seed: of the bootstrap.
    """
    known = ~np.isnan(years)
    n = int(known.sum())
    middle_years = task.middle_years(classes)
    if not n or not middle_years:
        return YearScores(task.name, split, n)
    middles = np.array(middle_years)
    spans = [span for name in task.classes if (span := task.years_of(name)) is not None]
    earliest, latest = spans[0][0], spans[-1][1]
    chances, true = probabilities[known].astype(np.float64), np.clip(years[known], earliest, latest)
    by_mean = np.abs(chances @ middles - true)
    by_best = np.abs(middles[chances.argmax(axis=1)] - true)
    intervals = intervals_of_means(np.stack([by_mean, by_best], axis=1), np.array(work_ids)[known], seed)
    majority = None if majority_class is None else task.middle_years([majority_class])
    baseline = None if majority is None else float(np.abs(majority[0] - true).mean())
    best = float(by_best.mean())
    return YearScores(task.name, split, n, float(by_mean.mean()), intervals[0], best, intervals[1], baseline)
