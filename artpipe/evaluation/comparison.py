"""Compares two models on the same test works, none of which either of them was trained on.

A class, or a whole task, that a model was not trained on counts as wrong, so that models with different classes can be
compared. `compare` decides by the mean over the tasks of accuracy (@1) whether a candidate may be served;
`changes.py` reports each split and task.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.evaluation.bootstrap import Interval, percentile_interval, resampled_means
from artpipe.schema import label_columns

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.engine.shards import Engine
    from artpipe.images.pixels import JpegSource
    from artpipe.lake.paths import DataLake
    from artpipe.models.card import ModelCard
    from artpipe.progress import Progress

TEST_SPLITS = ("test", "unseen_artists")

_ROUNDING = 1e-9


@dataclass(frozen=True)
class ModelPredictions:
    """Probabilities that one model predicts for N images."""

    model_id: str
    classes: Mapping[str, Sequence[str]]
    """Of each task that the model was trained on."""
    probabilities: "Mapping[str, NDArray[np.floating]]"
    """(N, classes) by task."""

    def correct(self, task: str, labels: Sequence[str | None]) -> "NDArray[np.float64]":
        """For each of N images 1.0 where the most probable class is its label, 0.0 where not, NaN without a label."""
        names = np.array([*self.classes.get(task, ()), None], dtype=object)  # None: not trained on this task
        best = self.probabilities[task].argmax(axis=1) if task in self.classes else np.full(len(labels), -1)
        is_correct = (names[best] == np.array(labels, dtype=object)).astype(np.float64)
        return np.where(np.array([label is None for label in labels], dtype=bool), np.nan, is_correct)


@dataclass(frozen=True)
class PairedPredictions:
    """Predictions of two models for the same test images.

    Attributes:
        rows: the test rows of works that neither model was trained on, columns as in `splits`.
        first: predictions of the first model, in the order of `rows`.
        second: of the second.
        excluded_works: test works left out because one of the models was trained on them.
        unrecorded: ids of models whose training rows are not recorded.
        images_embedded: images that ran through a network for this.
    """

    rows: pl.DataFrame
    first: ModelPredictions
    second: ModelPredictions
    excluded_works: int
    unrecorded: tuple[str, ...]
    images_embedded: int


def predict_with_both(
    lake: "DataLake",
    cards: "tuple[ModelCard, ModelCard]",
    rows: pl.DataFrame,
    images: "JpegSource",
    device: str = "auto",
    progress: "Progress | None" = None,
    engine: "Engine | None" = None,
) -> PairedPredictions:
    """Run the test works that neither model was trained on through both.

    Args:
        lake: where the models are.
        cards: the two models.
        rows: rows whose images are stored, columns as in `splits`; those of `TEST_SPLITS` are used.
        images: the stored JPEGs.
        device: `auto`, `cpu`, `cuda` or `mps`.
        progress: advances with each image.
        engine: what embeds; this machine by default.

    Raises:
        CorruptModelError: one of the models is missing or damaged.
    """
    from artpipe.embedding.inference import InferenceCache
    from artpipe.models.learned import load_learned, without_learned

    records = {card.model_id: load_learned(lake.model(card.model_id)) for card in cards}
    is_test = pl.col("split").is_in(TEST_SPLITS)
    unseen = rows
    for record in records.values():
        if record is not None:
            unseen = without_learned(unseen, record)
    unseen = unseen.filter(is_test)
    inferred = [InferenceCache(lake, card, device, engine).infer(unseen, images, progress) for card in cards]
    first, second = (
        ModelPredictions(card.model_id, card.classes, found.probabilities)
        for card, found in zip(cards, inferred, strict=True)
    )
    return PairedPredictions(
        unseen,
        first,
        second,
        rows.filter(is_test)["work_id"].n_unique() - unseen["work_id"].n_unique(),
        tuple(model_id for model_id, record in records.items() if record is None),
        sum(found.computed for found in inferred),
    )


@dataclass(frozen=True)
class TaskComparison:
    """Accuracy (@1) of both models on the `n` images whose label is known."""

    task: str
    n: int
    candidate: float
    served: float


@dataclass(frozen=True)
class Comparison:
    """A candidate compared with the served model.

    Attributes:
        candidate: id of the model that might be served.
        served: id of the model that is.
        works: works that both were measured on.
        learned: test works left out because one of the models was trained on them.
        tasks: the tasks that could be measured; empty where none could.
        interval: 95 % bootstrap interval of `difference`, resampling works.
        notes: caveats, such as classes that only one of the models was trained on.
        images_embedded: images that ran through a network for this.
    """

    candidate: str
    served: str
    works: int
    learned: int
    tasks: tuple[TaskComparison, ...]
    interval: Interval | None
    notes: tuple[str, ...] = ()
    images_embedded: int = 0

    @property
    def candidate_at_1(self) -> float | None:
        """Mean over the tasks of the candidate's accuracy."""
        return float(np.mean([task.candidate for task in self.tasks])) if self.tasks else None

    @property
    def served_at_1(self) -> float | None:
        """Mean over the tasks of the served model's accuracy."""
        return float(np.mean([task.served for task in self.tasks])) if self.tasks else None

    @property
    def difference(self) -> float | None:
        """How much higher the candidate's mean accuracy is."""
        candidate, served = self.candidate_at_1, self.served_at_1
        return None if candidate is None or served is None else candidate - served

    def is_no_worse(self, tolerance: float) -> bool:
        """Whether the candidate's mean accuracy is at least the served model's less `tolerance`."""
        return self.difference is not None and self.difference >= -tolerance - _ROUNDING

    def verdict(self, tolerance: float) -> str:
        """The outcome in words."""
        if self.difference is None or self.interval is None:
            excluded = f"; {self.learned:,} were left out" if self.learned else ""
            return (
                f"it cannot be compared with {self.served}: there is no labelled test work that neither of them "
                f"was trained on{excluded}"
            )
        low, high = self.interval
        kind = "better than" if self.difference > 0 else "worse than" if self.difference < 0 else "as good as"
        within = " within the tolerance" if self.difference < 0 and self.is_no_worse(tolerance) else ""
        chance = ", which may be chance" if self.difference and low <= 0 <= high else ""
        each = ", ".join(f"{task.task} {task.candidate:.1%} against {task.served:.1%}" for task in self.tasks)
        sentence = (
            f"{kind} {self.served}{within}{chance}: mean @1 {self.candidate_at_1:.1%} against {self.served_at_1:.1%} "
            f"on {self.works:,} test works that neither was trained on ({100 * self.difference:+.1f} points, 95 % "
            f"interval {100 * low:+.1f} to {100 * high:+.1f}, tolerance {100 * tolerance:g}); {each}"
        )
        return "; ".join((sentence, *self.notes))

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        means = {
            "candidate_at_1": self.candidate_at_1,
            "served_at_1": self.served_at_1,
            "difference": self.difference,
        }
        return asdict(self) | means


