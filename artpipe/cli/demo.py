"""The demonstration: the whole graph on the configured gallery, then a painting and its nearest neighbours."""

import json
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import dagster as dg

from artpipe.cli.refresh import refresh_summary
from artpipe.cli.search import LABELS_SHOWN
from artpipe.definitions import build_definitions
from artpipe.lake.paths import DataLake, write_whole
from artpipe.orchestration.instance import artpipe_command, ui_command
from artpipe.orchestration.runner import RefreshOptions, RefreshReport, refresh
from artpipe.settings import Settings
from artpipe.tasks import Tasks

if TYPE_CHECKING:
    import polars as pl
    from rich.console import Console
    from rich.table import Table

NEIGHBOURS = 10


def run_demo(settings: Settings, console: "Console") -> None:
    """Run everything and show a search hit.

    Args:
        settings: which gallery, which lake.
        console: where the result is printed.

    Raises:
        ArtpipeError: an expected failure of a step.
    """
    gallery = "the sample gallery, drawn here" if settings.is_sample else settings.sources or settings.gallery
    console.print(f"[bold]artpipe[/] runs its whole graph on {gallery}; the lake is [cyan]{settings.lake_root}[/].")
    definitions = build_definitions(settings)
    print_summary(refresh(definitions, settings, RefreshOptions(), console), definitions, console)
    lake = settings.data_lake
    print_accuracy(lake, console)
    _print_neighbours(lake, console)
    print_next_steps(settings, console)


def print_summary(run: RefreshReport, definitions: dg.Definitions, console: "Console") -> None:
    """What the run did; where it only asked the gallery, that everything was fresh."""
    graph = definitions.resolve_asset_graph()
    console.print(refresh_summary(run), highlight=False)
    made = graph.materializable_asset_keys
    if run.skipped and not any(graph.get(dg.AssetKey(name)).parent_keys & made for name in run.ran):
        console.print("  Everything is fresh: these are the results of an earlier run.", highlight=False)
    console.print()


def print_next_steps(settings: Settings, console: "Console") -> None:
    """The commands that open the results, each on one line."""
    console.print()
    for what, command in {
        "The collection as a web page (its address is printed)": artpipe_command(settings, "serve"),
        "The run in the Dagster UI (then open http://127.0.0.1:3000)": ui_command(settings),
        "A search with a picture of your own": artpipe_command(settings, "search", "PICTURE.jpg"),
    }.items():
        console.print(f"{what}:")
        console.print(f"  {command}", soft_wrap=True, highlight=False, markup=False)


def print_accuracy(lake: DataLake, console: "Console") -> None:
    """The held-out accuracy, as a table."""
    from rich.table import Table

    from artpipe.models.served import is_refit_served

    report = json.loads(lake.evaluation_report.read_bytes())
    table = Table(title="Accuracy on works the measured model never saw (top 1 / top 3, and the majority class)")
    table.add_column("")
    names = {"test": "unseen works", "unseen_artists": "unseen artists"}
    for split, name in names.items():
        table.add_column(f"{name} (n = {report['splits'][split]['rows']:,})", justify="right")
    for task in report["splits"]["test"]["classification"]:
        table.add_row(task, *(_accuracy_text(report["splits"][split]["classification"][task]) for split in names))
    console.print(table)
    if is_refit_served(lake):
        console.print("The model that answers is its refit: the same recipe, fitted on all works.")


def _accuracy_text(scores: dict[str, float | None]) -> str:
    if scores["at_1"] is None:
        return "no labels"
    return f"{scores['at_1']:.1%} / {scores['at_3']:.1%}  ({scores['majority_floor']:.1%})"


def _print_neighbours(lake: DataLake, console: "Console") -> None:
    """A painting of the test split and its nearest neighbours: a table here, a contact sheet in the lake."""
    from artpipe.figures.sheets import neighbour_sheet
    from artpipe.search import Collection

    collection = Collection.open(lake)
    query = collection.get(_query_of(lake))
    hits = collection.similar(str(query["artwork_id"]), k=NEIGHBOURS)
    console.print(neighbour_table(query, hits, collection.tasks))
    rows = [query, *hits.iter_rows(named=True)]
    sheet = neighbour_sheet(
        rows,
        [collection.image(str(row["artwork_id"])) for row in rows],
        title=f"{query['artist']}: {query['title']}, and its ten nearest neighbours",
        task=collection.tasks.caption,
    )
    path = lake.report("demo/neighbours.png")
    write_whole(path, sheet)
    photo = lake.report("demo/photograph.jpg")
    write_whole(photo, photographed(collection.image(str(query["artwork_id"]))))
    console.print(f"The same as a picture: [cyan]{path}[/]")
    console.print(f"A photograph of that painting to search with: [cyan]{photo}[/]")


def photographed(jpeg: bytes) -> bytes:
    """A painting as somebody may photograph it, a little from aside, as JPEG."""
    import io

    from artpipe.images.reading import read_picture
    from artpipe.recognition.rephotograph import rephotograph

    taken = io.BytesIO()
    rephotograph(read_picture(jpeg), "perspective", seed=1).save(taken, "JPEG", quality=90)
    return taken.getvalue()


def neighbour_table(query: "Mapping[str, Any]", hits: "Iterable[Mapping[str, Any]]", tasks: Tasks) -> "Table":
    """A work's nearest neighbours for a terminal."""
    from rich.table import Table

    labels = tasks.labelled[:LABELS_SHOWN]
    label = f" ({query[tasks.caption]})" if tasks.caption else ""
    table = Table(title=f"The ten nearest neighbours of {query['artist']}: {query['title']}{label}")
    for name in ("", "similarity", "artist", "title", "date", *(tasks[one].title for one in labels)):
        table.add_column(name, no_wrap=name in ("", "similarity"))  # a narrow one breaks the words, not the figures
    for hit in hits:
        shown = (hit[one] for one in ("artist", "title", "date_text", *labels))
        table.add_row(str(hit["rank"]), f"{hit['similarity']:.3f}", *(value or "" for value in shown))
    return table


def _query_of(lake: DataLake) -> str:
    """The first test work by hash."""
    from artpipe.lake.parquet import read_table

    splits: pl.DataFrame = read_table(lake, "splits")
    return str(splits.filter(split="test").sort("jpeg_sha256")["artwork_id"][0])
