"""What must hold of the training set and the classifier."""

import dagster as dg

from artpipe.orchestration.check import pipeline_check
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import markdown_table


@pipeline_check(asset="training_set", additional_ins={"artworks": dg.AssetIn("artworks")})
def training_works_are_open(training_set: DataFrame, artworks: DataFrame) -> dg.AssetCheckResult:
    """How many works of the training set may not be used by anybody, by what their sources say of their rights."""
    import polars as pl

    rights = artworks.select("artwork_id", "source", "is_open", "rights_uri")
    told = training_set.select("artwork_id").join(rights.filter(pl.col("source").is_not_null()), on="artwork_id")
    closed = told.filter(~pl.col("is_open").fill_null(value=False))
    by_source = closed.group_by("source", "rights_uri").len("works").sort("works", "source", descending=True)
    return dg.AssetCheckResult(
        passed=closed.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=""
        if closed.is_empty()
        else f"{closed.height:,} of {training_set.height:,} pictures that the classifier learns from are not said to "
        "be open. Nothing is held up; if you are not allowed to train on them, set ARTPIPE_RIGHTS=open, or `rights: "
        "open` of the source, and refresh.",
        metadata={
            "not_open": closed.height,
            "works": training_set.height,
            "by_source": dg.MetadataValue.md(markdown_table(by_source)),
            "next_step": "set ARTPIPE_RIGHTS=open, or `rights: open` of the source, to leave them out",
        },
    )


@pipeline_check(asset="training_set", additional_ins={"splits": dg.AssetIn("splits")})
def no_held_out_row_is_trained_on(training_set: DataFrame, splits: DataFrame) -> dg.AssetCheckResult:
    """No row that the splits hold out is a training row of the frozen training set.

    A row that left `train` since the copy counts as seen: evaluations leave it out until a model is trained without it.
    """
    from artpipe.splits.leaks import trained_but_held_out

    leaked = trained_but_held_out(splits, training_set)
    return dg.AssetCheckResult(
        passed=leaked.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        metadata={"found": leaked.height, "examples": dg.MetadataValue.md(markdown_table(leaked))},
    )
