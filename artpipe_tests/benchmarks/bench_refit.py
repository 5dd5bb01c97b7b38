"""What a refit gains on works that no model of the lake ever saw.

    python artpipe_tests/benchmarks/bench_refit.py LAKE --weights FILE [--seeds 3] [--recipe finetune --image-px 224]

needs a lake with `training_set`, `images` and `backbone_features` of any recipe, and only reads it. A
fifth of the works is kept away as visitors, half of them as whole artists. The others are split as the pipeline
splits them; a model is trained on `train`, and its refit on all of them. Prints a Markdown table of @1 on the
visitors, the expected calibration error there, and the share that the novelty scale flags: that of the chosen model,
that of the refit with its own held-out works, and that of the refit as the pipeline measures it.
"""

import argparse
import tempfile
from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.embedding.embedder import BATCH_SIZE, Embedder
from artpipe.embedding.predictions import Predictions
from artpipe.engine.memory import reused_memory
from artpipe.images.pixels import PixelCache
from artpipe.images.store import ImageStore
from artpipe.lake.paths import DataLake
from artpipe.models.card import ModelCard
from artpipe.models.checkpoint import load_model
from artpipe.search.novelty import CANDIDATES, NoveltyScale, measure_scale, transferred
from artpipe.splits.assign import hash_fraction
from artpipe.tasks import read_tasks
from artpipe.training.calibration import calibration_curve
from artpipe.training.config import TrainingConfig
from artpipe.training.features import BackboneFeatures
from artpipe.training.loop import train_classifier

KINDS = ("known artists", "unknown artists")


class Visitors:
    """The works of a lake, with a fifth of them kept away."""

    def __init__(self, lake: DataLake, scratch: DataLake, config: TrainingConfig) -> None:
        self.lake, self.scratch, self.config = lake, scratch, config
        self.store, self.tasks = ImageStore(lake), read_tasks(lake)
        self.features = BackboneFeatures(lake)
        rows = self.store.stored_rows(pl.read_parquet(str(lake.table("training_set")))).sort("artwork_id")
        rows = rows.filter(pl.col("jpeg_sha256").is_in(list(self.features.held())))
        artist = pl.col("artist_id").fill_null(pl.col("work_id"))
        by_artist = artist.map_elements(lambda name: hash_fraction("visitors", "artist", name), pl.Float64) < 0.1
        by_work = (
            pl.col("work_id").map_elements(lambda name: hash_fraction("visitors", "work", name), pl.Float64) < 0.11
        )
        kind = pl.when(by_artist).then(pl.lit(KINDS[1])).when(by_work).then(pl.lit(KINDS[0])).alias("kind")
        rows = rows.with_columns(kind)
        # A work goes with any picture of it that stays.
        stays = rows.filter(pl.col("kind").is_null())["work_id"].unique()
        rows = rows.filter(pl.col("kind").is_null() | ~pl.col("work_id").is_in(stays.implode()))
        known = rows.filter(pl.col("kind").is_null() & (pl.col("split") == "train"))["artist_id"].drop_nulls().unique()
        is_known = pl.col("artist_id").is_in(known.implode())
        self.visitors = rows.filter((pl.col("kind") == KINDS[1]) | ((pl.col("kind") == KINDS[0]) & is_known))
        self.rows = rows.filter(pl.col("kind").is_null()).drop("kind")

    def predict(self, card: ModelCard, rows: pl.DataFrame) -> Predictions:
        """What a model says of these pictures."""
        embedder = Embedder.of(load_model(self.scratch.model(card.model_id)))
        keys: list[str] = rows["jpeg_sha256"].to_list()
        features = self.features.read(keys) if card.is_head_only else None
        if features is not None:
            return embedder.predict_from_features(features[: card.views])
        pixels = PixelCache(self.scratch.cache("pixels"), embedder.image_px)
        pixels.ensure(rows["artwork_id"].to_list(), keys, self.store)
        parts = (keys[first : first + BATCH_SIZE] for first in range(0, len(keys), BATCH_SIZE))
        return Predictions.joined(embedder.embed_pixels(pixels.squares(pixels.rows(part))) for part in parts)

    def trained(self, seed: int) -> dict[str, ModelCard]:
        """A model of this seed, and its refit."""
        config = replace(self.config, seed=seed)

        def fit(refit_of: ModelCard | None = None) -> ModelCard:
            return train_classifier(
                self.rows, self.store, self.scratch, self.tasks, config, features=self.features, refit_of=refit_of
            ).card

        measured = fit()
        return {"measured": measured, "refit": fit(measured)}


