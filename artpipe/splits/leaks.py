"""What a leak-free split must not show: each function returns the offending rows, none where all is well."""

import polars as pl

from artpipe.schema import STORED, TASKS
from artpipe.splits.assign import HELD_OUT, SPLIT_NAMES


def crossing_works(splits: pl.DataFrame) -> pl.DataFrame:
    """Works with rows in more than one split: `work_id`, `splits`, `artwork_ids`."""
    return (
        splits.group_by("work_id")
        .agg(pl.col("split").unique().sort().alias("splits"), pl.col("artwork_id").sort().alias("artwork_ids"))
        .filter(pl.col("splits").list.len() > 1)
        .sort("work_id")
    )


def crossing_near_duplicates(splits: pl.DataFrame, images: pl.DataFrame) -> pl.DataFrame:
    """Pairs of images that look the same in different splits: `left`, `right`, `bits`, `left_split`, `right_split`."""
    from artpipe.splits.near_duplicates import near_duplicates

    held = images.filter(pl.col("status").is_in(STORED)).join(splits.select("artwork_id", "artist_id"), on="artwork_id")
    split_of = splits.select("artwork_id", "split")
    return (
        near_duplicates(held)
        .join(split_of.rename({"artwork_id": "left", "split": "left_split"}), on="left")
        .join(split_of.rename({"artwork_id": "right", "split": "right_split"}), on="right")
        .filter(pl.col("left_split") != pl.col("right_split"))
        .sort("left", "right")
    )


def unseen_artists_elsewhere(splits: pl.DataFrame) -> pl.DataFrame:
    """Rows of artists held out whole that are in another split all the same, as in `splits`."""
    unseen = splits.filter(pl.col("split") == "unseen_artists").select("artist_id").drop_nulls().unique()
    return (
        splits.filter(pl.col("split") != "unseen_artists").join(unseen, on="artist_id", how="semi").sort("artwork_id")
    )


def unknown_artists_among_unseen(splits: pl.DataFrame) -> pl.DataFrame:
    """Rows of `unseen_artists` whose artist is unknown and so cannot be said to be unseen, as in `splits`."""
    return splits.filter((pl.col("split") == "unseen_artists") & pl.col("artist_id").is_null()).sort("artwork_id")


def classes_missing_from_train(splits: pl.DataFrame) -> pl.DataFrame:
    """Classes measured but never taught: `task`, `class`, `split`, `rows`."""
    balance = class_balance(splits)
    taught = balance.filter(pl.col("split") == "train").select("task", "class")
    return (
        balance.filter(pl.col("split").is_in(HELD_OUT) & pl.col("class").is_not_null())
        .join(taught, on=["task", "class"], how="anti")
        .sort("task", "class", "split")
    )


def class_balance(splits: pl.DataFrame) -> pl.DataFrame:
    """Rows by task, class (null where unknown) and split, largest first: `task`, `class`, `split`, `rows`."""
    order = pl.Enum(SPLIT_NAMES)
    counted = [
        splits.group_by(pl.col(task).alias("class"), "split")
        .agg(pl.len().cast(pl.Int64).alias("rows"))
        .select(pl.lit(task).alias("task"), "class", "split", "rows")
        .sort(pl.col("split").cast(order), -pl.col("rows"), "class", nulls_last=True)
        for task in TASKS
    ]
    return pl.concat(counted)


def trained_but_held_out(splits: pl.DataFrame, training_set: pl.DataFrame) -> pl.DataFrame:
    """Rows that the frozen training set teaches although the splits hold them out: `artwork_id`, `split`."""
    taught = training_set.filter(pl.col("split") == "train").select("artwork_id")
    return (
        splits.filter(pl.col("split").is_in(HELD_OUT))
        .join(taught, on="artwork_id", how="semi")
        .select("artwork_id", "split")
        .sort("artwork_id")
    )
