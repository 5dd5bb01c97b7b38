"""Instance retrieval by vectors alone: does a simulated photograph of a painting find that painting?

`recognition/rephotograph.py` simulates photographs of held-out works, one distortion at a time; the nearest vector of
the whole table should be of the same work. The model's inference cache keeps the photographs' vectors.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from artpipe.evaluation.bootstrap import Interval, interval_of_mean
from artpipe.splits.assign import HELD_OUT, hash_fraction
from artpipe.vectors.grouped import similarity_blocks, top_k

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.embedding.predictions import Predictions
    from artpipe.images.pixels import JpegSource

MAX_WORKS = 120
SHARE_OF_WORKS = 0.25
"""The share of the held-out works that is photographed, at most `MAX_WORKS`."""
WITHIN = 10
_QUALITY = 92
_VERSION = 1
"""Raised when photographs of the same image come out differently."""


class Infer(Protocol):
    """Inference of a model, such as `InferenceCache.infer`."""

    def __call__(self, rows: pl.DataFrame, images: "JpegSource", /) -> "Predictions":
        """Vectors and probabilities of the images of `rows`."""
        ...


@dataclass(frozen=True)
class RephotographScores:
    """How often photographs with one distortion find their painting.

    Attributes:
        kind: the distortion.
        n: held-out works photographed, one photograph each.
        recall: recall@1, the share whose nearest row of the table shows the same work.
        recall_interval: its 95 % bootstrap interval.
        recall_within: recall@`WITHIN`.
    """

    kind: str
    n: int
    recall: float
    recall_interval: Interval
    recall_within: float


class Rephotographs:
    """The JPEGs of simulated photographs, made on demand; a name is `<artwork_id>#<kind>`."""

    def __init__(self, originals: "JpegSource") -> None:
        self.originals = originals

    def jpegs(self, names: Sequence[str], /) -> list[bytes]:
        """The photograph of each name, in the requested order; the same name always gives the same bytes."""
        parts = [name.rpartition("#") for name in names]
        originals = self.originals.jpegs([artwork_id for artwork_id, _, _ in parts])
        return [_photograph(jpeg, kind, name) for jpeg, (_, _, kind), name in zip(originals, parts, names, strict=True)]


def sampled_works(rows: pl.DataFrame, most: int = MAX_WORKS) -> pl.DataFrame:
    """A sample of the held-out works, one image each, that hardly changes as the collection grows.

    Args:
        rows: `artwork_id`, `work_id`, `split`, `jpeg_sha256`.
        most: upper limit of the number of works.
    """
    held_out = rows.filter(pl.col("split").is_in(HELD_OUT)).sort("artwork_id").unique("work_id", keep="first")
    order = pl.col("work_id").map_elements(lambda name: hash_fraction("photograph", "work", name), pl.Float64)
    return held_out.sort(order).head(min(most, round(held_out.height * SHARE_OF_WORKS)))


def score_rephotographs(
    rows: pl.DataFrame,
    vectors: "NDArray[np.float32]",
    images: "JpegSource",
    infer: Infer,
    *,
    seed: int = 0,
) -> "tuple[list[RephotographScores], int]":
    """Photograph a sample of the held-out works with every distortion, and search the whole table for them.

    Args:
        rows: `artwork_id`, `work_id`, `split`, `jpeg_sha256` of N images: the table.
        vectors: float32 (N, D), rows of length 1.
        images: the stored JPEGs.
        infer: the model.
        seed: of the bootstrap.

    Returns:
        The scores of each distortion, none where nothing is held out, and how many photographs ran through the model.
    """
    from artpipe.recognition.rephotograph import KINDS

    works = sampled_works(rows)
    if works.is_empty():
        return [], 0
    photographs = pl.concat(
        works.select(
            "work_id",
            pl.lit(kind).alias("kind"),
            (pl.col("artwork_id") + f"#{kind}").alias("artwork_id"),
            pl.col("jpeg_sha256").map_elements(lambda key, kind=kind: _key(key, kind), pl.String),
        )
        for kind in KINDS
    )
    found = infer(photographs.select("artwork_id", "jpeg_sha256"), Rephotographs(images))
    no_group = np.full(photographs.height, -1)
    blocks = similarity_blocks(found.vectors, no_group, vectors, np.zeros(len(vectors), np.int64))
    best = np.concatenate([top_k(similarity, WITHIN) for _, similarity in blocks])
    is_same = rows["work_id"].to_numpy()[best] == photographs["work_id"].to_numpy()[:, None]
    kinds = photographs["kind"].to_numpy()
    scores = [
        RephotographScores(
            kind,
            works.height,
            float(hits[:, 0].mean()),
            interval_of_mean(hits[:, 0], np.arange(len(hits)), seed),
            float(hits.any(axis=1).mean()),
        )
        for kind in KINDS
        for hits in [is_same[kinds == kind]]
    ]
    return scores, found.computed


def _photograph(jpeg: bytes, kind: str, name: str) -> bytes:
    from PIL import Image

    from artpipe.recognition.rephotograph import rephotograph

    out = io.BytesIO()
    with Image.open(io.BytesIO(jpeg)) as picture:
        seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
        rephotograph(picture, kind, seed).save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()


def _key(jpeg_sha256: str, kind: str) -> str:
    """The cache key of a photograph."""
    return hashlib.sha256(f"photograph {_VERSION} {kind} {jpeg_sha256}".encode()).hexdigest()
