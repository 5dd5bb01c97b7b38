"""What the table of embeddings should say of each usable image, by the catalogue and the splits."""

import polars as pl

from artpipe.embedding.table import METADATA, RIGHTS, metadata_schema
from artpipe.lake.parquet import read_table
from artpipe.lake.paths import DataLake
from artpipe.tasks import Tasks


def wanted_rows(lake: DataLake, tasks: Tasks) -> pl.DataFrame:
    """One row for each usable image: `artwork_id`, `jpeg_sha256`, and `metadata_schema`.

    Labels are those of the splits, which include corrections. Rights are among the columns where a file of sources
    tells them.
    """
    splits = read_table(lake, "splits").drop("artist_id", "split")
    catalogue = [name for name in (*METADATA, *RIGHTS) if name not in splits.columns]
    artworks = read_table(lake, "artworks", ["artwork_id", *catalogue])
    rights = bool(artworks["source"].is_not_null().any())
    # Where a picture lies on this machine concerns nobody who searches.
    is_here = pl.col("image_url").str.starts_with("file:")
    described = artworks.join(splits, on="artwork_id").with_columns(image_url=pl.when(~is_here).then("image_url"))
    return described.select("artwork_id", "jpeg_sha256", *metadata_schema(tasks.among(splits.columns), rights=rights))
