"""The search index: which way of finding neighbours a table is served by, chosen by measurement, and its card.

`build_index` tries the ways that suit a table of its size on the table's own vectors, and keeps the fastest that finds
at least 99 of 100 true neighbours. The card beside it says what was tried, and which vectors it belongs to: an index
over other vectors is refused, and the collection is searched exactly instead. `index_update.py` follows the table's
smaller changes.
"""

import hashlib
import json
import logging
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from artpipe.lake.paths import DataLake, write_whole
from artpipe.search.bit_scan import BitScan, bits_for
from artpipe.search.trials import Trial, found_by, measured, sampled_queries
from artpipe.vectors.nearest import (
    Approximate,
    ByteScan,
    ExactProduct,
    HnswGraph,
    Keys,
    NearestVectors,
    Positions,
    Vector,
    build_graph,
)

if TYPE_CHECKING:
    from usearch.index import Index

logger = logging.getLogger(__name__)

CARD = "card.json"
WORTH_AN_INDEX = 10_000
"""Rows from which other ways than the exact product are tried; below, it takes well under a millisecond."""
WORTH_BITS = 100_000
"""Rows from which a scan of bits is tried. A scan of bytes misses nothing, and takes under a millisecond of 32,000 x
576."""
WORTH_A_GRAPH = 2_000_000
"""Rows from which a graph is tried too. To build one of a million was given up after half an hour on two cores, where a
scan of bits answers in a few hundredths of a second."""

_KEYS = ".keys"
_EXPANSIONS = (32, 64, 128, 256, 512)
_PROBES = (8, 16, 32, 64)


@dataclass(frozen=True)
class IndexCard:
    """What is served, why, and which vectors it belongs to.

    Attributes:
        kind: `exact`, `byte_scan`, `bit_scan` or `hnsw`.
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
        wanted_recall: the recall@10 that an approximate index had to reach.
        why: why it was built, or what was done to bring it up to date.
        rows_at_trials: the number of vectors when the trials were made.
        changed_since_trials: vectors that came and went since then, as far as a graph had to follow.
        updated_from: the `content_version` that it was brought up to date from; None when it was built.
        added: vectors that the last update added to the graph.
        removed: vectors that the last update removed from it.
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
    wanted_recall: float = 0.99
    why: str = ""
    rows_at_trials: int = 0
    changed_since_trials: int = 0
    updated_from: str | None = None
    added: int = 0
    removed: int = 0


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
        return self.nearest.scan if isinstance(self.nearest, Approximate) else self.nearest


def build_index(
    vectors: Vector,
    ids: list[str],
    lake: DataLake,
    *,
    model_id: str,
    content_version: str,
    min_rows: int = WORTH_AN_INDEX,
    min_bit_rows: int = WORTH_BITS,
    min_graph_rows: int = WORTH_A_GRAPH,
    min_recall: float = 0.99,
    compare_lancedb: bool = False,
    queries: int = 200,
    seed: int = 0,
    why: str = "asked for",
) -> IndexCard:
    """Measure the ways to search these vectors, and save the best of them in the lake.

    The fastest way that finds `min_recall` of the true neighbours is chosen. A graph explores until half of the allowed
    misses are to spare with one half of the queries, and is judged by the other half.

    Args:
        vectors: float32 (N, D), each of length 1, in the order of `ids`.
        ids: the artwork of each row, sorted.
        lake: where the index and its card are kept.
        model_id: the model that made the vectors.
        content_version: what `artpipe.embedding.table.content_version` says of the table.
        min_rows: below this number of rows the exact product is used without trials.
        min_bit_rows: below this number of rows no scan of bits is tried.
        min_graph_rows: below this number of rows no graph is tried.
        min_recall: the recall@10 that an approximate index must reach.
        compare_lancedb: also measure LanceDB's own indexes, in a temporary folder; it doubles the time.
        queries: how many sampled queries are measured.
        seed: of the sampled queries.
        why: told on the card.

    Raises:
        ValueError: vectors and ids differ in number.
    """
    if len(ids) != len(vectors):
        raise ValueError(f"{len(vectors)} vectors for {len(ids)} ids")
    started = time.perf_counter()
    asked = sampled_queries(vectors, queries, seed)
    exact = ExactProduct(vectors)
    trials, truth = [], None
    graph, keys = None, None
    if len(asked):
        truth = found_by(exact, asked)
        trials.append(measured(exact, asked, truth, {}, 0.0))
    if truth is not None and len(vectors) >= min_rows:
        began = time.perf_counter()
        trials.append(measured(ByteScan(vectors), asked, truth, {}, time.perf_counter() - began))
        exact_ms = min(trial.ms_per_query for trial in trials)
        if len(vectors) >= min_bit_rows:
            trials.append(_tried_bits(BitScan(vectors), asked, truth))
        if len(vectors) >= min_graph_rows:
            keys = row_keys(ids, vectors)
            began = time.perf_counter()
            graph = build_graph(vectors, keys)
            build_s = time.perf_counter() - began
            nearest = HnswGraph(vectors, graph, keys)
            trials.append(_tuned_graph(nearest, graph, asked, truth, min_recall, exact_ms, build_s))
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
        file=graph_file(content_version) if best and best.kind == HnswGraph.kind else None,
        trials=trials,
        wanted_recall=min_recall,
        why=why,
        rows_at_trials=len(vectors),
    )
    save_index(lake, card, graph, keys)
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
        nearest = _as_on_the_card(card, vectors, lake)
        if nearest is not None:
            return ServedIndex(nearest, card)
        note = f'the index {card.file or card.kind} cannot be read; materialize "search_index"'
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


def is_of_these_bits(card: IndexCard) -> bool:
    """Whether the figures of a scan of bits are of as many bits as are made now."""
    return card.parameters == {"bits": bits_for(card.dimension)}


def _as_on_the_card(card: IndexCard, vectors: Vector, lake: DataLake) -> NearestVectors | None:
    if card.kind == HnswGraph.kind:
        loaded = load_graph(lake, card)
        return HnswGraph(vectors, *loaded) if loaded is not None else None
    if card.kind == BitScan.kind:
        return BitScan(vectors) if is_of_these_bits(card) else None
    return ByteScan(vectors) if card.kind == ByteScan.kind else ExactProduct(vectors)


def _why_refused(card: IndexCard | None, rows: int, model_id: str, content_version: str) -> str:
    if card is None:
        return 'no index was built; materialize "search_index"'
    if card.model_id != model_id:
        return f'the index is of model {card.model_id}, the table of {model_id}; materialize "search_index"'
    if card.content_version != content_version or card.rows != rows:
        return 'the table changed since the index was built; materialize "search_index"'
    return ""


def row_keys(ids: list[str], vectors: Vector) -> Keys:
    """A key for each row that says which artwork it is and which vector it has, uint64 (N,).

    A row keeps its key while others come and go, and gets another one with another vector: the keys that two tables
    do not share are what a graph must be told. Two of a million rows share a key once in forty million tables.
    """
    keys = np.empty(len(ids), dtype="<u8")
    for row, name in enumerate(ids):
        digest = hashlib.blake2b(name.encode(), digest_size=8)
        digest.update(vectors[row].data)
        keys[row] = int.from_bytes(digest.digest(), "little")
    return keys


def graph_file(content_version: str) -> str:
    """The name of a graph's file; the keys of its rows lie beside it."""
    return f"hnsw-{content_version}.usearch"


