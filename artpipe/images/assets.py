"""Which images are wanted, and one outcome, and at best one JPEG, for each of them."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.lake.parquet import content_hash, read_table
from artpipe.lake.paths import DataLake
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.io import recorded, save_picture, table_metadata
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.resources import GALLERY_POOL, GalleryResource, progress_of
from artpipe.orchestration.reuse import CHANGES, REUSED, RunConfig, begin, reused
from artpipe.settings import Settings

if TYPE_CHECKING:
    from artpipe.images.store import ImageStore

GROUP = "images"
SHEET_PICTURES = 24
# When an image was asked for and how often says nothing of what it is.
NOT_CONTENT = ("attempts", "error", "etag", "fetched_at", "last_modified")


@dg.asset(group_name=GROUP, kinds={"polars", "parquet"}, code_version="1", owners=["team:artpipe"])
def wanted_images(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    artworks: DataFrame,
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[Any]:
    """The address of every image that is to be held: all that `images` depends on, so that a title moves no picture."""
    from artpipe.images.wanted import wanted_artworks

    if held := reused(context, lineage, config):
        return held[0]
    wanted = wanted_artworks(artworks, settings.harvest_config())
    return recorded("wanted_images", wanted.select("artwork_id", "image_url").sort("artwork_id"), lineage)


@dg.asset(
    group_name=GROUP,
    kinds={"http", "lancedb"},
    code_version="1",
    io_manager_key="lance",
    owners=["team:artpipe"],
    pool=GALLERY_POOL,
)
def images(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    wanted_images: DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    settings: dg.ResourceParam[Settings],
    gallery: GalleryResource,
) -> dg.MaterializeResult[Any]:
    """Every wanted image: fetched politely, decoded safely, stored small.

    A killed run goes on where it stopped, and an image held already is asked for again only when its last answer is
    older than `ARTPIPE_REVALIDATE_AFTER_DAYS`, and then conditionally.
    """
    from artpipe.images.fetch import harvest
    from artpipe.images.store import ImageStore
    from artpipe.images.wanted import due

    store, wishes, now = ImageStore(lake), settings.harvest_config(), datetime.now(UTC)
    if due(wanted_images, store.outcomes(), wishes, now).height:
        begin(context, lineage)
    elif held := reused(context, lineage, config):
        return held[0]
    progress = progress_of(context)
    with gallery.client(lake, progress) as client:
        summary = harvest(wanted_images, store, client, wishes, now=now, progress=progress)
    outcomes = store.outcomes()
    context.log.info(str(summary))
    version = images_version(outcomes)
    lineage.complete("images", version)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            **table_metadata(outcomes),
            "by_status": dg.MetadataValue.json(dict(outcomes["status"].value_counts(sort=True).iter_rows())),
            CHANGES: dg.MetadataValue.json({name: found.count for name, found in summary.changes.items()}),
            "examples": dg.MetadataValue.json(
                {name: found.examples for name, found in summary.changes.items() if found.count}
            ),
            "asked": summary.asked,
            "retried": summary.retried,
            "requests": summary.requests,
            "not_modified": summary.not_modified,
            "bodies": summary.bodies,
            "images_fetched": summary.by_status["fetched"],
            "images_decoded": summary.decoded,
            REUSED: False,
            "seconds": round(summary.seconds, 2),
            "sample": _sample_sheet(lake, store, outcomes),
        },
    )


def images_version(outcomes: DataFrame) -> str:
    """The content version of `images`: which images are held, in which bytes and size."""
    import polars as pl

    held = pl.when(pl.col("status") == "unchanged").then(pl.lit("fetched")).otherwise(pl.col("status"))
    return content_hash(outcomes.with_columns(status=held), ignore=NOT_CONTENT)


def _sample_sheet(lake: DataLake, store: "ImageStore", outcomes: DataFrame) -> dg.MarkdownMetadataValue:
    """A few held images, spread over the collection, as one picture."""
    import polars as pl

    from artpipe.figures.sheets import contact_sheet
    from artpipe.schema import STORED

    # Its captions are all that is read of the artworks here, and a changed title is no reason to look at images again.
    artworks = read_table(lake, "artworks")
    held = outcomes.filter(pl.col("status").is_in(STORED)).select("artwork_id").sort("artwork_id")
    shown = held.gather_every(max(1, held.height // SHEET_PICTURES)).head(SHEET_PICTURES)
    rows = shown.join(artworks, on="artwork_id", maintain_order="left").to_dicts()
    sheet = contact_sheet(rows, store.jpegs(shown["artwork_id"].to_list()), title="Images of the collection")
    return save_picture(lake, "images/sample.png", sheet)
