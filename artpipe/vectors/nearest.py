"""Nearest neighbours of unit vectors in memory, exact: a matrix product, or int8 scalar quantisation with rescoring.

`lance_search.py` answers the same questions from a table's LanceDB index, for collections beyond memory, and
`artpipe.search.index` decides which of them serves a table.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from artpipe.vectors.threads import in_parts

Vector = NDArray[np.float32]
Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]
_Number = TypeVar("_Number", bound=np.float32 | np.int32)

_WORTH_INT8 = 10_000
"""Rows from which int8 codes are scanned first; below, the product of all vectors takes well under a millisecond."""
_GROUP = 64
"""The k-th best of all rows is bounded by the k-th best of the maxima of groups of this many rows."""
_SMALL_GROUP = 16
"""Rows that reach the bound are sought in smaller groups: fewer rows to compare with it."""
_SMALL_GROUPS = _GROUP // _SMALL_GROUP
_ROUNDING_DEVIATIONS = 6.0
_LARGEST_CODE = 127
_SMALLEST = 1e-12
_OUT_OF_REACH = 1 << 30
"""Taken away from the products of rows that a filter leaves out; no product of codes comes near half of it."""
# Rows gathered at random cost about twenty times as much as the same rows in a scan of codes (0.5 against 0.028 us
# for 576 numbers, measured), so a filter that leaves fewer than one row in twenty is answered by gathering them.
_GATHER_SHARE = 1 / 20
# From this share of the rows on, a product with all of them is cheaper than gathering those that may be near.
_MOST_GATHERED = 1 / 8
# A small product is meant to stay in the processor's cache; a large table should still not be read for a few queries.
_LARGEST_PRODUCT_BYTES = 16 * 1024 * 1024
_FEWEST_QUERIES = 32
_PARTS_A_THREAD = 8


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows, best first; of equally near ones the first in the table comes first.

    Attributes:
        positions: row numbers in the collection.
        similarities: their cosine similarities, float32, computed from the full vectors.
        scanned: how many rows were compared with the query in any form.
        how: the method, for people.
    """

    positions: Positions
    similarities: Vector
    scanned: int
    how: str


class NeighbourSearch(Protocol):
    """Finds the nearest of N unit vectors, in memory or not."""

    kind: str

    @property
    def dimension(self) -> int:
        """The length D of the vectors."""
        ...

    def vectors_at(self, positions: Sequence[int] | Positions) -> Vector:
        """The vectors of K rows, float32 (K, D)."""
        ...

    def search(self, query: Vector, k: int, allowed: Mask | None = None) -> Neighbours:
        """The k nearest rows.

        Args:
            query: float32 (D,), length 1.
            k: how many; fewer are returned when fewer rows are allowed.
            allowed: bool (N,), the rows that may be returned; all by default.
        """
        ...

    def search_many(self, queries: Vector, k: Sequence[int], allowed: Mask | None = None) -> list[Neighbours]:
        """The nearest rows of each query, float32 (Q, D); `k` holds how many for each."""
        ...


