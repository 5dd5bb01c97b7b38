"""The index that a search uses, chosen by measurement."""

from dataclasses import asdict
from typing import Any

import dagster as dg
import polars as pl

from artpipe.io import markdown_table
from artpipe.lake import DataLake
from artpipe.settings import Settings

GROUP = "search"


@dg.asset(group_name=GROUP, kinds={"numpy", "usearch"}, code_version="1", deps=["embeddings"], owners=["team:artpipe"])
def search_index(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[DataLake], settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[Any]:
    """The way of finding neighbours that measured fastest on this very table at the wanted recall.

    Below a few thousand rows nothing beats the exact product; the card says what was tried and how it did.
    """
    from artpipe.embedding.table import EmbeddingTable, content_version
    from artpipe.search.collection import NothingEmbeddedError
    from artpipe.search.index import read_card
    from artpipe.search.index_update import update_index

    table = EmbeddingTable(lake)
    rows = table.read(["artwork_id", "jpeg_sha256", "model_id"])
    if rows.is_empty():
        raise NothingEmbeddedError(f'nothing is embedded in {lake.root} yet; materialize "embeddings".')
    version, model_id = content_version(rows), str(rows["model_id"][0])
    ids, vectors = table.vectors()
    held = read_card(lake)
    card = update_index(
        vectors,
        ids,
        lake,
        model_id=model_id,
        content_version=version,
        min_recall=settings.search_recall,
        seed=settings.seed,
    )
    context.log.info(f"{card.kind} serves {card.rows:,} vectors; recall@10 {card.recall_at_10:.4f}; {card.why}")
    trials = pl.DataFrame([{**asdict(trial), "parameters": str(trial.parameters)} for trial in card.trials])
    return dg.MaterializeResult(
        data_version=dg.DataVersion(card.content_version),
        metadata={
            "dagster/row_count": card.rows,
            "kind": card.kind,
            "parameters": dg.MetadataValue.json(card.parameters),
            "recall_at_10": card.recall_at_10,
            "trials": dg.MetadataValue.md(markdown_table(trials, rows=trials.height)),
            "why": card.why,
            "added": card.added,
            "removed": card.removed,
            "reused": card == held,
        },
    )
