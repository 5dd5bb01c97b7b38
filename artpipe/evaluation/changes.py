"""What a new model does better or worse than the one served before it, split by split and task by task.

Measured on held-out works that neither learned from. Unlike `comparison.py`, which decides, this only tells.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from artpipe.evaluation.bootstrap import RESAMPLES, Interval, interval_of_mean
from artpipe.evaluation.comparison import TEST_SPLITS, Answers, is_right
from artpipe.schema import TASKS


@dataclass(frozen=True)
class Change:
    """@1 of both models on one task of one split, and the difference with its paired 95 % interval."""

    split: str
    task: str
    n: int
    before: float
    now: float
    interval: Interval

    @property
    def difference(self) -> float:
        """How much higher @1 is now."""
        return self.now - self.before


@dataclass(frozen=True)
class Changes:
    """The present model beside the one served before it."""

    before: str
    now: str
    works: int
    table: tuple[Change, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        table = [asdict(change) | {"difference": change.difference} for change in self.table]
        return {"before": self.before, "now": self.now, "works": self.works, "table": table}


def measure_changes(
    rows: pl.DataFrame,
    now: Answers,
    before: Answers,
    *,
    splits: Sequence[str] = TEST_SPLITS,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Changes:
    """Compare two models on the same N pictures.

    Args:
        rows: `work_id`, `split` and the labels; none that either model learned from.
        now: what the present model says of them.
        before: what the model before it says.
        splits: the splits to tell apart.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    table: list[Change] = []
    for split in splits:
        for task in TASKS:
            labels: list[str | None] = rows[task].to_list()
            counts = np.array([label is not None for label in labels], bool) & (rows["split"] == split).to_numpy()
            if not counts.any():
                continue
            new, old = (is_right(answers, task, labels)[counts].astype(np.float64) for answers in (now, before))
            _, work_of = np.unique(rows["work_id"].to_numpy()[counts], return_inverse=True)
            interval = interval_of_mean(new - old, work_of, seed, resamples)
            table.append(Change(split, task, int(counts.sum()), float(old.mean()), float(new.mean()), interval))
    return Changes(before.model_id, now.model_id, rows["work_id"].n_unique(), tuple(table))
