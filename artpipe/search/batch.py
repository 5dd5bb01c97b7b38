"""The nearest of many vectors for many queries at once: one matrix product of bytes, the best rows compared in full.

`ByteScan` reads every vector once for each query; here a block of vectors is read once for all queries, which is what
makes a batch faster than its queries one after another. `collection.py` uses it for `similar_many`.
"""

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from os import cpu_count
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from artpipe.search.nearest import Mask, Neighbours, Vector, best_of

if TYPE_CHECKING:
    from numkong import PackedMatrix

_BLOCK = 64
_LARGEST_PRODUCT_BYTES = 64 * 1024 * 1024
_ROUNDING_DEVIATIONS = 6.0
_WORTH_PACKING = 4096
"""Rows from which the product of bytes is faster than that of floats, packing aside."""
_GATHER_SHARE = 1 / 20
_NO_ROW = np.iinfo(np.int32).min


class BatchScan:
    """Answers many queries at once, exactly.

    Args:
        vectors: float32 (N, D), each of length 1.
    """

    def __init__(self, vectors: Vector) -> None:
        self.vectors = vectors

    def search(self, queries: Vector, k: Sequence[int], allowed: Mask | None = None) -> list[Neighbours]:
        """The nearest rows of each query.

        Args:
            queries: float32 (Q, D), each of length 1.
            k: how many for each query; fewer are returned when fewer rows are allowed.
            allowed: bool (N,), the rows that may be returned; all by default.
        """
        rows = len(self.vectors)
        passing = rows if allowed is None else int(np.count_nonzero(allowed))
        if passing < max(_WORTH_PACKING, rows * _GATHER_SHARE) or max(k, default=0) * _BLOCK >= passing:
            kept = np.arange(rows) if allowed is None else np.flatnonzero(allowed)
            return self._by_floats(queries, k, kept)
        step, packed = self._packed
        threads = cpu_count() or 1
        most = max(1, min(-(-len(queries) // threads), _LARGEST_PRODUCT_BYTES // (4 * rows * threads)))
        chunks = [slice(first, first + most) for first in range(0, len(queries), most)]
        with ThreadPoolExecutor(threads) as pool:
            answers = pool.map(lambda chunk: self._by_bytes(queries[chunk], k[chunk], allowed, step, packed), chunks)
            return [found for answer in answers for found in answer]

    def _by_floats(self, queries: Vector, k: Sequence[int], kept: NDArray[np.int64]) -> list[Neighbours]:
        vectors = self.vectors[kept] if len(kept) < len(self.vectors) else self.vectors
        most = max(1, _LARGEST_PRODUCT_BYTES // (4 * max(len(kept), 1)))
        found: list[Neighbours] = []
        for first in range(0, len(queries), most):
            chunk = slice(first, first + most)
            similarities = queries[chunk] @ vectors.T
            for row, wanted in zip(similarities, k[chunk], strict=True):
                best = best_of(row, wanted)
                how = "one matrix product for all queries"
                found.append(Neighbours(kept[best], row[best], len(kept), how))
        return found

    def _by_bytes(
        self, queries: Vector, k: Sequence[int], allowed: Mask | None, table_step: float, packed: "PackedMatrix"
    ) -> list[Neighbours]:
        steps = np.maximum(np.abs(queries).max(axis=1), np.float32(1e-12)) / np.float32(127)
        product = _product(np.rint(queries / steps[:, None]).astype(np.int8), packed)
        if allowed is not None:
            product[:, ~allowed] = _NO_ROW
        rows = product.shape[1]
        blocks = rows // _BLOCK
        maxima = product[:, : blocks * _BLOCK].reshape(len(queries), blocks, _BLOCK).max(axis=2)
        found: list[Neighbours] = []
        for query, step, wanted, estimate, highest in zip(queries, steps, k, product, maxima, strict=True):
            # Rounding moves a product of unit vectors by the two steps' deviations; both sides of a swap may move.
            deviation = np.hypot(float(step), table_step) / np.sqrt(12) / (float(step) * table_step)
            slack = int(2 * _ROUNDING_DEVIATIONS * deviation) + 1
            threshold = int(np.partition(highest, blocks - wanted)[blocks - wanted]) - slack
            near = np.flatnonzero(highest >= threshold)
            spans = (near[:, None] * _BLOCK + np.arange(_BLOCK)).ravel()
            spans = np.concatenate([spans, np.arange(blocks * _BLOCK, rows)])
            candidates = spans[estimate[spans] >= max(threshold, _NO_ROW + 1)]
            similarities = self.vectors[candidates] @ query
            order = np.lexsort((candidates, -similarities))[:wanted]
            how = "one product of bytes for all queries, best rows compared in full"
            found.append(Neighbours(candidates[order], similarities[order], rows, how))
        return found

    @cached_property
    def _packed(self) -> "tuple[float, PackedMatrix]":
        """The step of the bytes, and the bytes as the product wants them; made for the first batch."""
        import numkong

        # One step for all rows, so that the products can be compared as they come, as integers.
        step = max(float(np.abs(self.vectors).max()), 1e-12) / 127
        codes = np.empty(self.vectors.shape, dtype=np.int8)
        for first in range(0, len(self.vectors), 4096):  # a chunk at a time, to keep the float copies small
            chunk = slice(first, first + 4096)
            codes[chunk] = np.rint(self.vectors[chunk] / np.float32(step)).astype(np.int8)
        return step, numkong.dots_pack(codes)


def _product(codes: NDArray[np.int8], packed: "PackedMatrix") -> NDArray[np.int32]:
    import numkong

    return np.asarray(numkong.dots_packed(codes, packed))
