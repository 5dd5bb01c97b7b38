"""The nearest of very many vectors by a bit for each of many directions; what may be among them is compared in full."""

import math
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from artpipe.vectors.nearest import (
    OUT_OF_REACH,
    Approximate,
    Mask,
    Neighbours,
    Vector,
    among,
    in_parts,
    kth_best_of_groups,
)

Bits = NDArray[np.uint8]

_FEWEST_BITS = 1024
"""Counting as many takes hardly longer than counting half of them, and leaves fewer rows to compare."""
_DEVIATIONS = 2.5
_SEED = 0
_CHUNK = 8192
_FIRST_LOOK = 1 / 2000
_ROWS_A_NEIGHBOUR = 8
# More rows than this are gathered and compared in about the time in which a scan of bytes has read all of them.
_GATHER_SHARE = 1 / 60
# Small groups: hundreds of rows are sought, and their bound must not let several times as many pass.
_GROUP = 16


class BitScan(Approximate):
    """A count of differing bits with every row, then an exact product with every row that could be among the best.

    A bit tells on which side of a random hyperplane a vector lies. The share of bits in which two vectors differ is the
    angle between them over pi, with a deviation of at most 0.5 / sqrt(bits). The rows that differ least are compared in
    full first. The k-th best of them bounds the angle of whatever else may belong to the answer: every row within 2.5
    deviations of that bound is compared, too. So a search is as good whatever a filter leaves and however unlike the
    table its query is: over all queries, of neighbours as far as the k-th about one in 160 is missed, of nearer ones
    fewer. Queries of one neighbourhood share their misses, since the hyperplanes are always the same.

    Where too many rows lie within the bound, since none stands out, a `ByteScan` answers, exactly.

    Args:
        vectors: float32 (N, D), each of length 1.

    Source: Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002; hyperplanes orthogonal to
    each other: Ji et al., "Super-bit locality-sensitive hashing", NIPS 2012.
    """

    kind = "bit_scan"

    def __init__(self, vectors: Vector) -> None:
        super().__init__(vectors)
        self.bits = bits_for(vectors.shape[1])

    @property
    def codes(self) -> Bits:
        """The bits of every row, uint8 (N, bits / 8), made when they are first needed."""
        with self._lock:
            return self._codes

    def search(self, query: Vector, k: int, allowed: Mask | None = None) -> Neighbours:
        """The k nearest rows; a few of the farthest of them may be missed."""
        rows = len(self.vectors)
        most = int(rows * _GATHER_SHARE)
        if allowed is not None and np.count_nonzero(allowed) <= most:
            return among(self.vectors, np.flatnonzero(allowed), query, k, "exact product with the filtered vectors")
        sought = max(int(rows * _FIRST_LOOK), _ROWS_A_NEIGHBOUR * k)
        if sought > most:
            return self.scan.search(query, k, allowed)
        shared = self._shared(query)
        if allowed is not None:
            shared -= ~allowed * OUT_OF_REACH
        least = kth_best_of_groups(shared, sought, _GROUP)
        how = f"bit scan of every vector{'' if allowed is None else ', the filter applied'}, best rows compared in full"
        for _ in range(2):
            may_be_near = shared >= least
            if np.count_nonzero(may_be_near) > most:
                break
            found = among(self.vectors, np.flatnonzero(may_be_near), query, k, how)
            needed = self._least_shared(float(found.similarities[-1]))
            if needed >= least:
                return Neighbours(found.positions, found.similarities, rows, how)
            least = needed
        return self.scan.search(query, k, allowed)

    def _least_shared(self, similarity: float) -> float:
        """How many bits, as `_shared` counts them, a row of this similarity shares in all but one case of 160.

        The number of differing bits is binomial, and skewed where few differ: its quantile is by the expansion of
        Cornish and Fisher (1938).
        """
        share = math.acos(min(max(similarity, -1.0), 1.0)) / math.pi
        skew = (_DEVIATIONS**2 - 1) * (1 - 2 * share) / 6
        return -self.bits * share - _DEVIATIONS * math.sqrt(self.bits * share * (1 - share)) - skew

    def _shared(self, query: Vector) -> Vector:
        """For every row, less the more bits it has unlike the query's."""
        import numkong

        codes = self.codes
        # Not a matrix product: for one query that may wake a thread of the BLAS, which then spins beside the scan.
        code = np.packbits(np.vecdot(self._normals, query) > 0)[None]
        shared = np.empty(len(codes), dtype=np.float32)

        def count(part: slice) -> None:
            differing = shared[part]
            numkong.cdist(code, codes[part], "hamming", dtype="uint1", out_dtype="f32", out=differing[None])
            np.negative(differing, out=differing)

        in_parts(len(shared), count)
        return shared

    @cached_property
    def _codes(self) -> Bits:
        codes = np.empty((len(self.vectors), self.bits // 8), dtype=np.uint8)
        for first in range(0, len(codes), _CHUNK):  # a chunk at a time, to keep the products small
            chunk = slice(first, first + _CHUNK)
            codes[chunk] = np.packbits(self.vectors[chunk] @ self._normals.T > 0, axis=1)
        return codes

    @cached_property
    def _normals(self) -> Vector:
        """Random directions, float32 (bits, D), the same ones each time; orthogonal by as many as there can be."""
        dimension = self.vectors.shape[1]
        rng = np.random.default_rng(_SEED)
        turns = [
            np.linalg.qr(rng.standard_normal((dimension, dimension)))[0] for _ in range(-(-self.bits // dimension))
        ]
        return np.concatenate(turns)[: self.bits].astype(np.float32)


def bits_for(dimension: int) -> int:
    """How many bits stand for a vector of so many numbers."""
    return -(-max(dimension, _FEWEST_BITS) // 8) * 8
