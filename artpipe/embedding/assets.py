"""One unit vector for every usable image, with what the model takes it for and what people filter on."""

from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from artpipe.io import content_version, read_parquet, recorded, save_picture, table_metadata
from artpipe.lake import DataLake
from artpipe.resources import progress_of
from artpipe.settings import Settings

if TYPE_CHECKING:
    from artpipe.training.checkpoint import ModelCard
else:
    ModelCard = Any  # the card's own module loads torch, and Dagster looks at annotations

GROUP = "embedding"


@dg.asset(
    group_name=GROUP, kinds={"pytorch", "lancedb"}, code_version="1", io_manager_key="lance", owners=["team:artpipe"]
)
def embeddings(
    context: dg.AssetExecutionContext,
    artworks: pl.DataFrame,
    splits: pl.DataFrame,
    classifier: ModelCard,
    lake: dg.ResourceParam[DataLake],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """The searchable table. Only what is new to this model runs through the network; metadata moves by itself."""
    from artpipe.embedding.inference import InferenceCache, embedding_rows
    from artpipe.embedding.table import METADATA, EmbeddingTable
    from artpipe.images.store import ImageStore

    store, table = ImageStore(lake), EmbeddingTable(lake)
    cache = InferenceCache(lake, classifier, settings.device)
    labels = splits.select("artwork_id", "work_id", "jpeg_sha256", "period")
    wanted = artworks.join(labels, on="artwork_id").select("artwork_id", "jpeg_sha256", *METADATA)
    plan = table.plan(wanted, classifier.model_id)
    computed = 0
    to_embed = wanted.filter(pl.col("artwork_id").is_in(plan.to_embed))
    for batch in to_embed.iter_slices(4096):
        found = cache.infer(batch, store, progress_of(context))
        computed += found.computed
        table.upsert(embedding_rows(batch, found, classifier))
    table.update_metadata(wanted.filter(pl.col("artwork_id").is_in(plan.to_update)).drop("jpeg_sha256"))
    table.remove(plan.to_remove)
    if not plan.is_empty:
        table.optimize()
    rows = table.read()
    return dg.MaterializeResult(
        data_version=dg.DataVersion(content_version(rows)),
        metadata={
            **table_metadata(rows),
            "model_id": classifier.model_id,
            "embedded": len(plan.to_embed),
            "images_embedded": computed,
            "metadata_updated": len(plan.to_update),
            "removed": len(plan.to_remove),
            "unchanged": plan.unchanged,
        },
    )


class ArtMapConfig(dg.Config):
    """How the map is drawn this time."""

    lay_out_anew: bool = False
    """Lay out every work again, from where it stands now, instead of only placing the new ones."""


@dg.asset(group_name=GROUP, kinds={"numpy"}, code_version="1", deps=["embeddings"], owners=["team:artpipe"])
def art_map(
    config: ArtMapConfig, lake: dg.ResourceParam[DataLake], settings: dg.ResourceParam[Settings]
) -> dg.MaterializeResult[pl.DataFrame]:
    """Where each work stands on the map: works that look alike stand together, and what stands keeps its place."""
    from artpipe.embedding.map_picture import map_picture
    from artpipe.embedding.mapping import update_map
    from artpipe.embedding.table import EmbeddingTable

    embedded = EmbeddingTable(lake)
    version = embedded.version
    works = embedded.read(["artwork_id", "jpeg_sha256", "model_id", "style"], version=version)
    _, vectors = embedded.vectors(version)
    held = read_parquet(lake, "art_map") if lake.table("art_map").exists() else None
    update = update_map(works, vectors, held, anew=config.lay_out_anew, seed=settings.seed)
    labelled = update.table.with_columns(works["style"])
    picture = map_picture(labelled, f"{works.height:,} works, placed by looks and coloured by style")
    return recorded(
        update.table,
        metadata={
            "map": save_picture(lake, "map/art_map.png", picture),
            "kept": update.kept,
            "placed": update.placed,
            "laid_out": update.laid_out,
            "why_laid_out": update.why or "only new works were placed",
        },
    )
