"""Who is trained on, who is measured on: works dealt out without leaks, and stable as the catalogue grows."""

import dagster as dg
import polars as pl

from artpipe.io import read_parquet, recorded, save_picture
from artpipe.lake import DataLake
from artpipe.settings import Settings
from artpipe.splits.assign import assign_splits, split_counts
from artpipe.splits.leaks import class_balance
from artpipe.splits.works import group_works

GROUP = "splits"


@dg.asset(group_name=GROUP, kinds={"polars", "parquet"}, code_version="1", owners=["team:artpipe"])
def splits(
    artworks: pl.DataFrame,
    images: pl.DataFrame,
    lake: dg.ResourceParam[DataLake],
    settings: dg.ResourceParam[Settings],
) -> dg.MaterializeResult[pl.DataFrame]:
    """Train, validation, test or unseen-artist membership of every usable image, decided work by work."""
    from artpipe.evaluation.plots import class_balance_picture

    # What was one work stays one work under its old name, so that growth of the catalogue moves nobody.
    previous = read_parquet(lake, "splits") if lake.table("splits").exists() else None
    works = group_works(artworks, images, previous)
    table = assign_splits(works, artworks, images, settings.split_config())
    balance = class_balance(table)
    picture = save_picture(lake, "splits/class_balance.png", class_balance_picture(balance))
    return recorded(
        table,
        metadata={
            **split_counts(table),
            "works": table["work_id"].n_unique(),
            "artists": table["artist_id"].n_unique(),
            "class_balance": picture,
        },
    )
