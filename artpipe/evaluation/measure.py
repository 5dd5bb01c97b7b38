"""Everything the evaluation report holds, measured on the lake: the asset calls this, and writes what comes of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from artpipe.evaluation.changes import Changes, measure_changes
from artpipe.evaluation.classification import TaskScores, score_split
from artpipe.evaluation.comparison import TEST_SPLITS, Answers, learned_by_neither
from artpipe.evaluation.leaks import Leaks, confirm, find_candidates, without_leaks
from artpipe.evaluation.rephotographs import score_rephotographs
from artpipe.evaluation.report import EVALUATED_SPLITS, EvaluationReport, evaluate, rows_to_measure
from artpipe.schema import TASKS

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.embedding.predictions import Predictions
    from artpipe.images.store import ImageStore
    from artpipe.lake.paths import DataLake
    from artpipe.models.card import ModelCard
    from artpipe.progress import Progress


@dataclass(frozen=True)
class Measurement:
    """A report, and the pictures behind it.

    Attributes:
        report: all figures.
        rows: the pictures that were looked at, as `rows_to_measure` gives them.
        answers: what the model says of them, in that order.
        classes: the classes of each task.
        images_embedded: pictures of the collection that ran through a network.
        photographs_embedded: photographs of pictures that did.
    """

    report: EvaluationReport
    rows: pl.DataFrame
    answers: "Predictions"
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
    *,
    device: str = "auto",
    seed: int = 0,
    abstain_below: float = 0.0,
    progress: "Progress | None" = None,
) -> Measurement:
    """Measure a model on everything that can be asked of it.

    Args:
        lake: where the models and their inference caches are.
        card: the model.
        splits: table `splits`.
        training_set: table `training_set`, what the model learned from.
        artworks: table `artworks`, for the years of the works.
        images: the stored images.
        device: `auto`, `cpu`, `cuda` or `mps`.
        seed: of everything random.
        abstain_below: the probability below which a label is told as unsure.
        progress: told of each picture.
    """
    from artpipe.embedding.inference import InferenceCache

    cache = InferenceCache(lake, card, device)
    rows = rows_to_measure(splits, training_set)
    found = cache.infer(rows, images, progress)
    report = evaluate(
        rows,
        found.probabilities,
        card.classes,
        found.vectors,
        model_id=card.model_id,
        years=own_years(rows, artworks),
        seed=seed,
        temperatures=card.temperatures,
        abstain_below=abstain_below,
    )
    photographed, photographs = score_rephotographs(
        rows, found.vectors, images, lambda asked, source: cache.infer(asked, source, progress), seed=seed
    )
    threshold, candidates = find_candidates(rows, found.vectors)
    hashes: dict[str, str | None] = dict(images.outcomes().select("artwork_id", "perceptual_hash").iter_rows())
    leaks = Leaks(threshold, confirm(candidates, hashes, images))
    changes, embedded = _changes(lake, card, rows, images, device, seed, progress)
    report = replace(
        report,
        rephotographs=tuple(photographed),
        leaks=leaks,
        without_leaks=_scores_without(report, leaks, rows, found.probabilities, card.classes, seed),
        changes=changes,
    )
    return Measurement(report, rows, found, card.classes, found.computed + embedded, photographs)


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
    """The classification on what is left of each split that has a leak."""
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
        for split in EVALUATED_SPLITS
        for kept in [clean.filter(pl.col("split") == split)]
        if kept.height < report.rows[split]
        for task in TASKS
    )


def _changes(
    lake: "DataLake",
    card: "ModelCard",
    rows: pl.DataFrame,
    images: "ImageStore",
    device: str,
    seed: int,
    progress: "Progress | None",
) -> tuple[Changes | None, int]:
    """The model served before beside this one, and how many pictures ran through a network for it; None without one."""
    from artpipe.embedding.inference import InferenceCache
    from artpipe.models.card import CorruptModelError, load_card
    from artpipe.models.checkpoint import load_learned
    from artpipe.models.served import read_pointer

    previous = read_pointer(lake).previous
    if previous is None:
        return None, 0
    try:
        before = load_card(lake.model(previous))
        records = [load_learned(lake.model(each.model_id)) for each in (card, before)]
    except CorruptModelError:  # removed since, or damaged: then there is nothing to tell
        return None, 0
    tested = rows.filter(pl.col("split").is_in(TEST_SPLITS))
    untouched = learned_by_neither(tested, *(record for record in records if record is not None))
    answers: list[Answers] = []
    computed = 0
    for each in (card, before):
        try:
            found = InferenceCache(lake, each, device).infer(untouched, images, progress)
        except CorruptModelError:
            return None, computed
        computed += found.computed
        answers.append(Answers(each.model_id, each.classes, found.probabilities))
    return measure_changes(untouched, answers[0], answers[1], seed=seed), computed
