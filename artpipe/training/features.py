"""The features of the pretrained backbone, computed once for each picture: the Lance table `backbone_features`.

One row is an artwork of the training set, of whatever split: `key` (a hash of the backbone, its weights and the image
size, and the `jpeg_sha256`), and `features`, float16 (VIEWS, pooled) as bytes. The head is trained on them in seconds;
only pictures that are not in the table yet run through the backbone, a shard at a time, and a killed run resumes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from artpipe.engine.derived_rows import update_rows
from artpipe.engine.shards import Engine, LocalEngine, Shard
from artpipe.lake.keyed_table import KeyedTable, bytes_table
from artpipe.lake.parquet import read_table_if_exists
from artpipe.lake.paths import DataLake, remove_file
from artpipe.models.card import NO_WEIGHTS, TransformSpec, WeightsSource
from artpipe.models.inference_form import inference_form
from artpipe.models.transforms import Normalise, mirrored
from artpipe.progress import Progress, SilentProgress
from artpipe.training.config import TrainingConfig, fingerprint

if TYPE_CHECKING:
    from artpipe.images.pixels import JpegSource, PixelCache, Pixels
    from artpipe.models.backbones import MultiLevelBackbone

FEATURES_VERSION = 1
"""Raised when the same backbone would give other features of the same picture."""

BACKBONE_FEATURES_TABLE = "backbone_features"

VIEWS = 2
"""The picture as it is, and its mirror image."""

BATCH_SIZE = 64
_ROWS_AT_ONCE = 4096

Features = NDArray[np.float16]


class BackboneFeatures:
    """The table of a lake; what is not asked for is not read. Reading never creates or changes anything."""

    def __init__(self, lake: DataLake) -> None:
        self.lake = lake
        self.table = KeyedTable(lake, BACKBONE_FEATURES_TABLE)

    def held(self, made_by: str | None = None) -> dict[str, str]:
        """The artwork of each `jpeg_sha256` that has features.

        Args:
            made_by: the backbone, as `features_fingerprint` gives it; by default the only one of the table. Of two,
                nothing is held: a killed update left rows of the one before, which compare with none of the other.
        """
        return dict(self.held_rows(made_by).select("jpeg_sha256", "artwork_id").iter_rows())

    def held_rows(self, made_by: str | None = None) -> pl.DataFrame:
        """The same as a frame of `jpeg_sha256` and `artwork_id`, each picture once."""
        parts = pl.col("key").str.extract_groups("^(?<made_by>.*):(?<jpeg_sha256>[^:]*)$").struct.unnest()
        rows = self.table.key_rows().select("artwork_id", parts)
        if made_by is not None:
            rows = rows.filter(made_by=made_by)
        elif rows["made_by"].n_unique() > 1:
            rows = rows.clear()
        return rows.unique("jpeg_sha256", keep="last", maintain_order=True).select("jpeg_sha256", "artwork_id")

    def read(self, keys: Sequence[str], made_by: str | None = None) -> Tensor | None:
        """The features of these pictures, float16 (VIEWS, N, pooled); None where one of them, or all, are lacking.

        Args:
            keys: the `jpeg_sha256` of N pictures.
            made_by: as for `held`.
        """
        held = self.held(made_by)
        if not keys or not held.keys() >= set(keys):
            return None
        return self.of_artworks([held[key] for key in keys])

    def of_artworks(self, artwork_ids: Sequence[str]) -> Tensor:
        """The features of some artworks that the table has, float16 (VIEWS, N, pooled)."""
        names = list(dict.fromkeys(artwork_ids))
        features = np.empty((0, VIEWS, 0), np.float16)
        for first in range(0, len(names), _ROWS_AT_ONCE):
            rows = self.table.take(names[first : first + _ROWS_AT_ONCE], ["features"])
            part = np.frombuffer(b"".join(row for (row,) in rows.values()), np.float16).reshape(len(rows), VIEWS, -1)
            if not first:
                features = np.empty((len(names), *part.shape[1:]), np.float16)
            features[first : first + len(rows)] = part
        if len(names) < len(artwork_ids):
            row_of = {name: row for row, name in enumerate(names)}
            features = features[[row_of[name] for name in artwork_ids]]
        return torch.from_numpy(features).transpose(0, 1)


class _Backbone:
    """A backbone in its inference form, on the device that it computes on."""

    def __init__(self, backbone: "MultiLevelBackbone", transform: TransformSpec, device: torch.device) -> None:
        self._body, dtype = inference_form(backbone, transform.size, device)
        self._normalise = Normalise(transform, device, dtype)

    def features(self, squares: "Pixels") -> Features:
        """The features of one batch, (N, VIEWS, pooled)."""
        batch = list(torch.from_numpy(squares))
        with torch.inference_mode():
            views = [self._body(self._normalise(each)).to(torch.float16).cpu() for each in (batch, mirrored(batch))]
        return torch.stack(views, dim=1).numpy()


def compute_features(
    backbone: "MultiLevelBackbone",
    transform: TransformSpec,
    cache: "PixelCache",
    keys: Sequence[str],
    device: torch.device,
    progress: Progress | None = None,
) -> Tensor:
    """Run pictures of a pixel cache through a backbone.

    Args:
        backbone: the backbone.
        transform: how its input is made.
        cache: has the pixels of all these pictures.
        keys: the sha256 of N stored JPEGs; one that is repeated is computed once.
        device: where to compute.
        progress: advances with each picture.

    Returns:
        float16 (VIEWS, N, pooled).
    """
    form = _Backbone(backbone, transform, device)
    once = sorted(set(keys))
    rows, row_of = cache.rows(once), {key: row for row, key in enumerate(once)}
    batches: list[Features] = []
    with (progress or SilentProgress()).track("features", len(rows), "images") as step:
        for first in range(0, len(rows), BATCH_SIZE):
            batches.append(form.features(cache.squares(rows[first : first + BATCH_SIZE])))
            step.advance(len(batches[-1]))
    features = np.concatenate(batches) if batches else np.empty((0, VIEWS, 1), np.float16)
    return torch.from_numpy(features[[row_of[key] for key in keys]]).transpose(0, 1)


class ComputeFeatures:
    """The work of an engine: a shard's pictures through a backbone.

    Args:
        backbone: the backbone; it is copied and not changed.
        transform: how its input is made.
        images: the stored JPEGs.
        device: `auto`, `cpu`, `cuda` or `mps`.
        pixels: the cache of decoded pictures, or None to keep none.
    """

    def __init__(
        self,
        backbone: "MultiLevelBackbone",
        transform: TransformSpec,
        images: "JpegSource",
        device: str,
        pixels: "PixelCache | None",
    ) -> None:
        self._network, self._transform, self._images = backbone, transform, images
        self._device, self._pixels = device, pixels

    @cached_property
    def _backbone(self) -> _Backbone:
        from artpipe.models.network import choose_device

        return _Backbone(self._network, self._transform, choose_device(self._device))

    def __call__(self, shard: Shard, threads: int) -> Any:
        """One row a picture: `features`, float16 (VIEWS, pooled) as bytes."""
        from artpipe.images.pixels import read_squares

        squares = read_squares(shard, self._transform.size, self._images, self._pixels, threads)
        batches = [
            self._backbone.features(squares[first : first + BATCH_SIZE]) for first in range(0, len(shard), BATCH_SIZE)
        ]
        return bytes_table({"features": [one.tobytes() for batch in batches for one in batch]})


def features_fingerprint(backbone: str, source: WeightsSource, image_px: int, depths: int = 0) -> str:
    """Identifies features of this backbone with these weights at this image size, read at so many depths."""
    return fingerprint(FEATURES_VERSION, backbone, source.identity(), image_px, *([depths] if depths else []))


@dataclass(frozen=True)
class FeaturesUpdate:
    """The updated table of features."""

    features: BackboneFeatures
    rows: int
    version: str
    """A hash of the pictures in it and of how their features were computed."""
    computed: int
    """How many pictures ran through the backbone now; the others were in the table."""
    width: int
    """Features of a picture in one view; 0 for an empty table."""


def update_features(
    rows: pl.DataFrame,
    images: "JpegSource",
    lake: DataLake,
    config: TrainingConfig,
    progress: Progress | None = None,
    *,
    engine: Engine | None = None,
    force: bool = False,
) -> FeaturesUpdate:
    """Compute the features of these pictures that the table lacks, and drop the others; a killed run resumes.

    Args:
        rows: `artwork_id` and `jpeg_sha256` of the pictures, of whatever split: nothing is trained here.
        images: the stored JPEGs.
        lake: has the table, and the cache of decoded pixels.
        config: the backbone, its weights, and the image size.
        progress: advances with each picture.
        engine: what computes; this machine by default.
        force: compute all of them again.
    """
    from artpipe.images.pixels import PixelCache
    from artpipe.models.network import build_backbone
    from artpipe.models.weights import load_backbone_weights

    engine, features = engine or LocalEngine(), BackboneFeatures(lake)
    table = features.table
    pictures = rows.sort("artwork_id")
    if config.weights == NO_WEIGHTS or not pictures.height:
        work, made_by, keys, pictures = None, "", list[str](), pictures.clear()
    else:
        backbone, transform = build_backbone(config.backbone, config.image_px, config.depths)
        source = load_backbone_weights(backbone, config.backbone, config.weights)
        made_by = features_fingerprint(config.backbone, source, config.image_px, config.depths)
        keys = pictures["jpeg_sha256"].unique().sort().to_list()
        pixels = PixelCache(lake.cache("pixels"), config.image_px) if engine.is_local else None
        work = ComputeFeatures(backbone, transform, images, config.device, pixels)
    table.prepare(["features"])
    _adopt_parquet(features, pictures, made_by)
    key_of = {name: _key(made_by, sha256) for name, sha256 in pictures.select("artwork_id", "jpeg_sha256").iter_rows()}
    computed, _ = update_rows(table, key_of, work, "features", progress, engine, force=force)
    width = features.of_artworks(pictures["artwork_id"][:1].to_list()).shape[2] if pictures.height else 0
    version = fingerprint(made_by, keys) if keys else fingerprint(FEATURES_VERSION, [])
    return FeaturesUpdate(features, pictures.height, version, computed, width)


def _key(made_by: str, jpeg_sha256: str) -> str:
    return f"{made_by}:{jpeg_sha256}"


def _adopt_parquet(features: BackboneFeatures, pictures: pl.DataFrame, made_by: str) -> None:
    """Take over what an older lake holds, which kept all features in one Parquet file."""
    for name in (BACKBONE_FEATURES_TABLE, "features"):
        older = read_table_if_exists(features.lake, name)
        if older is None:
            continue
        usable = pictures.join(older.filter(pl.col("made_by") == made_by), on="jpeg_sha256")
        for part in usable.iter_slices(1024):
            rows = part.select("artwork_id", "jpeg_sha256").iter_rows()
            keys = {artwork_id: _key(made_by, sha256) for artwork_id, sha256 in rows}
            features.table.upsert(keys, {"features": [one.tobytes() for one in part["features"].to_numpy()]})
        remove_file(features.lake.table(name))
