"""What each part of the training recipe is worth: one part at a time is taken out or changed, the rest stays.

    python artpipe_tests/benchmarks/bench_recipe.py LAKE --weights FILE [--part head] [--part network] [--seeds 3]
    python artpipe_tests/benchmarks/bench_recipe.py LAKE --part foundation [--foundation BACKBONE[=FILE]]...

needs a lake with `training_set` and `images`. `head` trains heads on cached features of the frozen backbone, seconds a
run; `network` fine-tunes at a small size for a few epochs; `foundation` trains heads on vision transformers read at
several depths, with downloaded weights or those of a file. Prints Markdown tables: the mean @1 over the tasks with its
spread over seeds on validation works, by which a part is chosen, on test works and on works of unseen artists; @1 of
each task on test works; and the mean error of the period in years there.
"""

import argparse
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl
import torch
from torch import Tensor, nn
from torch.nn import functional

from artpipe.embedding.embedder import Embedder
from artpipe.embedding.predictions import Predictions
from artpipe.engine.memory import reused_memory
from artpipe.images.pixels import PixelCache
from artpipe.images.store import ImageStore
from artpipe.lake.paths import DataLake
from artpipe.models.backbones import own_image_px
from artpipe.models.checkpoint import load_model
from artpipe.models.labels import UNKNOWN, Labels
from artpipe.models.network import MultiTaskClassifier, build_backbone, choose_device
from artpipe.models.weights import load_backbone_weights
from artpipe.settings import FOUNDATION_BACKBONE
from artpipe.tasks import WGA_TASKS
from artpipe.training.config import TrainingConfig
from artpipe.training.features import BackboneFeatures, compute_features, update_features
from artpipe.training.head import train_head
from artpipe.training.loop import train_classifier
from artpipe.training.loss import MultiTaskLoss, class_weights, year_targets

VECTORS = "vectors"
SPLITS = ("validation", "test", "unseen_artists")


@dataclass(frozen=True)
class Score:
    """@1 of each task on every split, and the mean error of the period on test works."""

    accuracy: Mapping[tuple[str, str], float]
    years: float

    def mean(self, split: str) -> float:
        """Over the tasks."""
        return float(np.mean([value for (where, _), value in self.accuracy.items() if where == split]))


class Bench:
    """The rows of a lake, and what they are measured by."""

    def __init__(self, lake: DataLake, config: TrainingConfig, seeds: int) -> None:
        self.lake, self.config, self.seeds = lake, config, seeds
        self.store = ImageStore(lake)
        table = pl.read_parquet(str(lake.table("training_set")))
        artworks = pl.read_parquet(str(lake.table("artworks")))
        years = artworks.select("artwork_id", "year_from", "year_to", "year_source")
        self.table = self.store.stored_rows(table).sort("artwork_id")
        self.rows = self.table.join(years, on="artwork_id", how="left", maintain_order="left")
        self.labels = Labels.of(self.rows, WGA_TASKS)
        self.encoded = self.labels.encode(self.rows)
        self.keys: list[str] = self.rows["jpeg_sha256"].to_list()
        split = self.rows["split"].to_numpy()
        self.train = np.flatnonzero(split == "train")
        self.held_out = {name: np.flatnonzero(split == name) for name in SPLITS}

    @cached_property
    def features(self) -> BackboneFeatures:
        """Features of the pretrained backbone, computed once for all runs."""
        return update_features(self.rows, self.store, self.lake, self.config).features

    def score(self, probabilities: Mapping[str, np.ndarray]) -> Score:
        """Measure predictions of all rows."""
        accuracy: dict[tuple[str, str], float] = {}
        for split, rows in self.held_out.items():
            for column, task in enumerate(self.labels.tasks):
                known = rows[self.encoded[rows, column] != UNKNOWN]
                right = probabilities[task][known].argmax(1) == self.encoded[known, column]
                accuracy[split, task] = float(right.mean())
        middles = np.array(self.labels.middle_years["period"])
        dated = self.rows.with_row_index().filter(split="test", year_source="work")
        year = ((dated["year_from"] + dated["year_to"]) / 2).to_numpy()
        expected = probabilities["period"][dated["index"].to_numpy()] @ middles
        return Score(accuracy, float(np.abs(expected - year).mean()))

    def print_table(self, title: str, variants: Mapping[str, Callable[[int], Score]]) -> None:
        """Run each variant with every seed."""
        tasks = self.labels.tasks
        print(f"\n{title}\n\n| | validation | test | unseen artists | {' | '.join(tasks)} | years | min |", flush=True)
        print(f"|---|{'--:|' * (len(tasks) + 5)}", flush=True)
        for name, run in variants.items():
            began = time.perf_counter()
            scores = [run(seed) for seed in range(self.seeds)]
            minutes = (time.perf_counter() - began) / 60 / self.seeds
            means = [[100 * each.mean(split) for each in scores] for split in SPLITS]
            cells = [f"{np.mean(each):.1f} ± {np.std(each):.1f}" for each in means]
            cells += [f"{100 * np.mean([each.accuracy['test', task] for each in scores]):.1f}" for task in tasks]
            cells += [f"{np.mean([each.years for each in scores]):.0f}", f"{minutes:.1f}"]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


