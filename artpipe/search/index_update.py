"""The search index after the table has changed: brought up to date where that is as good as building it anew.

A graph takes new vectors and gives up old ones at the cost of a few searches each. It is kept while it still finds the
wanted share of neighbours of sampled queries. A scan has nothing to bring up to date. Which way of searching is the
fastest is measured again when the table has grown or shrunk by a quarter, when a graph has followed as many changes, or
when another model made the vectors.
"""

import time
from dataclasses import replace

import numpy as np

from artpipe.lake.paths import DataLake
from artpipe.search.bit_scan import BitScan
from artpipe.search.index import (
    WORTH_A_GRAPH,
    WORTH_AN_INDEX,
    WORTH_BITS,
    IndexCard,
    build_index,
    graph_file,
    is_of_these_bits,
    load_graph,
    open_index,
    read_card,
    row_keys,
    save_index,
)
from artpipe.search.trials import found_by, measured, sampled_queries
from artpipe.vectors.nearest import HnswGraph, Vector

NEW_TRIALS_AFTER = 0.25
"""Share of vectors that may come or go before all ways of searching are measured again."""


def update_index(
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
    queries: int = 200,
    seed: int = 0,
) -> IndexCard:
    """Make the index in the lake one of these vectors; takes what `build_index` takes.

    Returns:
        The card; `why` tells what was done. It is the old one, and nothing is written, where that one still holds.

    Raises:
        ValueError: vectors and ids differ in number.
    """
    if len(ids) != len(vectors):
        raise ValueError(f"{len(vectors)} vectors for {len(ids)} ids")
    card = read_card(lake)
    why = _why_new_trials(card, len(vectors), model_id, min_rows, min_bit_rows, min_recall)
    if card is not None and not why:
        if card.content_version == content_version:
            held = open_index(vectors, lake, model_id=model_id, content_version=content_version).card
            if held is not None:
                return held
        if card.kind != HnswGraph.kind:
            followed = replace(
                card,
                content_version=content_version,
                rows=len(vectors),
                updated_from=card.content_version,
                why=f"a scan has nothing to update; {card.rows:,} vectors before, {len(vectors):,} now",
            )
            save_index(lake, followed)
            return followed
        updated = _updated(card, vectors, ids, lake, content_version, min_recall, queries, seed)
        if isinstance(updated, IndexCard):
            return updated
        why = updated
    return build_index(
        vectors,
        ids,
        lake,
        model_id=model_id,
        content_version=content_version,
        min_rows=min_rows,
        min_bit_rows=min_bit_rows,
        min_graph_rows=min_graph_rows,
        min_recall=min_recall,
        queries=queries,
        seed=seed,
        why=why,
    )


def _why_new_trials(
    card: IndexCard | None, rows: int, model_id: str, min_rows: int, min_bit_rows: int, min_recall: float
) -> str:
    if card is None:
        return "there was no index"
    if card.model_id != model_id:
        return f"the vectors are of model {model_id}, the index was of {card.model_id}"
    if card.wanted_recall != min_recall:
        return f"the wanted recall is {min_recall:g} now, it was {card.wanted_recall:g}"
    if abs(rows - card.rows_at_trials) > NEW_TRIALS_AFTER * card.rows_at_trials:
        return f"the table has {rows:,} rows, the trials were made with {card.rows_at_trials:,}"
    if card.rows_at_trials < min_rows <= rows:
        return f"the table has reached {min_rows:,} rows"
    if rows >= max(min_rows, min_bit_rows) and all(trial.kind != BitScan.kind for trial in card.trials):
        return f"a scan of bits has not been tried for {rows:,} rows"
    if card.kind == BitScan.kind and not is_of_these_bits(card):
        return "the scan of bits was of another version"
    return ""


def _updated(
    card: IndexCard,
    vectors: Vector,
    ids: list[str],
    lake: DataLake,
    content_version: str,
    min_recall: float,
    queries: int,
    seed: int,
) -> IndexCard | str:
    """The card of the graph brought up to date and saved, or why that will not do."""
    started = time.perf_counter()
    loaded = load_graph(lake, card)
    if loaded is None:
        return f"the index file {card.file} could not be read"
    graph, held = loaded
    keys = row_keys(ids, vectors)
    is_new = ~np.isin(keys, held)
    gone = held[~np.isin(held, keys)]
    added, removed = int(is_new.sum()), len(gone)
    changed = card.changed_since_trials + max(added, removed)
    if changed > NEW_TRIALS_AFTER * card.rows_at_trials:
        return f"{changed:,} vectors changed since the trials were made with {card.rows_at_trials:,}"
    if removed:
        graph.remove(gone)
    if added:
        graph.add(keys[is_new], vectors[is_new])
    if len(graph) != len(ids):
        return f"the graph held {len(graph):,} vectors after the update, the table {len(ids):,}"
    nearest = HnswGraph(vectors, graph, keys)
    asked = sampled_queries(vectors, queries, seed)
    found = measured(nearest, asked, found_by(nearest.scan, asked), {}, 0.0)
    if found.recall_at_10 < min_recall:
        return f"after {added:,} added and {removed:,} removed vectors the graph's recall was {found.recall_at_10:.4f}"
    updated = replace(
        card,
        content_version=content_version,
        rows=len(ids),
        recall_at_10=found.recall_at_10,
        ms_per_query=found.ms_per_query,
        seconds_to_build=round(time.perf_counter() - started, 3),
        file=graph_file(content_version),
        why=f"brought up to date: {added:,} vectors added, {removed:,} removed",
        changed_since_trials=changed,
        updated_from=card.content_version,
        added=added,
        removed=removed,
    )
    save_index(lake, updated, graph, keys)
    return updated
