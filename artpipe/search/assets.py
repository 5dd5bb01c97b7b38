"""The index that a search uses, chosen by measurement."""

import hashlib
from dataclasses import asdict
from typing import Any

import dagster as dg

from artpipe.lake.paths import DataLake
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.io import markdown_table
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.resources import progress_of
from artpipe.orchestration.reuse import REUSED, RunConfig, reused
from artpipe.settings import Settings

GROUP = "search"


@dg.asset(group_name=GROUP, kinds={"numpy", "usearch"}, code_version="2", deps=["vectors"], owners=["team:artpipe"])
def search_index(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """The way of finding neighbours that measured fastest on this very table at the wanted recall.

    Below a few thousand rows nothing beats the exact product; the card says what was tried and how it did.
    """
    import polars as pl

    from artpipe.embedding.table import EmbeddingTable, vectors_version
    from artpipe.search.collection import NothingEmbeddedError
    from artpipe.search.index_update import update_index

    if held := reused(context, lineage, config):
        return held[0]
    table = EmbeddingTable(lake)
    rows = table.read(["artwork_id", "jpeg_sha256", "model_id"])
    if rows.is_empty():
        raise NothingEmbeddedError(f'nothing is embedded in {lake.root} yet; materialize "embeddings".')
    version, model_id = vectors_version(rows), str(rows["model_id"][0])
    ids, vectors = table.vectors()
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
    content = f"{card.kind} {sorted(card.parameters.items())} {card.content_version}"
    data_version = hashlib.sha256(content.encode()).hexdigest()[:16]
    lineage.complete("search_index", data_version)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(data_version),
        metadata={
            "dagster/row_count": card.rows,
            "kind": card.kind,
            "parameters": dg.MetadataValue.json(card.parameters),
            "recall_at_10": card.recall_at_10,
            "trials": dg.MetadataValue.md(markdown_table(trials, rows=trials.height)),
            "why": card.why,
            "added": card.added,
            "removed": card.removed,
            REUSED: False,
        },
    )


@dg.asset(group_name=GROUP, kinds={"numpy"}, code_version="1", deps=["vectors"], owners=["team:artpipe"])
def novelty_scale(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    splits: DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
) -> dg.MaterializeResult[Any]:
    """How far from the collection is too far for a work of its kind: what "unlike anything in it" is told by."""
    import polars as pl

    from artpipe.embedding.table import EmbeddingTable, vectors_version
    from artpipe.search.collection import NothingEmbeddedError
    from artpipe.search.novelty import measure_scale, save_scale

    if held := reused(context, lineage, config):
        return held[0]
    table = EmbeddingTable(lake)
    version = table.version
    rows = table.read(["artwork_id", "jpeg_sha256", "model_id"], version)
    if rows.is_empty():
        raise NothingEmbeddedError(f'nothing is embedded in {lake.root} yet; materialize "embeddings".')
    dealt = rows.join(splits.select("artwork_id", "work_id", "split"), "artwork_id", "left", maintain_order="left")
    is_held_out = dealt.select(pl.col("split").fill_null("train") != "train").to_series().to_numpy()
    work_ids = dealt["work_id"].fill_null(dealt["artwork_id"]).to_numpy()
    scale = measure_scale(table.vectors(version)[1], work_ids, is_held_out, str(rows["model_id"][0]))
    save_scale(lake, scale)
    told = f"{scale.usual_up_to} {scale.pictures} {vectors_version(rows)}"
    data_version = hashlib.sha256(told.encode()).hexdigest()[:16]
    lineage.complete("novelty_scale", data_version)
    usual = {} if scale.usual_up_to is None else {"usual_up_to": scale.usual_up_to}
    return dg.MaterializeResult(
        data_version=dg.DataVersion(data_version),
        metadata={**usual, "held_out_pictures": scale.pictures, "model_id": scale.model_id, REUSED: False},
    )


@dg.asset(group_name=GROUP, kinds={"lancedb"}, code_version="1", deps=["embeddings"], owners=["team:artpipe"])
def text_index(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
) -> dg.MaterializeResult[Any]:
    """The words of titles, artists and techniques, so that works are found by them; only what is new is added."""
    from artpipe.embedding.table import EmbeddingTable
    from artpipe.search.text import WEIGHTS, build_text_index

    if held := reused(context, lineage, config):
        return held[0]
    covered = build_text_index(lake)
    words = EmbeddingTable(lake).read(["artwork_id", *WEIGHTS])
    from artpipe.lake.parquet import content_hash

    version = content_hash(words)
    lineage.complete("text_index", version)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={"dagster/row_count": words.height, "rows_covered": dg.MetadataValue.json(covered), REUSED: False},
    )


@dg.asset(group_name=GROUP, kinds={"opencv", "lancedb"}, code_version="4", deps=["vectors"], owners=["team:artpipe"])
def local_features(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
) -> dg.MaterializeResult[Any]:
    """What `Collection.same_painting` compares: the points of every picture, and what share of them must agree.

    Only new and changed pictures are described. `ARTPIPE_SAME_PAINTING=false` leaves it out of the graph.
    """
    from artpipe.embedding.table import EmbeddingTable
    from artpipe.recognition.feature_index import build_feature_index

    if held := reused(context, lineage, config):
        return held[0]
    done = build_feature_index(lake, progress_of(context))
    pictures = EmbeddingTable(lake).read(["artwork_id", "jpeg_sha256"])
    from artpipe.lake.parquet import content_hash

    version = content_hash(pictures)
    lineage.complete("local_features", version)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={"dagster/row_count": pictures.height, **asdict(done), REUSED: False},
    )
