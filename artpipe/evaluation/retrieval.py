"""Retrieval quality: how often an image's nearest neighbours share its label of a task, or its artist.

Queries are held-out images; neighbours come from the whole table without the query's own work, as in a search.
Precision@k measures the k nearest, mean average precision (mAP) the ranking of all.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from artpipe.engine.shards import Engine, LocalEngine, Rows, rows_of
from artpipe.evaluation.bootstrap import RESAMPLES, Interval, intervals_of_means
from artpipe.vectors.grouped import group_numbers, similarity_blocks
from artpipe.vectors.partitions import top_k

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEIGHBOURS = 10
MAX_QUERIES = 2000
"""Queries of a split that are ranked: each is compared with the whole table, and so many tell a percent apart."""
QUERIES_AT_ONCE = 128


@dataclass(frozen=True)
class RetrievalScores:
    """Retrieval of one kind of label by the queries of one split.

    Attributes:
        by: the label compared: a task, such as `style`, or `artist`.
        split: where the queries are from.
        n: queries with a known label and at least one neighbour.
        k: number of neighbours.
        table_rows: rows that neighbours are taken from.
        precision: mean share of the k nearest that have the query's label; an unknown label counts as another.
        precision_interval: its 95 % bootstrap interval, resampling works.
        chance: the precision to expect of neighbours drawn at random.
        ceiling: the precision of a perfect ranking: some artists have fewer than k other works.
        ranked: queries with at least one row of another work that has their label: those `map` is about.
        map: mean average precision; a perfect ranking reaches 1.
        map_interval: its 95 % bootstrap interval, resampling works.
        map_chance: the `map` to expect of a random ranking.
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


@dataclass(frozen=True)
class RankQueries:
    """The work of an engine: precision and average precision of some queries for every kind of label.

    Attributes:
        vectors: float32 (N, D), rows of length 1.
        works: (N,) number of each row's work.
        codes: for each kind of label (N,) number of each row's label, -1 where unknown.
        queries: (Q,) row numbers.
        k: number of neighbours.
        depth: (Q,) how many of them there are.
    """

    vectors: "NDArray[np.float32]"
    works: "NDArray[np.int64]"
    codes: "dict[str, NDArray[np.int64]]"
    queries: "NDArray[np.integer]"
    k: int
    depth: "NDArray[np.integer]"

    def __call__(self, some: Rows, _threads: int) -> "NDArray[np.float64]":
        """Figures (B, kinds of label, 2), NaN where there is nothing to measure."""
        found = np.full((len(some), len(self.codes), 2), np.nan)
        rows, depth = self.queries[some.slice], self.depth[some.slice]
        for block, similarity in similarity_blocks(self.vectors[rows], self.works[rows], self.vectors, self.works):
            near = top_k(similarity, self.k)
            is_valid = np.arange(near.shape[1])[None, :] < depth[block][:, None]
            ascending = np.sort(similarity, axis=1)
            for place, values in enumerate(self.codes.values()):
                wanted = values[rows[block]]
                hits = ((values[near] == wanted[:, None]) & is_valid).sum(axis=1)
                found[block, place, 0] = np.where(depth[block] > 0, hits / np.maximum(depth[block], 1), np.nan)
                for query, label in enumerate(wanted):
                    if label >= 0:
                        relevant = similarity[query, values == label]
                        found[block.start + query, place, 1] = _average_precision(relevant, ascending[query])
        return found


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
    engine: Engine | None = None,
) -> list[RetrievalScores]:
    """Precision@k and average precision of the queries for every kind of label, in one pass over the table.

    Of more than `MAX_QUERIES` queries, so many drawn at random are ranked.

    Args:
        vectors: float32 (N, D), rows of length 1: the whole table.
        work_ids: N works.
        labels: for each kind of label, N values, None where unknown.
        queries: row numbers of the query images.
        split: name of the split the queries are from.
        k: number of neighbours.
        seed: of the bootstrap, and of the draw.
        resamples: of the bootstrap.
        engine: what ranks; this machine by default.
    """
    if len(queries) > MAX_QUERIES:
        queries = np.sort(np.random.default_rng(seed).choice(queries, MAX_QUERIES, replace=False))
    works = group_numbers(work_ids)
    codes = {by: group_numbers(values) for by, values in labels.items()}
    candidates = len(works) - np.bincount(works, minlength=1)[works[queries]] if len(works) else np.zeros(0, np.int64)
    rank = RankQueries(vectors, works, codes, queries, k, np.minimum(candidates, k))
    figures = np.empty((len(queries), len(codes), 2))
    for rows, found in (engine or LocalEngine()).map(rank, rows_of(len(queries), QUERIES_AT_ONCE)):
        figures[rows.slice] = found
    return [
        _summary(by, split, k, codes[by], works, queries, candidates, figures[:, place], seed, resamples)
        for place, by in enumerate(labels)
    ]


