"""The evaluation report: every figure beside the name of the split it was measured on.

Made by `evaluate` from probabilities and vectors; what needs more than those (photographs, leaks, the model before) is
put in by the asset. Written as JSON (`to_dict`) and as tables (`markdown.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.evaluation.changes import Changes
from artpipe.evaluation.classes import class_scores
from artpipe.evaluation.classification import TaskScores, majority_class, score_split
from artpipe.evaluation.confidence import ConfidenceScores, measure_confidence
from artpipe.evaluation.leaks import Leaks
from artpipe.evaluation.rephotographs import RephotographScores
from artpipe.evaluation.retrieval import NEIGHBOURS, RetrievalScores, score_retrieval
from artpipe.evaluation.years import YearScores, score_years
from artpipe.schema import TASKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVALUATED_SPLITS = ("validation", "test", "unseen_artists")
SEEN = "train (seen)"
"""What training rows are called in a report."""

RETRIEVED_BY = {"style": "style", "type": "type", "artist": "artist_id"}


@dataclass(frozen=True)
class EvaluationReport:
    """All scores of one model.

    Attributes:
        model_id: of the model measured.
        rows: the pictures of each split.
        classification: each task on each split.
        retrieval: each kind of label on each split.
        years: the period's error in years on each split.
        rephotographs: each kind of photograph.
        leaks: held-out works that were taught under another name, if they were looked for.
        without_leaks: the classification again, measured without those; empty where none is confirmed.
        changes: the model served before beside this one, if there was one.
    """

    model_id: str
    rows: Mapping[str, int]
    classification: tuple[TaskScores, ...]
    retrieval: tuple[RetrievalScores, ...]
    years: tuple[YearScores, ...] = ()
    rephotographs: tuple[RephotographScores, ...] = ()
    leaks: Leaks | None = None
    without_leaks: tuple[TaskScores, ...] = ()
    changes: Changes | None = None
    confidence: tuple[ConfidenceScores, ...] = ()

    def scores(self, task: str, split: str) -> TaskScores:
        """The scores of one task on one split."""
        return next(scores for scores in self.classification if (scores.task, scores.split) == (task, split))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: no NaN, None where a figure cannot be measured."""
        found: dict[str, Any] = {
            "model_id": self.model_id,
            "rows": dict(self.rows),
            "splits": {
                split: {
                    "rows": self.rows[split],
                    "classification": {
                        s.task: _without(s, "task") | {"per_class": [asdict(each) for each in class_scores(s)]}
                        for s in self.classification
                        if s.split == split
                    },
                    "retrieval": {s.by: _without(s, "by") for s in self.retrieval if s.split == split},
                    "years": next((asdict(s) for s in self.years if s.split == split), None),
                    "confidence": {s.task: _without(s, "task") for s in self.confidence if s.split == split},
                }
                for split in self.rows
            },
            "rephotographs": {s.kind: _without(s, "kind") for s in self.rephotographs},
        }
        if self.leaks is not None:
            without = [{"task": s.task, "split": s.split, "n": s.n, "at_1": s.at_1} for s in self.without_leaks]
            found["leaks"] = self.leaks.to_dict() | {"without": without}
        if self.changes is not None:
            found["changes"] = self.changes.to_dict()
        return found

    def to_markdown(self) -> str:
        """Tables for people."""
        from artpipe.evaluation.markdown import report_markdown

        return report_markdown(self)


def rows_to_measure(splits: pl.DataFrame, training_set: pl.DataFrame) -> pl.DataFrame:
    """The rows an evaluation looks at, with the labels that they have now.

    Held-out rows are those of the splits as they are today, so that a corrected label counts at once; none whose work
    stands among the rows the model was fitted on. Training rows are those it was fitted on and that are still held.

    Args:
        splits: table `splits`.
        training_set: table `training_set`, what the model learned from.

    Returns:
        Rows of `splits`.
    """
    learned = training_set.filter(pl.col("split") == "train")
    is_held_out = pl.col("split").is_in(EVALUATED_SPLITS)
    held_out = splits.filter(is_held_out & ~pl.col("work_id").is_in(learned["work_id"].implode()))
    held_out = held_out.join(learned, on="artwork_id", how="anti")
    taught = splits.filter(pl.col("split") == "train").join(learned, on=["artwork_id", "jpeg_sha256"], how="semi")
    return pl.concat([taught, held_out]).sort("artwork_id")


def evaluate(
    rows: pl.DataFrame,
    probabilities: Mapping[str, "NDArray[np.floating]"],
    classes: Mapping[str, Sequence[str]],
    vectors: "NDArray[np.float32]",
    *,
    model_id: str,
    years: "NDArray[np.floating] | None" = None,
    include_train: bool = False,
    seed: int = 0,
    neighbours: int = NEIGHBOURS,
    temperatures: Mapping[str, float] | None = None,
    abstain_below: float = 0.0,
) -> EvaluationReport:
    """Measure a model on each held-out split apart.

    Args:
        rows: rows that were run through the model, as chosen by `rows_to_measure`. Training rows supply
            the majority classes and neighbours; they are scored only if `include_train`.
        probabilities: for each task float (N, C), in the order of `rows`; where `include_train` is off the values of
            training rows are not looked at.
        classes: for each task the C classes the model knows, in column order.
        vectors: float32 (N, D), rows of length 1.
        model_id: of the model measured.
        years: (N,) the middle year of each work, NaN where it has none of its own; no error in years without it.
        include_train: also score the training rows, under the name `train (seen)`.
        seed: of the bootstrap.
        neighbours: k of the retrieval precision.
        temperatures: that the probabilities were made with, by task; 1 by default.
        abstain_below: the probability below which a label is told as unsure.
    """
    split_of = rows["split"].to_numpy()
    members = {split: np.flatnonzero(split_of == split) for split in EVALUATED_SPLITS}
    train = np.flatnonzero(split_of == "train")
    if include_train:
        members[SEEN] = train
    work_ids = rows["work_id"].to_list()
    labels = {task: rows[task].to_list() for task in TASKS}
    common = {task: majority_class([labels[task][i] for i in train]) for task in TASKS}
    classification = tuple(
        score_split(
            probabilities[task][indices],
            [labels[task][i] for i in indices],
            [work_ids[i] for i in indices],
            classes[task],
            task=task,
            split=split,
            majority_class=common[task],
            seed=seed,
        )
        for split, indices in members.items()
        for task in TASKS
    )
    retrieved = {by: rows[column].to_list() for by, column in RETRIEVED_BY.items()}
    retrieval = tuple(
        scores
        for split, indices in members.items()
        for scores in score_retrieval(vectors, work_ids, retrieved, indices, split=split, k=neighbours, seed=seed)
    )
    errors = tuple(
        score_years(
            probabilities["period"][indices],
            years[indices],
            [work_ids[i] for i in indices],
            classes["period"],
            split=split,
            majority_class=common["period"],
            seed=seed,
        )
        for split, indices in members.items()
        if years is not None
    )
    confidence = tuple(
        measure_confidence(
            probabilities[task][indices],
            [labels[task][i] for i in indices],
            classes[task],
            task=task,
            split=split,
            temperature=(temperatures or {}).get(task, 1.0),
            abstain_below=abstain_below,
        )
        for split, indices in members.items()
        for task in TASKS
    )
    counted = {split: len(indices) for split, indices in members.items()}
    return EvaluationReport(model_id, counted, classification, retrieval, errors, confidence=confidence)


def _without(scores: TaskScores | RetrievalScores | RephotographScores | ConfidenceScores, key: str) -> dict[str, Any]:
    return {name: value for name, value in asdict(scores).items() if name != key}
