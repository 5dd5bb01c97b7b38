"""Recall and time of a search on sampled queries, and the cheapest settings that reach the wanted recall."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from artpipe.vectors.nearest import NeighbourSearch, Positions, Vector

NEIGHBOURS_COMPARED = 10


@dataclass(frozen=True)
class Trial:
    """One way of searching, measured on this table.

    Attributes:
        parameters: its settings.
        recall_at_10: share of the ten true neighbours that it found, over the sampled queries.
        ms_per_query: median milliseconds of one query.
    """

    parameters: dict[str, Any]
    recall_at_10: float
    ms_per_query: float


def noisy(rows: Vector, seed: int) -> Vector:
    """Queries: rows with noise of a third to the whole of their length, from a re-photograph to a stranger."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(rows.shape)
    noise *= rng.uniform(0.3, 1.0, size=(len(rows), 1)) / np.linalg.norm(noise, axis=1, keepdims=True)
    queries = rows + noise
    return (queries / np.linalg.norm(queries, axis=1, keepdims=True)).astype(np.float32)


def sampled_rows(rows: int, count: int, seed: int) -> Positions:
    """The numbers of rows to make queries of, each once."""
    return np.random.default_rng(seed).choice(rows, size=min(count, rows), replace=False)


def true_neighbours(exact: NeighbourSearch, queries: Vector) -> list[Positions]:
    """The ten nearest rows of each query, by an exact search."""
    return [found.positions for found in exact.search_many(queries, [NEIGHBOURS_COMPARED] * len(queries))]


def recall(found: list[Positions], truth: list[Positions]) -> float:
    """The share of true neighbours that were found."""
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True))
    return hits / max(sum(len(b) for b in truth), 1)


def measure(search: NeighbourSearch, queries: Vector, truth: list[Positions], parameters: dict[str, Any]) -> Trial:
    """What a search finds of the true neighbours, one query after another, and how long a query takes."""
    search.search(queries[0], NEIGHBOURS_COMPARED)  # the first one may have to load something
    found: list[Positions] = []
    spent: list[float] = []
    for query in queries:
        began = time.perf_counter()
        found.append(search.search(query, NEIGHBOURS_COMPARED).positions)
        spent.append(time.perf_counter() - began)
    return Trial(parameters, round(recall(found, truth), 4), round(float(np.median(spent)) * 1e3, 4))


def tune(
    search_with: Callable[[dict[str, int]], NeighbourSearch],
    grid: Iterable[dict[str, int]],
    queries: Vector,
    truth: list[Positions],
    min_recall: float,
) -> tuple[Trial | None, list[Trial]]:
    """The first settings of a grid that reach the wanted recall, cheapest first.

    One half of the queries chooses settings that leave half of the allowed misses to spare; the other half gives their
    recall, which must reach `min_recall` too.

    Returns:
        the chosen settings measured on the second half, None where none are good enough; and every trial.
    """
    middle = len(queries) // 2
    trials: list[Trial] = []
    for parameters in grid:
        search = search_with(parameters)
        trials.append(measure(search, queries[:middle], truth[:middle], parameters))
        if trials[-1].recall_at_10 >= (1 + min_recall) / 2:
            trials.append(measure(search, queries[middle:], truth[middle:], parameters))
            if trials[-1].recall_at_10 >= min_recall:
                return trials[-1], trials
    return None, trials
