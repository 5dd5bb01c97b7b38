"""What a backbone sees in each picture before anything was learned here, computed once and kept: table `features`.

One row is a picture of the training set, held-out ones too: `made_by` (a hash of the backbone, its weights and the size
it sees), `jpeg_sha256`, and `features`, float16 (VIEWS, pooled). The head is trained on them in seconds; only pictures
that the backbone has not looked at yet run through it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from torch import Tensor

from artpipe.lake.paths import DataLake
from artpipe.models.inference_form import inference_form
from artpipe.models.transforms import Normalise, TransformSpec, mirrored
from artpipe.progress import Progress, SilentProgress
from artpipe.training.config import NO_WEIGHTS, TrainingConfig, fingerprint

if TYPE_CHECKING:
    from artpipe.images.pixels import JpegSource, PixelCache
    from artpipe.models.network import MultiLevelBackbone, WeightsSource

FEATURES_VERSION = 1
"""Raised when the same backbone would give other features of the same picture."""

VIEWS = 2
"""The picture as it is, and its mirror image."""

BATCH_SIZE = 64

_NOTHING = {"made_by": pl.String(), "jpeg_sha256": pl.String(), "features": pl.Array(pl.Float16, (VIEWS, 1))}


def features_of(
    looking: "MultiLevelBackbone",
    transform: TransformSpec,
    cache: "PixelCache",
    keys: Sequence[str],
    device: torch.device,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Look at pictures with a backbone.

    Args:
        looking: the backbone.
        transform: how its input is made.
        cache: holds the squares of all these pictures.
        keys: the sha256 of N stored JPEGs.
        device: where to compute.
        progress: told of each picture looked at.

    Returns:
        N rows: `jpeg_sha256`, and `features`, float16 (VIEWS, pooled).
    """
    body, dtype = inference_form(looking, transform.size, device)
    normalise = Normalise(transform, device, dtype)
    rows, mapped = cache.rows(keys), cache.pixels
    found: list[np.ndarray] = []
    with (progress or SilentProgress()).track("look", len(rows), "images") as step, torch.inference_mode():
        for first in range(0, len(rows), BATCH_SIZE):
            squares = [torch.from_numpy(mapped[row]) for row in rows[first : first + BATCH_SIZE]]
            views = [body(normalise(each)).to(torch.float16).cpu() for each in (squares, mirrored(squares))]
            found.append(torch.stack(views, dim=1).numpy())
            step.advance(len(squares))
    seen = np.concatenate(found) if found else np.empty((0, VIEWS, 1), np.float16)
    kind = pl.Array(pl.Float16, (VIEWS, seen.shape[2]))
    return pl.DataFrame({"jpeg_sha256": list(keys), "features": seen}, {"jpeg_sha256": pl.String(), "features": kind})


def maker(backbone: str, source: "WeightsSource", image_px: int) -> str:
    """What `made_by` says of features of this backbone with these weights, seen at this size."""
    return fingerprint(FEATURES_VERSION, backbone, source.story(), image_px)


def features_in_order(table: pl.DataFrame, keys: Sequence[str]) -> Tensor:
    """The features of these pictures, float16 (VIEWS, N, pooled).

    Raises:
        KeyError: one of them is not in the table.
    """
    row_of = {key: row for row, key in enumerate(table["jpeg_sha256"])}
    seen = table["features"].to_numpy()
    return torch.from_numpy(seen[[row_of[key] for key in keys]]).transpose(0, 1)


@dataclass(frozen=True)
class FeaturesUpdate:
    """The table `features` as it is now."""

    table: pl.DataFrame
    version: str
    """A hash of which pictures were looked at and how."""
    computed: int
    """How many pictures ran through the backbone just now; the others were known."""

    @property
    def width(self) -> int:
        """Numbers that describe a picture in one view; 0 where nothing was looked at."""
        kind = self.table.schema["features"]
        return int(kind.shape[1]) if isinstance(kind, pl.Array) and self.table.height else 0


def update_features(
    rows: pl.DataFrame,
    before: pl.DataFrame | None,
    images: "JpegSource",
    lake: DataLake,
    config: TrainingConfig,
    progress: Progress | None = None,
) -> FeaturesUpdate:
    """The features of these pictures; what `before` knows stays if it was made in the same way.

    Args:
        rows: `artwork_id` and `jpeg_sha256` of the pictures, of whatever split: nothing is learned here.
        before: the table as it was.
        images: the stored JPEGs.
        lake: gets the cache of decoded pixels.
        config: the backbone, its weights, and the size it sees.
        progress: told of each picture decoded or looked at.
    """
    from artpipe.images.pixels import PixelCache
    from artpipe.models.network import build_backbone, choose_device, load_backbone_weights
    from artpipe.training.memory import reused_memory

    wanted = rows.unique("jpeg_sha256").sort("jpeg_sha256")
    if config.weights == NO_WEIGHTS or not wanted.height:
        return FeaturesUpdate(pl.DataFrame(schema=_NOTHING), fingerprint(FEATURES_VERSION, []), 0)
    looking, transform = build_backbone(config.backbone, config.image_px)
    source = load_backbone_weights(looking, config.backbone, config.weights)
    made_by = maker(config.backbone, source, config.image_px)
    keys: list[str] = wanted["jpeg_sha256"].to_list()
    known = pl.DataFrame(schema=_NOTHING) if before is None else before.filter(pl.col("made_by") == made_by)
    missing = wanted.join(known, on="jpeg_sha256", how="anti")
    looked = [known] if known.height else []
    if missing.height:
        cache = PixelCache(lake.cache("pixels"), config.image_px)
        new: list[str] = missing["jpeg_sha256"].to_list()
        cache.ensure(missing["artwork_id"].to_list(), new, images, progress)
        with reused_memory():
            found = features_of(looking, transform, cache, new, choose_device(config.device), progress)
        looked.append(found.select(pl.lit(made_by).alias("made_by"), "jpeg_sha256", "features"))
    table = pl.concat(looked).filter(pl.col("jpeg_sha256").is_in(keys)).sort("jpeg_sha256")
    return FeaturesUpdate(table, fingerprint(made_by, keys), missing.height)
