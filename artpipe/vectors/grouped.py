"""Nearest neighbours outside a query's own group, for many queries: one matrix product a block of queries.

Evaluation asks for neighbours of other works, or by other artists. A mask for each query would cost more than the
product itself, so the own group is masked in the similarities. Beyond `EXACT_PRODUCTS` comparisons, `partitions.py`
finds the neighbours approximately.
"""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from artpipe.vectors.partitions import EXACT_PRODUCTS, Partitions, top_k

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Similarities computed at a time; 16 Mi float32 are 64 MiB, whatever the size of the table.
BLOCK_SIMILARITIES = 16 * 2**20


def similarity_blocks(
    queries: "NDArray[np.float32]",
    query_groups: "NDArray[np.integer]",
    table: "NDArray[np.float32]",
    table_groups: "NDArray[np.integer]",
) -> "Iterator[tuple[slice, NDArray[np.float32]]]":
    """Cosine similarities of queries with all rows of a table, a block of queries at a time.

    Args:
        queries: float32 (Q, D), rows of length 1.
        query_groups: (Q,) number of each query's group.
        table: float32 (N, D), rows of length 1.
        table_groups: (N,) number of each row's group.

    Yields:
        Which queries, and their similarities (B, N); -inf for rows of the query's own group.
    """
    size = max(1, BLOCK_SIMILARITIES // max(len(table), 1))
    for start in range(0, len(queries), size):
        block = slice(start, min(start + size, len(queries)))
        similarity = queries[block] @ table.T
        similarity[query_groups[block][:, None] == table_groups[None, :]] = -np.inf
        yield block, similarity


def nearest_in_other_groups(
    vectors: "NDArray[np.float32]",
    groups: Sequence[str],
    queries: "NDArray[np.integer]",
    k: int,
    among: "NDArray[np.integer] | None" = None,
) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    """The k most similar rows of other groups, most similar first, and their similarities.

    They are exact up to `EXACT_PRODUCTS` comparisons, and approximate beyond.

    Args:
        vectors: float32 (N, D), rows of length 1.
        groups: N names, such as works: a query's own group is left out.
        queries: Q row numbers.
        k: neighbours of each query; fewer where there are fewer rows.
        among: row numbers that neighbours are taken from; all by default.

    Returns:
        Row numbers (Q, k) and similarities (Q, k), -inf where there is no other group left.
    """
    codes = group_numbers(groups)
    table = np.arange(len(codes)) if among is None else among.astype(np.int64)
    k = min(k, len(table))
    if len(queries) * len(table) > EXACT_PRODUCTS:
        rows, similarities = Partitions(vectors[table], codes[table]).nearest(vectors[queries], codes[queries], k)
        return table[rows], similarities
    rows, similarities = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    for block, similarity in similarity_blocks(vectors[queries], codes[queries], vectors[table], codes[table]):
        best = top_k(similarity, k)
        rows[block] = table[best]
        similarities[block] = np.take_along_axis(similarity, best, axis=1)
    return rows, similarities


def group_numbers(names: Sequence[str | None]) -> "NDArray[np.int64]":
    """A number for each name, in the order of appearance; -1 for None."""
    number: dict[str, int] = {}
    return np.array([-1 if name is None else number.setdefault(name, len(number)) for name in names], dtype=np.int64)
