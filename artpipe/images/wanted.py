"""Which images are wanted, which of them are due for a request and why, and which are withdrawn.

An artwork is withdrawn when it leaves the catalogue, when its form is not wanted any more, or when a smaller sample is
configured. Its row, its JPEG and its validators for a conditional request stay.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import TYPE_CHECKING

import polars as pl

from artpipe.errors import ArtpipeError
from artpipe.images.decode import LACKS_END
from artpipe.images.store import ImageStore
from artpipe.schema import ASKED_AGAIN, PLACEHOLDER, STORED, WITHDRAWN

if TYPE_CHECKING:
    from artpipe.settings import Settings

NEVER, FAILED, BACK, MOVED, SIZE, AGE, FUTURE, MOST, FORCED = (
    "never requested",
    "failed before",
    "wanted again",
    "address changed",
    "other size wanted",
    "answer is old",
    "answer is dated in the future",
    "most had no image",
    "asked for again by a person",
)
WHY_DUE = (NEVER, FAILED, BACK, MOVED, SIZE, AGE, FUTURE, MOST, FORCED)
"""Why an image is due: the first that is true."""


class UnknownFormError(ArtpipeError):
    """A form that no work of the catalogue has."""


@dataclass(frozen=True)
class HarvestConfig:
    """When to request an image again and how to store it.

    Args:
        revalidate_after_days: request an image again when the last response is older than this.
        short_side_px: short side of the stored JPEG.
        keep_versions_days: how long a state of the table can be opened after it was replaced.
        asks_missing: request every image that is not stored, whatever came of it and when.
    """

    revalidate_after_days: float = 6.0
    short_side_px: int = 320
    keep_versions_days: float = 30.0
    asks_missing: bool = False

    @classmethod
    def from_settings(cls, settings: "Settings") -> "HarvestConfig":
        """The values of the settings."""
        return cls(
            revalidate_after_days=settings.revalidate_after_days,
            short_side_px=settings.image_short_side_px,
            keep_versions_days=settings.keep_versions_days,
        )


def wanted_artworks(
    artworks: pl.DataFrame, forms: Sequence[str] | None = ("painting",), max_artworks: int | None = None
) -> pl.DataFrame:
    """The artworks to download: wanted forms, and a sample that growth of the catalogue changes little.

    Those whose source gives no picture, or not the right to download it, are left out.

    The sample is the works with the smallest hashes, so the same work is chosen whatever else is in the catalogue,
    unless newcomers push it out.

    Args:
        artworks: table `artworks`.
        forms: forms of art that are downloaded; all where None.
        max_artworks: the size of the sample; everything where None.

    Raises:
        UnknownFormError: no artwork has one of the forms, which would withdraw every image of it.
    """
    known = artworks["form"].drop_nulls().value_counts(sort=True)
    if unknown := [form for form in forms or () if known.height and form not in known["form"]]:
        listed = ", ".join(f"`{form}` ({count:,})" for form, count in known.iter_rows())
        raise UnknownFormError(
            f"no work of the catalogue has the form {' or '.join(map(repr, unknown))}; set ARTPIPE_FORMS to forms that "
            f"there are: {listed}."
        )
    has_picture = pl.col("image_url").is_not_null() & pl.col("is_allowed").fill_null(value=True)
    is_of_form = pl.lit(value=True) if forms is None else pl.col("form").is_in(forms)
    wanted = artworks.filter(is_of_form & has_picture).unique("artwork_id", keep="first", maintain_order=True)
    if max_artworks is None or wanted.height <= max_artworks:
        return wanted
    draws = [blake2b(name.encode(), digest_size=8).digest() for name in wanted["artwork_id"]]
    return wanted.with_columns(pl.Series("draw", draws)).sort("draw").head(max_artworks).drop("draw")


def with_addresses(wanted: pl.DataFrame, short_side_px: int) -> pl.DataFrame:
    """The wanted images with the addresses to request: an image service is asked for the size that is stored.

    Args:
        wanted: table `wanted_images`; one of an older lake has no `image_service`.
        short_side_px: short side of the stored JPEG.
    """
    if "image_service" not in wanted.columns or wanted["image_service"].is_null().all():
        return wanted
    from artpipe.sources.iiif_image import image_address

    def address(service: str) -> str:
        one = json.loads(service)
        return image_address(
            one["service"],
            one["service_version"],
            one["width_px"],
            one["height_px"],
            short_side_px=short_side_px,
            max_width=one["max_width_px"],
            max_area=one["max_area_px"],
        )

    return wanted.with_columns(
        image_url=pl.coalesce(pl.col("image_service").map_elements(address, pl.String), "image_url")
    )


def due(wanted: pl.DataFrame, outcomes: pl.DataFrame, config: HarvestConfig, now: datetime) -> pl.DataFrame:
    """The images to request now.

    Those are: never requested, failed, withdrawn and wanted again, at another address than before, last requested too
    long ago or at a time that has not come yet, or stored in another size than wanted although the original is large
    enough for it to matter. The original is not kept, so another size is always a download. Where the gallery had no
    image for most artworks, it was the gallery that failed, such as by a robots.txt that forbids all images, and all of
    those are requested again. With `asks_missing` all that are not stored are.

    Args:
        wanted: `artwork_id` and `image_url`.
        outcomes: the table of images without its JPEGs.
        config: how old a response may be, and which size is wanted.
        now: the present.

    Returns:
        `artwork_id`, `image_url`, `status` (null: never requested), `attempts`, `sha256` (null: no JPEG), `error`,
        `fetched_at`, `etag` and `last_modified` of the stored JPEG, `width_px` and `height_px` of its original,
        `requested_url`, the address of the last request; `is_resized`, another size is wanted, and `is_moved`, another
        address: a conditional request will not do; and `why`, one of `WHY_DUE`.
    """
    known = outcomes.select(
        "artwork_id", "status", "error", "attempts", "sha256", "etag", "last_modified", "fetched_at", "short_side_px",
        "requested_url", "width_px", "height_px", pl.min_horizontal("width_px", "height_px").alias("original_px"),
    )  # fmt: skip
    rows = wanted.select("artwork_id", "image_url").unique("artwork_id", keep="first", maintain_order=True)
    # A JPEG is never larger than its original, so a small original is the same stored JPEG at both sizes.
    wanted_px = pl.min_horizontal(pl.lit(config.short_side_px), "original_px")
    is_resized = pl.col("sha256").is_not_null() & (pl.min_horizontal("short_side_px", "original_px") != wanted_px)
    is_moved = (pl.col("requested_url") != pl.col("image_url")).fill_null(value=False)
    has_none = (~pl.col("status").is_in([*STORED, *ASKED_AGAIN, WITHDRAWN])).fill_null(value=False)
    has_failed = pl.col("error").is_not_null() & (pl.col("error") != LACKS_END)
    why = (
        pl.when(pl.col("status").is_null())
        .then(pl.lit(NEVER))
        # A stored image has an error where its last request did not replace it.
        .when(pl.col("status").is_in(ASKED_AGAIN) | (pl.col("status").is_in(STORED) & has_failed))
        .then(pl.lit(FAILED))
        .when(pl.col("status") == WITHDRAWN)
        .then(pl.lit(BACK))
        .when(pl.col("is_moved"))
        .then(pl.lit(MOVED))
        .when(pl.col("status").is_in(STORED) & pl.col("is_resized"))
        .then(pl.lit(SIZE))
        .when(pl.col("fetched_at") <= now - timedelta(days=config.revalidate_after_days))
        .then(pl.lit(AGE))
        .when(pl.col("fetched_at") > now)  # a clock was wrong: it may be older than anybody knows
        .then(pl.lit(FUTURE))
        .when(has_none & (has_none.sum() > pl.len() / 2))
        .then(pl.lit(MOST))
        .when(has_none & config.asks_missing)
        .then(pl.lit(FORCED))
    )
    return (
        rows.join(known, on="artwork_id", how="left")
        .with_columns(is_resized=is_resized.fill_null(value=False), is_moved=is_moved)
        .with_columns(why=why)
        .filter(pl.col("why").is_not_null())
        .drop("short_side_px", "original_px")
        .sort("artwork_id")
    )


def count_due(wanted: pl.DataFrame, outcomes: pl.DataFrame, config: HarvestConfig, now: datetime) -> dict[str, int]:
    """How many images are due, by reason, in the order of `WHY_DUE`; arguments as for `due`."""
    found = dict(due(wanted, outcomes, config, now)["why"].value_counts().iter_rows())
    return {why: found[why] for why in WHY_DUE if why in found}


def withdraw(store: ImageStore, wanted_ids: Sequence[str], now: datetime) -> list[str]:
    """Mark the images of artworks that are not wanted any more, in one commit; their JPEGs and validators stay.

    A placeholder stays one: nobody sees it, and "not modified" would otherwise make it the picture of its artwork.

    Args:
        store: the stored images.
        wanted_ids: the artworks whose images are wanted.
        now: written to `error`; `fetched_at` stays the time of the gallery's last response.

    Returns:
        The newly withdrawn ids, sorted.

    Raises:
        StoreWriteError: the lake is not writable; nothing is withdrawn.
    """
    outcomes = store.outcomes()
    wanted = pl.DataFrame({"artwork_id": wanted_ids}, schema={"artwork_id": pl.String})
    gone = outcomes.filter(~pl.col("status").is_in([WITHDRAWN, PLACEHOLDER])).join(
        wanted, on="artwork_id", how="anti", maintain_order="left"
    )
    error = f"not among the wanted artworks since {now:%Y-%m-%d}"
    store.amend([{"artwork_id": name, "status": WITHDRAWN, "error": error} for name in gone["artwork_id"]])
    return gone["artwork_id"].to_list()
