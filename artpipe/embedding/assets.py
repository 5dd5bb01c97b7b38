"""One unit vector for every usable image, with what the model takes it for and what people filter on."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from artpipe.lake.parquet import content_hash, read_table_if_exists
from artpipe.lake.paths import DataLake
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.io import recorded, save_picture, table_metadata
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.resources import progress_of
from artpipe.orchestration.reuse import CHANGES, REUSED, RunConfig, begin, reused
from artpipe.settings import Settings

GROUP = "embedding"


@dg.multi_asset(
    group_name=GROUP,
    outs={
        "embeddings": dg.AssetOut(
            description="The searchable table: a unit vector for every usable image, predictions, and metadata.",
            io_manager_key="lance",
            kinds={"pytorch", "lancedb"},
            code_version="1",
            owners=["team:artpipe"],
        ),
        "vectors": dg.AssetOut(
            description="Which vectors that table holds, whatever is said of them: all that a search index depends on.",
            io_manager_key="lance",
            kinds={"lancedb"},
            code_version="1",
            owners=["team:artpipe"],
        ),
    },
    # Not an input: its card's own module loads torch, which a step that reuses what is there has no use for.
    deps=["served_model"],
)
def embedded_images(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    artworks: DataFrame,
    splits: DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> Iterator[dg.MaterializeResult[Any]]:
    """Bring the table up to date: only what is new to this model runs through the network, metadata moves by itself."""
    import polars as pl

    from artpipe.embedding.inference import InferenceCache, embedding_rows
    from artpipe.embedding.table import METADATA, EmbeddingTable, vectors_version
    from artpipe.images.store import ImageStore

    if held := reused(context, lineage, config):
        yield from held
        return
    from artpipe.models.served import served_card

    served_model = served_card(lake)
    store, table = ImageStore(lake), EmbeddingTable(lake)
    cache = InferenceCache(lake, served_model, settings.device)
    # The labels of the splits, not of the catalogue: what a person corrected is found under its right name.
    told = artworks.drop("style", "type").join(splits.drop("artist_id"), on="artwork_id")
    wanted = told.select("artwork_id", "jpeg_sha256", *METADATA)
    plan = table.plan(wanted, served_model.model_id)
    computed = 0
    to_embed = wanted.filter(pl.col("artwork_id").is_in(plan.to_embed))
    for batch in to_embed.iter_slices(4096):
        found = cache.infer(batch, store, progress_of(context))
        computed += found.computed
        table.upsert(embedding_rows(batch, found, served_model))
    table.update_metadata(wanted.filter(pl.col("artwork_id").is_in(plan.to_update)).drop("jpeg_sha256"))
    table.remove(plan.to_remove)
    if not plan.is_empty:
        table.optimize(settings.keep_versions_for)
    rows = table.read()
    for asset, version in (("embeddings", content_hash(rows)), ("vectors", vectors_version(rows))):
        lineage.complete(asset, version)
        yield dg.MaterializeResult(
            asset_key=asset,
            data_version=dg.DataVersion(version),
            metadata={
                **(
                    {**table_metadata(rows), "rows_updated": len(plan.to_update), "images_embedded": computed}
                    if asset == "embeddings"
                    else {"dagster/row_count": rows.height}
                ),
                "model_id": served_model.model_id,
                CHANGES: dg.MetadataValue.json(
                    {"embedded": len(plan.to_embed), "gone": len(plan.to_remove)}
                    | ({"described anew": len(plan.to_update)} if asset == "embeddings" else {})
                ),
                "unchanged": plan.unchanged,
                REUSED: False,
            },
        )


class ArtMapConfig(RunConfig):
    """How the map is drawn this time."""

    lay_out_anew: bool = False
    """Lay out every work again, from where it stands now, instead of only placing the new ones."""


@dg.asset(group_name=GROUP, kinds={"numpy"}, code_version="1", deps=["vectors"], owners=["team:artpipe"])
def art_map(
    context: dg.AssetExecutionContext,
    config: ArtMapConfig,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """Where each work stands on the map: works that look alike stand together, and what stands keeps its place."""
    if config.lay_out_anew:
        begin(context, lineage)
    elif held := reused(context, lineage, config):
        return held[0]
    from artpipe.embedding.mapping import update_map
    from artpipe.embedding.table import EmbeddingTable
    from artpipe.figures.map_picture import map_picture

    embedded = EmbeddingTable(lake)
    version = embedded.version
    works = embedded.read(["artwork_id", "jpeg_sha256", "model_id", "style"], version=version)
    _, vectors = embedded.vectors(version)
    before = read_table_if_exists(lake, "art_map")
    update = update_map(works, vectors, before, anew=config.lay_out_anew, seed=settings.seed)
    labelled = update.table.with_columns(works["style"])
    picture = map_picture(labelled, f"{works.height:,} works, placed by looks and coloured by style")
    return recorded(
        "art_map",
        update.table,
        lineage,
        metadata={
            "map": save_picture(lake, "map/art_map.png", picture),
            "kept": update.kept,
            "placed": update.placed,
            "laid_out": update.laid_out,
            "why_laid_out": update.why or "only new works were placed",
        },
    )
