"""The command line: `artpipe demo`, `refresh`, `status`, `search`, `predict`, `models`, `serve` and so on.

Tables and progress go to a person, JSON to a program: with `--json`, stdout holds JSON alone. An expected failure is
one line on stderr and exit code 2. Everything heavy is imported by the command that needs it.
"""

import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from artpipe import __version__
from artpipe.cli import labels as cli_labels
from artpipe.cli import models as cli_models
from artpipe.cli import refresh as cli_refresh
from artpipe.cli.terminal import EXPECTED_FAILURE, AsJson, people, print_json, problems, settings_in_force
from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl

    from artpipe.lake.paths import DataLake
    from artpipe.search import SearchFilter
    from artpipe.search.queries import PictureEncoder
    from artpipe.settings import Settings

PARQUET_TABLES = ("artists", "artworks", "quarantine", "catalog_changes", "wanted_images", "splits", "training_set")


class _Commands(TyperGroup):
    """Tells an expected failure in one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ArtpipeError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(EXPECTED_FAILURE) from error


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From a gallery on the web to a search hit.",
)
gallery_app = typer.Typer(no_args_is_help=True, help="The practice gallery that artpipe draws itself.")
app.add_typer(gallery_app, name="gallery")
app.add_typer(cli_models.app, name="models")
app.add_typer(cli_labels.app, name="labels")


class UnwritableFileError(ArtpipeError):
    """A file that a command was asked to write cannot be."""


def main() -> None:
    """Run the command line."""
    app()


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"artpipe {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


@app.command()
def demo() -> None:
    """Run everything on the practice gallery, and show a painting with its nearest neighbours."""
    from artpipe.cli.demo import run_demo

    run_demo(settings_in_force(), people())


app.command()(cli_refresh.refresh)
app.command()(cli_refresh.status)


@app.command()
def search(
    query: Annotated[str, typer.Argument(metavar="ID_OR_IMAGE", help="An artwork id, or the path of an image.")],
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="How many works to show.")] = 10,
    style: Annotated[str | None, typer.Option(help="Only this style, such as `Baroque`.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only this type, such as `portrait`.")] = None,
    period: Annotated[str | None, typer.Option(help="Only this period, such as `1550-1650`.")] = None,
    artist: Annotated[str | None, typer.Option(help="Only artists with this in their name.")] = None,
    technique: Annotated[str | None, typer.Option(help="Only techniques with this in them, such as `copper`.")] = None,
    years: Annotated[
        str | None, typer.Option(metavar="FROM-TO", help="Only these years: `1600-1650`, `1600-`.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="DATE_OR_VERSION", help="Search the collection as it was then: `2026-11-01`."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="Only works that hold these words.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the hits to this CSV file.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write the hits to this Parquet file.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write their pictures to this PNG file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the works most like an artwork or an image, and write them to files if asked to."""
    from artpipe.search import Collection

    where = _filter(style=style, type=type_, period=period, artist=artist, technique=technique, years=years)
    settings = settings_in_force()
    collection = Collection.open(settings.lake_root, device=settings.device, as_of=as_of)
    hits = collection.similar(query, k, where, text=text)
    for write, path in ((hits.to_csv, csv), (hits.to_parquet, parquet), (hits.contact_sheet, sheet)):
        if path is not None:
            _written(write, path)
    if as_json:
        print_json(hits.to_dicts())
    else:
        _show_hits(query, hits.to_polars())


