"""The catalogue and the artist list as clean tables."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from artpipe.lake.parquet import read_table_if_exists
from artpipe.orchestration.asset import AssetStep, Result, SourceConfig, pipeline_asset, pipeline_assets
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import CHANGES
from artpipe.orchestration.storage import PARQUET

if TYPE_CHECKING:
    import polars as pl


@pipeline_asset(kinds={"polars", "parquet"}, code_version="2", deps=["raw_artists"])
def artists(step: AssetStep, config: SourceConfig) -> Result:
    """Every artist of the gallery's list, aliases included; `period` is what artpipe calls the style of their works."""
    import polars as pl

    from artpipe.catalog.artists import parse_artist_list
    from artpipe.catalog.changes import losses

    page = step.lake.raw("artists")
    table = parse_artist_list(page.read_bytes())
    previous = read_table_if_exists(step.lake, "artists")
    step.loss_guard("artists", config).check(losses(previous, table, "artist_id", "artists"), str(page))
    per_style = table.filter(pl.col("alias_of").is_null())["period"].value_counts(sort=True).drop_nulls()
    return Result(
        table,
        metadata={
            "aliases": int(table["alias_of"].is_not_null().sum()),
            "by_style": dg.MetadataValue.json(dict(per_style.iter_rows())),
        },
    )


@pipeline_assets(
    kinds={"polars", "parquet"},
    code_version="3",
    # The changes before the artworks: killed in between, the next run finds the same changes and records them once.
    stored={"catalog_changes": PARQUET, "artworks": PARQUET, "quarantine": PARQUET},
    descriptions={
        "catalog_changes": "Every change of the catalogue since the first one: when, where, old and new value.",
        "artworks": "Every row of the catalogue that could be read, with its dates, its artist and its style.",
        "quarantine": "Every row of the catalogue that could not be read, with the reason. None is dropped.",
    },
    deps=["raw_catalog"],
)
def cleaned_catalog(step: AssetStep, config: SourceConfig, artists: DataFrame) -> Iterator[Result]:
    """Parse the catalogue, read its dates, join each work with its artist, and set aside what cannot be read."""
    import polars as pl

    from artpipe.catalog.changes import (
        append_changes,
        change_examples,
        diff_artworks,
        first_summary,
        in_words,
        losses,
        summarize_changes,
    )
    from artpipe.catalog.clean import clean_artworks
    from artpipe.catalog.known import known_artworks
    from artpipe.catalog.parse import parse_catalog

    file = step.lake.raw("catalog")
    parsed = parse_catalog(file.read_bytes())
    cleaned = clean_artworks(parsed, artists)
    works = cleaned.artworks
    step.log(f"catalogue: {parsed.format}; {works.height:,} rows read, {cleaned.quarantine.height:,} set aside")
    previous = read_table_if_exists(step.lake, "artworks")
    held = known_artworks(step.lake) if previous is None else previous
    step.loss_guard("artworks", config).check(losses(held, works, "artwork_id", "artworks"), str(file))
    history = read_table_if_exists(step.lake, "catalog_changes")
    changes = diff_artworks(previous, works, datetime.now(UTC), history)
    summary = first_summary(works) if previous is None else summarize_changes(changes)
    step.log(f"since the last scrape: {in_words(summary)}")
    yield Result(append_changes(history, changes), asset="catalog_changes")
    paintings = works.filter(pl.col("form") == "painting")
    yield Result(
        works,
        asset="artworks",
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
    yield Result(cleaned.quarantine, asset="quarantine")


def _share(mask: "pl.Series") -> float:
    return round(float(mask.mean() or 0.0), 4)  # pyright: ignore[reportArgumentType]
