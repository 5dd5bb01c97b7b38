"""Ways to find the nearest of many unit vectors in memory; all give exact similarities for what they find.

`ExactProduct` multiplies everything, `ByteScan` reads a quarter of the memory and is exact too. `BitScan`, in
`bit_scan.py`, reads less still and `HnswGraph` almost nothing, and both may miss a neighbour. `index.py` measures which
one a table is served by.
"""

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from os import cpu_count
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from usearch.index import Index

Vector = NDArray[np.float32]
Positions = NDArray[np.int64]
Mask = NDArray[np.bool_]
Keys = NDArray[np.uint64]
_Number = TypeVar("_Number", np.float32, np.int32)

GROUP = 64
"""Rows of which only the best is looked at when the k-th best is sought."""
_ROUNDING_DEVIATIONS = 6.0
_LARGEST_BYTE = 127
_SMALLEST = 1e-12
OUT_OF_REACH = np.float32(1e30)
"""No product of bytes or count of bits comes near; to take it away costs a quarter of writing to the rows that a filter
leaves out."""
# Fewer are scanned in about the time that another thread takes to wake.
_ROWS_WORTH_A_THREAD = 8_000
# Rows gathered at random cost about twenty times as much as the same rows in a scan of bytes (0.5 against 0.028 us
# for 576 numbers, measured), so a filter that leaves fewer than one row in twenty is answered by gathering them.
GATHER_SHARE = 1 / 20
MOST_GATHERED = 1 / 8
"""Share of the rows from which a product with all of them is cheaper than gathering those that may be near."""


@dataclass(frozen=True)
class Neighbours:
    """The nearest rows, best first; of equally near ones the first in the table comes first.

    Attributes:
        positions: row numbers in the matrix.
        similarities: their cosine similarities, float32, computed from the full vectors.
        scanned: how many rows were compared with the query in any form.
        how: the way it was done, for people.
    """

    positions: Positions
    similarities: Vector
    scanned: int
    how: str


class NearestVectors(Protocol):
    """Something that finds the nearest of N unit vectors."""

    kind: str
    vectors: Vector

    def search(self, query: Vector, k: int, allowed: Mask | None = None) -> Neighbours:
        """The k nearest rows.

        Args:
            query: float32 (D,), length 1.
            k: how many; fewer are returned when fewer rows are allowed.
            allowed: bool (N,), the rows that may be returned; all by default.
        """
        ...


class ExactProduct:
    """The matrix product with all vectors, or with those a filter leaves.

    Args:
        vectors: float32 (N, D), each of length 1.
    """

    kind = "exact"

    def __init__(self, vectors: Vector) -> None:
        self.vectors = vectors

    def search(self, query: Vector, k: int, allowed: Mask | None = None) -> Neighbours:
        """The k nearest rows, exactly."""
        if allowed is None:
            similarities = self.vectors @ query
            best = best_of(similarities, k)
            return Neighbours(best, similarities[best], len(similarities), "exact product with every vector")
        return among(self.vectors, np.flatnonzero(allowed), query, k, "exact product with the filtered vectors")