@app.command()
def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Paths of images.")], as_json: AsJson = False
) -> None:
    """Show the style, period and type that the model takes each image for, and whether it is like the collection."""
    from artpipe.lake.paths import DataLake
    from artpipe.search.collection import Collection, LakeMissingError, NothingEmbeddedError
    from artpipe.search.predictions import predict_pictures, stored_short_side_px
    from artpipe.search.queries import ModelMismatchError

    settings = settings_in_force()
    lake = DataLake(settings.lake_root)

    def load_encoder() -> "PictureEncoder":
        from artpipe.search.served_model import load_served_model

        return load_served_model(lake, settings.device)

    try:
        answers = Collection.open(lake, device=settings.device).predict(images)
    except (LakeMissingError, NothingEmbeddedError, ModelMismatchError):
        # The model can be asked while the collection is not embedded with it, only not compared with.
        answers = predict_pictures(load_encoder, images, stored_short_side_px(lake), settings.abstain_below)
    if as_json:
        print_json([answer.as_json() for answer in answers])
        return
    from rich.markup import escape
    from rich.table import Table

    table = Table("file", *(task for task in answers[0].best))
    for answer in answers:
        is_unlike = answer.novelty is not None and answer.novelty.is_unlike_collection
        file = (
            f"{escape(str(answer.file))}\n[yellow]unlike anything in the collection[/]"
            if is_unlike
            else str(answer.file)
        )
        cells = (_labels(pairs, is_sure=answer.is_sure[task]) for task, pairs in answer.best.items())
        table.add_row(file, *cells, end_section=True)
    people(stderr=False).print(table)


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen at; others than loopback let other machines in.")] = (
        "127.0.0.1"
    ),
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8500,
    opens_browser: Annotated[bool, typer.Option("--open", help="Open the first page in a browser.")] = False,
) -> None:
    """Serve the collection as web pages and as a JSON API, until Ctrl-C."""
    from artpipe.lake.paths import DataLake
    from artpipe.web.config import WebConfig
    from artpipe.web.lake_status import LakeStatus
    from artpipe.web.serve import serve as serve_web

    settings = settings_in_force()
    serve_web(
        DataLake(settings.lake_root),
        WebConfig.from_settings(settings),
        host=host,
        port=port,
        device=settings.device,
        status=LakeStatus(),
        opens_browser=opens_browser,
        write_line=lambda line: typer.echo(line, err=True),
    )


@app.command("export-site")
def export_site(folder: Annotated[Path, typer.Argument(help="Where to write; new, or an earlier export.")]) -> None:
    """Write the map and the pages as files that need no server."""
    from artpipe.lake.paths import DataLake
    from artpipe.progress import TerminalProgress
    from artpipe.web.export import export_site as write_site

    settings = settings_in_force()
    lake = DataLake(settings.lake_root)
    done = write_site(lake, folder, TerminalProgress(), abstain_below=settings.abstain_below)
    left_out = f" ({len(done.left_out)} works with unusable ids are left out)" if done.left_out else ""
    people().print(f"{done.works:,} works and {done.artists:,} artists are in {folder}{left_out}: open index.html.")


@gallery_app.command("serve")
def gallery_serve(
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port on loopback; 0 takes a free one.")] = 8400,
) -> None:
    """Draw the practice gallery if needed, and serve it on loopback until Ctrl-C."""
    import threading

    from artpipe.lake.paths import DataLake
    from artpipe.progress import TerminalProgress
    from artpipe.sample_gallery.server import serve
    from artpipe.sample_gallery.site import write_sample_site

    settings = settings_in_force()
    site = DataLake(settings.lake_root).local_folder("sample_site")
    folder = write_sample_site(site, artworks=settings.sample_artworks, progress=TerminalProgress())
    try:
        with serve(folder, port=port) as url:
            people().print(f"The practice gallery is at {url} (Ctrl-C ends it).")
            threading.Event().wait()
    except KeyboardInterrupt:
        pass


@app.command()
def summarise(
    reports: Annotated[list[Path], typer.Argument(help="The reports/evaluation/report.json of each run.")],
) -> None:
    """Mean and spread of every figure over several runs, such as those of several seeds, as a Markdown table."""
    from artpipe.evaluation.summary import read_reports
    from artpipe.evaluation.summary import summarise as as_one

    typer.echo(as_one(read_reports(reports)), nl=False)


@app.command()
def info(as_json: AsJson = False) -> None:
    """Show the settings in force, what the lake holds, the model, the index and the versions."""
    from artpipe.lake.paths import DataLake

    settings = settings_in_force()
    told = _lake_facts(settings, DataLake(settings.lake_root))
    if as_json:
        print_json(told)
        return
    from rich.table import Table

    table = Table(show_header=False, box=None)
    for topic in ("lake", "exists", "rows", "model", "index", "settings", "versions"):
        facts = told[topic]
        if not isinstance(facts, dict):
            table.add_row(topic, "", _plain(facts))
            continue
        for number, (name, value) in enumerate(facts.items()):
            table.add_row(topic if number == 0 else "", name, _plain(value))
    people(stderr=False).print(table)


