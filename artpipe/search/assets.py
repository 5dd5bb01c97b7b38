"""The index that a search uses, chosen by measurement."""

import hashlib
from dataclasses import asdict

import dagster as dg

from artpipe.lake.parquet import content_hash
from artpipe.lake.paths import EMBEDDINGS_TABLE
from artpipe.orchestration.asset import AssetStep, Result, pipeline_asset
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import markdown_table
from artpipe.orchestration.storage import lance_table, written_by_body


@pipeline_asset(
    kinds={"numpy", "usearch"},
    code_version="2",
    shaped_by=("search_recall", "seed"),
    stored=written_by_body(lambda lake: lake.index("card.json")),
    deps=["vectors"],
)
def search_index(step: AssetStep) -> Result:
    """The way of finding neighbours that measured fastest on this very table at the wanted recall.

    Below a few thousand rows nothing beats the exact product; the card says what was tried and how it did.
    """
    import polars as pl

    from artpipe.embedding.table import EmbeddingTable, vectors_version
    from artpipe.search.collection import NothingEmbeddedError
    from artpipe.search.index_update import update_index

    lake, settings = step.lake, step.settings
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
    step.log(f"{card.kind} serves {card.rows:,} vectors; recall@10 {card.recall_at_10:.4f}; {card.why}")
    trials = pl.DataFrame([{**asdict(trial), "parameters": str(trial.parameters)} for trial in card.trials])
    content = f"{card.kind} {sorted(card.parameters.items())} {card.content_version}"
    return Result(
        version=hashlib.sha256(content.encode()).hexdigest()[:16],
        metadata={
            "dagster/row_count": card.rows,
            "kind": card.kind,
            "parameters": dg.MetadataValue.json(card.parameters),
            "recall_at_10": card.recall_at_10,
            "trials": dg.MetadataValue.md(markdown_table(trials, rows=trials.height)),
            "why": card.why,
            "added": card.added,
            "removed": card.removed,
        },
    )


@pipeline_asset(
    kinds={"numpy"},
    code_version="1",
    stored=written_by_body(lambda lake: lake.index("novelty.npz")),
    deps=["vectors"],
)
def novelty_scale(step: AssetStep, splits: DataFrame) -> Result:
    """How far from the collection is too far for a work of its kind: what "unlike anything in it" is told by."""
    import polars as pl

    from artpipe.embedding.table import EmbeddingTable, vectors_version
    from artpipe.search.collection import NothingEmbeddedError
    from artpipe.search.novelty import measure_scale, save_scale

    lake = step.lake
    table = EmbeddingTable(lake)
    version = table.version
    rows = table.read(["artwork_id", "jpeg_sha256", "model_id"], version)
    if rows.is_empty():
        raise NothingEmbeddedError(f'nothing is embedded in {lake.root} yet; materialize "embeddings".')
    assigned = rows.join(splits.select("artwork_id", "work_id", "split"), "artwork_id", "left", maintain_order="left")
    is_held_out = assigned.select(pl.col("split").fill_null("train") != "train").to_series().to_numpy()
    work_ids = assigned["work_id"].fill_null(assigned["artwork_id"]).to_numpy()
    scale = measure_scale(table.vectors(version)[1], work_ids, is_held_out, str(rows["model_id"][0]))
    save_scale(lake, scale)
    content = f"{scale.usual_up_to} {scale.pictures} {vectors_version(rows)}"
    usual = {} if scale.usual_up_to is None else {"usual_up_to": scale.usual_up_to}
    return Result(
        version=hashlib.sha256(content.encode()).hexdigest()[:16],
        metadata={**usual, "held_out_pictures": scale.pictures, "model_id": scale.model_id},
    )


@pipeline_asset(kinds={"lancedb"}, code_version="1", stored=lance_table(EMBEDDINGS_TABLE), deps=["embeddings"])
def text_index(step: AssetStep) -> Result:
    """The words of titles, artists and techniques, so that works are found by them; only what is new is added."""
    from artpipe.embedding.table import EmbeddingTable
    from artpipe.search.text import WEIGHTS, build_text_index

    covered = build_text_index(step.lake)
    words = EmbeddingTable(step.lake).read(["artwork_id", *WEIGHTS])
    return Result(
        version=content_hash(words),
        metadata={"dagster/row_count": words.height, "rows_covered": dg.MetadataValue.json(covered)},
    )


@pipeline_asset(
    kinds={"opencv", "lancedb"},
    code_version="4",
    stored=written_by_body(lambda lake: lake.index("visual_words.npz")),
    deps=["vectors"],
)
def local_features(step: AssetStep) -> Result:
    """What `Collection.same_painting` compares: the points of every picture, and what share of them must agree.

    Only new and changed pictures are described. `ARTPIPE_SAME_PAINTING=false` leaves it out of the graph.
    """
    from artpipe.embedding.table import EmbeddingTable
    from artpipe.recognition.feature_index import build_feature_index

    done = build_feature_index(step.lake, step.progress)
    pictures = EmbeddingTable(step.lake).read(["artwork_id", "jpeg_sha256"])
    return Result(version=content_hash(pictures), metadata={"dagster/row_count": pictures.height, **asdict(done)})
