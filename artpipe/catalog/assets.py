"""The catalogue and the artist list as clean tables."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from artpipe.lake.parquet import read_table_if_exists
from artpipe.orchestration.asset import AssetStep, Result, SourceConfig, pipeline_asset, pipeline_assets
from artpipe.orchestration.frames import DataFrame
from artpipe.orchestration.metadata import CHANGES
from artpipe.orchestration.storage import PARQUET, Storage
from artpipe.tasks import read_tasks, write_tasks

if TYPE_CHECKING:
    import polars as pl


@pipeline_asset(kinds={"polars", "parquet"}, code_version="2", deps=["raw_artists"])
def artists(step: AssetStep, config: SourceConfig) -> Result:
    """Every artist of the gallery's list, aliases included; `period` is what artpipe calls the style of their works."""
    import polars as pl

    from artpipe.catalog.artists import parse_artist_list
    from artpipe.catalog.changes import losses
    from artpipe.schema import ARTISTS

    page = step.lake.raw("artists")
    data = page.read_bytes()
    table = parse_artist_list(data) if data else ARTISTS.to_frame()
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


TASKS = Storage(
    location=lambda lake, _: lake.tasks,
    read=lambda lake, _: read_tasks(lake),
    write=lambda lake, _, tasks: write_tasks(lake.tasks, tasks),
    version=lambda tasks: tasks.version,
    metadata=lambda tasks, _: {
        "tasks": dg.MetadataValue.json({task.name: list(task.classes) for task in tasks.values()})
    },
)
"""The tasks of the collection; the catalogue is cleaned and its tasks are decided in one step."""


def artworks_version(artworks: DataFrame) -> str:
    """The content version of `artworks`; columns that a collection does not use are no content."""
    from artpipe.lake.parquet import content_hash
    from artpipe.schema import OF_SOURCES

    return content_hash(artworks, ignore=tuple(name for name in OF_SOURCES if artworks[name].is_null().all()))


@pipeline_assets(
    kinds={"polars", "parquet"},
    code_version="5",
    # The changes before the artworks: killed in between, the next run finds the same changes and records them once.
    # The tasks too: where there is a record of artworks and none of tasks, the lake is an older one.
    stored={
        "catalog_changes": PARQUET,
        "tasks": TASKS,
        "artworks": PARQUET.with_files(lambda lake: [lake.sources] if lake.sources.exists() else []),
        "quarantine": PARQUET,
    },
    descriptions={
        "catalog_changes": "Every change of the catalogue since the first one: when, where, old and new value.",
        "tasks": "What is predicted of each work, such as its style: the tasks, and the classes of each.",
        "artworks": "Every row of the catalogue that could be read, with its dates, its artist and its style.",
        "quarantine": "Every row of the catalogue that could not be read, with the reason. None is dropped.",
    },
    shaped_by=("rights",),
    split_from={"tasks": "artworks"},
)
def cleaned_catalog(step: AssetStep, config: SourceConfig, artists: DataFrame, raw_catalog: object) -> Iterator[Result]:
    """Parse the catalogue, read its dates, join each work with its artist, and set aside what cannot be read."""
    from artpipe.catalog.changes import (
        append_changes,
        change_examples,
        diff_artworks,
        first_summary,
        in_words,
        losses,
        losses_by_source,
        summarize_changes,
    )
    from artpipe.catalog.clean import clean_artworks
    from artpipe.catalog.join import join_sources, read_prefixes, write_prefixes
    from artpipe.catalog.known import known_artworks
    from artpipe.catalog.parse import parse_catalog
    from artpipe.catalog.rows import ReadSources
    from artpipe.tasks import WGA_TASKS

    declared: list[str] = []
    prefixes: Mapping[str, str] = {}
    previous, rights = read_table_if_exists(step.lake, "artworks"), step.settings.rights
    if isinstance(raw_catalog, ReadSources):
        joined = join_sources(raw_catalog, read_prefixes(step.lake, previous), rights)
        prefixes = joined.prefixes
        cleaned, tasks, notes = joined.cleaned, joined.tasks, joined.notes
        declared = [task.name for task in raw_catalog.tasks or () if task.classes is not None]
        read_from = ", ".join(source.name for source in raw_catalog.sources)
    else:
        parsed = parse_catalog(step.lake.raw("catalog").read_bytes())
        cleaned, tasks, notes, read_from = clean_artworks(parsed, artists), WGA_TASKS, (), str(parsed.format)
    works = cleaned.artworks
    step.log(f"catalogue: {read_from}; {works.height:,} rows read, {cleaned.quarantine.height:,} set aside")
    for note in notes:
        step.context.log.warning(note)
    held = known_artworks(step.lake) if previous is None else previous
    if held is not None:  # labels that a person declares otherwise are no loss of the source
        before = read_tasks(step.lake)
        held = held.drop([name for name in declared if tasks[name] != before.get(name)], strict=False)
    lost = losses(held, works, "artwork_id", "artworks")
    step.loss_guard("artworks", config).check([*lost, *losses_by_source(held, works)], str(step.lake.raw("catalog")))
    history = read_table_if_exists(step.lake, "catalog_changes")
    changes = diff_artworks(previous, works, datetime.now(UTC), history)
    summary = first_summary(works) if previous is None else summarize_changes(changes)
    step.log(f"since the last scrape: {in_words(summary)}")
    yield Result(append_changes(history, changes), asset="catalog_changes")
    yield Result(tasks, asset="tasks")
    if prefixes:
        write_prefixes(step.lake, prefixes)
    yield Result(
        works,
        asset="artworks",
        version=artworks_version(works),
        metadata={
            CHANGES: dg.MetadataValue.json(summary),
            "examples": dg.MetadataValue.json(change_examples(changes)),
            "format": read_from,
            "notes": dg.MetadataValue.md("\n".join(f"- {note}" for note in notes)),
            "quarantined": cleaned.quarantine.height,
            "by_form": dg.MetadataValue.json(dict(works["form"].drop_nulls().value_counts(sort=True).iter_rows())),
            "labelled": dg.MetadataValue.json({task: _share(works[task].is_not_null()) for task in tasks.labelled}),
            "dated_by_their_own_year": _share(works["year_source"] == "work"),
            "date_flags": dg.MetadataValue.json(
                dict(works["date_flags"].explode().drop_nulls().value_counts(sort=True).iter_rows())
            ),
        },
    )
    yield Result(cleaned.quarantine, asset="quarantine")


def _share(mask: "pl.Series") -> float:
    return round(float(mask.mean() or 0.0), 4)  # pyright: ignore[reportArgumentType]
