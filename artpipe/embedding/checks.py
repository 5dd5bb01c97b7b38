"""What must hold of the embeddings."""

import dagster as dg

from artpipe.lake.paths import DataLake
from artpipe.orchestration.check import pipeline_check
from artpipe.orchestration.frames import DataFrame


@pipeline_check(asset="embeddings", blocking=True, additional_ins={"splits": dg.AssetIn("splits")})
def every_usable_image_is_embedded_once(embeddings: DataFrame, splits: DataFrame) -> dg.AssetCheckResult:
    """The table has exactly one row for each usable image."""
    embedded, expected = embeddings["artwork_id"], splits["artwork_id"]
    missing, surplus = set(expected) - set(embedded), set(embedded) - set(expected)
    return dg.AssetCheckResult(
        passed=not missing and not surplus and embedded.n_unique() == embedded.len(),
        metadata={"missing": len(missing), "surplus": len(surplus), "repeated": embedded.len() - embedded.n_unique()},
    )


@pipeline_check(asset="embeddings", blocking=True)
def one_model_made_every_vector(embeddings: DataFrame, lake: dg.ResourceParam[DataLake]) -> dg.AssetCheckResult:
    """All rows name the served model: vectors of two models cannot be compared."""
    from artpipe.models.served import served_model_id

    models = embeddings["model_id"].unique().sort().to_list()
    served = served_model_id(lake)
    return dg.AssetCheckResult(passed=models == [served], metadata={"models": models, "served": served or "none"})
