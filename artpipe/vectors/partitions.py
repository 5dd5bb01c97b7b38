"""Approximate nearest neighbours of very many unit vectors at once, in memory: each is compared with the rows near it.

All against all takes time by the square of the number of rows. Here the rows are divided into partitions of about
`PARTITION_ROWS`, and a query is compared with those of the few partitions whose centres are nearest to it (an inverted
file, as of a LanceDB index). `grouped.py` and the map use it beyond the numbers of rows that exact search is quick for.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Vectors = NDArray[np.float32]

EXACT_PRODUCTS = 2_500_000_000
"""Comparisons up to which exact search takes a minute at most: 50,000 rows with each other."""
PARTITION_ROWS = 1024
PROBES = 6
_SAMPLED_A_PARTITION = 32
_ROUNDS = 6
_ROWS_AT_ONCE = 8192
_SIMILARITIES_AT_ONCE = 4 * 2**20


class Partitions:
    """Rows by the centre that is nearest to them.

    Args:
        table: float32 (N, D), rows of length 1.
        groups: (N,) number of each row's group.
        seed: of the centres.
    """

    def __init__(self, table: "Vectors", groups: "NDArray[np.integer]", seed: int = 0) -> None:
        self._table, self._groups = table, groups
        centres = _centres(table, max(1, round(len(table) / PARTITION_ROWS)), np.random.default_rng(seed))
        nearest = _nearest_centres(table, centres, 1)[:, 0]
        held, counts = np.unique(nearest, return_counts=True)
        self._centres = centres[held]  # an empty partition has no neighbour for anybody
        self._members = np.split(np.argsort(nearest, kind="stable"), np.cumsum(counts)[:-1])

    def nearest(
        self, queries: "Vectors", query_groups: "NDArray[np.integer]", k: int
    ) -> "tuple[NDArray[np.int64], Vectors]":
        """The k most similar rows of other groups among those compared, most similar first.

        Args:
            queries: float32 (Q, D), rows of length 1.
            query_groups: (Q,) number of each query's group.
            k: neighbours of each query.

        Returns:
            Row numbers (Q, k), and similarities float32 (Q, k), -inf where fewer rows were compared.
        """
        probed = _nearest_centres(queries, self._centres, PROBES)
        order = np.argsort(probed, axis=None, kind="stable")
        ends = np.cumsum(np.bincount(probed.reshape(-1), minlength=len(self._centres)))[:-1]
        rows, similarities = np.zeros((len(queries), k), np.int64), np.full((len(queries), k), -np.inf, np.float32)
        for members, asking in zip(self._members, np.split(order // probed.shape[1], ends), strict=True):
            vectors, groups = self._table[members], self._groups[members]
            for some in _split(asking, max(1, _SIMILARITIES_AT_ONCE // len(members))):
                found = queries[some] @ vectors.T
                found[query_groups[some][:, None] == groups] = -np.inf
                near = top_k(found, k)
                both = np.concatenate([similarities[some], np.take_along_axis(found, near, axis=1)], axis=1)
                best = top_k(both, k)
                similarities[some] = np.take_along_axis(both, best, axis=1)
                rows[some] = np.take_along_axis(np.concatenate([rows[some], members[near]], axis=1), best, axis=1)
        return rows, similarities


def _centres(table: "Vectors", count: int, rng: np.random.Generator) -> "Vectors":
    """The centres of so many clusters of unit vectors (spherical k-means on a sample)."""
    size = min(len(table), count * _SAMPLED_A_PARTITION)
    sample = table[np.sort(rng.choice(len(table), size, replace=False))]
    centres = sample[np.sort(rng.choice(size, count, replace=False))]
    for _ in range(_ROUNDS):
        nearest = _nearest_centres(sample, centres, 1)[:, 0]
        held, first = np.unique(np.sort(nearest), return_index=True)
        sums = np.add.reduceat(sample[np.argsort(nearest, kind="stable")], first)
        centres[held] = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return centres


def _nearest_centres(vectors: "Vectors", centres: "Vectors", k: int) -> "NDArray[np.int64]":
    """The numbers of the k nearest centres of each vector, the nearest first."""
    return np.concatenate([top_k(part @ centres.T, k) for part in _split(vectors, _ROWS_AT_ONCE)])


def _split(rows: "NDArray[Any]", at_once: int) -> "list[NDArray[Any]]":
    return [rows[first : first + at_once] for first in range(0, len(rows), at_once)]


def top_k(similarity: "NDArray[np.float32]", k: int) -> "NDArray[np.int64]":
    """Columns of the k largest values of each row, largest first; all of them where there are fewer."""
    k = min(k, similarity.shape[1])
    best = np.argpartition(similarity, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(similarity, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)
