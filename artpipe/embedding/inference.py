"""The inference cache: a model's predictions for each picture, computed once for evaluation and the embedding table.

It is keyed by model and by the sha256 of the stored JPEG, on local disk, and can be deleted at any time.
"""

import io
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from upath import UPath

from artpipe.embedding.predictions import Predictions
from artpipe.embedding.table import VECTOR
from artpipe.lake.paths import DataLake, write_whole
from artpipe.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from artpipe.embedding.embedder import Embedder
    from artpipe.images.pixels import JpegSource
    from artpipe.models.card import ModelCard

MAX_PARTS = 32
"""Up to so many files of results are read quickly; more are merged into one."""


class InferenceCache:
    """The predictions of one model, by picture.

    Args:
        lake: has the model, and its predictions below `cache/`.
        card: the model.
        device: `auto`, `cpu`, `cuda` or `mps`.
    """

    def __init__(self, lake: DataLake, card: "ModelCard", device: str = "auto") -> None:
        self.lake, self.card, self.device = lake, card, device
        self.folder = lake.inference_cache(card.model_id)

    def infer(self, rows: pl.DataFrame, images: "JpegSource", progress: Progress | None = None) -> Predictions:
        """Look up every picture, and run those that are not cached through the network.

        Args:
            rows: `artwork_id` and `jpeg_sha256` of N stored images.
            images: the stored JPEGs.
            progress: advances with each picture decoded or embedded.

        Returns:
            N predictions in the order of `rows`.
        """
        pictures = rows.select("artwork_id", "jpeg_sha256").unique("jpeg_sha256", maintain_order=True)
        known = self._read(pictures["jpeg_sha256"])
        missing = pictures.join(known, on="jpeg_sha256", how="anti")
        if missing.height:
            computed = self._computed(missing, images, progress or SilentProgress())
            self._append(computed)
            known = pl.concat([known, computed])
        found = rows.select("jpeg_sha256").join(known, on="jpeg_sha256", how="left", maintain_order="left")
        probabilities = {task: found[task].to_numpy() for task in self.card.classes}
        return Predictions(found[VECTOR].to_numpy(), probabilities, missing.height)

    def _computed(self, missing: pl.DataFrame, images: "JpegSource", progress: Progress) -> pl.DataFrame:
        from artpipe.embedding.embedder import Embedder
        from artpipe.images.pixels import PixelCache
        from artpipe.models.checkpoint import load_model
        from artpipe.training.memory import reused_memory

        embedder = Embedder.of(load_model(self.lake.model(self.card.model_id)), self.device)
        from_features = self._from_features(missing["jpeg_sha256"], embedder)
        if from_features is not None:
            missing = missing.join(from_features, on="jpeg_sha256", how="anti")
            if not missing.height:
                return from_features
        pixels = PixelCache(self.lake.cache("pixels"), embedder.image_px)
        keys: list[str] = missing["jpeg_sha256"].to_list()
        pixels.ensure(missing["artwork_id"].to_list(), keys, images, progress)
        with reused_memory():
            predictions = Predictions.joined(embedder.embed_cached(pixels, keys, progress=progress))
        from_pixels = self._table(keys, predictions)
        return from_pixels if from_features is None else pl.concat([from_features, from_pixels])

    def _from_features(self, keys: pl.Series, embedder: "Embedder") -> pl.DataFrame | None:
        """Predictions of a model with a frozen backbone from its cached features; None where there are none."""
        from artpipe.training.features import features_fingerprint, features_in_order

        path = self.lake.table("backbone_features")
        if not self.card.is_head_only or not path.exists():
            return None
        card = self.card
        made_by = features_fingerprint(card.backbone, card.weights_source, card.transform.size, card.depths)
        table = pl.read_parquet(io.BytesIO(path.read_bytes()))
        cached = table.filter((pl.col("made_by") == made_by) & pl.col("jpeg_sha256").is_in(keys.implode()))
        if not cached.height:
            return None
        known: list[str] = cached["jpeg_sha256"].to_list()
        features = features_in_order(cached, known)[: self.card.views]
        return self._table(known, embedder.predict_from_features(features))

    def _table(self, keys: list[str], predictions: Predictions) -> pl.DataFrame:
        """Rows of the cache."""
        return pl.DataFrame(
            {"jpeg_sha256": keys, VECTOR: predictions.vectors, **predictions.probabilities},
            schema=self._schema(predictions.vectors.shape[1]),
        )

    def _schema(self, dimension: int) -> dict[str, pl.DataType]:
        probabilities = {task: pl.Array(pl.Float32(), len(names)) for task, names in self.card.classes.items()}
        return {"jpeg_sha256": pl.String(), VECTOR: pl.Array(pl.Float32(), dimension), **probabilities}

    def _read(self, keys: pl.Series | None = None) -> pl.DataFrame:
        """The cached rows of these pictures, or of all; an unreadable part, or one with another schema, is skipped."""
        schema = self._schema(self.card.embedding_dim)
        known = [pl.DataFrame(schema=schema)]
        for part in self._parts():
            try:
                rows = pl.scan_parquet(part)
                if keys is not None:
                    rows = rows.filter(pl.col("jpeg_sha256").is_in(keys.implode()))
                found = rows.collect()
            except (OSError, pl.exceptions.PolarsError):
                continue
            if found.schema == schema:
                known.append(found)
        return pl.concat(known).unique("jpeg_sha256")

    def _append(self, computed: pl.DataFrame) -> None:
        """Write rows as a new part, so that one more picture costs one picture; many parts are merged into one."""
        parts = self._parts()
        if len(parts) >= MAX_PARTS:
            computed = pl.concat([self._read(), computed]).unique("jpeg_sha256")
        buffer = io.BytesIO()
        computed.write_parquet(buffer, compression="uncompressed")
        number = int(parts[-1].stem) + 1 if parts else 0
        write_whole(UPath(self.folder / f"{number:06d}.parquet"), buffer.getvalue())
        if len(parts) >= MAX_PARTS:
            for part in parts:
                part.unlink()

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))


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
