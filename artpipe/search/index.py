"""The search index: what finds the neighbours of a table's vectors, and the card that says so.

Up to `IN_MEMORY_ROWS` works are searched in memory, exactly. Beyond, the `embeddings` table gets a LanceDB index of its
own: `update_index` trains it, adds new rows to it, and chooses how many partitions are probed by the recall on sampled
queries. Lance itself compares rows that the index does not know yet, so a table may be ahead of its index.
"""

import json
import logging
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from artpipe.embedding.table import VECTOR, EmbeddingTable, vectors_version
from artpipe.lake.paths import DataLake, remove_file, write_whole
from artpipe.search.trials import Trial, measure, noisy, sampled_rows, true_neighbours, tune
from artpipe.vectors.lance_search import (
    LanceSearch,
    add_to_index,
    build_index,
    drop_index,
    has_index,
    unindexed_rows,
)
from artpipe.vectors.nearest import ExactProduct, NeighbourSearch, Vector, in_memory, suited_to
from artpipe.vectors.row_addresses import RowAddresses

if TYPE_CHECKING:
    import lance

logger = logging.getLogger(__name__)

CARD = "card.json"
IN_MEMORY_ROWS = 250_000
"""Rows up to which all vectors are held in memory; with more, LanceDB's index takes less time and hardly any memory."""
RETRAIN_SHARE = 0.25
"""Share of rows that may come or go before the partitions of the index are trained again."""
GRID = [
    {"nprobes": nprobes, "refine_factor": refine} for refine, nprobes in ((2, 10), (2, 20), (4, 20), (4, 40), (4, 80))
] + [{"nprobes": nprobes, "refine_factor": 8} for nprobes in (80, 160, 320)]
"""Settings of the index, cheapest first; the first one that reaches the wanted recall is served."""
_QUERIES = 200


