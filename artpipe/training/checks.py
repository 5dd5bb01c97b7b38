"""What must hold of the training set and the classifier."""

import dagster as dg

from artpipe.orchestration.check import pipeline_check
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import markdown_table


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
