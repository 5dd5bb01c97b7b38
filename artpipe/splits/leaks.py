"""Leaks and gaps in the splits: each function returns the offending rows, none where all is well."""

import polars as pl

from artpipe.schema import label_columns
from artpipe.splits.assign import HELD_OUT, SPLIT_NAMES

_BALANCE = pl.Schema({"task": pl.String(), "class": pl.String(), "split": pl.String(), "rows": pl.Int64()})


def crossing_works(splits: pl.DataFrame) -> pl.DataFrame:
    """Works with rows in more than one split: `work_id`, `splits`, `artwork_ids`."""
    return (
        splits.filter(pl.col("split").n_unique().over("work_id") > 1)
        .group_by("work_id")
        .agg(pl.col("split").unique().sort().alias("splits"), pl.col("artwork_id").sort().alias("artwork_ids"))
        .sort("work_id")
    )


def crossing_near_duplicates(splits: pl.DataFrame, near_duplicates: pl.DataFrame) -> pl.DataFrame:
    """Near-duplicates in different splits: `left`, `right`, `bits`, `left_split`, `right_split`."""
    split_of = splits.select("artwork_id", "split")
    return (
        near_duplicates.join(split_of.rename({"artwork_id": "left", "split": "left_split"}), on="left")
        .join(split_of.rename({"artwork_id": "right", "split": "right_split"}), on="right")
        .filter(pl.col("left_split") != pl.col("right_split"))
        .sort("left", "right")
    )


def unseen_artists_elsewhere(splits: pl.DataFrame) -> pl.DataFrame:
    """Rows of held-out artists that are in another split; columns as in `splits`."""
    unseen = splits.filter(pl.col("split") == "unseen_artists").select("artist_id").drop_nulls().unique()
    return (
        splits.filter(pl.col("split") != "unseen_artists").join(unseen, on="artist_id", how="semi").sort("artwork_id")
    )


def unknown_artists_among_unseen(splits: pl.DataFrame) -> pl.DataFrame:
    """Rows of `unseen_artists` whose artist is unknown, so that nothing proves it unseen; columns as in `splits`."""
    return splits.filter((pl.col("split") == "unseen_artists") & pl.col("artist_id").is_null()).sort("artwork_id")


def classes_missing_from_train(splits: pl.DataFrame) -> pl.DataFrame:
    """Classes with held-out rows but no training row: `task`, `class`, `split`, `rows`."""
    balance = class_balance(splits)
    trained = balance.filter(pl.col("split") == "train").select("task", "class")
    return (
        balance.filter(pl.col("split").is_in(HELD_OUT) & pl.col("class").is_not_null())
        .join(trained, on=["task", "class"], how="anti")
        .sort("task", "class", "split")
    )


def label_gaps(splits: pl.DataFrame) -> list[str]:
    """What cannot be learned or measured of a task, and why, in words."""
    found: list[str] = []
    balance = class_balance(splits).filter(pl.col("rows") > 0)
    for task in label_columns(splits):
        labelled = balance.filter(pl.col("class").is_not_null(), task=task)
        classes: list[str] = labelled.filter(split="train")["class"].to_list()
        if labelled.is_empty():
            found.append(f"{task}: no picture has a label, so it is neither learned nor measured")
        elif not classes:
            found.append(f"{task}: no training picture has a label, so it is not learned, and no prediction is right")
        else:
            if len(classes) == 1:
                found.append(f"{task}: every label of a training picture is {classes[0]!r}, so every prediction is")
            unmeasured = [split for split in HELD_OUT if split not in labelled["split"]]
            unmeasured = [split for split in unmeasured if split in splits["split"]]
            if unmeasured:
                named = " and ".join(split.replace("_", " ") for split in unmeasured)
                found.append(f"{task}: no picture of {named} has a label, so it is not measured there")
    return found


def class_balance(splits: pl.DataFrame) -> pl.DataFrame:
    """Rows by task, class (null where unknown) and split, largest first: `task`, `class`, `split`, `rows`."""
    order = pl.Enum(SPLIT_NAMES)
    counted = [
        splits.group_by(pl.col(task).alias("class"), "split")
        .agg(pl.len().cast(pl.Int64).alias("rows"))
        .select(pl.lit(task).alias("task"), "class", "split", "rows")
        .sort(pl.col("split").cast(order), -pl.col("rows"), "class", nulls_last=True)
        for task in label_columns(splits)
    ]
    return pl.concat([pl.DataFrame(schema=_BALANCE), *counted])


def trained_but_held_out(splits: pl.DataFrame, training_set: pl.DataFrame) -> pl.DataFrame:
    """Rows that the frozen training set trains on although the splits hold them out: `artwork_id`, `split`."""
    trained = training_set.filter(pl.col("split") == "train").select("artwork_id")
    return (
        splits.filter(pl.col("split").is_in(HELD_OUT))
        .join(trained, on="artwork_id", how="semi")
        .select("artwork_id", "split")
        .sort("artwork_id")
    )
