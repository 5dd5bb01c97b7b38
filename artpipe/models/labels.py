"""Class names to class numbers; the vocabulary is saved with the model in its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.tasks import Tasks

UNKNOWN = -1
"""The number of a missing label, or of a class that is not in the vocabulary."""


@dataclass(frozen=True)
class Labels:
    """The classes of each task, in the order of the head's outputs. A task without classes has no head.

    Attributes:
        classes: by task.
        middle_years: the year in the middle of each class, of the tasks whose labels are made from years.
    """

    classes: Mapping[str, tuple[str, ...]]
    middle_years: Mapping[str, tuple[float, ...]] = field(default_factory=dict[str, tuple[float, ...]])

    @classmethod
    def of(cls, training_set: pl.DataFrame, tasks: Tasks) -> "Labels":
        """The classes that occur in the `train` rows: those of the task in its order, then others by name."""
        train = training_set.filter(pl.col("split") == "train")
        classes: dict[str, tuple[str, ...]] = {}
        for name, task in tasks.among(train.columns).items():
            present = set(train[name].drop_nulls().to_list())
            declared = [label for label in task.classes if label in present]
            if present:
                classes[name] = (*declared, *sorted(present - set(declared)))
        years = {name: found for name, labels in classes.items() if (found := tasks[name].middle_years(labels))}
        return cls(classes, years)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that have a head, in the order of the collection's."""
        return tuple(self.classes)

    def encode(self, frame: pl.DataFrame) -> NDArray[np.int64]:
        """Class numbers, int64 (rows, tasks); `UNKNOWN` where the label is missing or not in the vocabulary."""
        columns = [self.encode_task(task, frame[task].to_list()) for task in self.tasks]
        return np.stack(columns, axis=1) if columns else np.empty((frame.height, 0), np.int64)

    def encode_task(self, task: str, names: Sequence[str | None]) -> NDArray[np.int64]:
        """Class numbers of one task, int64 (rows,)."""
        number_of = {name: number for number, name in enumerate(self.classes[task])}
        return np.array([UNKNOWN if name is None else number_of.get(name, UNKNOWN) for name in names], np.int64)

    def counts(self, encoded: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
        """Rows of each class, by task."""
        return {
            task: np.bincount(encoded[encoded[:, column] != UNKNOWN, column], minlength=len(names))
            for column, (task, names) in enumerate(self.classes.items())
        }
