"""The catalogue and the artist list as clean tables."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.lake.parquet import read_table_if_exists
from artpipe.lake.paths import DataLake
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.io import recorded
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.reuse import CHANGES, RunConfig, reused

if TYPE_CHECKING:
    import polars as pl

GROUP = "catalog"


@dg.asset(
    group_name=GROUP, kinds={"polars", "parquet"}, code_version="1", deps=["raw_artists"], owners=["team:artpipe"]
)
def artists(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
) -> dg.MaterializeResult[Any]:
    """Every artist of the gallery's list, aliases included; `period` is what artpipe calls the style of their works."""
    import polars as pl

    from artpipe.catalog.artists import parse_artist_list

    if held := reused(context, lineage, config):
        return held[0]
    table = parse_artist_list(lake.raw("artists").read_bytes())
    per_style = table.filter(pl.col("alias_of").is_null())["period"].value_counts(sort=True).drop_nulls()
    return recorded(
        "artists",
        table,
        lineage,
        metadata={
            "aliases": int(table["alias_of"].is_not_null().sum()),
            "by_style": dg.MetadataValue.json(dict(per_style.iter_rows())),
        },
    )


@dg.multi_asset(
    group_name=GROUP,
    outs={
        "catalog_changes": dg.AssetOut(
            description="What changed in the catalogue since it was first read: when, where, before and after.",
            kinds={"polars", "parquet"},
            code_version="1",
            owners=["team:artpipe"],
        ),
        "artworks": dg.AssetOut(
            description="Every row of the catalogue that could be read, with its dates, its artist and its style.",
            kinds={"polars", "parquet"},
            code_version="1",
            owners=["team:artpipe"],
        ),
        "quarantine": dg.AssetOut(
            description="Every row of the catalogue that could not be read, with the reason. None is dropped.",
            kinds={"polars", "parquet"},
            code_version="1",
            owners=["team:artpipe"],
        ),
    },
    deps=["raw_catalog"],
)
def cleaned_catalog(
    context: dg.AssetExecutionContext,
    config: RunConfig,
    artists: DataFrame,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
) -> Iterator[dg.MaterializeResult[Any]]:
    """Parse the catalogue, read its dates, join each work with its artist, and set aside what cannot be read."""
    import polars as pl

    from artpipe.catalog.changes import (
        append_changes,
        change_examples,
        diff_artworks,
        first_summary,
        in_words,
        summarize_changes,
    )
    from artpipe.catalog.clean import clean_artworks
    from artpipe.catalog.parse import parse_catalog

    if held := reused(context, lineage, config):
        yield from held
        return
    parsed = parse_catalog(lake.raw("catalog").read_bytes())
    cleaned = clean_artworks(parsed, artists)
    works = cleaned.artworks
    context.log.info(f"catalogue: {parsed.format}; {works.height:,} rows read, {cleaned.quarantine.height:,} set aside")
    before, history = read_table_if_exists(lake, "artworks"), read_table_if_exists(lake, "catalog_changes")
    changes = diff_artworks(before, works, datetime.now(UTC), history)
    summary = first_summary(works) if before is None else summarize_changes(changes)
    context.log.info(f"since the last scrape: {in_words(summary)}")
    # Written before the artworks: killed in between, the next run finds the same changes and tells them once.
    yield recorded("catalog_changes", append_changes(history, changes), lineage)
    paintings = works.filter(pl.col("form") == "painting")
    yield recorded(
        "artworks",
        works,
        lineage,
        metadata={
            CHANGES: dg.MetadataValue.json(summary),
            "examples": dg.MetadataValue.json(change_examples(changes)),
            "format": str(parsed.format),
            "quarantined": cleaned.quarantine.height,
            "by_form": dg.MetadataValue.json(dict(works["form"].value_counts(sort=True).iter_rows())),
            "paintings_with_style": _share(paintings["style"].is_not_null()),
            "paintings_dated_by_their_own_year": _share(paintings["year_source"] == "work"),
            "date_flags": dg.MetadataValue.json(
                dict(works["date_flags"].explode().drop_nulls().value_counts(sort=True).iter_rows())
            ),
        },
    )
    yield recorded("quarantine", cleaned.quarantine, lineage)


def _share(mask: "pl.Series") -> float:
    return round(float(mask.mean() or 0.0), 4)  # pyright: ignore[reportArgumentType]
