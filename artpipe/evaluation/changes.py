"""What the served model does better or worse than its predecessor, for each split and task.

Measured on test works that neither was trained on. `comparison.py` decides who is served; this only reports.
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import polars as pl

from artpipe.evaluation.bootstrap import Interval, interval_of_mean
from artpipe.evaluation.comparison import TEST_SPLITS, ModelPredictions
from artpipe.schema import label_columns


@dataclass(frozen=True)
class Change:
    """Accuracy (@1) of both models on one task of one split, and the difference with its paired 95 % interval."""

    split: str
    task: str
    n: int
    previous: float
    current: float
    interval: Interval

    @property
    def difference(self) -> float:
        """How much higher the accuracy is now."""
        return self.current - self.previous


@dataclass(frozen=True)
class Changes:
    """The served model compared with the one served before it; both by id."""

    previous: str
    current: str
    works: int
    table: tuple[Change, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self) | {"table": [asdict(each) | {"difference": each.difference} for each in self.table]}


def measure_changes(
    rows: pl.DataFrame, current: ModelPredictions, previous: ModelPredictions, *, seed: int = 0
) -> Changes:
    """Compare two models on the same N images.

    Args:
        rows: `work_id`, `split` and the labels; none that either model was trained on.
        current: predictions of the served model.
        previous: predictions of its predecessor.
        seed: of the bootstrap.
    """
    table: list[Change] = []
    for split in TEST_SPLITS:
        in_split = (rows["split"] == split).to_numpy()
        part = rows.filter(in_split)
        for task in label_columns(rows):
            new, old = (each.correct(task, rows[task].to_list())[in_split] for each in (current, previous))
            known = ~np.isnan(new)
            if known.any():
                interval = interval_of_mean((new - old)[known], part["work_id"].to_numpy()[known], seed)
                means = (float(old[known].mean()), float(new[known].mean()))
                table.append(Change(split, task, int(known.sum()), *means, interval))
    return Changes(previous.model_id, current.model_id, rows["work_id"].n_unique(), tuple(table))
