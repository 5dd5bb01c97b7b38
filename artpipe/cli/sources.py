"""`artpipe sources`: the presets, what a file of sources reads, and a first file for a table."""

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artpipe.cli.terminal import EXPECTED_FAILURE, AsJson, message_console, print_json, settings_in_force
from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from upath import UPath

    from artpipe.catalog.rows import ReadSources, SourceRows
    from artpipe.crawler.client import GalleryClient
    from artpipe.settings import Settings
    from artpipe.sources.config import SourcesFile
    from artpipe.sources.contract import Source
    from artpipe.sources.summary import SourceSummary

app = typer.Typer(
    no_args_is_help=True, help="Presets, and the file of sources that names what the collection is made of."
)

_MOST_CLASSES = 8
_MOST_REASONS = 8
_MOST_IMAGES = 3
_FEWEST_CLASSES = 2
"""A classifier tells at least two classes apart."""


class NoSourcesFileError(ArtpipeError):
    """No file of sources was named, or there is one already."""


@app.command("list")
def list_presets(as_json: AsJson = False) -> None:
    """List the presets, with their terms and their pace."""
    from artpipe.sources.config import preset_head, preset_names

    heads = {name: preset_head(name) for name in preset_names()}
    if as_json:
        print_json({"presets": [{"name": name, **head} for name, head in heads.items()]})
        return
    console = message_console(stderr=False)
    for name, head in heads.items():
        console.print(f"[bold]{name}[/bold]  {head['title']}", highlight=False)
        for word in ("page", "terms", "pace"):
            console.print(f"  {word}: {head.get(word, '')}", markup=False, highlight=False)
    console.print("Next: `artpipe sources show PRESET`, then a file with `sources: [{preset: NAME}]`.", markup=False)


@app.command()
def show(preset: Annotated[str, typer.Argument(help="The name of a preset.")]) -> None:
    """Print a preset; every key of it may be changed in a file of sources."""
    from artpipe.sources.config import preset_text

    typer.echo(preset_text(preset), nl=False)


@app.command()
def check(
    file: Annotated[Path | None, typer.Argument(help="A file of sources; by default that of ARTPIPE_SOURCES.")] = None,
    first: Annotated[int, typer.Option("--first", "-n", min=0, help="Number of rows to show of each source.")] = 5,
    as_json: AsJson = False,
) -> None:
    """Show what artpipe reads of each source, what it cannot read and why; the lake is not touched.

    The catalogue itself is downloaded whole, to a temporary folder. An API that `answers` names is asked about the
    first rows only (--first); `artpipe refresh` asks it about each record.
    """
    from artpipe.catalog.rows import ReadSource, ReadSources
    from artpipe.sources.config import read_sources_file
    from artpipe.sources.summary import summary_of

    settings = settings_in_force()
    place = file or settings.sources
    if place is None:
        raise NoSourcesFileError(
            "no file of sources is named; give one, or set ARTPIPE_SOURCES; `artpipe sources new TABLE` writes one."
        )
    named = read_sources_file(place)
    summaries: list[SourceSummary] = []
    read: list[ReadSource] = []
    failures: list[str] = []
    with tempfile.TemporaryDirectory(prefix="artpipe-check-") as folder, _client(named, settings) as client:
        for source in named.sources:
            try:
                found = _read(source.trial(first), client, Path(folder))
                summaries.append(summary_of(source.name, found, first))
                read.append(ReadSource(source.name, source.rights, found, source.is_gallery))
            except ArtpipeError as error:
                failures.append(f"{source.name}: {error}")
    if as_json:
        print_json({"sources": [summary.as_json() for summary in summaries]})
    else:
        for summary in summaries:
            _print_summary(summary, named)
        if not failures:
            _print_collection(ReadSources(tuple(read), named.tasks), settings.rights)
    for failure in failures:
        typer.echo(f"error: {failure}", err=True)
    if failures:
        raise typer.Exit(EXPECTED_FAILURE)