def compare(
    rows: pl.DataFrame, candidate: ModelPredictions, served: ModelPredictions, *, learned: int = 0, seed: int = 0
) -> Comparison:
    """Compare two models on the same N images.

    Args:
        rows: columns as in `splits`.
        candidate: predictions of the candidate.
        served: predictions of the served model.
        learned: how many test works were left out of `rows`.
        seed: of the bootstrap.
    """
    tasks: list[TaskComparison] = []
    gains: list[NDArray[np.float64]] = []
    for task in label_columns(rows):
        labels: list[str | None] = rows[task].to_list()
        new, old = (predictions.correct(task, labels) for predictions in (candidate, served))
        if n := int((~np.isnan(new)).sum()):
            tasks.append(TaskComparison(task, n, float(np.nanmean(new)), float(np.nanmean(old))))
            gains.append(new - old)
    interval = None
    if gains:
        means = resampled_means(np.stack(gains, axis=1), rows["work_id"].to_numpy(), seed)
        interval = percentile_interval(np.nansum(means, axis=1) / np.maximum((~np.isnan(means)).sum(axis=1), 1))
    notes = _class_notes(candidate, served)
    works = rows["work_id"].n_unique()
    return Comparison(candidate.model_id, served.model_id, works, learned, tuple(tasks), interval, notes)


def _class_notes(candidate: ModelPredictions, served: ModelPredictions) -> tuple[str, ...]:
    notes: list[str] = []
    for one, other in ((candidate, served), (served, candidate)):
        for task in one.classes:
            only = sorted(set(one.classes.get(task, ())) - set(other.classes.get(task, ())))
            if only:
                notes.append(f"of {task}, only {one.model_id} was trained on {', '.join(only)}")
    return tuple(notes)


def compare_on_test_works(
    lake: "DataLake",
    candidate: "ModelCard",
    served: "ModelCard",
    training_set: pl.DataFrame,
    images: "JpegSource",
    device: str = "auto",
    seed: int = 0,
    progress: "Progress | None" = None,
    engine: "Engine | None" = None,
) -> Comparison:
    """Compare a candidate with the served model on the test works that neither was trained on.

    Arguments and errors as of `predict_with_both`; `seed` is of the bootstrap.
    """
    paired = predict_with_both(lake, (candidate, served), training_set, images, device, progress, engine)
    comparison = compare(paired.rows, paired.first, paired.second, learned=paired.excluded_works, seed=seed)
    notes = (
        f"what {name} was trained on is not recorded; it may know some of these works" for name in paired.unrecorded
    )
    return replace(comparison, notes=(*comparison.notes, *notes), images_embedded=paired.images_embedded)
