"""The inference cache: a model's predictions for each picture, computed once for evaluation and the embedding table.

It is keyed by model and by the sha256 of the stored JPEG, on local disk, and can be deleted at any time. Pictures run
through the network a shard at a time, and each shard is kept as soon as it is computed.
"""

import io
from collections.abc import Collection, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import polars as pl
from upath import UPath

from artpipe.embedding.predictions import Predictions
from artpipe.embedding.row_lookup import RowLookup
from artpipe.embedding.table import VECTOR
from artpipe.engine.shards import Engine, LocalEngine, Shard, planned
from artpipe.lake.paths import DataLake, write_whole
from artpipe.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from artpipe.embedding.embedder import Embedder
    from artpipe.images.pixels import JpegSource, PixelCache
    from artpipe.models.card import ModelCard

MAX_PARTS = 32
"""Up to so many small files of results are read quickly; more are merged into one."""
_PART_ROWS = 8192
"""A file with so many rows is small no more, so that memory stays flat however many pictures there are."""
_ROWS_AT_ONCE = 4096


class EmbedPictures:
    """The work of an engine: a shard's pictures through the network.

    Args:
        lake: has the model.
        card: the model.
        images: the stored JPEGs.
        device: `auto`, `cpu`, `cuda` or `mps`.
        keeps_pixels: whether decoded pictures are kept in this machine's cache.
    """

    def __init__(
        self, lake: DataLake, card: "ModelCard", images: "JpegSource", device: str, *, keeps_pixels: bool
    ) -> None:
        self._lake, self._card, self._images, self._device = lake, card, images, device
        self._keeps_pixels = keeps_pixels

    @cached_property
    def _embedder(self) -> "Embedder":
        from artpipe.embedding.embedder import Embedder
        from artpipe.models.checkpoint import load_model

        return Embedder.of(load_model(self._lake.model(self._card.model_id)), self._device)

    @cached_property
    def _pixels(self) -> "PixelCache | None":
        from artpipe.images.pixels import PixelCache

        return PixelCache(self._lake.cache("pixels"), self._card.transform.size) if self._keeps_pixels else None

    def __call__(self, shard: Shard, threads: int) -> Any:
        """Rows of the cache, in the order of the shard."""
        from artpipe.images.pixels import read_squares

        squares = read_squares(shard, self._card.transform.size, self._images, self._pixels, threads)
        return cache_rows(self._card, shard.keys, self._embedder.embed(squares)).to_arrow()


def cache_rows(card: "ModelCard", keys: Iterable[str], predictions: Predictions) -> pl.DataFrame:
    """Rows of the cache of a model: `jpeg_sha256`, the vector, and the probabilities of each task."""
    return pl.DataFrame(
        {"jpeg_sha256": list(keys), VECTOR: predictions.vectors, **predictions.probabilities},
        schema=_schema(card, predictions.vectors.shape[1]),
    )


def _schema(card: "ModelCard", dimension: int) -> dict[str, pl.DataType]:
    probabilities = {task: pl.Array(pl.Float32(), len(names)) for task, names in card.classes.items()}
    return {"jpeg_sha256": pl.String(), VECTOR: pl.Array(pl.Float32(), dimension), **probabilities}