@app.command()
def new(
    table: Annotated[
        str, typer.Argument(help="A table of works: a path, an http(s) or an s3:// address; or a folder of pictures.")
    ],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the file is written.")] = Path("sources.yaml"),
    name: Annotated[str | None, typer.Option(help="Name of the source; by default that of the table.")] = None,
) -> None:
    """Write a first file of sources, with the columns of a table guessed; an existing file is never replaced."""
    from artpipe.sources.guess import folder_yaml
    from artpipe.sources.places import file_name

    if output.exists():
        raise NoSourcesFileError(f"{output} is there already; name another file by --output.")
    settings = settings_in_force()
    place = table if "://" in table else str(Path(table).expanduser().absolute())
    name = name or _source_name(Path(file_name(table)).stem)
    shown = place if "://" in table else _relative(place, output)
    if pictures := _pictures_without_table(Path(place)):
        text = folder_yaml(pictures, shown, name)
    else:
        text = _table_yaml(place, shown, name, settings)
    try:
        with output.open("x", encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        raise NoSourcesFileError(f"{output} cannot be written ({error.strerror}); name another by --output.") from error
    console = message_console()
    console.print(f"Written to {output}; read it and correct it.", markup=False)
    console.print(f"Next: `artpipe sources check {output}`.", markup=False)


def _table_yaml(place: str, shown: str, name: str, settings: "Settings") -> str:
    """The text of a file of sources for a table, which is downloaded for a look at it."""
    from artpipe.sources.config import sources_of
    from artpipe.sources.guess import sources_yaml
    from artpipe.sources.joins import downloaded_files
    from artpipe.sources.table import MAIN

    content = {"name": name, "adapter": "table", "path": place, "columns": {"source_id": "-"}}
    named = sources_of({"sources": [content]})
    with tempfile.TemporaryDirectory(prefix="artpipe-new-") as folder, _client(named, settings) as client:
        stored = downloaded_files(_downloaded(named.sources[0], client, Path(folder)) / MAIN)
        return sources_yaml(stored, shown, name, Path(folder))


def _pictures_without_table(folder: Path) -> list[Path]:
    """The pictures in a folder that has no tables, by their paths below it."""
    from artpipe.sources.picture_metadata import SUFFIXES
    from artpipe.sources.records import FORMATS

    files = sorted(file.relative_to(folder) for file in folder.rglob("*") if file.is_file()) if folder.is_dir() else []
    if any(file.suffix.lower() in FORMATS for file in files):
        return []
    return [file for file in files if file.suffix.lower() in SUFFIXES]


def _source_name(stem: str) -> str:
    """A name that a source may have, made of a file's."""
    plain = re.sub(r"[^a-z0-9_-]+", "_", stem.lower()).strip("_-")[:40]
    return plain if plain[:1].isalpha() else f"source_{plain}"[:40].rstrip("_")


def _relative(place: str, output: Path) -> str:
    """A path as the file of sources says it: relative where the table is below its folder."""
    folder = output.absolute().parent
    return str(Path(place).relative_to(folder)) if Path(place).is_relative_to(folder) else place


def _read(source: "Source", client: "GalleryClient", folder: Path) -> "SourceRows":
    return source.read(_downloaded(source, client, folder))


def _downloaded(source: "Source", client: "GalleryClient", folder: Path) -> "UPath":
    """A folder with the files of a source."""
    from upath import UPath

    from artpipe.progress import progress_for

    target = UPath(folder / source.name)
    source.download(client, target, progress_for(lambda _: None))
    return target


def _client(named: "SourcesFile", settings: "Settings") -> "GalleryClient":
    """The polite client that a refresh has, too."""
    from artpipe.crawler.client import GalleryClient
    from artpipe.crawler.shared_limits import shared_paces
    from artpipe.sources.hosts import client_config

    return GalleryClient(client_config(settings, named), pace_of=shared_paces(settings.cache, settings.ray_address))


def _print_summary(summary: "SourceSummary", named: "SourcesFile") -> None:
    from rich.markup import escape
    from rich.table import Column, Table

    from artpipe.schema import years_text

    console = message_console(stderr=False)
    years = "no years" if summary.years is None else years_text(*summary.years)
    table = Table(*(Column(name, overflow="fold") for name in ("id", "title", "artist", "date", "picture", "open")))
    for task in summary.labels:
        table.add_column(task, overflow="fold")
    for row in summary.first:
        table.add_row(*(escape(cell) for cell in _cells(row)))
    console.print(f"[bold]{summary.name}[/bold]: {_counts(summary)}, {years}", highlight=False)
    if summary.first:
        console.print(table)
    is_alone = len(named.sources) == 1  # of several, only what they have together is learned
    fewest = {task.name: task.min_works for task in named.tasks or () if is_alone and task.classes is None}
    for task, classes in summary.labels.items():
        console.print(f"  {task}: {_classes(classes, fewest.get(task))}", markup=False, highlight=False)
    if summary.rights:
        rights = ", ".join(f"{uri} {count:,}" for uri, count in [*summary.rights.items()][:_MOST_CLASSES])
        console.print(f"  rights: {rights}", markup=False, highlight=False)
    for note in summary.notes:
        console.print(f"  note: {note}", markup=False, highlight=False)
    for reason in summary.reasons[:_MOST_REASONS]:
        console.print(f"  not read, {reason.count:,}: {reason.first}", markup=False, highlight=False)
        if reason.raw.strip():
            console.print(f"    {reason.raw[:100]!r}", markup=False, highlight=False)


def _print_collection(read: "ReadSources", rights: str | None) -> None:
    """What all sources make together: pictures, what is downloaded of them, and the tasks with their classes."""
    from artpipe.catalog.join import join_sources
    from artpipe.images.wanted import wanted_artworks
    from artpipe.splits.assign import catalogue_labels

    console = message_console(stderr=False)
    joined = join_sources(read, rights=rights)
    works = joined.cleaned.artworks
    wanted = wanted_artworks(works, None)
    closed = wanted.height - int(wanted["is_open"].fill_null(value=False).sum())
    not_open = f", {closed:,} of them not said to be open (`rights: open` leaves them out)" if closed else ""
    console.print(
        f"The collection: {works.height:,} pictures and works without one, {wanted.height:,} to download{not_open}.",
        markup=False,
        highlight=False,
    )
    labels = catalogue_labels(works, joined.tasks)
    for name, task in joined.tasks.items():
        counts = dict(labels[name].drop_nulls().value_counts(sort=True).iter_rows())
        console.print(f"  {name} {_predicts(task.classes, counts)}", markup=False, highlight=False)
    of_sources = {note for one in read.sources for note in one.read.notes}
    for note in joined.notes:
        if note not in of_sources and note.partition(": ")[2] not in of_sources:
            console.print(f"  note: {note}", markup=False, highlight=False)


def _predicts(classes: "Collection[str]", counts: "Mapping[str, int]") -> str:
    """What a task predicts; a single class cannot be learned."""
    if len(counts) == 1:
        return f"has one class only, so that there is nothing to learn: {_classes(counts, None)}"
    return f"predicts {len(classes):,} classes: {_classes(counts, None)}"


def _counts(summary: "SourceSummary") -> str:
    return (
        f"{summary.rows:,} rows, {summary.quarantined:,} that could not be read, "
        f"{summary.with_image:,} with a picture, {summary.open:,} open"
    )


def _cells(row: "Mapping[str, Any]") -> "Iterator[str]":
    from artpipe.schema import years_text

    yield row["source_id"]
    yield row["title"] or ""
    yield "; ".join(artist["name"] for artist in row["artists"])
    years = years_text(row["year_from"], row["year_to"])
    yield " = ".join(dict.fromkeys(text for text in (row["date_text"], years) if text))
    images = [image.get("url") or image.get("service", "") for image in row["images"]]
    more = [f"and {len(images) - _MOST_IMAGES:,} more"] if len(images) > _MOST_IMAGES else []
    yield "\n".join([*images[:_MOST_IMAGES], *more])
    yield {True: "yes", False: "no", None: "?"}[row["is_open"]]
    for labels in row["labels"].values():
        yield "; ".join(labels)


def _classes(classes: "Mapping[str, int]", fewest: int | None) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in [*classes.items()][:_MOST_CLASSES])
    more = len(classes) - _MOST_CLASSES
    text = (shown or "no labels") + (f" and {more:,} more" if more > 0 else "")
    if fewest is None:
        return text
    enough = sum(count >= fewest for count in classes.values())
    few = ""
    if enough < _FEWEST_CLASSES:
        lower = "; lower `min_works` of the task, as" if len(classes) >= _FEWEST_CLASSES else ";"
        few = f"{lower} at least two are needed to learn it"
    return f"{enough:,} of {len(classes):,} classes have at least {fewest:,} works{few}: {text}"