def scores(card: ModelCard, found: Predictions, rows: pl.DataFrame) -> tuple[list[float], list[float]]:
    """@1 and the expected calibration error of each task."""
    accuracy: list[float] = []
    error: list[float] = []
    for task, names in card.classes.items():
        known = rows[task].is_not_null().to_numpy()
        probabilities = found.probabilities[task][known]
        is_right = np.array(names)[probabilities.argmax(1)] == rows[task].to_numpy()[known]
        curve = calibration_curve(probabilities.max(1), is_right)
        accuracy.append(float(is_right.mean()))
        error.append(curve.expected_error if curve else float("nan"))
    return accuracy, error


def flagged(scale: NoveltyScale, new: NDArray[np.float32], held: NDArray[np.float32]) -> float:
    """The share of new pictures that the scale flags."""
    nearest = np.argsort(-(new @ held.T), axis=1)[:, :CANDIDATES]
    far = [scale.distance(one, held[near]) > (scale.threshold or 0) for one, near in zip(new, nearest, strict=True)]
    return float(np.mean(far))


def flagged_shares(
    bench: Visitors, cards: Mapping[str, ModelCard], new: Mapping[str, NDArray[np.float32]]
) -> list[float]:
    """Flagged by the chosen model, by the refit with its own held-out works, by the refit as it is measured."""
    vectors = {name: bench.predict(card, bench.rows).vectors for name, card in cards.items()}
    works = bench.rows["work_id"].to_numpy()
    is_held_out = (bench.rows["split"] != "train").to_numpy()
    measured = measure_scale(vectors["measured"], works, is_held_out, "measured")
    fooled = measure_scale(vectors["refit"], works, is_held_out, "refit")
    moved = transferred(measured, vectors["measured"], vectors["refit"], works, ~is_held_out, "refit")
    pairs = ((measured, "measured"), (fooled, "refit"), (moved, "refit"))
    return [flagged(scale, new[name], vectors[name]) for scale, name in pairs]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--recipe", choices=("probe", "finetune", "best"), default="probe")
    parser.add_argument("--image-px", type=int, default=288)
    options = parser.parse_args()
    config = TrainingConfig(
        backbone=options.backbone, weights=options.weights, recipe_name=options.recipe, image_px=options.image_px
    )
    with tempfile.TemporaryDirectory() as folder:
        bench = Visitors(DataLake(options.lake), DataLake(folder), config)
        kinds = {kind: bench.visitors.filter(kind=kind) for kind in KINDS}
        counts = ", ".join(f"{rows.height} visitors by {kind}" for kind, rows in kinds.items())
        print(f"{counts}; trained on {bench.rows.filter(split='train').height}, refitted on {bench.rows.height}\n")
        found: dict[tuple[str, str], list[tuple[list[float], list[float]]]] = {}
        shares: list[list[float]] = []
        for seed in range(options.seeds):
            cards = bench.trained(seed)
            new: dict[str, NDArray[np.float32]] = {}
            for name, card in cards.items():
                for kind, rows in kinds.items():
                    predicted = bench.predict(card, rows)
                    found.setdefault((name, kind), []).append(scores(card, predicted, rows))
                new[name] = bench.predict(card, kinds[KINDS[0]]).vectors
            shares.append(flagged_shares(bench, cards, new))
        tasks = list(bench.tasks)
        print(
            f"| model | visitors | mean @1 | {' | '.join(f'{task} @1' for task in tasks)} | ECE {' / '.join(tasks)} |"
        )
        print(f"|---|---|{'--:|' * (len(tasks) + 2)}")
        for (name, kind), each in found.items():
            at_1, error = (100 * np.array([part[k] for part in each]) for k in (0, 1))
            cells = [f"{value:.1f}" for value in at_1.mean(0)]
            means = at_1.mean(1)
            errors = " / ".join(f"{value / 100:.3f}" for value in error.mean(0))
            print(f"| {name} | {kind} | {means.mean():.1f} ± {means.std():.1f} | {' | '.join(cells)} | {errors} |")
        flags = " / ".join(f"{100 * value:.1f} %" for value in np.mean(shares, axis=0))
        print(f"\nflagged of visitors by known artists: measured / refit on its own works / refit as measured: {flags}")


if __name__ == "__main__":
    with reused_memory():
        main()
