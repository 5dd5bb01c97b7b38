"""What must hold of the embeddings, and so of the vectors, which the same step makes of the same table.

Each asset has both checks: what is made from `vectors` does not depend on `embeddings`, and a check holds only what is
below its own asset.
"""

from collections.abc import Iterator

import dagster as dg

from artpipe.lake.paths import DataLake
from artpipe.orchestration.check import pipeline_checks
from artpipe.orchestration.frames import DataFrame

ASSETS = ("embeddings", "vectors")
ONCE, ONE_MODEL = "every_usable_image_is_embedded_once", "one_model_made_every_vector"
DESCRIPTIONS = {
    ONCE: "The table has exactly one row for each usable image.",
    ONE_MODEL: "All rows name the served model: vectors of two models cannot be compared.",
}


@pipeline_checks(
    [
        dg.AssetCheckSpec(name, asset=asset, blocking=True, description=description, additional_deps=["splits"])
        for asset in ASSETS
        for name, description in DESCRIPTIONS.items()
    ],
    ins={"embeddings": dg.AssetIn("embeddings"), "splits": dg.AssetIn("splits")},
    can_subset=True,
)
def embedded_rows(
    context: dg.AssetCheckExecutionContext,
    embeddings: DataFrame,
    splits: DataFrame,
    lake: dg.ResourceParam[DataLake],
) -> Iterator[dg.AssetCheckResult]:
    """The checks of both assets, on one look at the table."""
    from artpipe.models.served import served_model_id

    embedded, expected = embeddings["artwork_id"], splits["artwork_id"]
    missing, surplus = set(expected) - set(embedded), set(embedded) - set(expected)
    repeated = embedded.len() - embedded.n_unique()
    models, served = embeddings["model_id"].unique().sort().to_list(), served_model_id(lake)
    is_whole = not missing and not surplus and repeated == 0
    found = {
        ONCE: (is_whole, {"missing": len(missing), "surplus": len(surplus), "repeated": repeated}),
        ONE_MODEL: (set(models) <= {served}, {"models": models, "served": served or "none"}),
    }
    for key in sorted(context.selected_asset_check_keys, key=str):
        passed, metadata = found[key.name]
        yield dg.AssetCheckResult(passed=passed, asset_key=key.asset_key, check_name=key.name, metadata=metadata)