class InferenceCache:
    """The predictions of one model, by picture.

    Args:
        lake: has the model, and its predictions below `cache/`.
        card: the model.
        device: `auto`, `cpu`, `cuda` or `mps`.
        engine: what computes; this machine by default.
    """

    def __init__(self, lake: DataLake, card: "ModelCard", device: str = "auto", engine: Engine | None = None) -> None:
        self.lake, self.card, self.device = lake, card, device
        self.engine = engine or LocalEngine()
        self.folder = lake.inference_cache(card.model_id)
        self._height: dict[Path, int] = {}

    def infer(self, rows: pl.DataFrame, images: "JpegSource", progress: Progress | None = None) -> Predictions:
        """Look up every picture, and run those that are not cached through the network.

        Args:
            rows: `artwork_id` and `jpeg_sha256` of N stored images.
            images: the stored JPEGs.
            progress: advances with each picture embedded.

        Returns:
            N predictions in the order of `rows`.
        """
        vectors = np.empty((rows.height, self.card.embedding_dim), np.float32)
        probabilities = {
            task: np.empty((rows.height, len(names)), np.float32) for task, names in self.card.classes.items()
        }
        computed = 0
        for some, found in self.inferred(rows.with_row_index("place"), images, progress):
            place, computed = some["place"].to_numpy(), computed + found.computed
            vectors[place] = found.vectors
            for task, one in probabilities.items():
                one[place] = found.probabilities[task]
        return Predictions(vectors, probabilities, computed)

    def inferred(
        self, rows: pl.DataFrame, images: "JpegSource", progress: Progress | None = None
    ) -> Iterator[tuple[pl.DataFrame, Predictions]]:
        """The same a few thousand pictures at a time, those that are cached first, and others as they are computed.

        Args:
            rows: `artwork_id` and `jpeg_sha256` of N stored images, and whatever else.
            images: the stored JPEGs.
            progress: advances with each picture embedded.

        Yields:
            Some of the rows, each row once, and the predictions of their pictures.
        """
        asked = RowLookup(rows, "jpeg_sha256")
        for part in self._parts():
            for known in self._read(part, rows["jpeg_sha256"]).iter_slices(_ROWS_AT_ONCE):
                yield self._matched(asked, known, 0)
        missing = asked.rest().select("artwork_id", "jpeg_sha256").unique("jpeg_sha256", maintain_order=True)
        if missing.height:
            for computed in self._computed(missing, images, progress or SilentProgress()):
                self._append(computed)
                yield self._matched(asked, computed, computed.height)

    def _matched(self, asked: RowLookup, known: pl.DataFrame, computed: int) -> tuple[pl.DataFrame, Predictions]:
        """The rows whose pictures are known, with what is known of each."""
        some, which = asked.take(known["jpeg_sha256"])
        found = known[which]
        probabilities = {task: found[task].to_numpy() for task in self.card.classes}
        return some, Predictions(found[VECTOR].to_numpy(), probabilities, computed)

    def _computed(self, missing: pl.DataFrame, images: "JpegSource", progress: Progress) -> Iterator[pl.DataFrame]:
        """Rows of the cache for pictures that it lacks, some at a time."""
        with progress.track("embed", missing.height, "images") as step:
            for from_features in self._from_features(missing["jpeg_sha256"]):
                missing = missing.join(from_features, on="jpeg_sha256", how="anti", maintain_order="left")
                yield from_features
                step.advance(from_features.height)
            work = EmbedPictures(self.lake, self.card, images, self.device, keeps_pixels=self.engine.is_local)
            shards = planned(missing["artwork_id"].to_list(), missing["jpeg_sha256"].to_list())
            for shard, made in self.engine.map(work, shards):
                yield cast("pl.DataFrame", pl.from_arrow(made, schema=_schema(self.card, self.card.embedding_dim)))
                step.advance(len(shard))

    def _from_features(self, keys: pl.Series) -> Iterator[pl.DataFrame]:
        """Predictions of a model with a frozen backbone from its cached features; nothing where there are none."""
        if not self.card.is_head_only:
            return
        from artpipe.embedding.embedder import Embedder
        from artpipe.models.checkpoint import load_model
        from artpipe.training.features import BackboneFeatures, features_fingerprint

        features = BackboneFeatures(self.lake)
        card = self.card
        made_by = features_fingerprint(card.backbone, card.weights_source, card.transform.size, card.depths)
        cached = keys.to_frame().join(features.held_rows(made_by), on="jpeg_sha256", maintain_order="left")
        if cached.is_empty():
            return
        embedder = Embedder.of(load_model(self.lake.model(card.model_id)), self.device)
        for some in cached.iter_slices(_ROWS_AT_ONCE):
            views = features.of_artworks(some["artwork_id"].to_list())[: card.views]
            yield cache_rows(card, some["jpeg_sha256"], embedder.predict_from_features(views))

    def _read(self, part: Path, keys: pl.Series | None = None) -> pl.DataFrame:
        """The rows of these pictures in a part, or all of them; none where it is unreadable or has another schema."""
        schema = _schema(self.card, self.card.embedding_dim)
        try:
            rows = pl.scan_parquet(part)
            if keys is not None:
                rows = rows.filter(pl.col("jpeg_sha256").is_in(keys.implode()))
            found = rows.collect()
        except (OSError, pl.exceptions.PolarsError):
            return pl.DataFrame(schema=schema)
        return found.unique("jpeg_sha256") if found.schema == schema else pl.DataFrame(schema=schema)

    def _append(self, computed: pl.DataFrame) -> None:
        """Write rows as a new part, so that one more picture costs one picture; many small parts are merged."""
        parts = self._parts()
        small = [part for part in parts if self._rows_of(part) < _PART_ROWS] if len(parts) >= MAX_PARTS else []
        if len(small) < MAX_PARTS:
            small = []
        buffer = io.BytesIO()
        merged = pl.concat([*(self._read(part) for part in small), computed]).unique("jpeg_sha256")
        merged.write_parquet(buffer, compression="uncompressed")
        number = int(parts[-1].stem) + 1 if parts else 0
        write_whole(UPath(self.folder / f"{number:06d}.parquet"), buffer.getvalue())
        for part in small:
            part.unlink()

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))

    def _rows_of(self, part: Path) -> int:
        """How many rows a part has, which never change; 0 where it is unreadable, so that it is merged away."""
        if part not in self._height:
            try:
                self._height[part] = int(pl.scan_parquet(part).select(pl.len()).collect().item())
            except (OSError, pl.exceptions.PolarsError):
                return 0
        return self._height[part]


def embedding_rows(
    images: pl.DataFrame, predictions: Predictions, card: "ModelCard", tasks: Collection[str]
) -> pl.DataFrame:
    """Rows of the `embeddings` table: the images, their vectors, and the most probable label of each task.

    Args:
        images: `artwork_id`, `jpeg_sha256` and metadata of N images.
        predictions: of the same images, in that order.
        card: the model.
        tasks: that the table has columns of; the model may predict others, which were declared when it was trained.
    """
    rows = images.with_columns(
        pl.lit(card.model_id).alias("model_id"),
        pl.Series(VECTOR, predictions.vectors, dtype=pl.Array(pl.Float32, predictions.vectors.shape[1])),
    )
    for task in tasks:
        if task not in card.classes:
            continue
        names, probabilities = card.classes[task], predictions.probabilities[task]
        rows = rows.with_columns(
            pl.Series(
                f"predicted_{task}",
                [names[i] for i in probabilities.argmax(axis=1)],
                dtype=pl.String,
            ),
            pl.Series(f"predicted_{task}_probability", probabilities.max(axis=1), dtype=pl.Float32),
        )
    return rows
