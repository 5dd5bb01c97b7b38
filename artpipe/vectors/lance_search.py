"""Nearest neighbours from a Lance table's own vector index, for collections whose vectors do not fit in memory.

The index is IVF_RQ: partitions by k-means, in each of them codes of four bits a number (RaBitQ). The codes choose
candidates, and Lance rescores `refine_factor` times as many as are asked for with the full vectors on disk. Rows that
the index does not know yet are compared with the query, and deleted ones are left out.

Source: Gao and Long, "RaBitQ", SIGMOD 2024, arXiv:2405.12497; https://lance.org/format/table/index/vector/
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from artpipe.lake.lease import ensure_held
from artpipe.vectors.nearest import ExactProduct, Int8Index, Mask, Neighbours, Positions, Vector, in_memory
from artpipe.vectors.row_addresses import RowAddresses

if TYPE_CHECKING:
    import lance

_Found = tuple[Positions, Vector]
INDEX_NAME = "vector_neighbours"
_BITS = 4
_READ_ROWS = 1000
"""A filter that leaves so few rows is answered by reading their vectors, some 14 us each, and comparing all of them."""
_FILTERS_KEPT = 16
"""Vectors that were read for a filter stay in memory for the next queries with it: 16 MB of 256 numbers a row."""
_NEWEST_BYTES = 64 * 1024 * 1024
"""Vectors of rows that the index does not know yet are held in memory up to this size: 65,536 rows of 256 numbers."""
_SPARE = 1.5
"""Candidates that are filtered afterwards, as a multiple of those that must be left on average."""
_MOST_CANDIDATES = 5000
"""A filter that needs more of them is applied by Lance, which looks up every row of every partition in it."""


class LanceSearch:
    """Approximate search by the table's index, or exact search by reading every vector from the table.

    Args:
        dataset: one version of a Lance table.
        addresses: where the collection's rows lie in it.
        column: holds the vectors, of length 1.
        nprobes: partitions to search, more where too few rows are found in them; None compares every vector.
        refine_factor: candidates to rescore, as a multiple of `k`.
    """

    kind = "ivf_rq"

    def __init__(
        self,
        dataset: "lance.LanceDataset",
        addresses: RowAddresses,
        column: str,
        nprobes: int | None = None,
        refine_factor: int = 1,
    ) -> None:
        self._dataset, self._addresses, self._column = dataset, addresses, column
        self._nprobes, self._refine_factor = nprobes, refine_factor
        if nprobes is None:
            self.kind = "exact"
        self._product_of = lru_cache(_FILTERS_KEPT)(
            lambda positions: ExactProduct(self.vectors_at(np.frombuffer(positions, np.int64)))
        )

    @property
    def dimension(self) -> int:
        """The length D of the vectors."""
        return self._dataset.schema.field(self._column).type.list_size

    @property
    def _refine_after_filter(self) -> int:
        """What a filter leaves lies farther apart than all rows do, so that the order of the codes errs less."""
        return min(self._refine_factor, max(2, self._refine_factor // 2))

    @cached_property
    def exact(self) -> "LanceSearch":
        """The search over the same table that compares every vector."""
        return self if self._nprobes is None else LanceSearch(self._dataset, self._addresses, self._column)

    def vectors_at(self, positions: Sequence[int] | Positions) -> Vector:
        """The vectors of K rows, float32 (K, D), read from the table."""
        return _matrix(read_rows(self._dataset, self._addresses, positions, [self._column])[self._column])

    def search(self, query: Vector, k: int, allowed: Mask | None = None) -> Neighbours:
        """The k nearest rows."""
        return self.search_many(query[None], [k], allowed)[0]

    def search_many(self, queries: Vector, k: Sequence[int], allowed: Mask | None = None) -> list[Neighbours]:
        """The nearest rows of each query, in one request."""
        rows = len(self._addresses) if allowed is None else int(np.count_nonzero(allowed))
        deepest = min(max(k, default=0), rows)
        if not deepest:
            return [Neighbours(np.empty(0, np.int64), np.empty(0, np.float32), 0, "nothing to search") for _ in k]
        if allowed is not None and rows <= _READ_ROWS:
            kept = np.flatnonzero(allowed)
            compared = self._product_of(kept.tobytes()).search_many(queries, k)
            how = "the vectors that pass the filter read and compared"
            return [replace(found, positions=kept[found.positions], how=how) for found in compared]
        if self._nprobes is None:
            found = self._scan(queries, deepest, allowed, use_index=False)
            return _pages(found, k, rows, "every vector of the table compared")
        if allowed is None:
            return self._by_index(queries, k, None, rows)
        candidates = math.ceil(_SPARE * self._refine_after_filter * deepest * len(self._addresses) / rows)
        if candidates > _MOST_CANDIDATES:
            return self._by_index(queries, k, allowed, rows)
        return self._filtered_after(queries, k, allowed, candidates)

    def _filtered_after(self, queries: Vector, k: Sequence[int], allowed: Mask, candidates: int) -> list[Neighbours]:
        """Candidates from all rows, then the filter, then full vectors: cheaper than a filter that Lance applies.

        Whatever is allowed among the nearest of all rows is nearer than any other allowed row. Where that is too
        little, because the filter leaves rows far from the query, Lance searches with the filter.
        """
        refine = self._refine_after_filter
        rows, wider = int(np.count_nonzero(allowed)), math.cbrt(candidates / (refine * max(k)))
        nprobes = math.ceil((self._nprobes or 1) * max(1.0, wider))
        how = f"LanceDB index IVF_RQ, {nprobes} probes, {candidates:,} candidates filtered, best rows rescored"
        found: list[Neighbours] = []
        nearest = self._candidates(queries, candidates, None, nprobes)
        for query, count, (positions, _) in zip(queries, k, nearest, strict=True):
            near = positions[allowed[positions]][: refine * count]
            if len(near) < min(refine * count, rows):
                found += self._by_index(query[None], [count], allowed, rows)
                continue
            similarities = np.vecdot(self.vectors_at(near), query)
            best = np.lexsort((near, -similarities))[:count]
            found.append(Neighbours(near[best], similarities[best], rows, how))
        return found

    def _by_index(self, queries: Vector, k: Sequence[int], allowed: Mask | None, rows: int) -> list[Neighbours]:
        """Lance's own search, which applies the filter first and rescores with full vectors."""
        # A filter that leaves one row in ten leaves as many candidates in ten times as many partitions.
        nprobes = -(-(self._nprobes or 1) * len(self._addresses) // rows)
        how = f"LanceDB index IVF_RQ, {nprobes} probes, best rows rescored"
        found = self._candidates(queries, min(max(k), rows), allowed, nprobes, self._refine_factor)
        return _pages(found, k, rows, how)

    def _candidates(
        self, queries: Vector, k: int, allowed: Mask | None, nprobes: int, refine_factor: int | None = None
    ) -> "list[_Found]":
        """What the index finds for each query, and of the rows that it does not know, best first."""
        newest = self._newest
        settings = {"minimum_nprobes": nprobes, "refine_factor": refine_factor}
        found = self._scan(queries, k, allowed, fast_search=newest is not None, **settings)
        if newest is None:
            return found
        rows, search = newest
        compared = search.search_many(queries, [k] * len(queries), None if allowed is None else allowed[rows])
        merged: list[_Found] = []
        for (old, old_similarities), new in zip(found, compared, strict=True):
            positions = np.concatenate([old, rows[new.positions]])
            similarities = np.concatenate([old_similarities, new.similarities])
            best = np.lexsort((positions, -similarities))[:k]
            merged.append((positions[best], similarities[best]))
        return merged

    @cached_property
    def _newest(self) -> "tuple[Positions, ExactProduct | Int8Index] | None":
        """The rows that the index does not know and the search over them; None where there are none or too many.

        Lance would read their vectors for every query.
        """
        fragments = _unindexed_fragments(self._dataset)
        rows = sum(fragment.count_rows() for fragment in fragments)
        if not 0 < rows * self.dimension * 4 <= _NEWEST_BYTES:
            return None
        scanned = self._dataset.scanner(columns=[self._column], fragments=fragments, with_row_id=True).to_table()
        positions = self._addresses.positions(scanned["_rowid"].to_numpy())
        order = np.argsort(positions, kind="stable")
        return positions[order], in_memory(_matrix(scanned[self._column])[order])

    def _scan(
        self, queries: Vector, k: int, allowed: Mask | None, *, fast_search: bool = False, **settings: Any
    ) -> "list[_Found]":
        """The positions and similarities that Lance finds for each query, best first."""
        found = self._dataset.scanner(
            columns=["_distance"],
            nearest={"column": self._column, "q": queries, "k": k, "metric": "cosine", **settings},
            with_row_id=True,
            disable_scoring_autoprojection=True,
            fast_search=fast_search,
            row_addr_allowlist=None if allowed is None else self._addresses.allowlist(allowed),
        ).to_table()
        positions = self._addresses.positions(found["_rowid"].to_numpy())
        similarities = np.float32(1) - found["_distance"].to_numpy()
        numbers = found["query_index"].to_numpy()
        order = np.lexsort((positions, -similarities, numbers))
        ends = np.cumsum(np.bincount(numbers, minlength=len(queries)))[:-1]
        return [(positions[near], similarities[near]) for near in np.split(order, ends)]


def _pages(found: list[_Found], k: Sequence[int], rows: int, how: str) -> list[Neighbours]:
    """The best `k` of what was found for each query."""
    return [
        Neighbours(positions[:count], similarities[:count], rows, how)
        for (positions, similarities), count in zip(found, k, strict=True)
    ]


def read_rows(
    dataset: "lance.LanceDataset", addresses: RowAddresses, positions: Sequence[int] | Positions, columns: Sequence[str]
) -> Any:
    """Columns of some rows of a collection, in the given order, as an Arrow table.

    Lance's `take` counts rows, which takes ten times as long in a table with deleted ones.
    """
    found = dataset.scanner(
        columns=list(columns), with_row_id=True, row_addr_allowlist=addresses.allowlist_of(positions)
    ).to_table()
    order = np.argsort(addresses.positions(found["_rowid"].to_numpy()))
    return found.take(order[np.unique(positions, return_inverse=True)[1]])


def _matrix(column: Any) -> Vector:
    """An Arrow column of N vectors as float32 (N, D)."""
    return column.combine_chunks().flatten().to_numpy().reshape(len(column), -1)


def build_index(dataset: "lance.LanceDataset", column: str) -> None:
    """Build the table's vector index, or build it anew; commits a version of the table."""
    ensure_held(dataset.uri)
    dataset.create_index(column, "IVF_RQ", name=INDEX_NAME, metric="cosine", num_bits=_BITS, replace=True)


def has_index(dataset: "lance.LanceDataset") -> bool:
    """Whether this version of the table has a vector index."""
    return any(index.name == INDEX_NAME for index in dataset.describe_indices())


def drop_index(dataset: "lance.LanceDataset") -> None:
    """Remove the table's vector index, if it has one; commits a version of the table."""
    if has_index(dataset):
        ensure_held(dataset.uri)
        dataset.drop_index(INDEX_NAME)


def add_to_index(dataset: "lance.LanceDataset") -> None:
    """Add the rows that the index does not know yet, without training it again; commits a version of the table."""
    ensure_held(dataset.uri)
    dataset.optimize.optimize_indices(index_names=[INDEX_NAME])


def _unindexed_fragments(dataset: "lance.LanceDataset") -> "list[lance.LanceFragment]":
    """The parts of the table that its vector index does not know yet."""
    known = {
        number
        for index in dataset.describe_indices()
        if index.name == INDEX_NAME
        for segment in index.segments
        for number in segment.fragment_ids
    }
    return [fragment for fragment in dataset.get_fragments() if fragment.fragment_id not in known]


def unindexed_rows(dataset: "lance.LanceDataset") -> int:
    """How many rows the table's vector index does not know yet; all of them where there is none."""
    if not has_index(dataset):
        return int(dataset.count_rows())
    return int(dataset.stats.index_stats(INDEX_NAME)["num_unindexed_rows"])
