"""Two models on the same works, none of which either of them learned from: is the new one no worse?

A class, or a whole task, that a model was never taught counts as wrong, so that models with other classes can be
compared too. What is compared is the mean over the tasks of @1.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.evaluation.bootstrap import RESAMPLES
from artpipe.schema import TASKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.images.pixels import JpegSource
    from artpipe.lake.paths import DataLake
    from artpipe.models.card import ModelCard
    from artpipe.progress import Progress

TEST_SPLITS = ("test", "unseen_artists")

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Answers:
    """What a model says of N pictures."""

    model_id: str
    classes: Mapping[str, Sequence[str]]
    """Of each task that the model was taught."""
    probabilities: "Mapping[str, NDArray[np.floating]]"
    """(N, classes) by task."""


@dataclass(frozen=True)
class TaskComparison:
    """@1 of both models on the `n` pictures whose label is known."""

    task: str
    n: int
    candidate: float
    served: float


@dataclass(frozen=True)
class Comparison:
    """How a candidate does beside the served model.

    Attributes:
        candidate: the model that might be served.
        served: the model that is.
        works: works that both were measured on.
        learned: test works left out because one of the models learned from them.
        tasks: the tasks that could be measured; empty where none could.
        interval: 95 % bootstrap interval of `difference`, resampling works.
        notes: what a reader should know, such as classes that only one of the models was taught.
        images_embedded: pictures that ran through a network for this.
    """

    candidate: str
    served: str
    works: int
    learned: int
    tasks: tuple[TaskComparison, ...]
    interval: tuple[float, float] | None
    notes: tuple[str, ...] = ()
    images_embedded: int = 0

    @property
    def candidate_at_1(self) -> float | None:
        """Mean over the tasks of the candidate's @1."""
        return float(np.mean([task.candidate for task in self.tasks])) if self.tasks else None

    @property
    def served_at_1(self) -> float | None:
        """Mean over the tasks of the served model's @1."""
        return float(np.mean([task.served for task in self.tasks])) if self.tasks else None

    @property
    def difference(self) -> float | None:
        """How much higher the candidate's mean @1 is."""
        candidate, served = self.candidate_at_1, self.served_at_1
        return None if candidate is None or served is None else candidate - served

    def is_no_worse(self, tolerance: float) -> bool:
        """Whether the candidate's mean @1 is at least the served model's less `tolerance`."""
        return self.difference is not None and self.difference >= -tolerance - _ROUNDING

    def verdict(self, tolerance: float) -> str:
        """The outcome in words."""
        if self.difference is None or self.interval is None:
            left_out = f"; {self.learned:,} were left out" if self.learned else ""
            return (
                f"it cannot be compared with {self.served}: there is no labelled test work that neither of them "
                f"learned from{left_out}"
            )
        low, high = self.interval
        kind = "better than" if self.difference > 0 else "worse than" if self.difference < 0 else "as good as"
        within = " within the tolerance" if self.difference < 0 and self.is_no_worse(tolerance) else ""
        chance = ", which may be chance" if self.difference and low <= 0 <= high else ""
        told = f"{kind} {self.served}{within}{chance}"
        each = ", ".join(f"{task.task} {task.candidate:.1%} against {task.served:.1%}" for task in self.tasks)
        sentence = (
            f"{told}: mean @1 {self.candidate_at_1:.1%} against {self.served_at_1:.1%} on {self.works:,} test works "
            f"that neither learned from ({100 * self.difference:+.1f} points, 95 % interval {100 * low:+.1f} to "
            f"{100 * high:+.1f}, tolerance {100 * tolerance:g}); {each}"
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
    rows: pl.DataFrame,
    candidate: Answers,
    served: Answers,
    *,
    learned: int = 0,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Comparison:
    """Compare two models on the same N pictures.

    Args:
        rows: `work_id` and the labels of each task.
        candidate: what the candidate says of them.
        served: what the served model says of them.
        learned: how many test works were left out of `rows`.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    _, work_of = np.unique(rows["work_id"].to_numpy(), return_inverse=True)
    works = int(work_of.max()) + 1 if rows.height else 0
    tasks: list[TaskComparison] = []
    counts: list[NDArray[np.float64]] = []
    for task in TASKS:
        labels: list[str | None] = rows[task].to_list()
        known = np.array([label is not None for label in labels], dtype=bool)
        if not known.any():
            continue
        new, old = (is_right(answers, task, labels) & known for answers in (candidate, served))
        n = int(known.sum())
        tasks.append(TaskComparison(task, n, float(new.sum() / n), float(old.sum() / n)))
        per_row = np.stack([new.astype(np.float64) - old, known.astype(np.float64)])
        counts.append(np.stack([np.bincount(work_of, each, works) for each in per_row]).astype(np.float64))
    interval = _interval(np.stack(counts), seed, resamples) if counts else None
    return Comparison(
        candidate.model_id, served.model_id, works, learned, tuple(tasks), interval, _class_notes(candidate, served)
    )


def is_right(answers: Answers, task: str, labels: Sequence[str | None]) -> "NDArray[np.bool_]":
    """Whether each picture's likeliest class is its label."""
    if task not in answers.classes:
        return np.zeros(len(labels), bool)
    names = np.array(answers.classes[task], dtype=object)
    return names[answers.probabilities[task].argmax(axis=1)] == np.array(labels, dtype=object)


def _interval(counts: "NDArray[np.float64]", seed: int, resamples: int) -> tuple[float, float]:
    """95 % interval of the mean over tasks of the gain, whole works drawn again with replacement.

    Args:
        counts: (tasks, 2, works): pictures gained, and pictures with a known label.
        seed: of the draws.
        resamples: how many draws.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), percentile interval of paired differences.
    """
    works = counts.shape[2]
    rng = np.random.default_rng(seed)
    even = np.full(works, 1 / works)
    means = np.empty(resamples)
    for i in range(resamples):
        gained, known = (counts @ rng.multinomial(works, even)).T
        means[i] = (gained[known > 0] / known[known > 0]).mean() if known.any() else 0.0
    low, high = np.quantile(means, (0.025, 0.975))
    return float(low), float(high)


def _class_notes(candidate: Answers, served: Answers) -> tuple[str, ...]:
    notes: list[str] = []
    for one, other in ((candidate, served), (served, candidate)):
        for task in TASKS:
            only = sorted(set(one.classes.get(task, ())) - set(other.classes.get(task, ())))
            if only:
                notes.append(f"of {task}, only {one.model_id} was taught {', '.join(only)}")
    return tuple(notes)


def learned_by_neither(rows: pl.DataFrame, *learned: pl.DataFrame) -> pl.DataFrame:
    """The rows whose work no model learned from, whatever the work was called or split at that time.

    Args:
        rows: rows of the training set.
        learned: `artwork_id`, `work_id` and `jpeg_sha256` of each model's training and validation rows.
    """
    for known in learned:
        # Works are regrouped as the catalogue grows: a picture once learned taints the work that it shows today.
        is_known = (
            pl.col("artwork_id").is_in(known["artwork_id"].to_list())
            | pl.col("jpeg_sha256").is_in(known["jpeg_sha256"].to_list())
            | pl.col("work_id").is_in(known["work_id"].to_list())
        )
        rows = rows.filter(~is_known.any().over("work_id"))
    return rows


def compare_on_test_works(
    lake: "DataLake",
    candidate: "ModelCard",
    served: "ModelCard",
    training_set: pl.DataFrame,
    images: "JpegSource",
    device: str = "auto",
    seed: int = 0,
    progress: "Progress | None" = None,
) -> Comparison:
    """Run the test works that neither model learned from through both, and compare.

    Args:
        lake: where the models are.
        candidate: the model that might be served.
        served: the model that is.
        training_set: rows whose images are stored, columns as in `splits`.
        images: the stored JPEGs.
        device: `auto`, `cpu`, `cuda` or `mps`.
        seed: of the bootstrap.
        progress: told of each picture.

    Raises:
        CorruptModelError: one of the models is damaged.
    """
    from artpipe.embedding.inference import InferenceCache
    from artpipe.models.checkpoint import load_learned

    records = {card.model_id: load_learned(lake.model(card.model_id)) for card in (candidate, served)}
    is_test = pl.col("split").is_in(TEST_SPLITS)
    known = [record for record in records.values() if record is not None]
    untouched = learned_by_neither(training_set, *known).filter(is_test)
    left_out = training_set.filter(is_test)["work_id"].n_unique() - untouched["work_id"].n_unique()
    answers: list[Answers] = []
    embedded = 0
    for card in (candidate, served):
        found = InferenceCache(lake, card, device).infer(untouched, images, progress)
        embedded += found.computed
        answers.append(Answers(card.model_id, card.classes, found.probabilities))
    comparison = compare(untouched, *answers, learned=left_out, seed=seed)
    silent = tuple(
        f"what {model_id} learned from is not recorded, so it may know some of these works"
        for model_id, record in records.items()
        if record is None
    )
    return replace(comparison, notes=comparison.notes + silent, images_embedded=embedded)
