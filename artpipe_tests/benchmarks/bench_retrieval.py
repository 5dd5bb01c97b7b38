"""Retrieval quality of embeddings: images of the same style, type or artist, and the very painting in a photograph.

    python artpipe_tests/benchmarks/bench_retrieval.py LAKE --weights FILE [--image-px 224] [--seeds 3] [--works 150]

needs a lake with `training_set` and `images`. The backbone is frozen; projections of its features are compared. Queries
are test works; the table is every usable picture, the query's own work left out for style, type and artist. Prints a
Markdown table: precision@10 and mean average precision by each label, and recall@1 of simulated photographs and of
details of 30 % of a painting.
"""

import argparse
import io
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from bench_recipe import Bench, HeadBench, HeadVariant, VectorLossClassifier, WithContrast
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional

from artpipe.evaluation.retrieval import score_retrieval
from artpipe.images.pixels import image_square
from artpipe.lake.paths import DataLake
from artpipe.models.inference_form import inference_form
from artpipe.models.network import MultiTaskClassifier, build_backbone
from artpipe.models.transforms import Normalise
from artpipe.models.weights import load_backbone_weights
from artpipe.recognition.rephotograph import rephotograph
from artpipe.training.config import TrainingConfig
from artpipe.training.features import BATCH_SIZE
from artpipe.training.head import train_head

DISTORTIONS = ("perspective", "colour cast", "glare", "frame", "jpeg 30", "detail")
BY = {"style": "style", "type": "type", "artist": "artist_id"}

Vectors = Callable[[Tensor], Tensor]
"""Features (N, pooled) to unit vectors (N, D)."""


def standardised(train: Tensor) -> Callable[[Tensor], Tensor]:
    """Every feature at mean 0 and deviation 1 over the training rows."""
    mean, deviation = train.mean(0), train.std(0) + 1e-6
    return lambda features: (features - mean) / deviation


def whitened(train: Tensor, dimensions: int) -> Vectors:
    """PCA whitening fitted on the training rows."""
    level = standardised(train)
    _, singular_values, directions = torch.linalg.svd(level(train), full_matrices=False)
    scale = directions[:dimensions].T / singular_values[:dimensions]
    return lambda features: functional.normalize(level(features) @ scale)


def trained(heads: HeadBench, features: Tensor, variant: HeadVariant, seed: int) -> MultiTaskClassifier:
    """A model whose head was trained on the training rows."""
    bench = heads.bench
    config = replace(bench.config, **(variant.config or {}))
    torch.manual_seed(seed)
    classes = {task: len(names) for task, names in bench.labels.classes.items()}
    labels = torch.from_numpy(bench.encoded)[bench.train]
    model = variant.kind(nn.Identity(), features.shape[2], classes, config.embedding_dim, config.dropout)
    loss_of = heads.loss(variant, config, classes, labels.numpy())
    train_head(model, features[:, bench.train], labels, loss_of, config.recipe.head_epochs)
    return model


def photographs(bench: Bench, works: int) -> dict[str, tuple[NDArray[np.int64], Tensor]]:
    """For each distortion, rows of test paintings and the features of a simulated photograph of each."""
    rows = bench.held_out["test"][:: max(1, len(bench.held_out["test"]) // works)][:works]
    backbone, transform = build_backbone(bench.config.backbone, bench.config.image_px)
    load_backbone_weights(backbone, bench.config.backbone, bench.config.weights)
    device = torch.device("cpu")
    body, dtype = inference_form(backbone, transform.size, device)
    normalise = Normalise(transform, device, dtype)
    ids = [bench.rows["artwork_id"][int(row)] for row in rows]
    originals = [Image.open(io.BytesIO(jpeg)) for jpeg in bench.store.jpegs(ids)]
    seen: dict[str, tuple[NDArray[np.int64], Tensor]] = {}
    for kind in DISTORTIONS:
        squares = [
            torch.from_numpy(image_square(rephotograph(original, kind, seed), transform.size))
            for seed, original in enumerate(originals)
        ]
        with torch.inference_mode():
            parts = [
                body(normalise(squares[first : first + BATCH_SIZE])).float().clone()
                for first in range(0, len(squares), BATCH_SIZE)
            ]
        seen[kind] = (rows, torch.cat(parts))
    return seen


def measured(
    bench: Bench, features: Tensor, photos: Mapping[str, tuple[NDArray[np.int64], Tensor]], make: Vectors
) -> list[float]:
    """Precision@10 and mean average precision by each label, then recall@1 of photographs and of details."""
    with torch.inference_mode():
        vectors = make(features).numpy().astype(np.float32)
        works: list[str] = bench.rows["work_id"].to_list()
        labels = {by: bench.rows[column].to_list() for by, column in BY.items()}
        scores = score_retrieval(vectors, works, labels, bench.held_out["test"], split="test", resamples=1)
        figures = [figure for each in scores for figure in (each.precision or 0.0, each.map or 0.0)]
        found: dict[str, float] = {}
        for kind, (rows, seen) in photos.items():
            nearest = (make(seen).numpy() @ vectors.T).argmax(1)
            found[kind] = float(np.mean([works[a] == works[b] for a, b in zip(nearest, rows, strict=True)]))
    detail = found.pop("detail")
    return [*figures, float(np.mean(list(found.values()))), detail]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("lake")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", required=True)
    parser.add_argument("--image-px", type=int, default=224)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--works", type=int, default=150)
    options = parser.parse_args()
    config = TrainingConfig(backbone=options.backbone, weights=options.weights, image_px=options.image_px)
    bench = Bench(DataLake(options.lake), config, options.seeds)
    heads = HeadBench(bench)
    views, own = heads.features(options.image_px)
    features, train = views[0].float(), views[0][bench.train].float()
    photos = photographs(bench, options.works)
    level = standardised(train)

    def projection(variant: HeadVariant, seed: int, *, is_before_gelu: bool = False) -> Vectors:
        model = trained(heads, views, variant, seed)

        def make(given: Tensor) -> Tensor:
            before = model.projection(model.norm(given))
            return functional.normalize(before if is_before_gelu else functional.gelu(before))

        return make

    contrast = HeadVariant(kind=VectorLossClassifier, loss=WithContrast)
    variants: dict[str, Callable[[int], Vectors]] = {
        "the last level": lambda _: lambda given: functional.normalize(given[:, :own]),
        "every level, standardised": lambda _: lambda given: functional.normalize(level(given)),
        **{f"the same whitened to {d}": lambda _, d=d: whitened(train, d) for d in (128, 256, 512)},
        **{
            f"learned projection to {d}": lambda seed, d=d: projection(HeadVariant({"embedding_dim": d}), seed)
            for d in (128, 256, 512)
        },
        "the same before its GELU, 256": lambda seed: projection(HeadVariant(), seed, is_before_gelu=True),
        "the same with a contrastive term, 256": lambda seed: projection(contrast, seed),
    }
    names = [f"{by} {what}" for by in BY for what in ("P@10", "mAP")]
    print(f"\n| vectors | {' | '.join(names)} | photograph | detail |\n|---|{'--:|' * (len(names) + 2)}", flush=True)
    for name, make in variants.items():
        seeds = range(1 if "level" in name or "whitened" in name else options.seeds)
        figures = np.array([measured(bench, features, photos, make(seed)) for seed in seeds])
        print(f"| {name} | {' | '.join(f'{100 * figure:.1f}' for figure in figures.mean(0))} |", flush=True)


if __name__ == "__main__":
    main()
