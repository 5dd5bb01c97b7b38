"""What must hold of the images."""

import dagster as dg

from artpipe.orchestration.frames import DataFrame

HELD_SHARE = 0.9


@dg.asset_check(asset="images", blocking=True)
def every_artwork_has_one_outcome(images: DataFrame) -> dg.AssetCheckResult:
    """No artwork stands in the table twice, and every row says what became of it."""
    import polars as pl

    repeated = images.filter(pl.col("artwork_id").is_duplicated())
    silent = images.filter(pl.col("status").is_null())
    return dg.AssetCheckResult(
        passed=repeated.is_empty() and silent.is_empty(),
        metadata={"repeated": repeated["artwork_id"].head(5).to_list(), "without_status": silent.height},
    )


@dg.asset_check(asset="images")
def most_images_are_held(images: DataFrame) -> dg.AssetCheckResult:
    """At least 90 % of the images that are wanted are held; the rest say why not."""
    import polars as pl

    from artpipe.schema import STORED, WITHDRAWN

    held = images.filter(pl.col("status").is_in(STORED)).height
    share = held / max(images.filter(pl.col("status") != WITHDRAWN).height, 1)
    return dg.AssetCheckResult(
        passed=share >= HELD_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        metadata={
            "share": round(share, 4),
            "by_status": dg.MetadataValue.json(dict(images["status"].value_counts(sort=True).iter_rows())),
        },
    )
