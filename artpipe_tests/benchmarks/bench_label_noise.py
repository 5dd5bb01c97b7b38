"""Whether heads that know of the noise of their training labels are more often right, and by which labels.

    python artpipe_tests/benchmarks/bench_label_noise.py --lake LAKE [--seeds 3]

needs the lake of `bench_labels.py`, with the `backbone_features` of the recipe `probe`, and only reads it. Heads that
are trained without a fifth of the training works each give every training picture out-of-fold probabilities, by which
labels are left out, replaced, weighted or softened. Prints Markdown tables of accuracies in percent: by the catalogue's
labels on validation works, test works and unseen artists, and on the 300 checked works by the checked label and by any
that passes; the mean over seeds with the standard deviation of the mean over tasks, and the gain on the first row with
its 95 % interval over works.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import polars as pl
import torch
from bench_labels import CheckedWorks
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from artpipe.engine.memory import reused_memory
from artpipe.evaluation.bootstrap import interval_of_mean
from artpipe.evaluation.label_noise import HeadConfig, find_label_noise, out_of_sample_probabilities
from artpipe.lake.paths import DataLake
from artpipe.models.labels import UNKNOWN, Labels
from artpipe.models.network import MultiTaskClassifier
from artpipe.tasks import read_tasks
from artpipe.training.config import TrainingConfig
from artpipe.training.features import BackboneFeatures
from artpipe.training.head import train_head
from artpipe.training.loss import smoothed_targets, year_targets

SPLITS, TASKS = ("validation", "test", "unseen_artists"), ("style", "period", "type")


@dataclass(frozen=True)
class Taught:
    """What the head is taught of each training row in one task: a distribution (N, C), and its weight (N,)."""

    targets: NDArray[np.float32]
    weights: NDArray[np.float32]


@dataclass(frozen=True)
class Given:
    """One task's labels of N training rows, -1 where unknown, with the targets of each class (C, C) and OOF (N, C)."""

    task: str
    labels: NDArray[np.int64]
    of_class: NDArray[np.float32]
    out_of_fold: NDArray[np.float32]

    @property
    def as_labelled(self) -> Taught:
        return Taught(self.of_class[np.maximum(self.labels, 0)], (self.labels != UNKNOWN).astype(np.float32))

    def suspects(self, share: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The likeliest wrong rows, a share of all suspects, and the classes that they may be of."""
        noise = find_label_noise(self.out_of_fold, self.labels)
        kept = round(share * len(noise.rows))
        return noise.rows[:kept], noise.suggested[:kept]


Variant = Callable[[Given], Taught]


def without_suspects(share: float, tasks: tuple[str, ...] = TASKS) -> Variant:
    """Leave the likeliest errors out."""

    def taught(given: Given) -> Taught:
        weights = given.as_labelled.weights.copy()
        if given.task in tasks:
            weights[given.suspects(share)[0]] = 0
        return Taught(given.as_labelled.targets, weights)

    return taught


def relabelled(share: float) -> Variant:
    """Replace the likeliest errors by what the other folds suggest."""

    def taught(given: Given) -> Taught:
        targets = given.as_labelled.targets.copy()
        rows, suggested = given.suspects(share)
        targets[rows] = given.of_class[suggested]
        return Taught(targets, given.as_labelled.weights)

    return taught


def softened(share: float, tasks: tuple[str, ...] = TASKS) -> Variant:
    """Mix the label with the probabilities of the other folds."""

    def taught(given: Given) -> Taught:
        usual = given.as_labelled
        if given.task not in tasks:
            return usual
        has_any = np.isfinite(given.out_of_fold).all(axis=1, keepdims=True)
        mixed = (1 - share) * usual.targets + share * np.nan_to_num(given.out_of_fold)
        return Taught(np.where(has_any, mixed, usual.targets).astype(np.float32), usual.weights)

    return taught


def weighted(power: float) -> Variant:
    """Weigh each label by its probability out of fold."""

    def taught(given: Given) -> Taught:
        usual = given.as_labelled
        own = np.nan_to_num(given.out_of_fold[np.arange(len(given.labels)), np.maximum(given.labels, 0)], nan=1.0)
        weights = usual.weights * own**power
        return Taught(usual.targets, (weights * usual.weights.sum() / weights.sum()).astype(np.float32))

    return taught


VARIANTS: Mapping[str, Variant] = {
    "as it is": lambda given: given.as_labelled,
    "all suspects left out": without_suspects(1.0),
    "half of the suspects left out": without_suspects(0.5),
    "suspect types left out": without_suspects(1.0, ("type",)),
    "half of the suspects relabelled": relabelled(0.5),
    "two fifths of the target from the other folds": softened(0.4),
    "two fifths, type alone": softened(0.4, ("type",)),
    "labels weighted by their probability": weighted(1.0),
    "a fifth from the other folds": softened(0.2),
    "three fifths": softened(0.6),
}
DROPOUT = "dropout 0.5, labels as they are"
"""Another way to learn less of each label, for comparison."""


class TaughtLoss(nn.Module):
    """Cross-entropy with the target and the weight of each row; the labels are the rows' numbers."""

    def __init__(self, taught: Mapping[str, Taught]) -> None:
        super().__init__()
        self.taught = {
            task: (torch.from_numpy(each.targets), torch.from_numpy(each.weights)) for task, each in taught.items()
        }

    def forward(self, logits: Mapping[str, Tensor], rows: Tensor) -> Tensor:
        total = torch.zeros(())
        for task, (targets, weights) in self.taught.items():
            each = functional.cross_entropy(logits[task], targets[rows], reduction="none")
            total = total + (each * weights[rows]).sum() / weights[rows].sum().clamp(min=1e-6)
        return total


class NoiseBench:
    """Heads on the cached features of a lake."""

    def __init__(self, lake: DataLake) -> None:
        self.checked, self.config = CheckedWorks(lake), TrainingConfig(recipe_name="probe")
        table = BackboneFeatures(lake)
        rows = self.checked.store.stored_rows(pl.read_parquet(str(lake.table("training_set")))).sort("artwork_id")
        held = table.held()
        self.rows = rows.filter(pl.col("jpeg_sha256").is_in(list(held)))
        self.features = table.of_artworks([held[key] for key in self.rows["jpeg_sha256"]])
        self.labels = Labels.of(self.rows, read_tasks(lake))
        self.encoded = self.labels.encode(self.rows)
        split = self.rows["split"].to_numpy()
        self.train = np.flatnonzero(split == "train")
        self.held_out = {name: np.flatnonzero(split == name) for name in SPLITS}
        places = {name: place for place, name in enumerate(self.rows["artwork_id"])}
        self.counts = (self.rows.height, self.checked.rows.height, self.checked.rows.height)
        self.places = np.array([places[name] for name in self.checked.rows["artwork_id"]])

    def given(self) -> list[Given]:
        """The training labels of each task, with probabilities out of fold."""
        counts = [len(names) for names in self.labels.classes.values()]
        works = self.rows["work_id"].gather(self.train).to_list()
        vectors, labels = self.features[0, self.train].float().numpy(), self.encoded[self.train]
        found = out_of_sample_probabilities(vectors, labels, works, counts, HeadConfig())
        years = self.labels.middle_years
        return [
            Given(
                task,
                labels[:, column],
                (
                    year_targets(years[task], self.config.period_years)
                    if task in years
                    else smoothed_targets(len(names), self.config.label_smoothing)
                ).numpy(),
                found[column],
            )
            for column, (task, names) in enumerate(self.labels.classes.items())
        ]

    def predicted(
        self, given: list[Given], variant: Variant, seed: int, dropout: float | None = None
    ) -> dict[str, NDArray[np.int64]]:
        """Train one head; what it says of every row."""
        torch.manual_seed(seed)
        counts = {task: len(names) for task, names in self.labels.classes.items()}
        config = self.config
        head = MultiTaskClassifier(
            nn.Identity(), self.features.shape[2], counts, config.embedding_dim, dropout or config.dropout
        )
        loss = TaughtLoss({each.task: variant(each) for each in given})
        numbers = torch.arange(len(self.train))
        train_head(head, self.features[:, self.train], numbers, loss, config.recipe.head_epochs)  # pyright: ignore[reportArgumentType]
        with torch.inference_mode():
            views = [head.forward_head(view.float())[1] for view in self.features]
        return {task: torch.stack([view[task] for view in views]).mean(0).argmax(1).numpy() for task in counts}

    def right(self, predicted: Mapping[str, NDArray[np.int64]]) -> list[NDArray[np.float64]]:
        """Whether each row is right in each task, (N, tasks), NaN without a label.

        On the three splits by the catalogue, and on the checked works by the checked label and by any that passes.
        """
        shapes = [(count, len(predicted)) for count in self.counts]
        all_rows, by_label, by_any = (np.full(shape, np.nan) for shape in shapes)
        for column, (task, names) in enumerate(self.labels.classes.items()):
            truth = self.encoded[:, column]
            all_rows[:, column] = np.where(truth == UNKNOWN, np.nan, predicted[task] == truth)
            said = np.array(names)[predicted[task][self.places]]
            by_label[:, column] = self.checked.is_right(task, said)
            by_any[:, column] = self.checked.is_right(task, said, also=True)
        return [*(all_rows[rows] for rows in self.held_out.values()), by_label, by_any]

    def works(self) -> list[NDArray[np.str_]]:
        """The work of each of those rows."""
        work = self.rows["work_id"].to_numpy()
        return [*(work[rows] for rows in self.held_out.values()), work[self.places], work[self.places]]


def print_table(bench: NoiseBench, runs: Mapping[str, list[list[NDArray[np.float64]]]]) -> None:
    """The accuracies of each head, and what it gains on the first one."""
    tasks, columns = " / ".join(bench.labels.classes), len(SPLITS) + 2
    names = ("validation", "test", "unseen artists", "checked", "passes")
    print(f"| head | {' | '.join(names)} | checked: {tasks} |\n|---|{'--:|' * (columns + 1)}")
    means = {name: [np.mean([run[k] for run in each], axis=0) for k in range(columns)] for name, each in runs.items()}
    usual = next(iter(means.values()))
    for name, each in runs.items():
        of_seed = 100 * np.array([[np.nanmean(run[k], axis=0).mean() for k in range(columns)] for run in each])
        cells = [f"{value.mean():.1f} ± {value.std():.1f}" for value in of_seed.T]
        by_task = " / ".join(f"{value:.1f}" for value in 100 * means[name][3].mean(axis=0))
        print(f"| {name} | {' | '.join(cells)} | {by_task} |")
    print(f"\n| gain | {' | '.join(names)} |\n|---|{'--:|' * columns}")
    for name in list(runs)[1:]:
        cells: list[str] = []
        for ours, theirs, works in zip(means[name], usual, bench.works(), strict=True):
            gains = 100 * np.nanmean(ours - theirs, axis=1)
            low, high = interval_of_mean(gains, works)
            cells.append(f"{np.nanmean(gains):+.1f} ({low:+.1f} to {high:+.1f})")
        print(f"| {name} | {' | '.join(cells)} |")


def main() -> None:
    """Train the heads, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lake", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", nargs="+", metavar="HEAD", help="rows of the table")
    options = parser.parse_args()
    bench = NoiseBench(DataLake(options.lake))
    given = bench.given()
    variants = {name: (variant, None) for name, variant in VARIANTS.items()} | {DROPOUT: (VARIANTS["as it is"], 0.5)}
    chosen = {name: each for name, each in variants.items() if not options.only or name in options.only}
    runs: dict[str, list[list[NDArray[np.float64]]]] = {name: [] for name in chosen}
    for seed in range(options.seeds):
        for name, (variant, dropout) in chosen.items():
            runs[name].append(bench.right(bench.predicted(given, variant, seed, dropout)))
            figures = [f"{100 * np.nanmean(each):.1f}" for each in runs[name][-1]]
            print(f"seed {seed}, {name}: {' '.join(figures)}", file=sys.stderr, flush=True)
    print_table(bench, runs)


if __name__ == "__main__":
    with reused_memory():
        main()