# ---- the head, on cached features -----------------------------------------------------------------------------------


class LinearClassifier(MultiTaskClassifier):
    """Heads on the features, without a projection."""

    def __init__(self, pooled: int, classes: Mapping[str, int], dropout: float) -> None:
        super().__init__(nn.Identity(), pooled, classes, pooled, dropout)

    def forward_head(self, features: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        normalised: Tensor = self.norm(features)
        head_input: Tensor = self.dropout(normalised)
        return normalised, {task: head(head_input) for task, head in zip(self.tasks, self.heads, strict=True)}


class VectorLossClassifier(MultiTaskClassifier):
    """Passes its embeddings to the loss, too."""

    def forward_head(self, features: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        vectors, logits = super().forward_head(features)
        return vectors, {**logits, VECTORS: vectors}


class WithContrast(MultiTaskLoss):
    """Adds a supervised contrastive term on the vectors, one for each task. Khosla et al., arXiv:2004.11362."""

    def forward(self, logits: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        total = super().forward(logits, labels)
        vectors = functional.normalize(logits[VECTORS])
        similarity = (vectors @ vectors.T / 0.1).fill_diagonal_(-1e9)
        chances = functional.log_softmax(similarity, dim=1)
        for column in range(labels.shape[1]):
            truth = labels[:, column]
            same_class = ((truth[:, None] == truth[None, :]) & (truth[:, None] != UNKNOWN)).fill_diagonal_(False)
            has_pair = same_class.any(1)
            if bool(has_pair.any()):
                total = total - 0.2 * ((chances * same_class).sum(1)[has_pair] / same_class.sum(1)[has_pair]).mean()
        return total


class TypeTwice(MultiTaskLoss):
    """Counts the type twice."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self.again = MultiTaskLoss(
            {"type": self.get_buffer("weight_type")}, targets={"type": self.get_buffer("target_type")}
        )

    def forward(self, logits: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        column = self.tasks.index("type")
        return super().forward(logits, labels) + self.again(logits, labels[:, [column]])


class YearRanges(nn.Module):
    """Targets are the share of a work's years in each period; the last column of the labels is the row."""

    def __init__(self, usual: MultiTaskLoss, shares: Tensor, column: int) -> None:
        super().__init__()
        self.usual, self.shares, self.column = usual, shares, column

    def forward(self, logits: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        row, labels = labels[:, -1], labels[:, :-1]
        others = labels.clone()
        others[:, self.column] = UNKNOWN
        each = functional.cross_entropy(logits["period"], self.shares[row], reduction="none")
        known = (labels[:, self.column] != UNKNOWN).float()
        return self.usual(logits, others) + (each * known).sum() / known.sum().clamp(min=1)


@dataclass(frozen=True)
class HeadVariant:
    """One change of how a head is trained."""

    config: Mapping[str, Any] | None = None
    kind: type[MultiTaskClassifier] = MultiTaskClassifier
    loss: type[MultiTaskLoss] = MultiTaskLoss
    own_level_alone: bool = False
    views: int = 2
    extra: Literal["", "artist", "resample", "year ranges"] = ""
    image_px: int | None = None
    depths: int = 0
    train_share: float = 1.0
    """Share of the training works, in as many steps as all of them."""


HEAD: Mapping[str, HeadVariant] = {
    "unchanged": HeadVariant(),
    "the last level alone": HeadVariant(own_level_alone=True),
    "no projection, linear heads": HeadVariant(kind=LinearClassifier),
    "vectors of 128": HeadVariant({"embedding_dim": 128}),
    "vectors of 512": HeadVariant({"embedding_dim": 512}),
    "vectors of 1024": HeadVariant({"embedding_dim": 1024}),
    "one view": HeadVariant(views=1),
    "dropout 0.1": HeadVariant({"dropout": 0.1}),
    "dropout 0.5": HeadVariant({"dropout": 0.5}),
    "no label smoothing": HeadVariant({"label_smoothing": 0.0}),
    "label smoothing 0.2": HeadVariant({"label_smoothing": 0.2}),
    "periods not ordinal": HeadVariant({"period_years": 0.0}),
    "periods by the work's range of years": HeadVariant({"period_years": 0.0}, extra="year ranges"),
    "loss balanced by frequency ^ -0.5": HeadVariant({"class_balance": 0.5}),
    "loss balanced by frequency ^ -1": HeadVariant({"class_balance": 1.0}),
    "balanced sampling": HeadVariant(extra="resample"),
    "type counts twice": HeadVariant(loss=TypeTwice),
    "the artist as a fourth task": HeadVariant(extra="artist"),
    "a contrastive term in addition to the heads": HeadVariant(kind=VectorLossClassifier, loss=WithContrast),
    "pictures of 160 px": HeadVariant(image_px=160),
    "pictures of 288 px": HeadVariant(image_px=288),
    "pictures of 384 px": HeadVariant(image_px=384),
    "half of the training works": HeadVariant(train_share=0.5),
    "a quarter of them": HeadVariant(train_share=0.25),
}
FOUNDATION: Mapping[str, HeadVariant] = {
    "its own output alone": HeadVariant(),
    **{f"and {depths} blocks": HeadVariant(depths=depths) for depths in (1, 2, 4, 8)},
}


class HeadBench:
    """Heads on cached features of all rows."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.kept: dict[tuple[int, int], tuple[Tensor, int]] = {}

    def features(self, image_px: int, depths: int = 0) -> tuple[Tensor, int]:
        """Of all rows, and how many of them are the last level's."""
        if (image_px, depths) not in self.kept:
            bench, config = self.bench, self.bench.config
            backbone, transform = build_backbone(config.backbone, image_px, depths)
            load_backbone_weights(backbone, config.backbone, config.weights)
            cache = PixelCache(bench.lake.cache("pixels"), image_px)
            cache.ensure(bench.rows["artwork_id"].to_list(), bench.keys, bench.store)
            features = compute_features(backbone, transform, cache, bench.keys, choose_device("auto"))
            with torch.inference_mode():
                own = backbone.body(torch.zeros(1, 3, image_px, image_px)).shape[1]
            self.kept = {(image_px, depths): (features, own)}
        return self.kept[image_px, depths]

    def run(self, variant: HeadVariant, seed: int) -> Score:
        """Train one head, and measure it."""
        bench = self.bench
        config = replace(bench.config, **(variant.config or {}))
        features, own = self.features(variant.image_px or config.image_px, variant.depths)
        features = features[: variant.views, :, : own if variant.own_level_alone else None]
        torch.manual_seed(seed)
        classes = {task: len(names) for task, names in bench.labels.classes.items()}
        labels, rows = torch.from_numpy(bench.encoded), bench.train
        if variant.extra == "artist":
            artists = bench.rows["artist_id"].to_list()
            number = {name: i for i, name in enumerate(sorted({artists[row] for row in rows if artists[row]}))}
            classes["artist"] = len(number)
            column = torch.tensor([number.get(name, UNKNOWN) for name in artists])
            labels = torch.cat([labels, column[:, None]], dim=1)
        loss_of = self.loss(variant, config, classes, labels[rows].numpy())
        if variant.extra == "year ranges":
            labels = torch.cat([labels, torch.arange(len(labels))[:, None]], dim=1)
        if variant.extra == "resample":
            rows = self.resampled(seed)
        if variant.train_share < 1:
            rows = self.some(variant.train_share, seed)
        if variant.kind is LinearClassifier:
            model: MultiTaskClassifier = LinearClassifier(features.shape[2], classes, config.dropout)
        else:
            model = variant.kind(nn.Identity(), features.shape[2], classes, config.embedding_dim, config.dropout)
        epochs = round(config.recipe.head_epochs / variant.train_share)
        train_head(model, features[:, rows], labels[rows], loss_of, epochs)
        with torch.inference_mode():
            logits = [model.forward_head(view.float())[1] for view in features]
        return bench.score(
            {
                task: torch.stack([each[task].softmax(1) for each in logits]).mean(0).numpy()
                for task in bench.labels.tasks
            }
        )

    def loss(self, variant: HeadVariant, config: TrainingConfig, classes: Mapping[str, int], truth: np.ndarray) -> Any:
        """The loss that the variant minimises."""
        weights = {
            task: class_weights(np.bincount(truth[truth[:, k] != UNKNOWN, k], minlength=count), config.class_balance)
            for k, (task, count) in enumerate(classes.items())
        }
        names = self.bench.labels.classes["period"]
        targets = (
            {"period": year_targets(self.bench.labels.middle_years["period"], config.period_years)}
            if config.period_years
            else {}
        )
        loss = variant.loss(weights, config.label_smoothing, targets)
        return YearRanges(loss, self.year_shares(names), 1) if variant.extra == "year ranges" else loss

    def year_shares(self, names: tuple[str, ...]) -> Tensor:
        """The share of each row's years in each period; all in its label where the years are not the work's own."""
        shares = np.eye(len(names))[np.maximum(self.bench.encoded[:, 1], 0)]
        for row, (first, last, source) in enumerate(
            self.bench.rows.select("year_from", "year_to", "year_source").iter_rows()
        ):
            if source == "work" and last > first:
                bounds = [WGA_TASKS["period"].years_of(name) or (0, 0) for name in names]
                within = np.array([max(0, min(last + 1, after) - max(first, start)) for start, after in bounds])
                shares[row] = within / within.sum() if within.sum() else shares[row]
        return torch.from_numpy(shares.astype(np.float32))

    def some(self, share: float, seed: int) -> np.ndarray:
        """The training rows of some of the works."""
        works = self.bench.rows["work_id"].fill_null(self.bench.rows["artwork_id"]).to_numpy()[self.bench.train]
        names = np.unique(works)
        kept = np.random.default_rng(seed).choice(names, int(share * len(names)), replace=False)
        return self.bench.train[np.isin(works, kept)]

    def resampled(self, seed: int) -> np.ndarray:
        """Training rows drawn with replacement, rare classes of any task the more often."""
        bench, chance = self.bench, np.ones(len(self.bench.train))
        for column in range(bench.encoded.shape[1]):
            truth = bench.encoded[bench.train, column]
            counts = np.bincount(truth[truth != UNKNOWN])
            chance *= np.where(truth == UNKNOWN, 1.0, (counts[truth] / counts.max()) ** (-0.5 / bench.encoded.shape[1]))
        return np.random.default_rng(seed).choice(bench.train, len(bench.train), p=chance / chance.sum())


# ---- the whole network ----------------------------------------------------------------------------------------------

NETWORK: Mapping[str, Mapping[str, Any]] = {
    "unchanged": {},
    "the fine-tuned network alone, no ensemble": {"recipe_changes": {"is_ensemble": False}},
    "no frozen levels": {"recipe_changes": {"frozen_levels": 0}},
    "backbone at 0.3 of the head's rate": {"recipe_changes": {"backbone_rate_share": 0.3}},
    "whole pictures, no crops": {"recipe_changes": {"crop_area_from": 1.0}},
    "weights of the last epoch, no EMA": {"recipe_changes": {"ema_decay": 0.0}},
    "two views in inference": {"recipe_changes": {"views": 2}},
    "no head training first": {"recipe_changes": {"head_epochs": 0}},
}


def run_network(bench: Bench, changes: Mapping[str, Any], seed: int) -> Score:
    """Fine-tune one network, and measure it."""
    config = replace(bench.config, seed=seed, **changes)
    trained = train_classifier(bench.table, bench.store, bench.lake, WGA_TASKS, config, features=bench.features)
    embedder = Embedder.of(load_model(trained.folder))
    cache = PixelCache(bench.lake.cache("pixels"), config.image_px)
    cache.ensure(bench.rows["artwork_id"].to_list(), bench.keys, bench.store)
    rows = np.concatenate(list(bench.held_out.values()))
    at = cache.rows([bench.keys[row] for row in rows])
    found = Predictions.joined(
        embedder.embed_pixels(cache.squares(at[first : first + 64])) for first in range(0, len(at), 64)
    )
    probabilities: dict[str, np.ndarray] = {}
    for task, each in found.probabilities.items():
        probabilities[task] = np.zeros((len(bench.keys), each.shape[1]), np.float32)
        probabilities[task][rows] = each
    return bench.score(probabilities)


def print_foundation_table(lake: DataLake, backbone: str, weights: str, seeds: int) -> None:
    """Heads on one vision transformer, read at more and more depths."""
    px = own_image_px(backbone) or 224
    bench = Bench(lake, TrainingConfig(backbone=backbone, weights=weights, image_px=px), seeds)
    heads = HeadBench(bench)
    variants = {name: lambda seed, v=v: heads.run(v, seed) for name, v in FOUNDATION.items()}
    bench.print_table(f"Heads on {backbone} at {px} px, {seeds} seeds", variants)


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--part", action="append", choices=["head", "network", "foundation"])
    parser.add_argument(
        "--foundation", action="append", metavar="BACKBONE[=FILE]", help=f"default: {FOUNDATION_BACKBONE}"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--image-px", type=int, default=224, help="for `head`")
    parser.add_argument("--small-px", type=int, default=128, help="for `network`")
    parser.add_argument("--epochs", type=int, default=3, help="for `network`")
    return parser.parse_args()


def main() -> None:
    """Print the requested tables."""
    options = parse_options()
    lake = DataLake(options.lake)
    usual = TrainingConfig(backbone=options.backbone, weights=options.weights)
    if "head" in (options.part or ["head"]):
        bench = Bench(lake, replace(usual, image_px=options.image_px), options.seeds)
        heads = HeadBench(bench)
        title = f"Heads on {options.backbone} at {options.image_px} px, {options.seeds} seeds"
        bench.print_table(title, {name: lambda seed, v=v: heads.run(v, seed) for name, v in HEAD.items()})
    if "network" in (options.part or ["network"]):
        bench = Bench(lake, replace(usual, image_px=options.small_px, epochs=options.epochs), options.seeds)
        title = (
            f"{options.backbone} fine-tuned for {options.epochs} epochs at {options.small_px} px, {options.seeds} seeds"
        )
        bench.print_table(title, {name: lambda seed, v=v: run_network(bench, v, seed) for name, v in NETWORK.items()})
    if "foundation" in (options.part or []):
        for named in options.foundation or [FOUNDATION_BACKBONE]:
            name, _, file = named.partition("=")
            print_foundation_table(lake, name, file or "imagenet", options.seeds)


if __name__ == "__main__":
    with reused_memory():
        main()
