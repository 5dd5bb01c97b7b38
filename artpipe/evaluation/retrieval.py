"""How well a picture's neighbours share its style, its type or its artist.

Queries are held-out pictures; the neighbours are looked for in the whole table, the query's own work left out, as a
search would find them. Precision@10 looks at the ten nearest, mean average precision at the order of all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from artpipe.evaluation.bootstrap import RESAMPLES, Interval, intervals_of_means

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 10
# Similarities held at a time; 16 Mi float32 are 64 MiB, whatever the size of the table.
_SIMILARITIES = 16 * 2**20


@dataclass(frozen=True)
class RetrievalScores:
    """What the nearest neighbours have in common with the queries of one split.

    Attributes:
        by: the label compared: `style`, `type` or `artist`.
        split: where the queries are from; training rows are named `train (seen)`.
        n: queries with a known label and at least one neighbour.
        k: neighbours looked at.
        table_rows: rows that neighbours are taken from.
        precision: mean share of the neighbours that have the query's label; one with no known label has not.
        precision_interval: its 95 % bootstrap interval, resampling works.
        chance: the precision to expect of neighbours drawn at random.
        ceiling: the precision that perfect neighbours would reach: some artists have fewer than k other works.
        ranked: queries with at least one row of another work that has their label: those `map` is about.
        map: mean average precision; perfect neighbours reach 1.
        map_interval: its 95 % bootstrap interval, resampling works.
        map_chance: the `map` to expect of neighbours in random order.
        reason: why the figures are None.
    """

    by: str
    split: str
    n: int
    k: int
    table_rows: int
    precision: float | None = None
    precision_interval: Interval | None = None
    chance: float | None = None
    ceiling: float | None = None
    ranked: int = 0
    map: float | None = None
    map_interval: Interval | None = None
    map_chance: float | None = None
    reason: str | None = None


def score_retrieval(
    vectors: "NDArray[np.float32]",
    work_ids: Sequence[str],
    labels: Mapping[str, Sequence[str | None]],
    queries: "NDArray[np.integer]",
    *,
    split: str,
    k: int = NEIGHBOURS,
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> list[RetrievalScores]:
    """Precision@k and average precision of the queries for every kind of label, in one pass over the table.

    Args:
        vectors: float32 (N, D), rows of length 1: the whole table.
        work_ids: N works.
        labels: for each kind of label, N values, None where unknown.
        queries: row numbers of the query pictures.
        split: name of the split the queries are from.
        k: neighbours to look at.
        seed: of the bootstrap.
        resamples: of the bootstrap.
    """
    works = _codes(work_ids)
    codes = {by: _codes(values) for by, values in labels.items()}
    others = len(works) - np.bincount(works, minlength=1)[works[queries]] if len(works) else np.zeros(0, np.int64)
    looked_at = np.minimum(others, k)
    hits = {by: np.zeros(len(queries)) for by in labels}
    average = {by: np.full(len(queries), np.nan) for by in labels}
    for block in _blocks(len(queries), len(works)):
        rows = queries[block]
        similarity = vectors[rows] @ vectors.T
        similarity[works[rows][:, None] == works[None, :]] = -np.inf
        near = _best(similarity, k)
        valid = np.arange(near.shape[1])[None, :] < looked_at[block][:, None]
        for by, values in codes.items():
            hits[by][block] = ((values[near] == values[rows][:, None]) & valid).sum(axis=1)
        for at, row, alike in zip(range(block.start, block.stop), rows, similarity, strict=True):
            ascending = np.sort(alike)
            for by, values in codes.items():
                if values[row] >= 0:
                    average[by][at] = _average_precision(alike[values == values[row]], ascending)
    shares = {by: np.where(looked_at > 0, hits[by] / np.maximum(looked_at, 1), np.nan) for by in labels}
    return [
        _summary(by, split, k, codes[by], works, queries, others, np.stack([shares[by], average[by]]), seed, resamples)
        for by in labels
    ]


def nearest(
    vectors: "NDArray[np.float32]",
    groups: Sequence[str],
    queries: "NDArray[np.integer]",
    k: int = NEIGHBOURS,
    among: "NDArray[np.integer] | None" = None,
) -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    """The k most similar rows of other groups, best first, and their similarities.

    Args:
        vectors: float32 (N, D), rows of length 1.
        groups: N names, such as works: a query's own group is left out.
        queries: Q row numbers.
        k: neighbours of each; fewer where there are fewer rows.
        among: row numbers that neighbours are taken from; all by default.

    Returns:
        Row numbers (Q, k) and similarities (Q, k), -inf where there is no other group left.
    """
    codes = _codes(groups)
    table = np.arange(len(codes)) if among is None else among
    held, held_codes = vectors[table], codes[table]
    k = min(k, len(table))
    rows, similarities = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)
    for block in _blocks(len(queries), len(table)):
        similarity = vectors[queries[block]] @ held.T
        similarity[codes[queries[block]][:, None] == held_codes[None, :]] = -np.inf
        best = _best(similarity, k)
        rows[block] = table[best]
        similarities[block] = np.take_along_axis(similarity, best, axis=1)
    return rows, similarities


def _best(similarity: "NDArray[np.float32]", k: int) -> "NDArray[np.int64]":
    """The k most similar, best first; the own work comes last where too few others exist."""
    k = min(k, similarity.shape[1])
    best = np.argpartition(similarity, -k, axis=1)[:, -k:]
    order = np.argsort(-np.take_along_axis(similarity, best, axis=1), axis=1, kind="stable")
    return np.take_along_axis(best, order, axis=1)


def _average_precision(alike: "NDArray[np.float32]", ascending: "NDArray[np.float32]") -> float:
    """Mean over the rows with the query's label of the precision down to them; equally similar rows come together.

    Args:
        alike: similarities of the rows with the query's label, -inf for its own work.
        ascending: similarities of all rows, sorted.
    """
    alike = np.sort(alike[alike > -np.inf])
    if not len(alike):
        return float("nan")
    reached = len(alike) - np.searchsorted(alike, alike, side="left")
    return float((reached / (len(ascending) - np.searchsorted(ascending, alike, side="left"))).mean())


def _summary(
    by: str,
    split: str,
    k: int,
    values: "NDArray[np.int64]",
    works: "NDArray[np.int64]",
    queries: "NDArray[np.integer]",
    others: "NDArray[np.integer]",
    figures: "NDArray[np.floating]",
    seed: int,
    resamples: int,
) -> RetrievalScores:
    """The scores of one kind of label; `figures` are the precision and the average precision of each query."""
    usable = (values[queries] >= 0) & (others > 0)
    n = int(usable.sum())
    if n == 0:
        reason = "no rows" if len(queries) == 0 else f"no query has a known {by} and a neighbour"
        return RetrievalScores(by, split, 0, k, len(works), reason=reason)
    rows, others, figures = queries[usable], others[usable], figures[:, usable]
    alike = np.bincount(values[values >= 0])[values[rows]] - _alike_in_own_work(values, works, rows)
    looked_at = np.minimum(others, k)
    is_ranked = alike > 0
    _, work_of = np.unique(works[rows], return_inverse=True)
    intervals = intervals_of_means(figures.T, work_of, seed, resamples)
    return RetrievalScores(
        by=by,
        split=split,
        n=n,
        k=k,
        table_rows=len(works),
        precision=float(figures[0].mean()),
        precision_interval=intervals[0],
        chance=float((alike / others).mean()),
        ceiling=float((np.minimum(alike, looked_at) / looked_at).mean()),
        ranked=int(is_ranked.sum()),
        map=float(figures[1][is_ranked].mean()) if is_ranked.any() else None,
        map_interval=intervals[1],
        map_chance=float(_random_average_precision(alike, others)[is_ranked].mean()) if is_ranked.any() else None,
    )


def _random_average_precision(alike: "NDArray[np.integer]", others: "NDArray[np.integer]") -> "NDArray[np.floating]":
    """The average precision to expect of a random order in which `alike` of `others` rows have the query's label."""
    harmonic = np.cumsum(1 / np.arange(1, int(others.max(initial=1)) + 1))[others - 1]
    return (harmonic + (alike - 1) / np.maximum(others - 1, 1) * (others - harmonic)) / others


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
