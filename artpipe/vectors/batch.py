"""The nearest of many vectors for many queries at once: one matrix product of bytes, the best rows compared in full.

`ByteScan` reads every vector once for each query; here a vector is read once for all of them, and the steps that
follow are taken for all queries together, which is what makes a batch faster than its queries one after another.
`ranking.py` uses it for `similar_many`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from artpipe.vectors.nearest import (
    GATHER_SHARE,
    GROUP,
    MOST_GATHERED,
    ByteScan,
    ExactProduct,
    Mask,
    NearestVectors,
    Neighbours,
    Positions,
    Vector,
    best_of,
    in_parts,
    kth_largest,
    maxima_of_groups,
)

# A small product is meant to stay in the processor's cache; a large table should still not be read for a few queries.
_LARGEST_PRODUCT_BYTES = 16 * 1024 * 1024
_FEWEST_QUERIES = 32
_PARTS_A_THREAD = 8
# The k-th best is sought among the maxima of groups, what reaches it in smaller ones: fewer rows to look at.
_SMALL_GROUP = 16
_SMALL_GROUPS = GROUP // _SMALL_GROUP
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
    products = _Products.of(scan.codes, codes, allowed)
    # What fewer than the deepest need is among what that one needs.
    least = np.maximum(np.ceil(products.kth_best(max(k)) - slack.astype(np.float64)), _NO_ROW + 1)
    candidates = products.reaching(least.astype(np.int32))
    how = "one product of bytes for all queries, best rows compared in full"
    found: list[Neighbours] = []
    for query, wanted, near in zip(queries, k, candidates, strict=True):
        if near is None or len(near) > len(scan.codes) * MOST_GATHERED:
            found.append(ExactProduct(scan.vectors).search(query, wanted, allowed))
            continue
        similarities = np.vecdot(scan.vectors[near], query)
        best = np.lexsort((near, -similarities))[:wanted]
        found.append(Neighbours(near[best], similarities[best], len(scan.codes), how))
    return found


@dataclass(frozen=True)
class _Products:
    """The product of every row's bytes with every query's, and where the large ones are.

    Attributes:
        values: int32 (N, Q); of rows that are not allowed, the least number there is.
        largest: int32 (N // GROUP * _SMALL_GROUPS, Q), the largest product of each small group of rows.
        first: int64 (len(largest),), the first row of each small group.
        stride: int64 (len(largest),), how far its rows lie apart.
    """

    values: NDArray[np.int32]
    largest: NDArray[np.int32]
    first: Positions
    stride: Positions

    @classmethod
    def of(cls, codes: NDArray[np.int8], queries: NDArray[np.int8], allowed: Mask | None) -> Self:
        """Multiply the bytes of the table's rows, int8 (N, D), with those of the queries, int8 (Q, D)."""
        import numkong

        packed = numkong.dots_pack(queries)
        products = numkong.empty((len(codes), len(queries)), dtype="int32")
        values = np.asarray(products)
        largest = np.empty((len(codes) // GROUP * _SMALL_GROUPS, len(queries)), dtype=np.int32)

        def multiply(part: slice) -> None:
            numkong.dots_packed(codes, packed, out=products, start_row=part.start, end_row=part.stop)
            if allowed is not None:
                values[part][~allowed[part]] = _NO_ROW
            grouped = (part.stop - part.start) // GROUP * GROUP  # now, while they are in the cache of this processor
            if grouped:
                groups = slice(part.start // _SMALL_GROUP, (part.start + grouped) // _SMALL_GROUP)
                largest[groups] = maxima_of_groups(values[part][:grouped], _SMALL_GROUP)

        parts = in_parts(len(codes), multiply, _PARTS_A_THREAD, step=GROUP)
        counts = [(part.stop - part.start) // GROUP * _SMALL_GROUPS for part in parts]
        first = [part.start + np.arange(count) for part, count in zip(parts, counts, strict=True)]
        return cls(values, largest, np.concatenate(first), np.repeat(counts, counts))

    def kth_best(self, k: int) -> NDArray[np.int32]:
        """For each query a product that at least k rows reach and few others do, int32 (Q,)."""
        maxima = self.largest.reshape(-1, _SMALL_GROUPS, self.largest.shape[1]).max(axis=1)
        return kth_largest(maxima, k)

    def reaching(self, least: NDArray[np.int32]) -> list[Positions | None]:
        """For each query the rows that reach what it asks, int32 (Q,); None where every second group holds one.

        Only groups whose largest product does are looked into, which leaves out nearly all of the rows.
        """
        holds_one = self.largest >= least
        is_crowded = np.count_nonzero(holds_one, axis=0) > len(self.largest) // 2
        holds_one[:, is_crowded] = False
        near, askers = np.nonzero(holds_one)
        members = self.first[near] + self.stride[near] * np.arange(_SMALL_GROUP)[:, None]
        reaching = self.values[members, askers] >= least[askers]
        rest = len(self.largest) * _SMALL_GROUP
        rest_rows, rest_askers = np.nonzero((self.values[rest:] >= least) & ~is_crowded)
        rows = np.concatenate([members[reaching], rest_rows + rest])
        askers = np.concatenate([np.broadcast_to(askers, members.shape)[reaching], rest_askers])
        ends = np.cumsum(np.bincount(askers, minlength=len(least)))[:-1]
        each = np.split(rows[np.argsort(askers, kind="stable")], ends)
        return [None if crowded else one for one, crowded in zip(each, is_crowded, strict=True)]
