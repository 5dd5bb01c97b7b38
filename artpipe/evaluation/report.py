"""The evaluation report: every figure beside the name of the split it was measured on.

Made by `evaluate` from probabilities and vectors; written as JSON (`to_dict`) and as a table (`to_markdown`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.catalog.schema import TASKS
from artpipe.evaluation.classification import TaskScores, majority_class, score_split
from artpipe.evaluation.confidence import ConfidenceScores, measure_confidence
from artpipe.evaluation.retrieval import NEIGHBOURS, RetrievalScores, score_retrieval

if TYPE_CHECKING:
    from numpy.typing import NDArray

EVALUATED_SPLITS = ("validation", "test", "unseen_artists")
SEEN = "train (seen)"
"""What training rows are called in a report."""

RETRIEVED_BY = {"style": "style", "artist": "artist_id"}
_SPLIT_TITLES = {"validation": "validation", "test": "test", "unseen_artists": "unseen artists", SEEN: SEEN}


@dataclass(frozen=True)
class EvaluationReport:
    """All scores of one model; `rows` counts the pictures of each split."""

    model_id: str
    rows: Mapping[str, int]
    classification: tuple[TaskScores, ...]
    retrieval: tuple[RetrievalScores, ...]
    confidence: tuple[ConfidenceScores, ...] = ()

    def scores(self, task: str, split: str) -> TaskScores:
        """The scores of one task on one split."""
        return next(scores for scores in self.classification if (scores.task, scores.split) == (task, split))

    def to_dict(self) -> dict[str, Any]:
        """For JSON: no NaN, None where a figure cannot be measured."""
        return {
            "model_id": self.model_id,
            "rows": dict(self.rows),
            "splits": {
                split: {
                    "rows": self.rows[split],
                    "classification": {s.task: _without(s, "task") for s in self.classification if s.split == split},
                    "retrieval": {s.by: _without(s, "by") for s in self.retrieval if s.split == split},
                    "confidence": {s.task: _without(s, "task") for s in self.confidence if s.split == split},
                }
                for split in self.rows
            },
        }

    def to_markdown(self) -> str:
        """Three tables for people."""
        before = {(scores.task, scores.split): scores.error_before for scores in self.confidence}
        lines = [
            "| split | task | n | works | @1 (95 %) | @3 | macro-F1 | majority floor | ECE before | ECE |",
            "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
            *(_classification_line(scores, before.get((scores.task, scores.split))) for scores in self.classification),
            "",
            "| split | neighbours by | n | precision@10 | chance | ceiling |".replace("@10", f"@{self._neighbours}"),
            "|---|---|--:|--:|--:|--:|",
            *(_retrieval_line(scores) for scores in self.retrieval),
            "",
            "| split | task | answered from | coverage | right of those |",
            "|---|---|--:|--:|--:|",
            *(line for scores in self.confidence for line in _selective_lines(scores)),
        ]
        return "\n".join(lines) + "\n"

    @property
    def _neighbours(self) -> int:
        return self.retrieval[0].k if self.retrieval else NEIGHBOURS


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
        for scores in score_retrieval(vectors, work_ids, retrieved, indices, split=split, k=neighbours)
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
    return EvaluationReport(model_id, {s: len(i) for s, i in members.items()}, classification, retrieval, confidence)


def _without(scores: TaskScores | RetrievalScores | ConfidenceScores, key: str) -> dict[str, Any]:
    return {name: value for name, value in asdict(scores).items() if name != key}


def _classification_line(scores: TaskScores, error_before: float | None) -> str:
    at_1 = _percent(scores.at_1)
    if scores.at_1_interval is not None:
        low, high = scores.at_1_interval
        at_1 += f" ({100 * low:.1f} to {100 * high:.1f})"
    floor = _percent(scores.majority_floor)
    if scores.majority_floor is not None and scores.majority_class is not None:
        floor += f" ({scores.majority_class})"
    f1 = "-" if scores.macro_f1 is None else f"{scores.macro_f1:.3f}"
    ece = "-" if scores.calibration is None else f"{scores.calibration.expected_error:.3f}"
    cells = (
        _SPLIT_TITLES[scores.split], scores.task, f"{scores.n:,}", f"{scores.works:,}", at_1, _percent(scores.at_3),
        f1, floor, "-" if error_before is None else f"{error_before:.3f}", ece,
    )  # fmt: skip
    return f"| {' | '.join(cells)} |"


def _retrieval_line(scores: RetrievalScores) -> str:
    figures = (scores.precision, scores.chance, scores.ceiling)
    cells = (_SPLIT_TITLES[scores.split], scores.by, f"{scores.n:,}", *map(_percent, figures))
    return f"| {' | '.join(cells)} |"


def _selective_lines(scores: ConfidenceScores) -> list[str]:
    place = f"| {_SPLIT_TITLES[scores.split]} | {scores.task}"
    return [
        f"{place} | {one.threshold:g} | {_percent(one.coverage)} | {_percent(one.accuracy)} |"
        for one in scores.selective
    ]


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.1f} %"
