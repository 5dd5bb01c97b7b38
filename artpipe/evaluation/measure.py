"""Measures a model of the lake for the evaluation report; the asset calls this and writes the results."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from artpipe.engine.shards import Engine
from artpipe.evaluation.changes import Changes, measure_changes
from artpipe.evaluation.classification import TaskScores, score_split
from artpipe.evaluation.comparison import predict_with_both
from artpipe.evaluation.leaks import Leaks, confirm, find_candidates, without_leaks
from artpipe.evaluation.rephotographs import score_rephotographs
from artpipe.evaluation.report import EvaluationReport, evaluate, rows_to_measure
from artpipe.models.learned import learned_rows, load_learned
from artpipe.models.rights import training_rights
from artpipe.splits.assign import HELD_OUT
from artpipe.tasks import Tasks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.embedding.predictions import Predictions
    from artpipe.images.store import ImageStore
    from artpipe.lake.paths import DataLake
    from artpipe.models.card import ModelCard
    from artpipe.progress import Progress


@dataclass(frozen=True)
class Measurement:
    """A report, and the data behind it.

    Attributes:
        report: all scores.
        rows: the images measured, as chosen by `rows_to_measure`.
        inferred: the model's vectors and probabilities of them, in that order.
        classes: the classes of every task; none of a task that the model was not trained on.
        images_embedded: images of the collection that ran through a network.
        photographs_embedded: simulated photographs that did.
    """

    report: EvaluationReport
    rows: pl.DataFrame
    inferred: "Predictions"
    classes: Mapping[str, Sequence[str]]
    images_embedded: int
    photographs_embedded: int


def measure_model(
    lake: "DataLake",
    card: "ModelCard",
    splits: pl.DataFrame,
    training_set: pl.DataFrame,
    artworks: pl.DataFrame,
    images: "ImageStore",
    tasks: Tasks,
    *,
    device: str = "auto",
    seed: int = 0,
    abstain_below: float = 0.0,
    progress: "Progress | None" = None,
    engine: Engine | None = None,
) -> Measurement:
    """Measure classification, calibration, retrieval, instance retrieval, leaks, and changes since the previous model.

    Args:
        lake: where the models and their inference caches are.
        card: the model.
        splits: table `splits`.
        training_set: table `training_set`, for a model without a record of what it saw.
        artworks: table `artworks`, for the years of the works.
        images: the stored images.
        tasks: to measure.
        device: `auto`, `cpu`, `cuda` or `mps`.
        seed: of everything random.
        abstain_below: the configured confidence below which a label is reported as unsure.
        progress: advances with each image.
        engine: what embeds and ranks; this machine by default.
    """
    from artpipe.embedding.inference import InferenceCache

    cache = InferenceCache(lake, card, device, engine)
    rows = rows_to_measure(splits, what_it_saw(lake, card, training_set))
    inferred = cache.infer(rows, images, progress).of_tasks(tasks)
    classes = {task: card.classes.get(task, ()) for task in tasks}
    report = evaluate(
        rows,
        tasks,
        inferred.probabilities,
        classes,
        inferred.vectors,
        model_id=card.model_id,
        years=own_years(rows, artworks),
        seed=seed,
        temperatures=card.temperatures,
        abstain_below=abstain_below,
        engine=engine,
    )
    photographed, photographs = score_rephotographs(
        rows, inferred.vectors, images, lambda queries, source: cache.infer(queries, source, progress), seed=seed
    )
    threshold, candidates = find_candidates(rows, inferred.vectors)
    hashes: dict[str, str | None] = dict(images.outcomes().select("artwork_id", "perceptual_hash").iter_rows())
    leaks = Leaks(threshold, confirm(candidates, hashes, images))
    changes, embedded = _changes(lake, card, rows, images, device, seed, progress, engine)
    report = replace(
        report,
        rephotographs=tuple(photographed),
        leaks=leaks,
        without_leaks=_scores_without(report, leaks, rows, inferred.probabilities, classes, seed),
        changes=changes,
        rights=training_rights(what_it_saw(lake, card, training_set), artworks),
    )
    return Measurement(report, rows, inferred, classes, inferred.computed + embedded, photographs)


def what_it_saw(lake: "DataLake", card: "ModelCard", training_set: pl.DataFrame) -> pl.DataFrame:
    """The model's own record, table `LEARNED`; else what the training set has for training and validation."""
    learned = load_learned(lake.model(card.model_id))
    if learned is not None:
        return learned
    return learned_rows(training_set.filter(pl.col("split").is_in(["train", "validation"])))


def own_years(rows: pl.DataFrame, artworks: pl.DataFrame) -> "NDArray[np.float64]":
    """The middle year of each row's work, NaN where only its artist's years are known; in the order of `rows`."""
    is_own = pl.col("year_source") == "work"
    middle = pl.when(is_own).then((pl.col("year_from") + pl.col("year_to")) / 2).alias("year")
    years = rows.select("artwork_id").join(
        artworks.select("artwork_id", middle), on="artwork_id", how="left", maintain_order="left"
    )
    return years["year"].cast(pl.Float64).fill_null(float("nan")).to_numpy()


def _scores_without(
    report: EvaluationReport,
    leaks: Leaks,
    rows: pl.DataFrame,
    probabilities: "Mapping[str, NDArray[np.floating]]",
    classes: Mapping[str, Sequence[str]],
    seed: int,
) -> tuple[TaskScores, ...]:
    """The classification on each split that has a leak, without the leaking works."""
    numbered = rows.with_row_index("row")
    clean = without_leaks(numbered, leaks)
    return tuple(
        score_split(
            probabilities[task][kept["row"].to_numpy()],
            kept[task].to_list(),
            kept["work_id"].to_list(),
            classes[task],
            task=task,
            split=split,
            majority_class=report.scores(task, split).majority_class,
            seed=seed,
        )
        for split in HELD_OUT
        for kept in [clean.filter(pl.col("split") == split)]
        if kept.height < report.rows[split]
        for task in classes
    )


def _changes(
    lake: "DataLake",
    card: "ModelCard",
    rows: pl.DataFrame,
    images: "ImageStore",
    device: str,
    seed: int,
    progress: "Progress | None",
    engine: Engine | None,
) -> tuple[Changes | None, int]:
    """Comparison with the model served before, if it is still there, and how many images ran through a network."""
    from artpipe.models.card import CorruptModelError, load_card
    from artpipe.models.served import read_pointer

    previous = read_pointer(lake).previous
    if previous is None:
        return None, 0
    try:
        both = card, load_card(lake.model(previous))
        paired = predict_with_both(lake, both, rows, images, device, progress, engine)
    except CorruptModelError:  # removed since, or damaged
        return None, 0
    return measure_changes(paired.rows, paired.first, paired.second, seed=seed), paired.images_embedded
