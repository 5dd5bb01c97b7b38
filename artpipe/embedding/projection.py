"""Projection of vectors to the two dimensions of the map (UMAP).

The layout minimises UMAP's objective (McInnes et al., arXiv:1802.03426) in plain NumPy: the umap-learn package gives
the same picture, but compiles for half a minute before the first point moves. `artpipe.embedding.mapping` decides
which works are laid out again and which keep their position.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from artpipe.engine.shards import Engine, LocalEngine, Rows, rows_of
from artpipe.vectors.nearest import Int8Index
from artpipe.vectors.partitions import EXACT_PRODUCTS, Partitions

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]
    Positions = NDArray[np.float32]

NEIGHBOURS = 15
ROWS_AT_ONCE = 16_384
"""Each row is compared with partitions that other rows are compared with, too."""
EPOCHS = 200
# The curve 1 / (1 + a d^2b) that UMAP fits for a least distance of 0.1.
_A, _B = 1.5769, 0.8951
_REPULSIONS_AN_EDGE = 5
_LARGEST_STEP = 4.0
_WIDTH = 10.0
_BISECTIONS = 32
_MEDIAN_STEPS = 20


@dataclass(frozen=True)
class NearestKnown:
    """The k most similar of M known works for each of N works: indices int64 and cosine distances, both (N, k)."""

    indices: "NDArray[np.int64]"
    distances: "NDArray[np.float32]"


def lay_out(
    vectors: "Vectors",
    start: "Positions | None" = None,
    *,
    epochs: int = EPOCHS,
    seed: int = 0,
    engine: Engine | None = None,
) -> "Positions":
    """Lay out works so that similar ones are close to each other.

    Args:
        vectors: float32 (N, D), each of length 1.
        start: positions (N, 2) to begin from, so that a new layout resembles an old one; by default the two main
            directions in which the vectors differ.
        epochs: passes over the neighbourhood graph.
        seed: of the sampling.
        engine: what finds the neighbours of very many works; this machine by default.

    Returns:
        float32 (N, 2), centred on zero.
    """
    rows = len(vectors)
    if not rows:
        return np.empty((0, 2), np.float32)
    positions = _main_directions(vectors) if start is None else start - start.mean(axis=0)
    if rows <= 3:
        return positions
    generator = np.random.default_rng(seed)
    near = nearest_known(vectors, vectors, min(NEIGHBOURS, rows - 1), exclude_self=True, engine=engine)
    tails, heads, chances = _edges(near)
    points = positions.astype(np.float64)
    # From an old layout smaller steps suffice, and clusters stay near their positions.
    first_rate = 1.0 if start is None else 0.2
    for epoch in range(epochs):
        rate = first_rate * (1.0 - epoch / epochs)
        drawn = np.flatnonzero(generator.random(len(tails)) < chances)
        generator.shuffle(drawn)
        # Each batch moves a point about once, as UMAP's one edge at a time does; more at once would overshoot.
        for batch in np.array_split(drawn, max(1, len(drawn) // rows)):
            _move(points, tails[batch], heads[batch], rate, generator)
    return (points - points.mean(axis=0)).astype(np.float32)


def place(vectors: "Vectors", known_vectors: "Vectors", known_positions: "Positions") -> "Positions":
    """Put works among known ones without moving these: each to the weighted geometric median of its neighbours.

    A mean would place a work whose neighbours are in two clusters into the gap between them.

    Args:
        vectors: float32 (N, D), each of length 1.
        known_vectors: float32 (M, D), of works that have a position.
        known_positions: float32 (M, 2).
    """
    near = nearest_known(vectors, known_vectors, min(NEIGHBOURS, len(known_vectors)))
    weights = _memberships(near.distances)[:, :, None]
    around = known_positions[near.indices].astype(np.float64)
    points = (weights * around).sum(axis=1) / weights.sum(axis=1)
    for _ in range(_MEDIAN_STEPS):
        pull = weights / np.maximum(np.linalg.norm(around - points[:, None], axis=2, keepdims=True), 1e-3)
        points = (pull * around).sum(axis=1) / pull.sum(axis=1)
    return points.astype(np.float32)


def align(positions: "Positions", old: "Positions", shared: "NDArray[np.int64]") -> "Positions":
    """Turn, mirror, scale and shift a layout so that known works come as close to their old positions as possible.

    Args:
        positions: float32 (N, 2), the new layout.
        old: float32 (M, 2), the old positions of the works in `shared`.
        shared: int64 (M,), their rows in `positions`.

    Source: orthogonal Procrustes analysis with scaling.
    """
    if len(shared) < 3:
        return positions
    ours, theirs = positions[shared].astype(np.float64), old.astype(np.float64)
    our_centre, their_centre = ours.mean(axis=0), theirs.mean(axis=0)
    left, strengths, right = np.linalg.svd((ours - our_centre).T @ (theirs - their_centre))
    scale = strengths.sum() / max(float(((ours - our_centre) ** 2).sum()), 1e-12)
    return ((positions - our_centre) @ (left @ right) * scale + their_centre).astype(np.float32)


@dataclass(frozen=True)
class FindNearest:
    """The work of an engine: the k nearest known works of some of (N, D) vectors, but not number `own` (N,) itself."""

    known: Partitions
    vectors: "Vectors"
    own: "NDArray[np.int64]"
    k: int

    def __call__(self, some: Rows, _threads: int) -> "tuple[NDArray[np.int64], Vectors]":
        """Indices and similarities, both (B, k)."""
        return self.known.nearest(self.vectors[some.slice], self.own[some.slice], self.k)


def nearest_known(
    vectors: "Vectors", known: "Vectors", k: int, *, exclude_self: bool = False, engine: Engine | None = None
) -> NearestKnown:
    """The k most similar known works for each work, most similar first; approximately beyond `EXACT_PRODUCTS`.

    Args:
        vectors: float32 (N, D), each of length 1.
        known: float32 (M, D), each of length 1.
        k: at most M, or M - 1 where a work is not its own neighbour.
        exclude_self: row i of `vectors` is row i of `known` and is not its own neighbour.
        engine: what compares where it is approximate; this machine by default.
    """
    if len(vectors) * len(known) > EXACT_PRODUCTS:
        own = np.arange(len(vectors)) if exclude_self else np.full(len(vectors), -1)
        find = FindNearest(Partitions(known, np.arange(len(known))), vectors, own, k)
        indices, similarities = np.empty((len(vectors), k), np.int64), np.empty((len(vectors), k), np.float32)
        for rows, found in (engine or LocalEngine()).map(find, rows_of(len(vectors), ROWS_AT_ONCE)):
            indices[rows.slice], similarities[rows.slice] = found
        return NearestKnown(indices, np.maximum(1.0 - similarities, 0.0))
    count = k + 1 if exclude_self else k
    found = Int8Index(known).search_many(vectors, [count] * len(vectors))
    indices = np.stack([near.positions for near in found])
    similarities = np.stack([near.similarities for near in found])
    if exclude_self:
        others = indices != np.arange(len(vectors))[:, None]
        others[others.all(axis=1), -1] = False  # so many vectors are equal to it that it is not among them itself
        indices, similarities = indices[others].reshape(-1, k), similarities[others].reshape(-1, k)
    return NearestKnown(indices, np.maximum(1.0 - similarities, 0.0))


def _memberships(distances: "NDArray[np.float32]") -> "NDArray[np.float64]":
    """How much each neighbour belongs to a work's neighbourhood: 1 for the nearest, log2(k) for all together."""
    beyond = (distances - distances[:, :1]).astype(np.float64)
    target = np.log2(distances.shape[1]) if distances.shape[1] > 1 else 1.0
    low, high = np.zeros(len(beyond)), np.full(len(beyond), 4.0)
    for _ in range(_BISECTIONS):
        width = (low + high) / 2
        too_wide = np.exp(-beyond / np.maximum(width, 1e-9)[:, None]).sum(axis=1) > target
        high, low = np.where(too_wide, width, high), np.where(too_wide, low, width)
    return np.exp(-beyond / np.maximum((low + high) / 2, 1e-9)[:, None])


