"""Nearest neighbours from a Lance table's own vector index, for collections whose vectors do not fit in memory.

The index is IVF_RQ: partitions by k-means, in each of them codes of four bits a number (RaBitQ). The codes choose
candidates, and Lance rescores `refine_factor` times as many as are asked for with the full vectors on disk. Rows that
the index does not know yet are compared one by one, and deleted ones are left out, by Lance itself.

Source: Gao and Long, "RaBitQ", SIGMOD 2024, arXiv:2405.12497; https://lance.org/format/table/index/vector/
"""

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from artpipe.vectors.nearest import Mask, Neighbours, Positions, Vector
from artpipe.vectors.row_addresses import RowAddresses

if TYPE_CHECKING:
    import lance

INDEX_NAME = "vector_neighbours"
_BITS = 4


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

    @property
    def dimension(self) -> int:
        """The length D of the vectors."""
        return self._dataset.schema.field(self._column).type.list_size

    @cached_property
    def exact(self) -> "LanceSearch":
        """The search over the same table that compares every vector."""
        return self if self._nprobes is None else LanceSearch(self._dataset, self._addresses, self._column)

    def vectors_at(self, positions: Sequence[int] | Positions) -> Vector:
        """The vectors of K rows, float32 (K, D), read from the table."""
        return vectors_of(self._dataset, self._column, self._addresses.offsets(positions))

    def search(self, query: Vector, k: int, allowed: Mask | None = None) -> Neighbours:
        """The k nearest rows."""
        return self.search_many(query[None], [k], allowed)[0]

    def search_many(self, queries: Vector, k: Sequence[int], allowed: Mask | None = None) -> list[Neighbours]:
        """The nearest rows of each query, in one request; the filter is applied before the search."""
        rows = len(self._addresses) if allowed is None else int(np.count_nonzero(allowed))
        deepest = min(max(k, default=0), rows)
        if not deepest:
            return [Neighbours(np.empty(0, np.int64), np.empty(0, np.float32), 0, "nothing to search") for _ in k]
        how = "every vector of the table compared"
        nearest: dict[str, Any] = {"column": self._column, "q": queries, "k": deepest, "metric": "cosine"}
        if self._nprobes is None:
            nearest["use_index"] = False
        else:
            # A filter that leaves one row in ten leaves as many candidates in ten times as many partitions.
            nprobes = -(-self._nprobes * len(self._addresses) // rows)
            nearest |= {"minimum_nprobes": nprobes, "refine_factor": self._refine_factor}
            how = f"LanceDB index IVF_RQ, {nprobes} probes, best rows rescored"
        found = self._dataset.scanner(
            columns=["_distance"],
            nearest=nearest,
            with_row_id=True,
            disable_scoring_autoprojection=True,
            row_addr_allowlist=None if allowed is None else self._addresses.allowlist(allowed),
        ).to_table()
        positions = self._addresses.positions(found["_rowid"].to_numpy())
        similarities = np.float32(1) - found["_distance"].to_numpy()
        order = np.lexsort((positions, -similarities, found["query_index"].to_numpy()))
        ends = np.cumsum(np.bincount(found["query_index"].to_numpy(), minlength=len(queries)))[:-1]
        return [
            Neighbours(positions[near][:count], similarities[near][:count], rows, how)
            for near, count in zip(np.split(order, ends), k, strict=True)
        ]


def vectors_of(dataset: "lance.LanceDataset", column: str, offsets: Positions) -> Vector:
    """The vectors of K rows, by their place in a scan of the table, float32 (K, D)."""
    taken = dataset.take(offsets, columns=[column]).column(0).combine_chunks()  # pyright: ignore[reportArgumentType]
    return taken.flatten().to_numpy().reshape(len(offsets), -1)


def build_index(dataset: "lance.LanceDataset", column: str) -> None:
    """Build the table's vector index, or build it anew; commits a version of the table."""
    dataset.create_index(column, "IVF_RQ", name=INDEX_NAME, metric="cosine", num_bits=_BITS, replace=True)


def has_index(dataset: "lance.LanceDataset") -> bool:
    """Whether this version of the table has a vector index."""
    return any(index.name == INDEX_NAME for index in dataset.describe_indices())


def drop_index(dataset: "lance.LanceDataset") -> None:
    """Remove the table's vector index, if it has one; commits a version of the table."""
    if has_index(dataset):
        dataset.drop_index(INDEX_NAME)


def add_to_index(dataset: "lance.LanceDataset") -> None:
    """Add the rows that the index does not know yet, without training it again; commits a version of the table."""
    dataset.optimize.optimize_indices(index_names=[INDEX_NAME])


def unindexed_rows(dataset: "lance.LanceDataset") -> int:
    """How many rows the table's vector index does not know yet; all of them where there is none."""
    if not has_index(dataset):
        return int(dataset.count_rows())
    return int(dataset.stats.index_stats(INDEX_NAME)["num_unindexed_rows"])
