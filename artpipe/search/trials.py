"""How well and how fast a way of searching finds the neighbours of sampled queries."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artpipe.vectors.nearest import NearestVectors, Vector

NEIGHBOURS_COMPARED = 10


@dataclass(frozen=True)
class Trial:
    """One way of searching, measured on this table.

    Attributes:
        kind: `exact`, `byte_scan`, `bit_scan`, `hnsw`, or a LanceDB index for comparison.
        parameters: what it was tuned to.
        recall_at_10: share of the ten true neighbours that it found, over the sampled queries.
        ms_per_query: median milliseconds of one query.
        build_s: seconds to build it.
        can_serve: whether it may be chosen; the LanceDB indexes are measured for comparison only.
    """

    kind: str
    parameters: dict[str, Any]
    recall_at_10: float
    ms_per_query: float
    build_s: float
    can_serve: bool = True


def sampled_queries(vectors: Vector, count: int, seed: int) -> Vector:
    """Rows with noise of a third to the whole of their length: like a re-photograph at best, a stranger at worst."""
    rng = np.random.default_rng(seed)
    if not len(vectors):
        return vectors
    rows = vectors[rng.choice(len(vectors), size=min(count, len(vectors)), replace=False)]
    noise = rng.standard_normal(rows.shape)
    noise *= rng.uniform(0.3, 1.0, size=(len(rows), 1)) / np.linalg.norm(noise, axis=1, keepdims=True)
    noisy = rows + noise
    return (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)


def found_by(nearest: NearestVectors, asked: Vector) -> list[NDArray[np.int64]]:
    """The ten neighbours that each query finds."""
    return [nearest.search(query, NEIGHBOURS_COMPARED).positions for query in asked]


def recall(found: list[NDArray[np.int64]], truth: list[NDArray[np.int64]]) -> float:
    """The share of true neighbours that were found."""
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True))
    return hits / max(sum(len(b) for b in truth), 1)


def median_ms(ask: Callable[[Vector], object], asked: Vector) -> float:
    """The median milliseconds of one query, one after another."""
    ask(asked[0])
    spent: list[float] = []
    for query in asked:
        began = time.perf_counter()
        ask(query)
        spent.append(time.perf_counter() - began)
    return float(np.median(spent)) * 1e3


def measured(
    nearest: NearestVectors, asked: Vector, truth: list[NDArray[np.int64]], parameters: dict[str, Any], build_s: float
) -> Trial:
    """What a way of searching, with these parameters, finds of the true neighbours and how long it takes."""
    return Trial(
        kind=nearest.kind,
        parameters=parameters,
        recall_at_10=round(recall(found_by(nearest, asked), truth), 4),
        ms_per_query=round(median_ms(lambda query: nearest.search(query, NEIGHBOURS_COMPARED), asked), 4),
        build_s=round(build_s, 3),
    )
