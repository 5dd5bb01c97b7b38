"""Placeholders: one picture that a gallery sends for many works, such as "image not available".

A placeholder shows none of these works, so it joins none of them, and is not trained on, embedded or found. The rows
that hold it have a status of their own until the gallery sends another picture. `fetch.py` marks them after a harvest.
"""

import polars as pl

from artpipe.catalog.titles import base_title
from artpipe.images.fingerprint import BALANCED_BITS
from artpipe.images.store import ImageStore
from artpipe.schema import PLACEHOLDER, STORED

# Among the 4,444 readable images of the recorded gallery no two are one file. One picture is held by 4 artworks of 3
# artists, in four file formats, and one by 2 artworks of one artist; no other two have the same perceptual hash.
MAX_ARTISTS = 3
"""Artists under whom a gallery may file one picture, such as a workshop and its master; of more it is a placeholder."""

MAX_TITLES = 5
"""Unrelated titles under which a gallery may file one picture; with more it is a placeholder."""

_SAME_PICTURE = ("sha256", "jpeg_sha256", "perceptual_hash")


def title_groups(artworks: pl.DataFrame) -> pl.Series:
    """The first artwork of the same artist and base title, for each artwork: a painting and its details share it.

    Args:
        artworks: `artwork_id`, `artist_id`, `artist`, `title`.
    """
    base = artworks["title"].map_elements(base_title, return_dtype=pl.String, skip_nulls=False)
    maker = pl.coalesce("artist_id", "artist")
    first = pl.col("artwork_id").min().over(maker, "base")
    return artworks.with_columns(base=base).select(
        pl.when(pl.col("base") == "").then("artwork_id").otherwise(first).alias("title_group")
    )["title_group"]


def find_placeholders(wanted: pl.DataFrame, outcomes: pl.DataFrame) -> pl.DataFrame:
    """The images that show a placeholder, and why.

    Two images are one picture if they are one file, one stored JPEG, or have one perceptual hash, that of a flat
    picture excepted. A picture is a placeholder if more than `MAX_ARTISTS` artists or `MAX_TITLES` unrelated titles
    have it, or if a row that is marked already has it.

    Args:
        wanted: `artwork_id`, `artist_id` and `title_group`; where the last two are absent, every artwork counts as a
            title of its own.
        outcomes: the table of images without its JPEGs.

    Returns:
        `artwork_id` and `error`, which says how many share the picture; sorted.
    """
    absent = [name for name in ("artist_id", "title_group") if name not in wanted.columns]
    described = wanted.with_columns(pl.lit(None, pl.String).alias(name) for name in absent).unique("artwork_id")
    rows = (
        outcomes.filter(pl.col("status").is_in([*STORED, PLACEHOLDER]))
        .join(described.select("artwork_id", "artist_id", "title_group"), on="artwork_id")
        .with_columns(pl.coalesce("title_group", "artwork_id").alias("title_group"), _distinctive_hash())
    )
    found: list[pl.DataFrame] = []
    for key in _SAME_PICTURE:
        shared = (
            rows.drop_nulls(key)
            .group_by(key)
            .agg(
                pl.len().alias("artworks"),
                pl.col("artist_id").n_unique().alias("artists"),
                pl.col("title_group").n_unique().alias("titles"),
                (pl.col("status") == PLACEHOLDER).any().alias("is_known"),
            )
            .filter((pl.col("artists") > MAX_ARTISTS) | (pl.col("titles") > MAX_TITLES) | pl.col("is_known"))
        )
        found.append(rows.join(shared, on=key).select("artwork_id", "artworks", "artists"))
    error = pl.format(
        "a placeholder: the gallery sends this picture for {} artworks by {} artists", "artworks", "artists"
    )
    each = pl.concat(found).sort("artworks", descending=True).unique("artwork_id", keep="first")
    return each.select("artwork_id", error=error).sort("artwork_id")


def mark_placeholders(store: ImageStore, wanted: pl.DataFrame) -> list[str]:
    """Give the images that show a placeholder their status, in one commit; nothing else of their rows changes.

    Args:
        store: the stored images.
        wanted: as for `find_placeholders`.

    Returns:
        The newly marked ids, sorted.

    Raises:
        StoreWriteError: the lake is not writable; nothing is marked.
    """
    outcomes = store.outcomes()
    stored = outcomes.filter(pl.col("status").is_in(STORED)).select("artwork_id")
    new = find_placeholders(wanted, outcomes).join(stored, on="artwork_id", how="semi", maintain_order="left")
    store.amend([{"artwork_id": name, "status": PLACEHOLDER, "error": error} for name, error in new.iter_rows()])
    return new["artwork_id"].to_list()


def _distinctive_hash() -> pl.Expr:
    """The perceptual hash; null where it is that of a flat picture."""
    bits_set = pl.col("perceptual_hash").str.to_integer(base=16, dtype=pl.UInt64, strict=False).bitwise_count_ones()
    return pl.when(bits_set.is_between(*BALANCED_BITS)).then("perceptual_hash").alias("perceptual_hash")
