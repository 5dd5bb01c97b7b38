"""What a model says of each picture, computed once: evaluation and the embedding table both ask here.

Vectors and probabilities are kept by model and by the sha256 of the stored JPEG, so that a picture runs through a
network once, whoever asks first. The store is a cache on local disk and can be deleted at any time.
"""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from artpipe.embedding.table import PREDICTIONS, VECTOR
from artpipe.lake.paths import DataLake, write_whole
from artpipe.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.embedding.embedder import Embedder, Predictions
    from artpipe.images.pixels import JpegSource
    from artpipe.models.checkpoint import ModelCard

MOST_PARTS = 32
"""So many files of results are read quickly; more are written anew as one."""


@dataclass(frozen=True)
class Inferred:
    """What a model says of N pictures."""

    vectors: "NDArray[np.float32]"
    """(N, D), rows of length 1."""
    probabilities: "dict[str, NDArray[np.float32]]"
    """(N, classes) by task, in the order of the card's classes."""
    computed: int
    """How many pictures ran through the network just now; the others were known."""


class InferenceCache:
    """The vectors and probabilities of one model, by picture.

    Args:
        lake: where the model, and below `cache/` its results, are.
        card: the model.
        device: `auto`, `cpu`, `cuda` or `mps`.
    """

    def __init__(self, lake: DataLake, card: "ModelCard", device: str = "auto") -> None:
        self.lake, self.card, self.device = lake, card, device
        self.folder = lake.cache("inference") / card.model_id

    def infer(self, rows: pl.DataFrame, images: "JpegSource", progress: Progress | None = None) -> Inferred:
        """Look up every picture, and run those not known yet through the network.

        Args:
            rows: `artwork_id` and `jpeg_sha256` of N stored images.
            images: the stored JPEGs.
            progress: told of each picture decoded or embedded.

        Returns:
            N results in the order of `rows`.
        """
        wanted = rows.select("artwork_id", "jpeg_sha256").unique("jpeg_sha256", maintain_order=True)
        known = self._read(wanted["jpeg_sha256"])
        missing = wanted.join(known, on="jpeg_sha256", how="anti")
        if missing.height:
            computed = self._computed(missing, images, progress or SilentProgress())
            self._append(computed)
            known = pl.concat([known, computed])
        found = rows.select("jpeg_sha256").join(known, on="jpeg_sha256", how="left", maintain_order="left")
        probabilities = {task: found[task].to_numpy() for task in self.card.classes}
        return Inferred(found[VECTOR].to_numpy(), probabilities, missing.height)

    def _computed(self, missing: pl.DataFrame, images: "JpegSource", progress: Progress) -> pl.DataFrame:
        from artpipe.embedding.embedder import Embedder, Predictions
        from artpipe.images.pixels import PixelCache
        from artpipe.models.checkpoint import load_model
        from artpipe.training.memory import reused_memory

        embedder = Embedder.of(load_model(self.lake.model(self.card.model_id)), self.device)
        judged = self._judged_by_features(missing["jpeg_sha256"], embedder)
        if judged is not None:
            missing = missing.join(judged, on="jpeg_sha256", how="anti")
            if not missing.height:
                return judged
        pixels = PixelCache(self.lake.cache("pixels"), embedder.image_px)
        keys: list[str] = missing["jpeg_sha256"].to_list()
        pixels.ensure(missing["artwork_id"].to_list(), keys, images, progress)
        with reused_memory():
            found = Predictions.joined(embedder.embed_cached(pixels, keys, progress=progress))
        looked = self._table(keys, found)
        return looked if judged is None else pl.concat([judged, looked])

    def _judged_by_features(self, keys: pl.Series, embedder: "Embedder") -> pl.DataFrame | None:
        """What a model that is a head alone says of pictures whose features are kept; None where there are none."""
        from artpipe.training.features import features_in_order, maker

        path = self.lake.table("backbone_features")
        if not self.card.is_head_alone or not path.exists():
            return None
        made_by = maker(self.card.backbone, self.card.weights_source, self.card.transform.size)
        table = pl.read_parquet(io.BytesIO(path.read_bytes()))
        kept = table.filter((pl.col("made_by") == made_by) & pl.col("jpeg_sha256").is_in(keys.implode()))
        if not kept.height:
            return None
        known: list[str] = kept["jpeg_sha256"].to_list()
        return self._table(known, embedder.judge(features_in_order(kept, known)[: self.card.views]))

    def _table(self, keys: list[str], found: "Predictions") -> pl.DataFrame:
        """Results as they are kept."""
        return pl.DataFrame(
            {"jpeg_sha256": keys, VECTOR: found.vectors, **found.probabilities},
            schema=self._schema(found.vectors.shape[1]),
        )

    def _schema(self, dimension: int) -> dict[str, pl.DataType]:
        probabilities = {task: pl.Array(pl.Float32(), len(names)) for task, names in self.card.classes.items()}
        return {"jpeg_sha256": pl.String(), VECTOR: pl.Array(pl.Float32(), dimension), **probabilities}

    def _read(self, keys: pl.Series | None = None) -> pl.DataFrame:
        """What is known of these pictures, or of all; a part that cannot be read, or is of another shape, is not."""
        schema = self._schema(self.card.features)
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
        """Keep results as a part of their own, so that one picture more costs one picture; many parts become one."""
        parts = self._parts()
        if len(parts) >= MOST_PARTS:
            computed = pl.concat([self._read(), computed]).unique("jpeg_sha256")
        buffer = io.BytesIO()
        computed.write_parquet(buffer, compression="uncompressed")
        number = int(parts[-1].stem) + 1 if parts else 0
        self._write(self.folder / f"{number:06d}.parquet", buffer.getvalue())
        if len(parts) >= MOST_PARTS:
            for part in parts:
                part.unlink()

    def _parts(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))

    def _write(self, file: Path, data: bytes) -> None:
        from upath import UPath

        write_whole(UPath(file), data)


def embedding_rows(wanted: pl.DataFrame, found: Inferred, card: "ModelCard") -> pl.DataFrame:
    """Rows of the `embeddings` table: what was asked for, its vector, and the likeliest label of each task.

    Args:
        wanted: `artwork_id`, `jpeg_sha256` and metadata of N images.
        found: what the model says of them, in the same order.
        card: the model.
    """
    rows = wanted.with_columns(
        pl.lit(card.model_id).alias("model_id"),
        pl.Series(VECTOR, found.vectors, dtype=pl.Array(pl.Float32, found.vectors.shape[1])),
    )
    for task, names in card.classes.items():
        best = found.probabilities[task].argmax(axis=1)
        chance = found.probabilities[task].max(axis=1)
        rows = rows.with_columns(
            pl.Series(f"predicted_{task}", [names[i] for i in best], dtype=PREDICTIONS[f"predicted_{task}"]),
            pl.Series(f"predicted_{task}_probability", chance, dtype=pl.Float32),
        )
    return rows
