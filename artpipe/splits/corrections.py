"""A person's labels replace those of the catalogue; the table of corrections has both."""

import polars as pl

from artpipe.splits.assign import catalogue_labels
from artpipe.tasks import Tasks


def correct_labels(rows: pl.DataFrame, overrides: pl.DataFrame) -> pl.DataFrame:
    """The rows with the labels that a person corrected.

    Args:
        rows: `artwork_id` and a column for each task, such as table `splits`.
        overrides: table `LABELS` of `overrides.py`; a null label marks the catalogue's label as unknown.

    Returns:
        The same rows and columns, in the same order.
    """
    for task in overrides["task"].unique(maintain_order=True):
        if task not in rows.columns:  # the table was made before the task was declared
            continue
        override = overrides.filter(task=task).select("artwork_id", override="label", is_overridden=pl.lit(value=True))
        label = pl.when("is_overridden").then("override").otherwise(task).alias(task)
        rows = rows.join(override, on="artwork_id", how="left", maintain_order="left").with_columns(label)
        rows = rows.drop("override", "is_overridden")
    return rows


def compare_corrections(artworks: pl.DataFrame, overrides: pl.DataFrame, tasks: Tasks) -> pl.DataFrame:
    """The labels that a person set for artworks of the catalogue, with the catalogue's own.

    Args:
        artworks: table `artworks`.
        overrides: table `LABELS` of `overrides.py`.
        tasks: of the labels.

    Returns:
        `artwork_id`, `task`, `catalogue`, `label`, `effect` (`corrected`, `confirmed` or `left out`), `by`, `reason`,
        `at`; in the order of `overrides`.
    """
    catalogue = catalogue_labels(artworks, tasks).unpivot(
        tasks.names, index="artwork_id", variable_name="task", value_name="catalogue"
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
