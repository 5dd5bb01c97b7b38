"""Labels put right by a person take the place of the catalogue's; beside each, the catalogue's own is kept."""

import polars as pl

from artpipe.schema import TASKS
from artpipe.splits.assign import catalogue_labels


def correct_labels(rows: pl.DataFrame, overrides: pl.DataFrame) -> pl.DataFrame:
    """The rows with the labels that a person put right.

    Args:
        rows: `artwork_id` and a column for each task, such as table `splits`.
        overrides: table `LABELS` of `overrides.py`; a null label takes the catalogue's away.

    Returns:
        The same rows and columns, in the same order.
    """
    for task in TASKS:
        said = overrides.filter(task=task).select("artwork_id", said="label", is_said=pl.lit(value=True))
        label = pl.when("is_said").then("said").otherwise(task).alias(task)
        rows = rows.join(said, on="artwork_id", how="left", maintain_order="left").with_columns(label)
        rows = rows.drop("said", "is_said")
    return rows


def told_corrections(artworks: pl.DataFrame, overrides: pl.DataFrame) -> pl.DataFrame:
    """What a person said of artworks that the catalogue has, beside what the catalogue says.

    Args:
        artworks: table `artworks`.
        overrides: table `LABELS` of `overrides.py`.

    Returns:
        `artwork_id`, `task`, `catalogue`, `label`, `effect` (`corrected`, `confirmed` or `left out`), `by`, `reason`,
        `at`; in the order of `overrides`.
    """
    catalogue = catalogue_labels(artworks).unpivot(
        TASKS, index="artwork_id", variable_name="task", value_name="catalogue"
    )
    effect = (
        pl.when(pl.col("label").is_null())
        .then(pl.lit("left out"))
        .when(pl.col("label") == pl.col("catalogue"))
        .then(pl.lit("confirmed"))
        .otherwise(pl.lit("corrected"))
        .alias("effect")
    )
    return overrides.join(catalogue, on=["artwork_id", "task"], maintain_order="left").select(
        "artwork_id", "task", "catalogue", "label", effect, "by", "reason", "at"
    )
