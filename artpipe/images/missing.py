"""Which works have no picture in the lake, and why: the outcome of the last request, or why none was made."""

from collections.abc import Mapping

import polars as pl

from artpipe.images.store import ImageStore
from artpipe.lake.parquet import read_table_if_exists
from artpipe.lake.paths import DataLake
from artpipe.schema import STORED, WITHDRAWN

STORED_OUTCOME, NOT_CHOSEN = "stored", "not_chosen"
OUTCOMES: Mapping[str, str] = {
    "no_address": "the source names no picture",
    "not_open": "the source does not say that it is open; `rights: all` of the source downloads it all the same",
    NOT_CHOSEN: "left out by ARTPIPE_FORMS or ARTPIPE_MAX_ARTWORKS",
    "not_requested": "not asked for yet; `artpipe refresh` does",
    "gone": "the source does not have it",
    "refused": "robots.txt of its host forbids it",
    "challenged": "its host wants to see a person, and is not asked further",
    "reserved": "its host reserves it from text and data mining",
    "too_large": "larger than what is accepted",
    "too_narrow": "a strip, and no picture of a work",
    "not_an_image": "what came is no image",
    "unreadable": "what came cannot be decoded",
    "placeholder": "one picture came for many works, such as 'not available'",
    "failed": "no answer; each refresh asks again",
    "too_slow": "it came too slowly; each refresh asks again",
}
"""Why a work has no picture, in words, in the order of asking."""


def picture_outcomes(lake: DataLake) -> pl.DataFrame:
    """What came of the picture of every artwork; empty where there is no catalogue yet.

    Returns:
        `artwork_id`, `artist`, `title`, `outcome` (`STORED_OUTCOME` or one of `OUTCOMES`), `error`, `asked_at`, and
        `address`, as it was requested or is named by the source; sorted by id.
    """
    artworks, wanted = read_table_if_exists(lake, "artworks"), read_table_if_exists(lake, "wanted_images")
    schema = dict.fromkeys(("artwork_id", "artist", "title", "outcome", "error"), pl.String())
    if artworks is None:
        return pl.DataFrame(schema=schema | {"asked_at": pl.Datetime("us", "UTC"), "address": pl.String()})
    if "is_allowed" not in artworks.columns:  # of an older lake
        artworks = artworks.with_columns(is_allowed=pl.lit(None, pl.Boolean()))
    asked = ImageStore(lake).outcomes().select("artwork_id", "status", "error", "fetched_at", "requested_url")
    chosen = pl.lit(value=True) if wanted is None else pl.col("artwork_id").is_in(wanted["artwork_id"].implode())
    outcome = (
        pl.when(pl.col("image_url").is_null())
        .then(pl.lit("no_address"))
        .when(~pl.col("is_allowed").fill_null(value=True))
        .then(pl.lit("not_open"))
        .when(~chosen)
        .then(pl.lit(NOT_CHOSEN))
        .when(pl.col("status").is_null() | (pl.col("status") == WITHDRAWN))
        .then(pl.lit("not_requested"))
        .when(pl.col("status").is_in(STORED))
        .then(pl.lit(STORED_OUTCOME))
        .otherwise("status")
    )
    return (
        artworks.select("artwork_id", "artist", "title", "image_url", "is_allowed")
        .join(asked, on="artwork_id", how="left")
        .select(
            "artwork_id",
            "artist",
            "title",
            outcome.alias("outcome"),
            "error",
            pl.col("fetched_at").alias("asked_at"),
            pl.coalesce("requested_url", "image_url").alias("address"),
        )
        .sort("artwork_id")
    )


def without_picture(pictures: pl.DataFrame, outcome: str | None = None) -> pl.DataFrame:
    """The works of `picture_outcomes` without a picture, or those of one outcome; what a person left out is no lack."""
    if outcome is not None:
        return pictures.filter(outcome=outcome)
    return pictures.filter(~pl.col("outcome").is_in([STORED_OUTCOME, NOT_CHOSEN]))


def count_outcomes(pictures: pl.DataFrame) -> dict[str, int]:
    """How many works have each outcome, `STORED_OUTCOME` first, then the most frequent; of `picture_outcomes`."""
    counts = pictures["outcome"].value_counts()
    most = counts.sort(pl.col("outcome") != STORED_OUTCOME, -pl.col("count").cast(pl.Int64), "outcome")
    return dict(most.iter_rows())
