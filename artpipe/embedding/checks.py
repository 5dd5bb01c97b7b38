"""What must hold of the embeddings, and so of the vectors, which the same step makes of the same table.

Each asset has both checks: what is made from `vectors` does not depend on `embeddings`, and a check holds only what is
below its own asset.
"""

from collections.abc import Iterator

import dagster as dg

from artpipe.lake.parquet import read_table
from artpipe.lake.paths import DataLake
from artpipe.orchestration.check import pipeline_checks

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
    can_subset=True,
)
def embedded_rows(
    context: dg.AssetCheckExecutionContext, lake: dg.ResourceParam[DataLake]
) -> Iterator[dg.AssetCheckResult]:
    """The checks of both assets, on one look at the table."""
    from artpipe.embedding.table import EmbeddingTable
    from artpipe.models.served import served_model_id

    embedded = EmbeddingTable(lake).read(["artwork_id", "model_id"])
    expected = read_table(lake, "splits", ["artwork_id"])
    missing = expected.join(embedded, on="artwork_id", how="anti").height
    surplus = embedded.join(expected, on="artwork_id", how="anti").height
    repeated = embedded.height - embedded["artwork_id"].n_unique()
    models, served = embedded["model_id"].unique().sort().to_list(), served_model_id(lake)
    found = {
        ONCE: (not missing + surplus + repeated, {"missing": missing, "surplus": surplus, "repeated": repeated}),
        ONE_MODEL: (set(models) <= {served}, {"models": models, "served": served or "none"}),
    }
    for key in sorted(context.selected_asset_check_keys, key=str):
        passed, metadata = found[key.name]
        yield dg.AssetCheckResult(passed=passed, asset_key=key.asset_key, check_name=key.name, metadata=metadata)