class ByteScan:
    """A product with vectors rounded to bytes, then an exact product with every row that could be among the best.

    All rows are rounded to the same step, so that their products compare as they come. A product is off by its
    rounding errors, which are independent and at most half a step for each number: a deviation of step / sqrt(12) for
    unit vectors. Every row within six deviations of the k-th best is compared again in full, so the answer equals the
    exact one unless a true neighbour lies beyond that, about once in a billion rows near the boundary.

    Args:
        vectors: float32 (N, D), each of length 1.
    """

    kind = "byte_scan"

    def __init__(self, vectors: Vector) -> None:
        self.vectors = vectors
        largest = max(vectors.max(initial=0.0), -vectors.min(initial=0.0))
        self.step = np.float32(max(largest, _SMALLEST) / _LARGEST_BYTE)
        self.codes = np.empty(vectors.shape, dtype=np.int8)
        for first in range(0, len(vectors), 4096):  # a chunk at a time, to keep the float copies small
            chunk = slice(first, first + 4096)
            np.rint(vectors[chunk] / self.step, out=self.codes[chunk], casting="unsafe")

    def search(self, query: Vector, k: int, allowed: Mask | None = None) -> Neighbours:
        """The k nearest rows, exactly."""
        rows = len(self.vectors)
        if allowed is not None and np.count_nonzero(allowed) <= max(rows * GATHER_SHARE, k):
            return among(self.vectors, np.flatnonzero(allowed), query, k, "exact product with the filtered vectors")
        if k * GROUP >= rows:
            return ExactProduct(self.vectors).search(query, k, allowed)
        code, slack = self.rounded(query[None])
        products = self._products(code)
        if allowed is not None:
            products -= ~allowed * OUT_OF_REACH
        threshold = kth_best_of_groups(products, k) - slack[0]
        candidates = np.flatnonzero(products >= threshold)
        if len(candidates) > rows * MOST_GATHERED:  # the rows are nearly alike
            return ExactProduct(self.vectors).search(query, k, allowed)
        passing = "every vector" if allowed is None else "every vector, the filter applied"
        found = among(self.vectors, candidates, query, k, f"byte scan of {passing}, best rows compared in full")
        return Neighbours(found.positions, found.similarities, rows, found.how)

    def rounded(self, queries: Vector) -> tuple[NDArray[np.int8], Vector]:
        """Queries as bytes, each with its own step, and how far a product of bytes must be trusted.

        Returns:
            int8 (Q, D), and float32 (Q,): a row may be among the k best if its product is at most this much below
            that of the k-th best, since both may be off.
        """
        steps = np.maximum(np.abs(queries).max(axis=1), np.float32(_SMALLEST)) / np.float32(_LARGEST_BYTE)
        codes = np.rint(queries / steps[:, None]).astype(np.int8)
        deviations = np.hypot(steps, self.step) / np.sqrt(12) / (steps * self.step)
        return codes, (2 * _ROUNDING_DEVIATIONS * deviations).astype(np.float32)

    def _products(self, code: NDArray[np.int8]) -> Vector:
        """The product of one query's bytes with every row's."""
        import numkong

        products = np.empty(len(self.codes), dtype=np.float32)

        def multiply(part: slice) -> None:
            numkong.cdist(code, self.codes[part], "dot", out_dtype="f32", out=products[None, part])

        in_parts(len(products), multiply)
        return products


