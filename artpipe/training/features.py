"""The features of the pretrained backbone, computed once for each picture and cached in a table.

One row is a picture of the training set, of whatever split: `made_by` (a hash of the backbone, its weights and the
image size), `jpeg_sha256`, and `features`, float16 (VIEWS, pooled). The head is trained on them in seconds; only
pictures that are not in the table yet run through the backbone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from torch import Tensor

from artpipe.lake.paths import DataLake
from artpipe.models.card import NO_WEIGHTS, TransformSpec, WeightsSource
from artpipe.models.inference_form import inference_form
from artpipe.models.transforms import Normalise, mirrored
from artpipe.progress import Progress, SilentProgress
from artpipe.training.config import TrainingConfig, fingerprint

if TYPE_CHECKING:
    from artpipe.images.pixels import JpegSource, PixelCache
    from artpipe.models.backbones import MultiLevelBackbone

FEATURES_VERSION = 1
"""Raised when the same backbone would give other features of the same picture."""

VIEWS = 2
"""The picture as it is, and its mirror image."""

BATCH_SIZE = 64

_EMPTY_SCHEMA = {"made_by": pl.String(), "jpeg_sha256": pl.String(), "features": pl.Array(pl.Float16, (VIEWS, 1))}


def compute_features(
    backbone: "MultiLevelBackbone",
    transform: TransformSpec,
    cache: "PixelCache",
    keys: Sequence[str],
    device: torch.device,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Run pictures through a backbone.

    Args:
        backbone: the backbone.
        transform: how its input is made.
        cache: has the pixels of all these pictures.
        keys: the sha256 of N stored JPEGs.
        device: where to compute.
        progress: advances with each picture.

    Returns:
        N rows: `jpeg_sha256`, and `features`, float16 (VIEWS, pooled).
    """
    body, dtype = inference_form(backbone, transform.size, device)
    normalise = Normalise(transform, device, dtype)
    rows = cache.rows(keys)
    batches: list[np.ndarray] = []
    with (progress or SilentProgress()).track("features", len(rows), "images") as step, torch.inference_mode():
        for first in range(0, len(rows), BATCH_SIZE):
            squares = list(torch.from_numpy(cache.squares(rows[first : first + BATCH_SIZE])))
            views = [body(normalise(each)).to(torch.float16).cpu() for each in (squares, mirrored(squares))]
            batches.append(torch.stack(views, dim=1).numpy())
            step.advance(len(squares))
    features = np.concatenate(batches) if batches else np.empty((0, VIEWS, 1), np.float16)
    schema = {"jpeg_sha256": pl.String(), "features": pl.Array(pl.Float16, (VIEWS, features.shape[2]))}
    return pl.DataFrame({"jpeg_sha256": list(keys), "features": features}, schema)


def features_fingerprint(backbone: str, source: WeightsSource, image_px: int, depths: int = 0) -> str:
    """The `made_by` of features of this backbone with these weights at this image size, read at so many depths."""
    return fingerprint(FEATURES_VERSION, backbone, source.identity(), image_px, *([depths] if depths else []))


def features_in_order(table: pl.DataFrame, keys: Sequence[str]) -> Tensor:
    """The features of these pictures, float16 (VIEWS, N, pooled).

    Raises:
        KeyError: one of them is not in the table.
    """
    row_of = {key: row for row, key in enumerate(table["jpeg_sha256"])}
    features = table["features"].to_numpy()
    return torch.from_numpy(features[[row_of[key] for key in keys]]).transpose(0, 1)


@dataclass(frozen=True)
class FeaturesUpdate:
    """The updated table of features."""

    table: pl.DataFrame
    version: str
    """A hash of the pictures in it and of how their features were computed."""
    computed: int
    """How many pictures ran through the backbone now; the others were in the table."""

    @property
    def width(self) -> int:
        """Features of a picture in one view; 0 for an empty table."""
        kind = self.table.schema["features"]
        return int(kind.shape[1]) if isinstance(kind, pl.Array) and self.table.height else 0


def update_features(
    rows: pl.DataFrame,
    previous: pl.DataFrame | None,
    images: "JpegSource",
    lake: DataLake,
    config: TrainingConfig,
    progress: Progress | None = None,
) -> FeaturesUpdate:
    """The features of these pictures; rows of the previous table stay if they were computed in the same way.

    Args:
        rows: `artwork_id` and `jpeg_sha256` of the pictures, of whatever split: nothing is trained here.
        previous: the table of the last update.
        images: the stored JPEGs.
        lake: gets the cache of decoded pixels.
        config: the backbone, its weights, and the image size.
        progress: advances with each picture decoded or run through the backbone.
    """
    from artpipe.images.pixels import PixelCache
    from artpipe.models.network import build_backbone, choose_device
    from artpipe.models.weights import load_backbone_weights
    from artpipe.training.memory import reused_memory

    pictures = rows.unique("jpeg_sha256").sort("jpeg_sha256")
    if config.weights == NO_WEIGHTS or not pictures.height:
        return FeaturesUpdate(pl.DataFrame(schema=_EMPTY_SCHEMA), fingerprint(FEATURES_VERSION, []), 0)
    backbone, transform = build_backbone(config.backbone, config.image_px, config.depths)
    source = load_backbone_weights(backbone, config.backbone, config.weights)
    made_by = features_fingerprint(config.backbone, source, config.image_px, config.depths)
    keys: list[str] = pictures["jpeg_sha256"].to_list()
    known = pl.DataFrame(schema=_EMPTY_SCHEMA) if previous is None else previous.filter(pl.col("made_by") == made_by)
    missing = pictures.join(known, on="jpeg_sha256", how="anti")
    parts = [known] if known.height else []
    if missing.height:
        cache = PixelCache(lake.cache("pixels"), config.image_px)
        new: list[str] = missing["jpeg_sha256"].to_list()
        cache.ensure(missing["artwork_id"].to_list(), new, images, progress)
        with reused_memory():
            computed = compute_features(backbone, transform, cache, new, choose_device(config.device), progress)
        parts.append(computed.select(pl.lit(made_by).alias("made_by"), "jpeg_sha256", "features"))
    table = pl.concat(parts).filter(pl.col("jpeg_sha256").is_in(keys)).sort("jpeg_sha256")
    return FeaturesUpdate(table, fingerprint(made_by, keys), missing.height)