def _labels(pairs: "list[tuple[str, float]]", *, is_sure: bool) -> str:
    told = [f"{label} {share:.0%}" for label, share in pairs]
    return "\n".join(told if is_sure else [f"unsure (best guess {told[0]})", *told[1:]])


def _filter(*, years: str | None, **labels: str | None) -> "SearchFilter":
    from pydantic import ValidationError

    from artpipe.search import SearchFilter

    year_from, year_to = _years(years)
    try:
        asked = {"year_from": year_from, "year_to": year_to, **labels}
        return SearchFilter.model_validate({name: value for name, value in asked.items() if value is not None})
    except ValidationError as error:
        raise typer.BadParameter(problems(error, "--")) from error


def _years(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    match = re.fullmatch(r"\s*(\d{1,4})?\s*(-)?\s*(\d{1,4})?\s*", text)
    if match is None or not (match[1] or match[3]):
        raise typer.BadParameter(
            f"{text!r} is no span of years; write 1600-1650, 1600-, -1650 or 1600", param_hint="--years"
        )
    first = int(match[1]) if match[1] else None
    last = int(match[3]) if match[3] else None if match[2] else first
    return first, last


def _written(write: "Callable[[Path], Path]", path: Path) -> None:
    """Write a file and say so."""
    try:
        people().print(f"Wrote {write(path)}.", highlight=False, markup=False)
    except OSError as error:
        raise UnwritableFileError(
            f"{path} cannot be written ({error.strerror or error}); name a file in a folder that can."
        ) from error


def _show_hits(query: str, hits: "pl.DataFrame") -> None:
    from rich.markup import escape
    from rich.table import Table

    if hits.is_empty():
        people().print("No work passes the filter.")
        return
    table = Table("", "similarity", "work", "date", "style", "type", "page", title=f"Most like {escape(query)}")
    for hit in hits.iter_rows(named=True):
        page = f"[link={hit['page_url']}]{escape(hit['artwork_id'])}[/link]"
        table.add_row(
            str(hit["rank"]),
            f"{hit['similarity']:.3f}",
            escape(f"{hit['title']}\n{hit['artist']}"),
            *(escape(hit[name] or "") for name in ("date_text", "style", "type")),
            page,
        )
    people(stderr=False).print(table)


def _lake_facts(settings: "Settings", lake: "DataLake") -> dict[str, Any]:
    from dataclasses import asdict

    from artpipe.embedding.table import EmbeddingTable
    from artpipe.models.served import served_model_id
    from artpipe.search.index import read_card

    embeddings = EmbeddingTable(lake)
    card = read_card(lake)
    index = {name: value for name, value in asdict(card).items() if name != "trials"} if card else None
    return {
        "lake": str(lake.root),
        "exists": lake.root.exists(),
        "rows": {
            **{name: _parquet_rows(lake, name) for name in PARQUET_TABLES},
            "images": _lance_rows(lake, "images"),
            "embeddings": embeddings.count() if embeddings.exists else None,
        },
        "model": served_model_id(lake),
        "index": index,
        "settings": json.loads(settings.model_dump_json()),
        "versions": _versions(),
    }


def _parquet_rows(lake: "DataLake", name: str) -> int | None:
    from pyarrow.parquet import ParquetFile

    try:
        with lake.table(name).open("rb") as file:
            return int(ParquetFile(file).metadata.num_rows)
    except FileNotFoundError:
        return None


def _lance_rows(lake: "DataLake", name: str) -> int | None:
    import lance

    try:
        return int(lance.dataset(f"{lake.lance_uri}/{name}.lance").count_rows())
    except ValueError:
        return None


def _versions() -> dict[str, str]:
    from importlib.metadata import PackageNotFoundError, version

    found = {"artpipe": __version__, "python": sys.version.split()[0]}
    for name in ("dagster", "lancedb", "polars", "torch", "torchvision"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "absent"
    return found


def _plain(value: object) -> str:
    from rich.markup import escape

    if value is None:
        return "-"
    return escape(f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value))


if __name__ == "__main__":
    main()
