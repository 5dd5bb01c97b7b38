"""The nearest of many vectors for many queries at once: one matrix product of bytes, the best rows compared in full.

`ByteScan` reads every vector once for each query; here a vector is read once for all of them, and the steps that
follow are taken for all queries together, which is what makes a batch faster than its queries one after another.
`ranking.py` uses it for `similar_many`.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from os import cpu_count

import numpy as np
from numpy.typing import NDArray

from artpipe.search.nearest import (
    GATHER_SHARE,
    GROUP,
    ByteScan,
    Mask,
    NearestVectors,
    Neighbours,
    Positions,
    Vector,
    best_of,
    kth_best_of_groups,
)

# A small product is meant to stay in the processor's cache; a large table should still not be read for a few queries.
_LARGEST_PRODUCT_BYTES = 16 * 1024 * 1024
_FEWEST_QUERIES = 32
_PARTS_A_THREAD = 8
_NO_ROW = np.iinfo(np.int32).min


def search_each(
    nearest: NearestVectors, queries: Vector, k: Sequence[int], allowed: Mask | None = None
) -> list[Neighbours]:
    """The nearest rows of each query, exactly.

    Args:
        nearest: an exact search; the bytes of a `ByteScan` are used where that is faster.
        queries: float32 (Q, D), each of length 1.
        k: how many for each query; fewer are returned when fewer rows are allowed.
        allowed: bool (N,), the rows that may be returned; all by default.
    """
    rows = len(nearest.vectors)
    passing = rows if allowed is None else int(np.count_nonzero(allowed))
    deepest = max(k, default=0)
    is_worth_a_scan = passing > rows * GATHER_SHARE and deepest * GROUP < passing
    scan = nearest if isinstance(nearest, ByteScan) and is_worth_a_scan else None
    kept = None if scan is not None or allowed is None else np.flatnonzero(allowed)
    vectors = nearest.vectors if kept is None else nearest.vectors[kept]
    most = max(_FEWEST_QUERIES, _LARGEST_PRODUCT_BYTES // (4 * max(len(vectors), 1)))
    found: list[Neighbours] = []
    for first in range(0, len(queries), most):
        chunk = slice(first, first + most)
        if scan is not None:
            found += _by_bytes(scan, queries[chunk], k[chunk], allowed)
        else:
            found += _by_floats(vectors, queries[chunk], k[chunk], kept)
    return found


def _by_floats(vectors: Vector, queries: Vector, k: Sequence[int], kept: Positions | None) -> list[Neighbours]:
    how = "one matrix product for all queries"
    found: list[Neighbours] = []
    for similarities, wanted in zip(queries @ vectors.T, k, strict=True):
        best = best_of(similarities, wanted)
        positions = best if kept is None else kept[best]
        found.append(Neighbours(positions, similarities[best], len(vectors), how))
    return found


def _by_bytes(scan: ByteScan, queries: Vector, k: Sequence[int], allowed: Mask | None) -> list[Neighbours]:
    codes, slack = scan.rounded(queries)
    with ThreadPoolExecutor(cpu_count()) as pool:
        products = _products(pool, scan.codes, codes, allowed)
        # What fewer than the deepest need is among what that one needs.
        thresholds = kth_best_of_groups(products, max(k)) - np.ceil(slack).astype(np.int32)
        candidates = _reaching(pool, products, np.maximum(thresholds, _NO_ROW + 1))
    how = "one product of bytes for all queries, best rows compared in full"
    found: list[Neighbours] = []
    for query, wanted, near in zip(queries, k, candidates, strict=True):
        similarities = scan.vectors[near] @ query
        best = np.lexsort((near, -similarities))[:wanted]
        found.append(Neighbours(near[best], similarities[best], len(products), how))
    return found


def _products(
    pool: ThreadPoolExecutor, codes: NDArray[np.int8], queries: NDArray[np.int8], allowed: Mask | None
) -> NDArray[np.int32]:
    """The product of every row's bytes with every query's, int32 (N, Q); of rows that are not allowed, the least."""
    import numkong

    packed = numkong.dots_pack(queries)
    products = numkong.empty((len(codes), len(queries)), dtype="int32")
    seen = np.asarray(products)

    def multiply(part: slice) -> None:
        numkong.dots_packed(codes, packed, out=products, start_row=part.start, end_row=part.stop)
        if allowed is not None:
            seen[part][~allowed[part]] = _NO_ROW

    list(pool.map(multiply, _parts(len(codes))))
    return seen


def _reaching(pool: ThreadPoolExecutor, products: NDArray[np.int32], least: NDArray[np.int32]) -> list[Positions]:
    """For each query the rows whose products reach its threshold, ascending."""

    def reach(part: slice) -> NDArray[np.int64]:
        return np.flatnonzero(products[part] >= least) + part.start * len(least)

    reached = np.concatenate(list(pool.map(reach, _parts(len(products)))))
    rows, askers = np.divmod(reached, len(least))
    order = np.argsort(askers, kind="stable")
    return np.split(rows[order], np.cumsum(np.bincount(askers, minlength=len(least)))[:-1])


def _parts(rows: int) -> list[slice]:
    """Several for each thread, so that none waits long for another whose processor is busy with something else."""
    count = _PARTS_A_THREAD * (cpu_count() or 1)
    bounds = np.linspace(0, rows, count + 1, dtype=int).tolist()
    return [slice(first, last) for first, last in pairwise(bounds)]