class _InMemory(ABC):
    """What both exact searches share.

    Args:
        vectors: float32 (N, D), each of length 1.
    """

    def __init__(self, vectors: Vector) -> None:
        self.vectors = vectors

    @property
    def dimension(self) -> int:
        """The length D of the vectors."""
        return self.vectors.shape[1]

    def vectors_at(self, positions: Sequence[int] | Positions) -> Vector:
        """The vectors of K rows, float32 (K, D)."""
        return self.vectors[positions]

    def search(self, query: Vector, k: int, allowed: Mask | None = None) -> Neighbours:
        """The k nearest rows."""
        return self.search_many(query[None], [k], allowed)[0]

    def search_many(self, queries: Vector, k: Sequence[int], allowed: Mask | None = None) -> list[Neighbours]:
        """The nearest rows of each query; every vector is read once for many of them."""
        at_once = max(_FEWEST_QUERIES, _LARGEST_PRODUCT_BYTES // (4 * max(len(self.vectors), 1)))
        found: list[Neighbours] = []
        for first in range(0, len(queries), at_once):
            chunk = slice(first, first + at_once)
            found += self._search_chunk(queries[chunk], k[chunk], allowed)
        return found

    @abstractmethod
    def _search_chunk(self, queries: Vector, k: Sequence[int], allowed: Mask | None) -> list[Neighbours]: ...


class ExactProduct(_InMemory):
    """The matrix product with all vectors, or with those that a filter leaves."""

    kind = "exact"

    def _search_chunk(self, queries: Vector, k: Sequence[int], allowed: Mask | None) -> list[Neighbours]:
        kept = None if allowed is None else np.flatnonzero(allowed)
        vectors = self.vectors if kept is None else self.vectors[kept]
        how = f"exact product with {'every vector' if kept is None else 'the filtered vectors'}"
        found: list[Neighbours] = []
        # No matrix product for a few rows: that wakes a thread of the BLAS, which then spins beside the next scan.
        products = np.vecdot(vectors, queries) if len(queries) == 1 and kept is not None else queries @ vectors.T
        for similarities, count in zip(products.reshape(len(queries), len(vectors)), k, strict=True):
            best = _best_of(similarities, count)
            positions = best if kept is None else kept[best]
            found.append(Neighbours(positions, similarities[best], len(vectors), how))
        return found


class Int8Index(_InMemory):
    """Int8 scalar quantisation: an integer product with every code, then full vectors for what may be among the best.

    All rows are rounded to the same step, so that their products compare as they come. A product is off by its
    rounding errors, which are independent and at most half a step for each number: a deviation of step / sqrt(12) for
    unit vectors. Every row within six deviations of the k-th best is rescored with its full vector, so the answer
    equals the exact one unless a true neighbour lies beyond that, about once in a billion rows near the boundary.
    """

    kind = "int8"

    def __init__(self, vectors: Vector) -> None:
        super().__init__(vectors)
        largest = max(vectors.max(initial=0.0), -vectors.min(initial=0.0))
        self._step = np.float32(max(largest, _SMALLEST) / _LARGEST_CODE)
        self._codes = np.empty(vectors.shape, dtype=np.int8)
        for first in range(0, len(vectors), 4096):  # a chunk at a time, to keep the float copies small
            chunk = slice(first, first + 4096)
            np.rint(vectors[chunk] / self._step, out=self._codes[chunk], casting="unsafe")

    def _search_chunk(self, queries: Vector, k: Sequence[int], allowed: Mask | None) -> list[Neighbours]:
        rows = len(self.vectors)
        passing = rows if allowed is None else int(np.count_nonzero(allowed))
        exact = ExactProduct(self.vectors)
        if passing <= rows * _GATHER_SHARE or max(k) * _GROUP >= passing:
            return exact.search_many(queries, k, allowed)
        codes, slack = self._quantised(queries)
        products = _Products(self._codes, codes, allowed)
        # A query that needs fewer than the deepest one finds them among the rows that reach its bound, too.
        bound = products.kth_best(max(k)) - slack
        how = f"int8 scan of every vector{'' if allowed is None else ', the filter applied'}, best rows rescored"
        found: list[Neighbours] = []
        for query, count, near in zip(queries, k, products.reaching(bound), strict=True):
            if near is None or len(near) > rows * _MOST_GATHERED:  # the rows are nearly alike
                found.append(exact.search(query, count, allowed))
                continue
            similarities = np.vecdot(self.vectors[near], query)
            best = np.lexsort((near, -similarities))[:count]
            found.append(Neighbours(near[best], similarities[best], rows, how))
        return found

    def _quantised(self, queries: Vector) -> tuple[NDArray[np.int8], NDArray[np.float64]]:
        """Queries as codes, each with its own step, and how far a product of codes can be off.

        Returns:
            int8 (Q, D), and float64 (Q,): a row may be among the k best if its product is at most this much below
            that of the k-th best, since both may be off.
        """
        steps = np.maximum(np.abs(queries).max(axis=1), np.float32(_SMALLEST)) / np.float32(_LARGEST_CODE)
        codes = np.rint(queries / steps[:, None]).astype(np.int8)
        deviations = np.hypot(steps, self._step) / np.sqrt(12) / (steps * self._step)
        return codes, 2 * _ROUNDING_DEVIATIONS * deviations.astype(np.float64)


def in_memory(vectors: Vector) -> ExactProduct | Int8Index:
    """The exact search that suits this number of vectors, float32 (N, D)."""
    return suited_to(len(vectors))(vectors)


def suited_to(rows: int) -> type[ExactProduct | Int8Index]:
    """The exact search in memory that suits this number of rows."""
    return Int8Index if rows >= _WORTH_INT8 else ExactProduct


class _Products:
    """The product of every row's codes with every query's, and the largest of each small group of rows.

    Args:
        codes: int8 (N, D), the rows.
        queries: int8 (Q, D).
        allowed: bool (N,); no other row reaches any bound.
    """

    def __init__(self, codes: NDArray[np.int8], queries: NDArray[np.int8], allowed: Mask | None) -> None:
        count = len(queries)
        self._values, multiply = _one_product(codes, queries) if count == 1 else _many_products(codes, queries)
        self._largest = np.empty((len(codes) // _GROUP * _SMALL_GROUPS, count), dtype=self._values.dtype)

        def fill(part: slice) -> None:
            multiply(part)
            if allowed is not None:
                self._values[part] -= ~allowed[part, None] * self._values.dtype.type(_OUT_OF_REACH)
            grouped = (part.stop - part.start) // _GROUP * _GROUP  # now, while they are in the cache of this core
            if grouped:
                groups = slice(part.start // _SMALL_GROUP, (part.start + grouped) // _SMALL_GROUP)
                self._largest[groups] = _maxima_of_groups(self._values[part][:grouped], _SMALL_GROUP)

        parts = in_parts(len(codes), fill, _PARTS_A_THREAD if count > 1 else 1, step=_GROUP)
        counts = [(part.stop - part.start) // _GROUP * _SMALL_GROUPS for part in parts]
        # The first row of each small group, and how far its rows lie apart.
        self._first = np.concatenate([part.start + np.arange(n) for part, n in zip(parts, counts, strict=True)])
        self._stride = np.repeat(counts, counts)

    def kth_best(self, k: int) -> NDArray[np.float64]:
        """For each query a product that at least k rows reach and few others do, float64 (Q,)."""
        maxima = self._largest.reshape(-1, _SMALL_GROUPS, self._largest.shape[1]).max(axis=1)
        return _kth_largest(maxima, k).astype(np.float64)

    def reaching(self, least: NDArray[np.float64]) -> list[Positions | None]:
        """For each query the rows that reach its bound, float64 (Q,); None where every second group holds one.

        Only groups whose largest product does are searched, which leaves out nearly all of the rows.
        """
        bound = np.maximum(np.ceil(least), -_OUT_OF_REACH // 2).astype(self._values.dtype)
        if len(bound) == 1:
            return [np.flatnonzero(self._values[:, 0] >= bound[0])]
        holds_one = self._largest >= bound
        is_crowded = np.count_nonzero(holds_one, axis=0) > len(self._largest) // 2
        holds_one[:, is_crowded] = False
        near, askers = np.nonzero(holds_one)
        members = self._first[near] + self._stride[near] * np.arange(_SMALL_GROUP)[:, None]
        reaching = self._values[members, askers] >= bound[askers]
        rest = len(self._largest) * _SMALL_GROUP
        rest_rows, rest_askers = np.nonzero((self._values[rest:] >= bound) & ~is_crowded)
        rows = np.concatenate([members[reaching], rest_rows + rest])
        askers = np.concatenate([np.broadcast_to(askers, members.shape)[reaching], rest_askers])
        ends = np.cumsum(np.bincount(askers, minlength=len(bound)))[:-1]
        each = np.split(rows[np.argsort(askers, kind="stable")], ends)
        return [None if crowded else one for one, crowded in zip(each, is_crowded, strict=True)]


def _one_product(codes: NDArray[np.int8], query: NDArray[np.int8]) -> tuple[Vector, Callable[[slice], None]]:
    """Room for the products with a single query, and what fills a part of it; twice as fast as `_many_products`."""
    import numkong

    values = np.empty(len(codes), dtype=np.float32)  # whole numbers, exact up to 2^24: up to 1,040 dimensions

    def multiply(part: slice) -> None:
        numkong.cdist(query, codes[part], "dot", out_dtype="f32", out=values[None, part])

    return values[:, None], multiply


def _many_products(
    codes: NDArray[np.int8], queries: NDArray[np.int8]
) -> tuple[NDArray[np.int32], Callable[[slice], None]]:
    """Room for the products with many queries, and what fills a part of it."""
    import numkong

    packed = numkong.dots_pack(queries)
    values = numkong.empty((len(codes), len(queries)), dtype="int32")

    def multiply(part: slice) -> None:
        numkong.dots_packed(codes, packed, out=values, start_row=part.start, end_row=part.stop)

    return np.asarray(values), multiply


def _best_of(similarities: Vector, k: int) -> Positions:
    """Positions of the k largest values, largest first, the earlier of equal ones first."""
    candidates = np.arange(len(similarities))
    if k < len(similarities):
        values = similarities if len(similarities) <= 2 * k * _GROUP else _maxima_of_groups(similarities, _GROUP)
        candidates = np.flatnonzero(similarities >= _kth_largest(values, k))
    order = np.lexsort((candidates, -similarities[candidates]))
    return candidates[order[:k]]


def _kth_largest(values: "NDArray[_Number]", k: int) -> "NDArray[_Number]":
    """The k-th largest value of each column; of maxima of groups, a bound that at least k of the values reach."""
    return np.partition(values, len(values) - k, axis=0)[len(values) - k]


def _maxima_of_groups(values: "NDArray[_Number]", group: int) -> "NDArray[_Number]":
    """The largest value of each group and column: row n is in group n modulo N // group, the last few rows in none.

    The rows of a group lie far apart: a filter often leaves one stretch of the table, which must not fall into few
    groups.
    """
    groups = len(values) // group
    return values[: groups * group].reshape(group, groups, *values.shape[1:]).max(axis=0)
