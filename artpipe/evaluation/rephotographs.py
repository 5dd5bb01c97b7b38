"""Does a photograph or a detail of a painting find that painting? Asked of vectors alone, one distortion at a time.

Held-out works are photographed anew by `search/rephotograph.py`; the nearest vector of the whole table should be of
the same work. The photographs run through the model once and are kept in its inference cache.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import polars as pl

from artpipe.evaluation.bootstrap import Interval, interval_of_mean
from artpipe.splits.assign import HELD_OUT, share_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.embedding.predictions import Predictions
    from artpipe.images.pixels import JpegSource

MOST_WORKS = 120
SHARE_OF_WORKS = 0.25
"""Of the held-out works so many are photographed, and never more than `MOST_WORKS`."""
WITHIN = 10
_QUALITY = 92
_VERSION = 1
"""Raised when the same picture would be photographed in another way."""


class Infer(Protocol):
    """How a model is asked about pictures, as `InferenceCache.infer` answers."""

    def __call__(self, rows: pl.DataFrame, images: "JpegSource", /) -> "Predictions":
        """What the model says of the pictures of `rows`."""
        ...


@dataclass(frozen=True)
class RephotographScores:
    """How often photographs of one kind find their painting.

    Attributes:
        kind: what was done to the pictures.
        n: held-out works photographed, one photograph each.
        recall: share whose nearest row of the table shows the same work.
        recall_interval: its 95 % bootstrap interval.
        recall_within: share with a row of the same work among the nearest `WITHIN`.
    """

    kind: str
    n: int
    recall: float
    recall_interval: Interval
    recall_within: float


class Rephotographs:
    """The JPEGs of photographs, taken when they are asked for; a name is `<artwork_id>#<kind>`."""

    def __init__(self, originals: "JpegSource") -> None:
        self.originals = originals

    def jpegs(self, names: Sequence[str], /) -> list[bytes]:
        """The photograph of each name, in the order asked; the same name always gives the same bytes."""
        parted = [name.rpartition("#") for name in names]
        found = self.originals.jpegs([artwork_id for artwork_id, _, _ in parted])
        return [_photograph(jpeg, kind, name) for jpeg, (_, _, kind), name in zip(found, parted, names, strict=True)]


def sampled_works(rows: pl.DataFrame, most: int = MOST_WORKS) -> pl.DataFrame:
    """A sample of the held-out works, one picture each, that hardly changes as the collection grows.

    Args:
        rows: `artwork_id`, `work_id`, `split`, `jpeg_sha256`.
        most: at most so many works.
    """
    held_out = rows.filter(pl.col("split").is_in(HELD_OUT)).sort("artwork_id").unique("work_id", keep="first")
    order = pl.col("work_id").map_elements(lambda name: share_of("photograph", "work", name), pl.Float64)
    wanted = min(most, round(held_out.height * SHARE_OF_WORKS))
    return held_out.sort(order).head(wanted)


def score_rephotographs(
    rows: pl.DataFrame,
    vectors: "NDArray[np.float32]",
    images: "JpegSource",
    infer: Infer,
    *,
    most: int = MOST_WORKS,
    seed: int = 0,
) -> "tuple[list[RephotographScores], int]":
    """Photograph a sample of the held-out works in every way, and look for them in the whole table.

    Args:
        rows: `artwork_id`, `work_id`, `split`, `jpeg_sha256` of N pictures: the table.
        vectors: float32 (N, D), rows of length 1.
        images: the stored JPEGs.
        infer: the model.
        most: at most so many works.
        seed: of the bootstrap.

    Returns:
        The scores of each kind, none where nothing is held out, and how many photographs ran through the model.
    """
    from artpipe.recognition.rephotograph import KINDS

    works = sampled_works(rows, most)
    if works.is_empty():
        return [], 0
    asked = pl.concat(
        works.select(
            "work_id",
            pl.lit(kind).alias("kind"),
            (pl.col("artwork_id") + f"#{kind}").alias("artwork_id"),
            pl.col("jpeg_sha256").map_elements(lambda key, kind=kind: _key(key, kind), pl.String),
        )
        for kind in KINDS
    )
    found = infer(asked.select("artwork_id", "jpeg_sha256"), Rephotographs(images))
    similarity = found.vectors @ vectors.T
    best = np.argsort(-similarity, axis=1, kind="stable")[:, :WITHIN]
    is_same = rows["work_id"].to_numpy()[best] == asked["work_id"].to_numpy()[:, None]
    kinds = asked["kind"].to_numpy()
    scores = [
        RephotographScores(
            kind,
            works.height,
            float(right[:, 0].mean()),
            interval_of_mean(right[:, 0], np.arange(len(right)), seed),
            float(right.any(axis=1).mean()),
        )
        for kind in KINDS
        for right in [is_same[kinds == kind]]
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
    """What the caches know a photograph by."""
    return hashlib.sha256(f"photograph {_VERSION} {kind} {jpeg_sha256}".encode()).hexdigest()
