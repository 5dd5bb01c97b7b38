"""Which images to store, and the outcome of each request, with the JPEG where there is one."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from artpipe.lake.parquet import content_hash, read_table_if_exists
from artpipe.lake.paths import IMAGES_TABLE, DataLake
from artpipe.orchestration.asset import GALLERY_POOL, AssetStep, Result, SourceConfig, pipeline_asset
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import CHANGES, save_picture, table_metadata
from artpipe.orchestration.storage import lance_table
from artpipe.settings import Settings
from artpipe.sources.resources import GalleryResource

if TYPE_CHECKING:
    from artpipe.images.store import ImageStore

SHEET_PICTURES = 24
# When and how often an image was requested is not part of its content.
# `jpeg_sha256` tells where a picture has margins.
NOT_CONTENT = ("attempts", "error", "etag", "fetched_at", "last_modified", "requested_url", "picture_box")


@pipeline_asset(kinds={"polars", "parquet"}, code_version="2", shaped_by=("wanted_forms", "max_artworks"))
def wanted_images(step: AssetStep, artworks: DataFrame) -> Result:
    """The address of every image to store: all that `images` depends on, so that a changed title fetches no image.

    By artist and title group, pictures that a gallery sends in place of many images are recognised.
    """
    from artpipe.images.placeholders import title_groups
    from artpipe.images.wanted import wanted_artworks

    wanted = wanted_artworks(artworks, step.settings.wanted_forms, step.settings.max_artworks).sort("artwork_id")
    return Result(wanted.select("artwork_id", "image_url", "image_service", "artist_id", title_groups(wanted)))


def read_outcomes(lake: DataLake) -> DataFrame:
    """The table of images without its JPEGs."""
    from artpipe.images.store import ImageStore

    return ImageStore(lake).outcomes()


def images_due(lake: DataLake, settings: Settings, now: datetime) -> Mapping[str, int]:
    """How many images are due for a request now, by reason."""
    from artpipe.images.wanted import HarvestConfig, count_due, with_addresses

    wanted = read_table_if_exists(lake, "wanted_images")
    if wanted is None:
        return {}
    config = HarvestConfig.from_settings(settings)
    return count_due(with_addresses(wanted, config.short_side_px), read_outcomes(lake), config, now)


@pipeline_asset(
    kinds={"http", "lancedb"},
    code_version="3",
    shaped_by=("image_short_side_px", "trim_margins"),
    stored=lance_table(IMAGES_TABLE, read_outcomes).with_files(lambda lake: [lake.report("images")]),
    due=images_due,
    pool=GALLERY_POOL,
)
def images(step: AssetStep, config: SourceConfig, wanted_images: DataFrame, gallery: GalleryResource) -> Result:
    """Every wanted image: fetched politely, decoded safely, stored small, and looked at for margins.

    A killed run resumes, and a stored image is requested again only when the last response about it is older than
    `ARTPIPE_REVALIDATE_AFTER_DAYS`, and then conditionally. Where too many stored images would be lost, they stay.
    With `force` every image is requested that is not stored.
    """
    import polars as pl

    from artpipe.images.fetch import harvest
    from artpipe.images.store import ImageStore
    from artpipe.images.trimming import WHOLE, keep_margins, trim_margins
    from artpipe.images.wanted import HarvestConfig, with_addresses

    store, guard = ImageStore(step.lake), step.loss_guard("images", config)
    harvest_config = replace(HarvestConfig.from_settings(step.settings), asks_missing=config.force)
    with gallery.client(step.lake, step.progress, step.settings) as client:
        summary = harvest(
            with_addresses(wanted_images, harvest_config.short_side_px),
            store,
            client,
            harvest_config,
            now=datetime.now(UTC),
            progress=step.progress,
            allows=guard.allows,
        )
    if step.settings.trim_margins:
        trim_margins(store, step.progress)
    else:
        keep_margins(store)
    outcomes = store.outcomes()
    step.log(str(summary))
    if summary.errors:
        step.log(summary.errors_text())
    if summary.refused:
        raise guard.refusal([summary.refused], "the gallery's images and robots.txt", images_version(outcomes))
    return Result(
        version=images_version(outcomes),
        metadata={
            **table_metadata(outcomes, "images", {"jpeg": pl.Binary()}),
            "by_status": dg.MetadataValue.json(dict(outcomes["status"].value_counts(sort=True).iter_rows())),
            CHANGES: dg.MetadataValue.json({name: found.count for name, found in summary.changes.items()}),
            "examples": dg.MetadataValue.json(
                {name: found.examples for name, found in summary.changes.items() if found.count}
            ),
            "requested": summary.requested,
            "retried": summary.retried,
            "requests": summary.requests,
            "not_modified": summary.not_modified,
            "bodies": summary.bodies,
            "images_fetched": summary.by_status["fetched"],
            "images_decoded": summary.decoded,
            "images_trimmed": outcomes.filter(pl.col("picture_box") != WHOLE).height,
            "seconds": round(summary.seconds, 2),
            "sample": _sample_sheet(step.lake, store, outcomes),
        },
    )


def images_version(outcomes: DataFrame) -> str:
    """The content version of `images`: which images are stored, in which bytes and size."""
    import polars as pl

    status = pl.when(pl.col("status") == "unchanged").then(pl.lit("fetched")).otherwise(pl.col("status"))
    return content_hash(outcomes.with_columns(status=status), ignore=NOT_CONTENT)


def _sample_sheet(lake: DataLake, store: "ImageStore", outcomes: DataFrame) -> dg.MarkdownMetadataValue:
    """A few stored images, spread over the collection, as one picture.

    Their captions are ids: a title is content of `artworks`, which is no input here.
    """
    import polars as pl

    from artpipe.figures.sheets import captioned_sheet
    from artpipe.schema import STORED

    stored = outcomes.filter(pl.col("status").is_in(STORED))["artwork_id"].sort()
    shown = stored.gather_every(max(1, stored.len() // SHEET_PICTURES)).head(SHEET_PICTURES).to_list()
    captions = [name.split("/")[-2:] for name in shown]
    return save_picture(
        lake, "images/sample.png", captioned_sheet(store.originals(shown), captions, title="Stored images")
    )
