"""Class names to class numbers; the vocabulary is saved with the model in its card."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.schema import CLASSES, TASKS

UNKNOWN = -1
"""The number of a missing label, or of a class that is not in the vocabulary."""


@dataclass(frozen=True)
class Labels:
    """The classes of each task, in the order of the head's outputs. A task without classes has no head."""

    classes: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, training_set: pl.DataFrame) -> "Labels":
        """The classes that occur in the `train` rows: those of the schema in its order, then others by name."""
        train = training_set.filter(pl.col("split") == "train")
        classes: dict[str, tuple[str, ...]] = {}
        for task in TASKS:
            present = set(train[task].drop_nulls().to_list())
            declared = [name for name in CLASSES[task] if name in present]
            if present:
                classes[task] = (*declared, *sorted(present - set(declared)))
        return cls(classes)

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that have a head, in the order of `TASKS`."""
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