def in_parts(rows: int, work: Callable[[slice], None], parts_a_thread: int = 1, step: int = 1) -> list[slice]:
    """Do some work on all rows, shared among as many threads as are worth waking.

    Args:
        rows: how many there are.
        work: what to do with a part of them; any thread may do any part.
        parts_a_thread: with several, none waits long for another whose processor is busy with something else.
        step: every part begins at a multiple of it.

    Returns:
        The parts, in the order of the rows; none of them is empty.
    """
    threads = max(1, min(cpu_count() or 1, rows // _ROWS_WORTH_A_THREAD))
    length = max(step, -(-rows // (threads * parts_a_thread * step)) * step)
    parts = [slice(first, min(first + length, rows)) for first in range(0, rows, length)]
    waiting = deque(parts)

    def take() -> None:
        while True:
            try:
                part = waiting.popleft()
            except IndexError:
                return
            work(part)

    helping = [_helpers().submit(take) for _ in range(threads - 1)]
    try:
        take()
    finally:
        waiting.clear()  # after a failure nobody goes on with it
        begun = [helper for helper in helping if not helper.cancel()]  # the others are busy for other queries
    for helper in begun:
        helper.result()
    return parts


@cache
def _helpers() -> ThreadPoolExecutor:
    """Threads that scan beside the one that asks; kept, since starting them takes as long as a small scan."""
    return ThreadPoolExecutor(max(1, (cpu_count() or 1) - 1), thread_name_prefix="artpipe-scan")


class Approximate:
    """What the approximate ways share: the exact search that answers where they should not.

    Args:
        vectors: float32 (N, D), each of length 1.
    """

    def __init__(self, vectors: Vector) -> None:
        self.vectors = vectors
        self._lock = threading.Lock()

    @property
    def scan(self) -> ByteScan:
        """The exact search over the same vectors, made when it is first needed."""
        with self._lock:
            return self._scan

    @cached_property
    def _scan(self) -> ByteScan:
        return ByteScan(self.vectors)


class HnswGraph(Approximate):
    """A usearch HNSW graph over half-precision vectors; what it finds is compared again in full.

    Filtered searches, and those that ask for more than the graph explores, are answered exactly by a `ByteScan`.

    Args:
        vectors: float32 (N, D), each of length 1.
        graph: its `expansion_search` is set.
        keys: uint64 (N,), the key that each row has in the graph; row numbers by default.
    """

    kind = "hnsw"

    def __init__(self, vectors: Vector, graph: "Index", keys: Keys | None = None) -> None:
        super().__init__(vectors)
        self._graph = graph
        self._rows = None if keys is None else np.argsort(keys)
        self._sorted_keys = None if keys is None else keys[self._rows]

    def search(self, query: Vector, k: int, allowed: Mask | None = None) -> Neighbours:
        """The k nearest rows; without a filter one may be missed, at the rate that the index card states."""
        explored = int(self._graph.expansion_search)
        wanted = 2 * k + 8  # half precision may swap near ties, so a few more are fetched and compared in full
        if allowed is not None or wanted > explored:
            return self.scan.search(query, k, allowed)
        matches = self._graph.search(query, wanted, threads=1)
        candidates = np.sort(self._positions(matches.keys))
        found = among(self.vectors, candidates, query, k, "HNSW graph, best rows compared in full")
        return Neighbours(found.positions, found.similarities, explored, found.how)

    def _positions(self, keys: Keys) -> Positions:
        if self._rows is None or self._sorted_keys is None:
            return keys.astype(np.int64)
        return self._rows[np.searchsorted(self._sorted_keys, keys)]


def build_graph(vectors: Vector, keys: Keys | None = None, connectivity: int = 16, expansion_add: int = 128) -> "Index":
    """Build an HNSW graph over half-precision copies of the vectors, with all cores.

    Args:
        vectors: float32 (N, D), each of length 1.
        keys: uint64 (N,), all different; row numbers by default.
        connectivity: links of a node.
        expansion_add: how many candidates are looked at for a new node's links.

    Source: Malkov and Yashunin, arXiv:1603.09320.
    """
    from usearch.index import Index

    graph = Index(
        ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=connectivity, expansion_add=expansion_add
    )
    graph.add(np.arange(len(vectors), dtype=np.uint64) if keys is None else keys, vectors)
    return graph


def among(vectors: Vector, candidates: Positions, query: Vector, k: int, how: str) -> Neighbours:
    """The k nearest of the candidates, exactly; candidates ascend."""
    # Not a matrix product: that wakes a thread of the BLAS for a few rows, which then spins beside the next scan.
    similarities = np.vecdot(vectors[candidates], query)
    best = best_of(similarities, k)
    return Neighbours(candidates[best], similarities[best], len(candidates), how)


def best_of(similarities: Vector, k: int) -> Positions:
    """Positions of the k largest values, largest first, the earlier of equal ones first."""
    candidates = np.flatnonzero(similarities >= _at_most_kth_best(similarities, k))
    order = np.lexsort((candidates, -similarities[candidates]))
    return candidates[order[:k]]


def _at_most_kth_best(values: Vector, k: int) -> float:
    """A value that at least k of the values reach and few others do."""
    if k >= len(values):
        return -np.inf
    if len(values) <= 2 * k * GROUP:
        return float(kth_largest(values, k))
    return kth_best_of_groups(values, k)


def kth_best_of_groups(values: Vector, k: int, group: int = GROUP) -> float:
    """A value that at least k of the values reach and few others do.

    The k-th largest of the maxima of groups is such a bound, and costs a small part of partitioning all values. The
    rows of a group lie far apart: a filter often leaves one stretch of the table, which must not fall into few groups.

    Args:
        values: (N,), at least k * group of them.
        k: how many must reach it.
        group: values of a group; the more, the fewer maxima and the looser the bound.
    """
    return float(kth_largest(maxima_of_groups(values, group), k))


def kth_largest(values: "NDArray[_Number]", k: int) -> "NDArray[_Number]":
    """The k-th largest value of each column."""
    return np.partition(values, len(values) - k, axis=0)[len(values) - k]


def maxima_of_groups(values: "NDArray[_Number]", group: int) -> "NDArray[_Number]":
    """The largest value of each group and column: row n is in group n modulo N // group, the last few rows in none."""
    groups = len(values) // group
    return values[: groups * group].reshape(group, groups, *values.shape[1:]).max(axis=0)
