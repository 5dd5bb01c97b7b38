"""What must hold of the images."""

from collections.abc import Iterator

import dagster as dg

from artpipe.orchestration.check import pipeline_checks
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import markdown_table

STORED_SHARE = 0.9


@pipeline_checks(
    [
        dg.AssetCheckSpec(
            "every_artwork_has_one_outcome",
            asset="images",
            blocking=True,
            description="No artwork is in the table twice, and every row has a status.",
        ),
        dg.AssetCheckSpec(
            "no_image_is_a_placeholder",
            asset="images",
            description="The gallery sends no picture in place of many images. Such images are out of splits, training "
            "and search until it sends another picture.",
        ),
        dg.AssetCheckSpec(
            "most_images_are_stored",
            asset="images",
            description="At least 90 % of the wanted images are stored; the status of the others gives the reason.",
        ),
    ]
)
def image_outcomes(images: DataFrame) -> Iterator[dg.AssetCheckResult]:
    """All checks of the outcomes, on one scan of the table."""
    import polars as pl

    from artpipe.schema import PLACEHOLDER, STORED, WITHDRAWN

    repeated = images.filter(pl.col("artwork_id").is_duplicated())
    without = images.filter(pl.col("status").is_null())
    yield dg.AssetCheckResult(
        check_name="every_artwork_has_one_outcome",
        asset_key="images",
        passed=repeated.is_empty() and without.is_empty(),
        metadata={"repeated": repeated["artwork_id"].head(5).to_list(), "without_status": without.height},
    )
    stand_ins = images.filter(status=PLACEHOLDER).select("artwork_id", "error")
    yield dg.AssetCheckResult(
        check_name="no_image_is_a_placeholder",
        asset_key="images",
        passed=stand_ins.is_empty(),
        severity=dg.AssetCheckSeverity.WARN,
        description=""
        if stand_ins.is_empty()
        else f"{stand_ins.height:,} works got a picture that came for many, such as 'not available'. They are left out "
        "until another comes; `artpipe images --outcome placeholder` lists them.",
        metadata={"found": stand_ins.height, "examples": dg.MetadataValue.md(markdown_table(stand_ins))},
    )
    stored = images.filter(pl.col("status").is_in(STORED)).height
    share = stored / max(images.filter(pl.col("status") != WITHDRAWN).height, 1)
    yield dg.AssetCheckResult(
        check_name="most_images_are_stored",
        asset_key="images",
        passed=share >= STORED_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        description=""
        if share >= STORED_SHARE
        else f"{share:.0%} of the wanted pictures came. The collection is made of those; `artpipe images` lists the "
        "others, with the reason of each.",
        metadata={
            "share": round(share, 4),
            "by_status": dg.MetadataValue.json(dict(images["status"].value_counts(sort=True).iter_rows())),
        },
    )
