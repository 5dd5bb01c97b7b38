"""The nearest of very many vectors by a few hundred bits of each, the most promising ones compared in full."""

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from artpipe.search.nearest import (
    GATHER_SHARE,
    OUT_OF_REACH,
    ByteScan,
    Mask,
    Neighbours,
    Vector,
    among,
    in_parts,
    kth_best_of_groups,
)

Bits = NDArray[np.uint8]

TUNED_FOR = 10
"""Neighbours that `compared` rows are enough for; more of them need more rows."""
FEWEST_BITS = 512
_SEED = 0
_CHUNK = 8192
# Small groups: thousands of rows are sought, and their bound must not let several times as many pass.
_GROUP = 16


class BitScan:
    """Rows ranked by how many bits they share with the query; the best of them are compared in full.

    A bit tells on which side of a random hyperplane through the middle of the table a vector lies. Two vectors differ
    in a share of their bits that is the angle between them over pi, give or take 0.5 / sqrt(bits), so that the nearest
    rows are among those that differ least. How many must be compared to find nearly all of them depends on the table:
    few where neighbours stand out, too many where all rows are about as far. `build_index` measures it.

    A filter leaves fewer rows to choose from, of which as many are compared. Searches too deep for that, and those
    that must be exact, are answered by a `ByteScan`.

    Args:
        vectors: float32 (N, D), each of length 1.
        compared: how many rows are compared in full to find `TUNED_FOR`.

    Source: Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002; hyperplanes orthogonal to
    each other: Ji et al., "Super-bit locality-sensitive hashing", NIPS 2012.
    """

    kind = "bit_scan"

    def __init__(self, vectors: Vector, compared: int) -> None:
        self.vectors = vectors
        self.compared = compared
        rows, dimension = vectors.shape
        self._middle = vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
        self._normals = _normals(dimension, -(-max(dimension, FEWEST_BITS) // 8) * 8)
        self.codes = np.empty((rows, self._normals.shape[1] // 8), dtype=np.uint8)
        for first in range(0, rows, _CHUNK):  # a chunk at a time, to keep the float copies small
            chunk = slice(first, first + _CHUNK)
            self.codes[chunk] = self._bits(vectors[chunk])

    @cached_property
    def scan(self) -> ByteScan:
        """The exact search over the same vectors, made when it is first needed."""
        return ByteScan(self.vectors)

    @property
    def bits(self) -> int:
        """How many bits stand for a row."""
        return self._normals.shape[1]

    def search(self, query: Vector, k: int, allowed: Mask | None = None) -> Neighbours:
        """The k nearest rows; one may be missed, at the rate that the index card states."""
        rows = len(self.vectors)
        compared = math.ceil(max(self.compared, TUNED_FOR) * max(1.0, k / TUNED_FOR))
        if allowed is not None and np.count_nonzero(allowed) <= max(rows * GATHER_SHARE, compared):
            return among(self.vectors, np.flatnonzero(allowed), query, k, "exact product with the filtered vectors")
        if compared * 2 * _GROUP > rows:
            return self.scan.search(query, k, allowed)
        shared = self._shared(self._bits(query[None]))
        if allowed is not None:
            shared -= ~allowed * OUT_OF_REACH
        candidates = np.flatnonzero(shared >= kth_best_of_groups(shared, compared, _GROUP))
        if len(candidates) > rows // 8:  # the bits do not tell these rows apart
            return self.scan.search(query, k, allowed)
        passing = "every vector" if allowed is None else "every vector, the filter applied"
        found = among(self.vectors, candidates, query, k, f"bit scan of {passing}, best rows compared in full")
        return Neighbours(found.positions, found.similarities, rows, found.how)

    def _bits(self, vectors: Vector) -> Bits:
        return np.packbits((vectors - self._middle) @ self._normals > 0, axis=1)

    def _shared(self, code: Bits) -> Vector:
        """For every row, less the more bits it has unlike the query's."""
        import numkong

        shared = np.empty(len(self.codes), dtype=np.float32)

        def count(part: slice) -> None:
            differing = shared[part]
            numkong.cdist(code, self.codes[part], "hamming", dtype="uint1", out_dtype="f32", out=differing[None])
            np.negative(differing, out=differing)

        in_parts(len(shared), count)
        return shared


def _normals(dimension: int, bits: int) -> Vector:
    """Random directions, float32 (D, bits), the same ones each time; orthogonal by as many as there can be."""
    rng = np.random.default_rng(_SEED)
    turns = [np.linalg.qr(rng.standard_normal((dimension, dimension)))[0] for _ in range(-(-bits // dimension))]
    return np.concatenate(turns, axis=1)[:, :bits].astype(np.float32)
