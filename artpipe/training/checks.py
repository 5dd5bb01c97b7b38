"""What must hold of the training set and the classifier."""

import dagster as dg

from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import markdown_table


@dg.asset_check(asset="training_set", additional_ins={"splits": dg.AssetIn("splits")})
def nothing_held_out_is_taught(training_set: DataFrame, splits: DataFrame) -> dg.AssetCheckResult:
    """No row that the splits hold out stands among the training rows of the frozen copy."""
    from artpipe.splits.leaks import trained_but_held_out

    taught = trained_but_held_out(splits, training_set)
    return dg.AssetCheckResult(
        passed=taught.is_empty(),
        metadata={"found": taught.height, "examples": dg.MetadataValue.md(markdown_table(taught))},
    )
