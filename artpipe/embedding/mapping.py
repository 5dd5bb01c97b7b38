"""The table `art_map`: one row is a searchable work and its position on the map.

People find works again by their position, so positions are kept: new works are placed among their neighbours, and
the whole map is laid out again only for another model, when most works were never laid out together, or on demand;
then from the old positions, and aligned with them. `artpipe.web` draws it.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from artpipe.embedding.projection import align, lay_out, place
from artpipe.engine.shards import Engine

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
"""`jpeg_sha256` and `model_id` identify the vector that was placed; `is_laid_out` is false where the work was placed
among its neighbours later."""

LEAST_SHARE_LAID_OUT = 0.5


@dataclass(frozen=True)
class MapUpdate:
    """A map and how it was made from the previous one.

    Attributes:
        table: rows of `ART_MAP`, in the order of `artwork_id`.
        kept: works that kept their position.
        placed: works that were placed among their neighbours.
        laid_out: works of a new layout.
        why: why everything was laid out again; empty where it was not.
    """

    table: pl.DataFrame
    kept: int
    placed: int
    laid_out: int
    why: str


def update_map(
    works: pl.DataFrame,
    vectors: "Vectors",
    previous: pl.DataFrame | None,
    *,
    force: bool = False,
    seed: int = 0,
    engine: Engine | None = None,
) -> MapUpdate:
    """The map of these works, as close to the previous one as possible.

    Args:
        works: `artwork_id`, `jpeg_sha256` and `model_id` of N works, in the order of `artwork_id`.
        vectors: float32 (N, D), each of length 1, in the same order.
        previous: the previous map, if there is one.
        force: lay everything out again.
        seed: of a layout.
        engine: what finds the neighbours of very many works; this machine by default.
    """
    works = works.select("artwork_id", "jpeg_sha256", "model_id")
    previous = pl.DataFrame(schema=ART_MAP) if previous is None else previous
    columns = ["artwork_id", "jpeg_sha256", "model_id"]
    found = works.join(previous, on=columns, how="left", maintain_order="left", nulls_equal=True)
    is_kept = found["x"].is_not_null().to_numpy()
    why = _why_laid_out(found, previous, force)
    if why:
        return _laid_out(works, vectors, previous, why, seed, engine)
    positions = found.select("x", "y").to_numpy().astype(np.float32)
    if not is_kept.all():
        positions[~is_kept] = place(vectors[~is_kept], vectors[is_kept], positions[is_kept])
    together = found["is_laid_out"].fill_null(value=False)
    kept = int(is_kept.sum())
    return MapUpdate(_table(works, positions, together), kept, works.height - kept, 0, "")


def _why_laid_out(found: pl.DataFrame, previous: pl.DataFrame, force: bool) -> str:
    if force:
        return "requested"
    if previous.is_empty():
        return "there was no map"
    if not set(found["model_id"]) & set(previous["model_id"]):
        return "another model made the vectors"
    share = found["is_laid_out"].fill_null(value=False).mean()
    if not isinstance(share, float) or share < LEAST_SHARE_LAID_OUT:
        return "most works were never laid out together"
    return ""


def _laid_out(
    works: pl.DataFrame, vectors: "Vectors", previous: pl.DataFrame, why: str, seed: int, engine: Engine | None
) -> MapUpdate:
    placed = works.join(previous.select("artwork_id", "x", "y"), on="artwork_id", how="left", maintain_order="left")
    old = placed.select("x", "y").to_numpy().astype(np.float32)
    known = np.flatnonzero(placed["x"].is_not_null().to_numpy())
    start = None
    if len(known) >= max(3, works.height // 2):
        start = old.copy()
        new = np.setdiff1d(np.arange(works.height), known)
        if len(new):
            start[new] = place(vectors[new], vectors[known], old[known])
    positions = lay_out(vectors, start, seed=seed, engine=engine)
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
