"""What must hold of the clean catalogue."""

from collections.abc import Iterator

import dagster as dg

from artpipe.lake.paths import DataLake
from artpipe.orchestration.check import pipeline_check, pipeline_checks
from artpipe.orchestration.frames import DataFrame
from artpipe.tasks import Tasks

STYLED_SHARE = 0.95


@pipeline_checks(
    [
        dg.AssetCheckSpec(
            "artworks_have_one_row_each",
            asset=asset,
            blocking=True,
            description="No `artwork_id` twice, none empty, and the columns are those of the schema with its tasks.",
        )
        for asset in ("artworks", "tasks")  # made in one step, and both held until it passed
    ],
    ins={"artworks": dg.AssetIn("artworks"), "tasks": dg.AssetIn("tasks")},
    can_subset=True,
)
def artworks_have_one_row_each(
    context: dg.AssetCheckExecutionContext, artworks: DataFrame, tasks: Tasks
) -> Iterator[dg.AssetCheckResult]:
    """The check of both assets, on one look at the table."""
    import polars as pl

    from artpipe.tasks import artworks_schema

    repeated = artworks.filter(pl.col("artwork_id").is_duplicated() | pl.col("artwork_id").is_null())
    for key in sorted(context.selected_asset_check_keys, key=str):
        yield dg.AssetCheckResult(
            passed=repeated.is_empty() and artworks.schema == artworks_schema(tasks),
            asset_key=key.asset_key,
            check_name=key.name,
            metadata={"repeated": repeated.height, "examples": repeated["artwork_id"].head(5).to_list()},
        )


@pipeline_check(asset="artworks")
def paintings_have_a_style(artworks: DataFrame, lake: dg.ResourceParam[DataLake]) -> dg.AssetCheckResult:
    """At least 95 % of the paintings found their artist, and through them a style. Other tasks pass."""
    import polars as pl

    from artpipe.tasks import WGA_TASKS, read_tasks

    if read_tasks(lake) != WGA_TASKS:
        return dg.AssetCheckResult(passed=True, metadata={"share": "the tasks are not those of the Web Gallery of Art"})
    paintings = artworks.filter(pl.col("form") == "painting")
    missing = paintings.filter(pl.col("style").is_null())
    share = 1 - missing.height / max(paintings.height, 1)
    return dg.AssetCheckResult(
        passed=share >= STYLED_SHARE,
        severity=dg.AssetCheckSeverity.WARN,
        description=f"{share:.0%} of the paintings have a style; the others have an artist whom the artist list lacks: "
        "they are found and shown without one, and style is not learned from them. Nothing needs to be done.",
        metadata={
            "share": round(share, 4),
            "without": missing["artist"].value_counts(sort=True)["artist"].head(10).to_list(),
        },
    )


@pipeline_check(asset="artworks")
def years_are_in_order(artworks: DataFrame) -> dg.AssetCheckResult:
    """`year_from` is never after `year_to`."""
    import polars as pl

    wrong = artworks.filter(pl.col("year_from") > pl.col("year_to"))
    return dg.AssetCheckResult(passed=wrong.is_empty(), metadata={"wrong": wrong["artwork_id"].head(10).to_list()})
