"""The search index: which way of finding neighbours a table is served by, chosen by measurement, and its card.

`build_index` tries every way on the table's own vectors and keeps the fastest that finds at least 99 of 100 true
neighbours. The card beside it says what was tried, and which vectors it belongs to: an index over other vectors is
refused, and the collection is searched exactly instead.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artpipe.lake import DataLake, write_whole
from artpipe.search.nearest import ByteScan, ExactProduct, HnswGraph, NearestVectors, Vector, build_graph

logger = logging.getLogger(__name__)

CARD = "card.json"
NEIGHBOURS_COMPARED = 10
WORTH_AN_INDEX = 10_000
"""Rows from which other ways than the exact product are tried; below, it takes well under a millisecond."""

_EXPANSIONS = (32, 64, 128, 256, 512)
_PROBES = (8, 16, 32, 64)


@dataclass(frozen=True)
class Trial:
    """One way of searching, measured on this table.

    Attributes:
        kind: `exact`, `byte_scan`, `hnsw`, or a LanceDB index for comparison.
        parameters: what it was tuned to.
        recall_at_10: share of the ten true neighbours that it found, over the sampled queries.
        ms_per_query: median milliseconds of one query.
        build_s: seconds to build it.
        can_serve: whether it may be chosen; the LanceDB indexes are measured for comparison only.
    """

    kind: str
    parameters: dict[str, Any]
    recall_at_10: float
    ms_per_query: float
    build_s: float
    can_serve: bool = True


@dataclass(frozen=True)
class IndexCard:
    """What is served, why, and which vectors it belongs to.

    Attributes:
        kind: `exact`, `byte_scan` or `hnsw`.
        parameters: what it was tuned to.
        model_id: the model that made the vectors.
        content_version: `artpipe.embedding.table.content_version` of the table.
        rows: the number of vectors.
        dimension: their length.
        recall_at_10: measured against exact search.
        ms_per_query: median of one query, without the assembly of the answer.
        seconds_to_build: for all trials together.
        file: the name of the graph's file in the lake, if it has one.
        trials: every way that was measured.
    """

    kind: str
    parameters: dict[str, Any]
    model_id: str
    content_version: str
    rows: int
    dimension: int
    recall_at_10: float
    ms_per_query: float
    seconds_to_build: float
    file: str | None = None
    trials: list[Trial] = field(default_factory=list["Trial"])


@dataclass(frozen=True)
class ServedIndex:
    """The index in use.

    Attributes:
        nearest: what answers the queries.
        card: its card; None when it is not the one that was built for this table.
        note: why the built index is not used; empty when it is.
    """

    nearest: NearestVectors
    card: IndexCard | None
    note: str = ""

    @property
    def exact(self) -> NearestVectors:
        """What finds the true neighbours of the same vectors."""
        return self.nearest.scan if isinstance(self.nearest, HnswGraph) else self.nearest


def build_index(
    vectors: Vector,
    ids: list[str],
    lake: DataLake,
    *,
    model_id: str,
    content_version: str,
    min_rows: int = WORTH_AN_INDEX,
    min_recall: float = 0.99,
    compare_lancedb: bool = False,
    queries: int = 200,
    seed: int = 0,
) -> IndexCard:
    """Measure the ways to search these vectors, and save the best of them in the lake.

    An approximate index must find `min_recall` of the true neighbours with half of the allowed misses to spare, and be
    faster than every exact way.

    Args:
        vectors: float32 (N, D), each of length 1, in the order of `ids`.
        ids: the artwork of each row, sorted.
        lake: where the index and its card are kept.
        model_id: the model that made the vectors.
        content_version: what `artpipe.embedding.table.content_version` says of the table.
        min_rows: below this number of rows the exact product is used without trials.
        min_recall: the recall@10 that an approximate index must reach.
        compare_lancedb: also measure LanceDB's own indexes, in a temporary folder; it doubles the time.
        queries: how many sampled queries are measured; half of them choose, the others give the stated recall.
        seed: of the sampled queries.

    Raises:
        ValueError: vectors and ids differ in number.
    """
    if len(ids) != len(vectors):
        raise ValueError(f"{len(vectors)} vectors for {len(ids)} ids")
    started = time.perf_counter()
    asked = _sampled_queries(vectors, queries, seed)
    exact = ExactProduct(vectors)
    trials, truth = [], None
    graph = None
    if len(asked):
        truth = _found_by(exact, asked)
        trials.append(_trial(exact, asked, truth, {}, 0.0))
    if truth is not None and len(vectors) >= min_rows:
        began = time.perf_counter()
        scan = ByteScan(vectors)
        trials.append(_trial(scan, asked, truth, {}, time.perf_counter() - began))
        exact_ms = min(trial.ms_per_query for trial in trials)
        began = time.perf_counter()
        graph = build_graph(vectors)
        trials.append(_tuned_graph(vectors, graph, asked, truth, min_recall, exact_ms, time.perf_counter() - began))
        if compare_lancedb:
            from artpipe.search.lancedb_trials import lancedb_trials

            few = slice(0, 50)
            trials += lancedb_trials(vectors, asked[few], truth[few], _PROBES, min_recall)
    best = _chosen(trials, min_recall)
    card = IndexCard(
        kind=best.kind if best else "exact",
        parameters=best.parameters if best else {},
        model_id=model_id,
        content_version=content_version,
        rows=len(vectors),
        dimension=vectors.shape[1] if vectors.ndim == 2 else 0,
        recall_at_10=best.recall_at_10 if best else 1.0,
        ms_per_query=best.ms_per_query if best else 0.0,
        seconds_to_build=round(time.perf_counter() - started, 3),
        file=f"hnsw-{content_version}.usearch" if best and best.kind == HnswGraph.kind else None,
        trials=trials,
    )
    _save(lake, card, graph.save() if graph is not None and card.file else None)
    return card


def open_index(vectors: Vector, lake: DataLake, *, model_id: str, content_version: str) -> ServedIndex:
    """The index that was built for these vectors, or an exact search that says why not.

    Args:
        vectors: float32 (N, D), in the order of the sorted ids.
        lake: where `build_index` left it.
        model_id: the model that made the vectors.
        content_version: what `artpipe.embedding.table.content_version` says of the table.
    """
    card = read_card(lake)
    note = _why_refused(card, len(vectors), model_id, content_version)
    if card is not None and not note:
        if card.kind == HnswGraph.kind:
            graph = _load_graph(lake, card)
            if graph is not None:
                return ServedIndex(HnswGraph(vectors, graph), card)
            note = f'the index file {card.file} cannot be read; materialize "search_index"'
        else:
            return ServedIndex(ByteScan(vectors) if card.kind == ByteScan.kind else ExactProduct(vectors), card)
    logger.info("searching exactly: %s", note)
    exact = ByteScan(vectors) if len(vectors) >= WORTH_AN_INDEX else ExactProduct(vectors)
    return ServedIndex(exact, None, note)


def read_card(lake: DataLake) -> IndexCard | None:
    """The card of the index in the lake; None when there is none, or none that this version can read."""
    try:
        content: dict[str, Any] = json.loads(lake.index(CARD).read_bytes())
        trials = [Trial(**trial) for trial in content.pop("trials")]
        return IndexCard(**content, trials=trials)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _why_refused(card: IndexCard | None, rows: int, model_id: str, content_version: str) -> str:
    if card is None:
        return 'no index was built; materialize "search_index"'
    if card.model_id != model_id:
        return f'the index is of model {card.model_id}, the table of {model_id}; materialize "search_index"'
    if card.content_version != content_version or card.rows != rows:
        return 'the table changed since the index was built; materialize "search_index"'
    return ""


def _load_graph(lake: DataLake, card: IndexCard) -> Any:
    from usearch.index import Index

    try:
        graph = Index.restore(lake.index(card.file or "").read_bytes())
        if graph is None or len(graph) != card.rows or graph.ndim != card.dimension:
            return None
        graph.expansion_search = int(card.parameters["expansion_search"])
    except (OSError, ValueError, KeyError, RuntimeError):
        return None
    return graph


def _save(lake: DataLake, card: IndexCard, graph: "bytes | bytearray | None") -> None:
    """The graph first, then the card that names it, then the graphs that no card names any more."""
    if graph is not None and card.file is not None:
        write_whole(lake.index(card.file), bytes(graph))
    write_whole(lake.index(CARD), json.dumps(asdict(card), indent=1).encode())
    for old in lake.index(CARD).parent.glob("hnsw-*.usearch"):
        if old.name != card.file:
            old.unlink(missing_ok=True)


def _sampled_queries(vectors: Vector, count: int, seed: int) -> Vector:
    """Rows with noise of a third to the whole of their length: like a re-photograph at best, a stranger at worst."""
    rng = np.random.default_rng(seed)
    if not len(vectors):
        return vectors
    rows = vectors[rng.choice(len(vectors), size=min(count, len(vectors)), replace=False)]
    noise = rng.standard_normal(rows.shape)
    noise *= rng.uniform(0.3, 1.0, size=(len(rows), 1)) / np.linalg.norm(noise, axis=1, keepdims=True)
    noisy = rows + noise
    return (noisy / np.linalg.norm(noisy, axis=1, keepdims=True)).astype(np.float32)


def _found_by(nearest: NearestVectors, asked: Vector) -> list[NDArray[np.int64]]:
    return [nearest.search(query, NEIGHBOURS_COMPARED).positions for query in asked]


def recall(found: list[NDArray[np.int64]], truth: list[NDArray[np.int64]]) -> float:
    """The share of true neighbours that were found."""
    hits = sum(len(np.intersect1d(a, b)) for a, b in zip(found, truth, strict=True))
    return hits / max(sum(len(b) for b in truth), 1)


def median_ms(ask: Callable[[Vector], object], asked: Vector) -> float:
    """The median milliseconds of one query, one after another."""
    ask(asked[0])
    spent: list[float] = []
    for query in asked:
        began = time.perf_counter()
        ask(query)
        spent.append(time.perf_counter() - began)
    return float(np.median(spent)) * 1e3


def _trial(
    nearest: NearestVectors, asked: Vector, truth: list[NDArray[np.int64]], parameters: dict[str, Any], build_s: float
) -> Trial:
    return Trial(
        kind=nearest.kind,
        parameters=parameters,
        recall_at_10=round(recall(_found_by(nearest, asked), truth), 4),
        ms_per_query=round(median_ms(lambda query: nearest.search(query, NEIGHBOURS_COMPARED), asked), 4),
        build_s=round(build_s, 3),
    )


def _tuned_graph(
    vectors: Vector,
    graph: Any,
    asked: Vector,
    truth: list[NDArray[np.int64]],
    min_recall: float,
    exact_ms: float,
    build_s: float,
) -> Trial:
    """Explore more of the graph until recall is reached, or until an exact search would be done sooner.

    One half of the queries sets the exploration, the other half gives the recall and time on the card.
    """
    setting, held_out = slice(0, len(asked) // 2), slice(len(asked) // 2, None)
    with_margin = (1 + min_recall) / 2
    nearest = HnswGraph(vectors, graph)
    expansion = _EXPANSIONS[0]
    for expansion in _EXPANSIONS:
        graph.expansion_search = expansion
        tried = _trial(nearest, asked[setting], truth[setting], {}, 0.0)
        if tried.recall_at_10 >= with_margin or tried.ms_per_query > exact_ms:
            break
    parameters = {
        "expansion_search": expansion,
        "expansion_add": int(graph.expansion_add),
        "connectivity": int(graph.connectivity),
        "dtype": "f16",
    }
    return _trial(nearest, asked[held_out], truth[held_out], parameters, build_s)


def _chosen(trials: list[Trial], min_recall: float) -> Trial | None:
    exact_kinds = (ExactProduct.kind, ByteScan.kind)
    good_enough = [
        trial for trial in trials if trial.can_serve and (trial.kind in exact_kinds or trial.recall_at_10 >= min_recall)
    ]
    return min(good_enough, key=lambda trial: trial.ms_per_query, default=None)