def _average_precision(relevant: "NDArray[np.float32]", ascending: "NDArray[np.float32]") -> float:
    """Mean over the relevant rows of the precision down to them; equally similar rows count as coming together.

    Args:
        relevant: similarities of the rows with the query's label, -inf for its own work.
        ascending: similarities of all rows, sorted.
    """
    relevant = np.sort(relevant[relevant > -np.inf])
    if not len(relevant):
        return float("nan")
    hits = len(relevant) - np.searchsorted(relevant, relevant, side="left")
    return float((hits / (len(ascending) - np.searchsorted(ascending, relevant, side="left"))).mean())


def _summary(
    by: str,
    split: str,
    k: int,
    values: "NDArray[np.int64]",
    works: "NDArray[np.int64]",
    queries: "NDArray[np.integer]",
    candidates: "NDArray[np.integer]",
    figures: "NDArray[np.floating]",
    seed: int,
    resamples: int,
) -> RetrievalScores:
    """The scores of one kind of label; `figures` (Q, 2) are the precision and the average precision of each query."""
    usable = (values[queries] >= 0) & (candidates > 0)
    n = int(usable.sum())
    if n == 0:
        reason = "no rows" if len(queries) == 0 else f"no query has a known {by} and a neighbour"
        return RetrievalScores(by, split, 0, k, len(works), reason=reason)
    rows, candidates, figures = queries[usable], candidates[usable], figures[usable]
    relevant = np.bincount(values[values >= 0])[values[rows]] - _relevant_in_own_work(values, works, rows)
    depth = np.minimum(candidates, k)
    is_ranked = relevant > 0
    random_map = _random_average_precision(relevant, candidates)
    precision_interval, map_interval = intervals_of_means(figures, works[rows], seed, resamples)
    return RetrievalScores(
        by=by,
        split=split,
        n=n,
        k=k,
        table_rows=len(works),
        precision=float(figures[:, 0].mean()),
        precision_interval=precision_interval,
        chance=float((relevant / candidates).mean()),
        ceiling=float((np.minimum(relevant, depth) / depth).mean()),
        ranked=int(is_ranked.sum()),
        map=float(figures[is_ranked, 1].mean()) if is_ranked.any() else None,
        map_interval=map_interval,
        map_chance=float(random_map[is_ranked].mean()) if is_ranked.any() else None,
    )


def _random_average_precision(
    relevant: "NDArray[np.integer]", candidates: "NDArray[np.integer]"
) -> "NDArray[np.floating]":
    """The expected average precision of a random ranking of `candidates` rows of which `relevant` have the label."""
    harmonic = np.cumsum(1 / np.arange(1, int(candidates.max(initial=1)) + 1))[candidates - 1]
    return (harmonic + (relevant - 1) / np.maximum(candidates - 1, 1) * (candidates - harmonic)) / candidates


def _relevant_in_own_work(
    values: "NDArray[np.int64]", works: "NDArray[np.int64]", rows: "NDArray[np.integer]"
) -> "NDArray[np.int64]":
    """How many rows of each row's own work, itself included, have its label."""
    codes = works * (int(values.max()) + 2) + values + 1
    _, pair_of, counts = np.unique(codes, return_inverse=True, return_counts=True)
    return counts[pair_of[rows]]
