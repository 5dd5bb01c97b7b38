"""The table `art_map`: one row is a searchable work and its place on the map.

A map is only useful to someone who finds things again, so what stands keeps its place: new works are put among their
neighbours, and everything is laid out again only for another model, when most works were never laid out together, or
on demand; then from the old places, and turned to fit them. `artpipe.web` draws it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from artpipe.embedding.projection import align, lay_out, place

if TYPE_CHECKING:
    from artpipe.embedding.projection import Positions, Vectors

ART_MAP = pl.Schema(
    {
        "artwork_id": pl.String(),
        "x": pl.Float32(),
        "y": pl.Float32(),
        "jpeg_sha256": pl.String(),
        "model_id": pl.String(),
        "is_laid_out": pl.Boolean(),
    }
)
"""`jpeg_sha256` and `model_id` say of which vector it is the place; `is_laid_out` is false where the work was put
among its neighbours later."""

LEAST_SHARE_LAID_OUT = 0.5


@dataclass(frozen=True)
class MapUpdate:
    """A map and how it came from the one before.

    Attributes:
        table: rows of `ART_MAP`, in the order of `artwork_id`.
        kept: works that stand where they stood.
        placed: works that were put among their neighbours.
        laid_out: works of a new layout.
        why: why everything was laid out, or empty.
    """

    table: pl.DataFrame
    kept: int
    placed: int
    laid_out: int
    why: str


def update_map(
    works: pl.DataFrame, vectors: "Vectors", held: pl.DataFrame | None, *, anew: bool = False, seed: int = 0
) -> MapUpdate:
    """The map of these works, as near to the one before as it can be.

    Args:
        works: `artwork_id`, `jpeg_sha256` and `model_id` of N works, in the order of `artwork_id`.
        vectors: float32 (N, D), each of length 1, in the same order.
        held: the map before, if there is one.
        anew: lay everything out again.
        seed: of a layout.
    """
    works = works.select("artwork_id", "jpeg_sha256", "model_id")
    held = pl.DataFrame(schema=ART_MAP) if held is None else held
    columns = ["artwork_id", "jpeg_sha256", "model_id"]
    found = works.join(held, on=columns, how="left", maintain_order="left", nulls_equal=True)
    stands = found["x"].is_not_null().to_numpy()
    why = _why_laid_out(found, held, anew)
    if why:
        return _laid_out(works, vectors, held, why, seed)
    positions = found.select("x", "y").to_numpy().astype(np.float32)
    if not stands.all():
        positions[~stands] = place(vectors[~stands], vectors[stands], positions[stands])
    together = found["is_laid_out"].fill_null(value=False)
    kept = int(stands.sum())
    return MapUpdate(_table(works, positions, together), kept, works.height - kept, 0, "")


def _why_laid_out(found: pl.DataFrame, held: pl.DataFrame, anew: bool) -> str:
    if anew:
        return "asked for"
    if held.is_empty():
        return "there was no map"
    if not set(found["model_id"]) & set(held["model_id"]):
        return "another model made the vectors"
    share = found["is_laid_out"].fill_null(value=False).mean()
    if not isinstance(share, float) or share < LEAST_SHARE_LAID_OUT:
        return "most works were never laid out together"
    return ""


def _laid_out(works: pl.DataFrame, vectors: "Vectors", held: pl.DataFrame, why: str, seed: int) -> MapUpdate:
    before = works.join(held.select("artwork_id", "x", "y"), on="artwork_id", how="left", maintain_order="left")
    old = before.select("x", "y").to_numpy().astype(np.float32)
    known = np.flatnonzero(before["x"].is_not_null().to_numpy())
    start = None
    if len(known) >= max(3, works.height // 2):
        start = old.copy()
        strangers = np.setdiff1d(np.arange(works.height), known)
        if len(strangers):
            start[strangers] = place(vectors[strangers], vectors[known], old[known])
    positions = lay_out(vectors, start, seed=seed)
    positions = align(positions, old[known], known)
    together = pl.Series([True] * works.height, dtype=pl.Boolean)
    return MapUpdate(_table(works, positions, together), 0, 0, works.height, why)


def _table(works: pl.DataFrame, positions: "Positions", together: pl.Series) -> pl.DataFrame:
    return works.select(
        "artwork_id",
        x=pl.Series(positions[:, 0], dtype=pl.Float32),
        y=pl.Series(positions[:, 1], dtype=pl.Float32),
        jpeg_sha256="jpeg_sha256",
        model_id="model_id",
        is_laid_out=together,
    )