@dataclass(frozen=True)
class IndexCard:
    """What is served, why, and which vectors it belongs to.

    Attributes:
        kind: `exact`, `int8` or `ivf_rq`.
        parameters: its settings.
        model_id: the model that made the vectors.
        content_version: `artpipe.embedding.table.vectors_version` of the table.
        rows: the number of vectors.
        dimension: their length.
        recall_at_10: measured against exact search.
        ms_per_query: median of one query, without the assembly of the answer.
        seconds_to_build: with all trials.
        trials: every setting that was measured.
        wanted_recall: the recall@10 that an approximate index had to reach.
        why: what was done, and why.
        trained_rows: rows of the table when the partitions of a LanceDB index were trained; 0 without one.
        added_rows: rows that were added to it since.
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
    trials: list[Trial] = field(default_factory=list["Trial"])
    wanted_recall: float = 0.99
    why: str = ""
    trained_rows: int = 0
    added_rows: int = 0


@dataclass(frozen=True)
class ServedIndex:
    """The index in use.

    Attributes:
        nearest: what answers the queries.
        card: its card; None when there is none for this very table.
        note: why not; empty when there is one.
    """

    nearest: NeighbourSearch
    card: IndexCard | None
    note: str = ""

    @property
    def is_exact(self) -> bool:
        """Whether every answer holds the true neighbours."""
        return self.exact is self.nearest

    @property
    def exact(self) -> NeighbourSearch:
        """What finds the true neighbours of the same vectors."""
        return self.nearest.exact if isinstance(self.nearest, LanceSearch) else self.nearest


def update_index(
    lake: DataLake, *, min_recall: float = 0.99, seed: int = 0, in_memory_rows: int = IN_MEMORY_ROWS
) -> IndexCard:
    """Make the index one of the vectors that the `embeddings` table holds now, and write its card.

    Args:
        lake: where the table is.
        min_recall: the recall@10 that an approximate index must reach.
        seed: of the sampled queries.
        in_memory_rows: up to this number of rows the search is exact and in memory.

    Returns:
        The card; it is the old one, and nothing is written, where that one still holds.
    """
    table = EmbeddingTable(lake)
    dataset = table.dataset()
    if dataset is None:
        raise ValueError(f'nothing is embedded in {lake.root} yet; materialize "embeddings".')
    keys = table.read(["artwork_id", "jpeg_sha256", "model_id"], dataset.version)
    model_id, version, rows = ", ".join(keys["model_id"].unique().head(1)), vectors_version(keys), keys.height
    del keys
    card = read_card(lake)
    is_in_memory = rows <= in_memory_rows
    if (
        card is not None
        and (card.model_id, card.content_version, card.wanted_recall) == (model_id, version, min_recall)
        and card.kind == (suited_to(rows).kind if is_in_memory else LanceSearch.kind)
        and (is_in_memory or not unindexed_rows(dataset))
    ):
        return card
    began = time.perf_counter()
    if is_in_memory:
        drop_index(dataset)
        found = _in_memory(table.vectors(dataset.version)[1], seed)
    else:
        found = _in_lance(table, dataset, card, model_id, min_recall, seed)
    card = IndexCard(
        model_id=model_id,
        content_version=version,
        rows=rows,
        dimension=table.dimension or 0,
        seconds_to_build=round(time.perf_counter() - began, 3),
        wanted_recall=min_recall,
        **found,
    )
    save_card(lake, card)
    return card


def open_index(
    table: EmbeddingTable,
    version: int,
    *,
    model_id: str,
    content_version: str,
    past: datetime | None = None,
    addresses: Callable[[], RowAddresses] | None = None,
) -> ServedIndex:
    """What searches one version of the table.

    Args:
        table: the `embeddings` of a lake.
        version: a commit of it.
        model_id: the model that made the vectors.
        content_version: `vectors_version` of this commit.
        past: when it was committed, if it is not the newest; then an index of other vectors is not used.
        addresses: returns `table.row_addresses(version)`, where that is known.
    """
    card = read_card(table.lake)
    note = _mismatch(card, model_id, content_version)
    if note and past:
        note = f"opened as of {past:%Y-%m-%d %H:%M} UTC, and searched exactly"
    dataset = table.dataset(version)
    is_indexed = card is not None and card.kind == LanceSearch.kind and dataset is not None and has_index(dataset)
    served_card = None if note else card
    if dataset is None or not (is_indexed or dataset.count_rows() > IN_MEMORY_ROWS):
        return ServedIndex(in_memory(table.vectors(version)[1]), served_card, note)
    settings: dict[str, int] = {}
    if is_indexed and card is not None and card.model_id == model_id and not (note and past):
        settings = card.parameters
    elif card is not None and not note and card.kind != ExactProduct.kind:
        note = 'the table has no index of its own; materialize "search_index"'
    if note:
        logger.info("searching %s: %s", "by an index that is behind" if settings else "exactly", note)
    places = addresses() if addresses else table.row_addresses(version)
    return ServedIndex(LanceSearch(dataset, places, VECTOR, **settings), served_card, note)


def read_card(lake: DataLake) -> IndexCard | None:
    """The card of the index in the lake; None when there is none, or none that this version can read."""
    try:
        content: dict[str, Any] = json.loads(lake.index(CARD).read_bytes())
        # Cards of 0.1.0 name kinds and figures that are not kept any more.
        known = {name.name for name in fields(IndexCard)} - {"trials"}
        trials = [Trial(**{f.name: trial[f.name] for f in fields(Trial)}) for trial in content["trials"]]
        return IndexCard(**{name: value for name, value in content.items() if name in known}, trials=trials)
    except (FileNotFoundError, ValueError, TypeError, KeyError, AttributeError):
        return None


def save_card(lake: DataLake, card: IndexCard) -> None:
    """Write the card, and remove the graphs that 0.1.0 kept beside it."""
    write_whole(lake.index(CARD), json.dumps(asdict(card), indent=1).encode())
    for graph in lake.index(CARD).parent.glob("hnsw-*"):
        remove_file(graph)


def _mismatch(card: IndexCard | None, model_id: str, content_version: str) -> str:
    if card is None:
        return 'no index was built; materialize "search_index"'
    if card.model_id != model_id:
        return f'the index is of model {card.model_id}, the table of {model_id}; materialize "search_index"'
    if card.content_version != content_version:
        return 'the table changed since the index was built; materialize "search_index"'
    return ""


def _in_memory(vectors: Vector, seed: int) -> dict[str, Any]:
    """What the card records of a search in memory."""
    search = in_memory(vectors)
    why = f"{len(vectors):,} vectors are searched in memory"
    if not len(vectors):
        return {**asdict(Trial({}, 1.0, 0.0)), "kind": search.kind, "trials": [], "why": "there is no vector"}
    queries = noisy(vectors[sampled_rows(len(vectors), _QUERIES, seed)], seed)
    trial = measure(search, queries, true_neighbours(ExactProduct(vectors), queries), {})
    return {**asdict(trial), "kind": search.kind, "trials": [trial], "why": why}


def _in_lance(
    table: EmbeddingTable,
    dataset: "lance.LanceDataset",
    card: IndexCard | None,
    model_id: str,
    min_recall: float,
    seed: int,
) -> dict[str, Any]:
    """Train the table's index or add new rows to it, choose its settings, and return what the card records."""
    rows, new = dataset.count_rows(), unindexed_rows(dataset)
    why = _why_trained(card, dataset, rows, new, model_id)
    if why:
        build_index(dataset, VECTOR)
    elif new:
        add_to_index(dataset)
    chosen, trials = _tuned(table, dataset, min_recall, seed)
    if chosen is None and not why:
        why = f"recall@10 fell below {min_recall:g} after {new:,} rows were added"
        build_index(dataset, VECTOR)
        chosen, trials = _tuned(table, dataset, min_recall, seed)
    if chosen is None:
        why = f"no setting of the index reached recall@10 {min_recall:g}; every vector is compared"
        logger.warning("%s", why)
        exact = Trial({}, 1.0, 0.0)
        return {**asdict(exact), "kind": ExactProduct.kind, "trials": trials, "why": why}
    trained_rows, added_rows = (rows, 0) if card is None or why else (card.trained_rows, card.added_rows + new)
    return {
        **asdict(chosen),
        "kind": LanceSearch.kind,
        "trials": trials,
        "why": f"trained: {why}" if why else f"{new:,} rows added",
        "trained_rows": trained_rows,
        "added_rows": added_rows,
    }


def _why_trained(card: IndexCard | None, dataset: "lance.LanceDataset", rows: int, new: int, model_id: str) -> str:
    if card is None or not has_index(dataset) or not card.trained_rows:
        return "there was no index"
    if card.model_id != model_id:
        return f"the vectors are of model {model_id}, the index was of {card.model_id}"
    changed = max(card.added_rows + new, card.trained_rows - rows)
    if changed > RETRAIN_SHARE * card.trained_rows:
        return f"{changed:,} of {card.trained_rows:,} rows changed since it was trained"
    return ""


def _tuned(
    table: EmbeddingTable, dataset: "lance.LanceDataset", min_recall: float, seed: int
) -> tuple[Trial | None, list[Trial]]:
    """The cheapest settings that reach the wanted recall, None where none do; and every trial."""
    addresses = table.row_addresses(dataset.version)
    exact = LanceSearch(dataset, addresses, VECTOR)
    queries = noisy(exact.vectors_at(sampled_rows(len(addresses), _QUERIES, seed)), seed)
    truth = true_neighbours(exact, queries)
    return tune(lambda settings: LanceSearch(dataset, addresses, VECTOR, **settings), GRID, queries, truth, min_recall)