def load_graph(lake: DataLake, card: IndexCard) -> "tuple[Index, Keys] | None":
    """The graph that a card names and the keys of its rows, in the order of the sorted ids; None if unreadable."""
    from usearch.index import Index

    try:
        path = lake.index(card.file or "")
        graph = Index.restore(path.read_bytes())
        keys = np.frombuffer(path.with_suffix(_KEYS).read_bytes(), dtype="<u8")
        if graph is None or not len(graph) == len(keys) == card.rows or graph.ndim != card.dimension:
            return None
        graph.expansion_search = int(card.parameters["expansion_search"])
        graph.expansion_add = int(card.parameters["expansion_add"])
    except (OSError, ValueError, KeyError, RuntimeError):
        return None
    return graph, keys


def save_index(lake: DataLake, card: IndexCard, graph: "Index | None" = None, keys: Keys | None = None) -> None:
    """The graph first, then the card that names it, then the graphs that no card names any more."""
    named: set[str] = set()
    if card.file is not None and graph is not None and keys is not None:
        path = lake.index(card.file)
        write_whole(path, bytes(graph.save() or b""))
        write_whole(path.with_suffix(_KEYS), keys.astype("<u8").tobytes())
        named = {path.name, path.with_suffix(_KEYS).name}
    write_whole(lake.index(CARD), json.dumps(asdict(card), indent=1).encode())
    for old in lake.index(CARD).parent.glob("hnsw-*"):
        if old.name not in named:
            old.unlink(missing_ok=True)


def _tried_bits(nearest: BitScan, asked: Vector, truth: list[Positions]) -> Trial:
    began = time.perf_counter()
    codes = nearest.codes
    return measured(nearest, asked, truth, {"bits": 8 * codes.shape[1]}, time.perf_counter() - began)


def _tuned_graph(
    nearest: HnswGraph,
    graph: "Index",
    asked: Vector,
    truth: list[Positions],
    min_recall: float,
    exact_ms: float,
    build_s: float,
) -> Trial:
    """Explore more of the graph until recall is reached, or until an exact search would be done sooner.

    One half of the queries sets the exploration, the other half gives the recall and time on the card.
    """
    setting, held_out = slice(0, len(asked) // 2), slice(len(asked) // 2, None)
    with_margin = (1 + min_recall) / 2
    expansion = _EXPANSIONS[0]
    for expansion in _EXPANSIONS:
        graph.expansion_search = expansion
        tried = measured(nearest, asked[setting], truth[setting], {}, 0.0)
        if tried.recall_at_10 >= with_margin or tried.ms_per_query > exact_ms:
            break
    parameters = {
        "expansion_search": expansion,
        "expansion_add": int(graph.expansion_add),
        "connectivity": int(graph.connectivity),
        "dtype": "f16",
    }
    return measured(nearest, asked[held_out], truth[held_out], parameters, build_s)


def _chosen(trials: list[Trial], min_recall: float) -> Trial | None:
    exact_kinds = (ExactProduct.kind, ByteScan.kind)
    good_enough = [
        trial for trial in trials if trial.can_serve and (trial.kind in exact_kinds or trial.recall_at_10 >= min_recall)
    ]
    return min(good_enough, key=lambda trial: trial.ms_per_query, default=None)