def _edges(near: NearestKnown) -> "tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]":
    """The neighbourhood graph, each edge both ways, with the chance that a pass pulls at it."""
    rows, k = near.indices.shape
    tails = np.repeat(np.arange(rows, dtype=np.int64), k)
    heads = near.indices.reshape(-1)
    weights = _memberships(near.distances).reshape(-1)
    keys = np.concatenate([tails * rows + heads, heads * rows + tails])
    both = np.concatenate([weights, np.zeros_like(weights)]), np.concatenate([np.zeros_like(weights), weights])
    edges, where = np.unique(keys, return_inverse=True)
    there, back = (np.bincount(where, weights=part, minlength=len(edges)) for part in both)
    joined = there + back - there * back
    return edges // rows, edges % rows, joined / joined.max()


def _move(
    points: "NDArray[np.float64]",
    tails: "NDArray[np.int64]",
    heads: "NDArray[np.int64]",
    rate: float,
    generator: np.random.Generator,
) -> None:
    """Pull the ends of each edge together, and push each tail from some works drawn at random; in place."""
    offsets = points[tails] - points[heads]
    square = (offsets**2).sum(axis=1)
    pull = -2.0 * _A * _B * np.maximum(square, 1e-12) ** (_B - 1.0) / (1.0 + _A * square**_B)
    step = np.clip(pull[:, None] * offsets, -_LARGEST_STEP, _LARGEST_STEP)
    others = generator.integers(0, len(points), size=(len(tails), _REPULSIONS_AN_EDGE))
    away = points[tails][:, None] - points[others]
    square = (away**2).sum(axis=2)
    push = 2.0 * _B / ((0.001 + square) * (1.0 + _A * square**_B))
    push[others == tails[:, None]] = 0.0
    shoved = np.clip(push[:, :, None] * away, -_LARGEST_STEP, _LARGEST_STEP).sum(axis=1)
    for axis in range(2):
        moved = np.bincount(tails, weights=step[:, axis] + shoved[:, axis], minlength=len(points))
        moved -= np.bincount(heads, weights=step[:, axis], minlength=len(points))
        points[:, axis] += rate * moved


def _main_directions(vectors: "Vectors") -> "Positions":
    """The vectors on the two directions in which they differ most, ten wide."""
    centred = vectors.astype(np.float64) - vectors.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    main = axes[:, -2:][:, ::-1]
    # The sign of an eigenvector is arbitrary; fix it, so that every machine draws the same side up.
    main = main * np.sign(main[np.abs(main).argmax(axis=0), np.arange(main.shape[1])])
    found = np.zeros((len(vectors), 2))
    found[:, : main.shape[1]] = centred @ main
    return _scaled(found)


def _scaled(positions: "NDArray[np.floating]") -> "Positions":
    centred = positions - positions.mean(axis=0)
    return (centred * (_WIDTH / max(float(np.abs(centred).max()), 1e-12))).astype(np.float32)
