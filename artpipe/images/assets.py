"""One outcome, and at best one JPEG, for every artwork of the wanted forms."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg
import polars as pl

from artpipe.evaluation.sheets import contact_sheet
from artpipe.io import content_version, save_picture, table_metadata
from artpipe.lake import DataLake
from artpipe.resources import GALLERY_POOL, GalleryResource, progress_of
from artpipe.settings import Settings

if TYPE_CHECKING:
    from artpipe.images.store import ImageStore

GROUP = "images"
SHEET_PICTURES = 24
# When an image was asked for and how often says nothing of what it is.
NOT_CONTENT = ("attempts", "error", "etag", "fetched_at", "last_modified")


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
    artworks: pl.DataFrame,
    lake: dg.ResourceParam[DataLake],
    settings: dg.ResourceParam[Settings],
    gallery: GalleryResource,
) -> dg.MaterializeResult[Any]:
    """The image of every artwork whose form is wanted: fetched politely, decoded safely, stored small.

    A killed run goes on where it stopped, and an image held already is asked for again only when its last answer is
    older than `ARTPIPE_REVALIDATE_AFTER_DAYS`, and then conditionally.
    """
    from artpipe.images.fetch import harvest
    from artpipe.images.store import ImageStore

    store = ImageStore(lake)
    progress = progress_of(context)
    with gallery.client(lake, progress) as client:
        summary = harvest(artworks, store, client, settings.harvest_config(), now=datetime.now(UTC), progress=progress)
    outcomes = store.outcomes()
    context.log.info(str(summary))
    return dg.MaterializeResult(
        data_version=dg.DataVersion(images_version(outcomes)),
        metadata={
            **table_metadata(outcomes),
            "by_status": dg.MetadataValue.json(dict(outcomes["status"].value_counts(sort=True).iter_rows())),
            "asked": summary.asked,
            "retried": summary.retried,
            "requests": summary.requests,
            "bodies": summary.bodies,
            "seconds": round(summary.seconds, 2),
            "sample": _sample_sheet(lake, store, outcomes, artworks),
        },
    )


def images_version(outcomes: pl.DataFrame) -> str:
    """The content version of `images`: which images are held, in which bytes and size."""
    held = pl.when(pl.col("status") == "unchanged").then(pl.lit("fetched")).otherwise(pl.col("status"))
    return content_version(outcomes.with_columns(status=held), ignore=NOT_CONTENT)


def _sample_sheet(
    lake: DataLake, store: "ImageStore", outcomes: pl.DataFrame, artworks: pl.DataFrame
) -> dg.MarkdownMetadataValue:
    """A few held images, spread over the collection, as one picture."""
    held = outcomes.filter(pl.col("status").is_in(["fetched", "unchanged"])).select("artwork_id").sort("artwork_id")
    shown = held.gather_every(max(1, held.height // SHEET_PICTURES)).head(SHEET_PICTURES)
    rows = shown.join(artworks, on="artwork_id", maintain_order="left").to_dicts()
    sheet = contact_sheet(rows, store.jpegs(shown["artwork_id"].to_list()), title="Images of the collection")
    return save_picture(lake, "images/sample.png", sheet)
