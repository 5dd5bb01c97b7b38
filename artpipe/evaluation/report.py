"""The evaluation report: every figure with the split that it was measured on.

`evaluate` makes it from probabilities and vectors; `measure.py` adds what needs more than those (photographs, leaks,
the previous model). Written as JSON (`to_dict`) and as tables (`markdown.py`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.engine.shards import Engine
from artpipe.evaluation.changes import Changes
from artpipe.evaluation.classification import TaskScores, class_scores, majority_class, score_split
from artpipe.evaluation.leaks import Leaks
from artpipe.evaluation.rephotographs import RephotographScores
from artpipe.evaluation.retrieval import RetrievalScores, score_retrieval
from artpipe.evaluation.years import YearScores, score_years
from artpipe.models.learned import without_learned
from artpipe.models.rights import TrainingRights
from artpipe.splits.assign import HELD_OUT
from artpipe.tasks import Tasks

if TYPE_CHECKING:
    from numpy.typing import NDArray

_CONFIDENCE = ("error_before", "selective")


@dataclass(frozen=True)
class EvaluationReport:
    """All scores of one model.

    Attributes:
        model_id: of the model measured.
        rows: the number of images of each split.
        classification: each task on each split.
        retrieval: each kind of label on each split.
        years: the error in years of each task that is made from years, on each split.
        rephotographs: each distortion.
        leaks: held-out works that the model was trained on under another name, if they were searched for.
        without_leaks: the classification without those; empty where none is confirmed.
        changes: comparison with the model served before, if there was one.
        rights: of the training pictures, as their sources tell them now; empty where none does.
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
    rights: tuple[TrainingRights, ...] = ()

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
                        s.task: _without(s, "task", *_CONFIDENCE) | {"per_class": list(map(asdict, class_scores(s)))}
                        for s in self.classification
                        if s.split == split
                    },
                    "retrieval": {s.by: _without(s, "by") for s in self.retrieval if s.split == split},
                    "years": {s.task: _without(s, "task") for s in self.years if s.split == split},
                    "confidence": {
                        s.task: {key: asdict(s)[key] for key in ("split", *_CONFIDENCE)}
                        for s in self.classification
                        if s.split == split
                    },
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
        if self.rights:
            found["rights"] = [asdict(one) for one in self.rights]
        return found


def rows_to_measure(splits: pl.DataFrame, learned: pl.DataFrame) -> pl.DataFrame:
    """The rows of an evaluation, with their current labels.

    Held-out rows are those of the splits as they are today, so that a corrected label counts at once; none that the
    model has seen: of `validation` what it was trained on goes, of the other splits what it was validated on, too.
    Training rows are those it was trained on and that still exist.

    Args:
        splits: table `splits`.
        learned: what the model saw, columns of `LEARNED`.

    Returns:
        Rows of `splits`.
    """
    trained = learned.filter(pl.col("split") == "train")
    is_validation = pl.col("split") == "validation"
    train = splits.filter(pl.col("split") == "train").join(trained, on=["artwork_id", "jpeg_sha256"], how="semi")
    validation = without_learned(splits, trained).filter(is_validation)
    tested = without_learned(splits, learned).filter(pl.col("split").is_in(HELD_OUT) & ~is_validation)
    return pl.concat([train, validation, tested]).sort("artwork_id")


def evaluate(
    rows: pl.DataFrame,
    tasks: Tasks,
    probabilities: Mapping[str, "NDArray[np.floating]"],
    classes: Mapping[str, Sequence[str]],
    vectors: "NDArray[np.float32]",
    *,
    model_id: str,
    years: "NDArray[np.floating] | None" = None,
    seed: int = 0,
    temperatures: Mapping[str, float] | None = None,
    abstain_below: float = 0.0,
    engine: Engine | None = None,
) -> EvaluationReport:
    """Measure a model on each held-out split separately.

    Args:
        rows: rows that were run through the model, as chosen by `rows_to_measure`. Training rows supply the majority
            classes and neighbours.
        tasks: to measure, in this order.
        probabilities: for each task float (N, C), in the order of `rows`; those of training rows are ignored.
        classes: for each task the C classes the model was trained on, in column order.
        vectors: float32 (N, D), rows of length 1.
        model_id: of the model measured.
        years: (N,) the middle year of each work, NaN where it has none of its own; no error in years without it.
        seed: of the bootstrap.
        temperatures: that the logits were divided by, by task; 1 by default.
        abstain_below: the configured confidence below which a label is reported as unsure.
        engine: what ranks the neighbours; this machine by default.
    """
    split_of = rows["split"].to_numpy()
    members = {split: np.flatnonzero(split_of == split) for split in HELD_OUT}
    work_ids = rows["work_id"].to_list()
    train = rows.filter(pl.col("split") == "train")
    majority = {task: majority_class(train[task].to_list()) for task in tasks}
    classification: list[TaskScores] = []
    retrieval: list[RetrievalScores] = []
    errors: list[YearScores] = []
    for split, indices in members.items():
        part = rows[indices]
        works = part["work_id"].to_list()
        classification += [
            score_split(
                probabilities[task][indices],
                part[task].to_list(),
                works,
                classes[task],
                task=task,
                split=split,
                majority_class=majority[task],
                seed=seed,
                temperature=(temperatures or {}).get(task, 1.0),
                abstain_below=abstain_below,
            )
            for task in tasks
        ]
        retrieved = {by: rows[column].to_list() for by, column in retrieved_by(tasks).items()}
        retrieval += score_retrieval(vectors, work_ids, retrieved, indices, split=split, seed=seed, engine=engine)
        if years is not None:
            errors += [
                score_years(
                    probabilities[name][indices],
                    years[indices],
                    works,
                    classes[name],
                    task=task,
                    split=split,
                    majority_class=majority[name],
                    seed=seed,
                )
                for name, task in tasks.items()
                if task.year_bounds
            ]
    counts = {split: len(indices) for split, indices in members.items()}
    return EvaluationReport(model_id, counts, tuple(classification), tuple(retrieval), tuple(errors))


def retrieved_by(tasks: Tasks) -> dict[str, str]:
    """What neighbours may have in common, and the column that says so: the catalogue's labels, and the artist."""
    return {name: name for name in tasks.labelled} | {"artist": "artist_id"}


def _without(scores: TaskScores | RetrievalScores | RephotographScores | YearScores, *keys: str) -> dict[str, Any]:
    return {name: value for name, value in asdict(scores).items() if name not in keys}
