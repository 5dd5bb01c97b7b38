"""How many of a picture's ten nearest neighbours share its style or its artist.

Queries are held-out pictures; the neighbours are looked for in the whole table, the query's own work left out, as a
search would find them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 10
# Similarities held at a time; 16 Mi float32 are 64 MiB, whatever the size of the table.
_SIMILARITIES = 16 * 2**20


@dataclass(frozen=True)
class RetrievalScores:
    """Precision among the nearest neighbours, on the queries of one split.

    Attributes:
        by: the label compared, `style` or `artist`.
        split: where the queries are from; training rows are named `train (seen)`.
        n: queries with a known label and at least one neighbour.
        k: neighbours looked at.
        table_rows: rows that neighbours are taken from.
        precision: mean share of the neighbours that have the query's label; one with no known label has not.
        chance: the precision to expect of neighbours drawn at random.
        ceiling: the precision that perfect neighbours would reach: some artists have fewer than k other works.
        reason: why the figures are None.
    """

    by: str
    split: str
    n: int
    k: int
    table_rows: int
    precision: float | None
    chance: float | None
    ceiling: float | None
    reason: str | None


def score_retrieval(
    vectors: "NDArray[np.float32]",
    work_ids: Sequence[str],
    labels: Mapping[str, Sequence[str | None]],
    queries: "NDArray[np.integer]",
    *,
    split: str,
    k: int = NEIGHBOURS,
) -> list[RetrievalScores]:
    """Precision@k of the queries for every kind of label, in one pass over the table.

    Args:
        vectors: float32 (N, D), rows of length 1: the whole table.
        work_ids: N works.
        labels: for each kind of label, N values, None where unknown.
        queries: row numbers of the query pictures.
        split: name of the split the queries are from.
        k: neighbours to look at.
    """
    works = _codes(work_ids)
    codes = {by: _codes(values) for by, values in labels.items()}
    hits = {by: np.zeros(len(queries)) for by in labels}
    others = len(works) - np.bincount(works, minlength=1)[works[queries]] if len(works) else np.zeros(0, np.int64)
    looked_at = np.minimum(others, k)
    for block in _blocks(len(queries), len(works)):
        rows = queries[block]
        near = _nearest(vectors, works, rows, k)
        valid = np.arange(near.shape[1])[None, :] < looked_at[block][:, None]
        for by, values in codes.items():
            same = (values[near] == values[rows][:, None]) & valid
            hits[by][block] = same.sum(axis=1)
    return [_summary(by, split, k, codes[by], works, queries, hits[by], others) for by in labels]


def _nearest(
    vectors: "NDArray[np.float32]", works: "NDArray[np.int64]", rows: "NDArray[np.integer]", k: int
) -> "NDArray[np.int64]":
    """The k most similar rows of other works, best first; the own work comes last where too few others exist."""
    similarity = vectors[rows] @ vectors.T
    similarity[works[rows][:, None] == works[None, :]] = -np.inf
    k = min(k, similarity.shape[1])
    best = np.argpartition(similarity, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(similarity, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def _summary(
    by: str,
    split: str,
    k: int,
    values: "NDArray[np.int64]",
    works: "NDArray[np.int64]",
    queries: "NDArray[np.integer]",
    hits: "NDArray[np.floating]",
    others: "NDArray[np.integer]",
) -> RetrievalScores:
    usable = (values[queries] >= 0) & (others > 0)
    n = int(usable.sum())
    if n == 0:
        reason = "no rows" if len(queries) == 0 else f"no query has a known {by} and a neighbour"
        return RetrievalScores(by, split, 0, k, len(works), None, None, None, reason)
    rows, others = queries[usable], others[usable]
    alike = np.bincount(values[values >= 0])[values[rows]] - _alike_in_own_work(values, works, rows)
    looked_at = np.minimum(others, k)
    return RetrievalScores(
        by=by,
        split=split,
        n=n,
        k=k,
        table_rows=len(works),
        precision=float((hits[usable] / looked_at).mean()),
        chance=float((alike / others).mean()),
        ceiling=float((np.minimum(alike, looked_at) / looked_at).mean()),
        reason=None,
    )


def _alike_in_own_work(
    values: "NDArray[np.int64]", works: "NDArray[np.int64]", rows: "NDArray[np.integer]"
) -> "NDArray[np.int64]":
    """How many rows of each row's own work, itself included, have its label."""
    _, pair_of, counts = np.unique(
        works * (int(values.max()) + 2) + values + 1, return_inverse=True, return_counts=True
    )
    return counts[pair_of[rows]]


def _codes(names: Sequence[str | None]) -> "NDArray[np.int64]":
    """A number for each name; -1 for None."""
    number: dict[str, int] = {}
    return np.array([-1 if name is None else number.setdefault(name, len(number)) for name in names], dtype=np.int64)


def _blocks(queries: int, table_rows: int) -> list[slice]:
    size = max(1, _SIMILARITIES // max(table_rows, 1))
    return [slice(start, min(start + size, queries)) for start in range(0, queries, size)]
