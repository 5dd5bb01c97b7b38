"""The commands that query the collection and the model: `artpipe search`, `find`, `same` and `predict`."""

import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from artpipe.cli.terminal import EXPECTED_FAILURE, AsJson, message_console, print_json, settings_in_force
from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import polars as pl
    from PIL.Image import Image

    from artpipe.embedding.predictions import PictureEncoder
    from artpipe.recognition.same_painting import Match
    from artpipe.search import Collection, Hits, SearchFilter
    from artpipe.search.predictions import Prediction
    from artpipe.tasks import Tasks

_YEARS = re.compile(
    r"(?i)\s*(?P<first>\d{1,4})?\s*(?P<first_bc>bce?)?\s*(?P<dash>-)?\s*(?P<ad>ad|ce)?\s*(?P<last>\d{1,4})?"
    r"\s*(?P<last_bc>bce?)?\s*"
)


SOME_FAILED = 1
"""The exit code where some of several files were answered, and others not."""


class UnwritableFileError(ArtpipeError):
    """A file named in an option cannot be written."""


LABELS_SHOWN = 3
"""A terminal has room for the labels of so many tasks beside a work."""
K = Annotated[int, typer.Option("--k", "-k", min=1, help="How many works to show.")]
Style = Annotated[str | None, typer.Option(help="Only this style, such as `Baroque`.")]
Type = Annotated[str | None, typer.Option("--type", help="Only this type, such as `portrait`.")]
Period = Annotated[str | None, typer.Option(help="Only this period, such as `1550-1650`.")]
School = Annotated[str | None, typer.Option(help="Only artists of this school, such as `Dutch`.")]
Label = Annotated[
    list[str],
    typer.Option(metavar="TASK=LABEL", help="Only this label of any task, such as `movement=Cubism`; may be repeated."),
]
Artist = Annotated[str | None, typer.Option(help="Only artists who are called so, such as `van gogh` or `Titian`.")]
Technique = Annotated[str | None, typer.Option(help="Only techniques with this in them, such as `copper`.")]
Location = Annotated[str | None, typer.Option(help="Only places with this in their name, such as `Louvre`.")]
Years = Annotated[
    str | None, typer.Option(metavar="FROM-TO", help="Only these years: `1600-1650`, `1600-`, `500-450 BC`.")
]
AsOf = Annotated[
    str | None,
    typer.Option(metavar="DATE_OR_VERSION", help="Search the collection as it was then: `2026-11-01`."),
]
Csv = Annotated[Path | None, typer.Option(help="Write the hits to this CSV file.")]
Parquet = Annotated[Path | None, typer.Option(help="Write the hits to this Parquet file.")]
Sheet = Annotated[Path | None, typer.Option(help="Write their pictures to this file: .png, .jpg, .webp or .pdf.")]


def search(
    query: Annotated[
        str | None,
        typer.Argument(metavar="[ID_OR_IMAGE]", help="An artwork id, or the path of an image; not needed with --text."),
    ] = None,
    k: K = 10,
    style: Style = None,
    type_: Type = None,
    period: Period = None,
    school: School = None,
    label: Label = [],  # noqa: B006 - typer copies it
    artist: Artist = None,
    technique: Technique = None,
    location: Location = None,
    years: Years = None,
    as_of: AsOf = None,
    text: Annotated[str | None, typer.Option(help="Only works whose text has these words.")] = None,
    csv: Csv = None,
    parquet: Parquet = None,
    sheet: Sheet = None,
    as_json: AsJson = False,
) -> None:
    """Show the works most similar to an artwork or an image, or those that match the words of --text.

    --csv, --parquet and --sheet write them to files.
    """
    from artpipe.search import Collection

    if query is None and not text:
        raise typer.BadParameter("name an artwork, an image, or words with --text")
    labels = {"style": style, "type": type_, "period": period, "school": school}
    where = _filter(labels, label, artist=artist, technique=technique, location=location, years=years)
    settings = settings_in_force()
    collection = Collection.open(settings.lake_root, device=settings.device, as_of=as_of)
    if query is None:
        hits, title = collection.find(text or "", k, where), f"Works that match {text}"
    else:
        hits, title = collection.similar(query, k, where, text=text), f"Most similar to {query}"
    if _give(hits, title, collection, csv, parquet, sheet, as_json=as_json):
        return
    meant = " or ".join(one.text for one in collection.did_you_mean(text)) if text else ""
    unmatched = "these words" if text and where.is_empty else "every filter"
    message_console().print(f"No work matches {unmatched}." + (f" Did you mean {meant}?" if meant else ""))


def _give(
    hits: "Hits",
    title: str,
    collection: "Collection",
    csv: Path | None,
    parquet: Path | None,
    sheet: Path | None,
    *,
    as_json: bool,
) -> bool:
    """Write hits to the files that are named, and show them; False where there is nothing to show."""
    for write, path in ((hits.to_csv, csv), (hits.to_parquet, parquet), (hits.contact_sheet, sheet)):
        if path is not None:
            _write_file(write, path)
    if as_json:
        print_json(hits.to_dicts())
    elif not hits.is_empty():
        _show_hits(title, hits.to_polars(), collection.tasks)
    return as_json or not hits.is_empty()


def find(
    words: Annotated[list[str], typer.Argument(metavar="WORD...", help="Words of titles, names, places or labels.")],
    k: K = 10,
    style: Style = None,
    type_: Type = None,
    period: Period = None,
    school: School = None,
    label: Label = [],  # noqa: B006 - typer copies it
    artist: Artist = None,
    technique: Technique = None,
    location: Location = None,
    years: Years = None,
    as_of: AsOf = None,
    csv: Csv = None,
    parquet: Parquet = None,
    sheet: Sheet = None,
    looks: Annotated[
        bool, typer.Option("--looks", help="Works that look so, whether or not their text says it.")
    ] = False,
    like: Annotated[
        list[str], typer.Option(metavar="ID_OR_IMAGE", help="With --looks: and that look like this; may be repeated.")
    ] = [],  # noqa: B006 - typer copies it
    with_text: Annotated[
        bool, typer.Option("--with-text", help="With --looks: fused with the works whose text has the words.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the works that match some words, the most relevant first; with --looks, those that look like them."""
    text = " ".join(words)
    if not looks and (like or with_text):
        raise typer.BadParameter("--like and --with-text need --looks")
    if not looks:
        filters = (style, type_, period, school, label, artist, technique, location, years)
        search(None, k, *filters, as_of, text, csv, parquet, sheet, as_json)
        return
    from artpipe.search import Collection

    labels = {"style": style, "type": type_, "period": period, "school": school}
    where = _filter(labels, label, artist=artist, technique=technique, location=location, years=years)
    collection = Collection.open(settings_in_force().lake_root, as_of=as_of)
    hits = collection.describe(text, k, where, liked=like, with_text=with_text)
    console = message_console()
    if hits.is_doubtful:
        console.print(f"No work seems to look like {text}.", markup=False, highlight=False)
    if not collection.knows_any_words and (unknown := collection.text_encoder.encode(text).unknown):
        console.print(f"Not known by looks, and left out: {', '.join(unknown)}.", markup=False, highlight=False)
    if not _give(hits, f"Works that look like {text}", collection, csv, parquet, sheet, as_json=as_json):
        message_console().print("No work matches every filter.")


def same(
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE...", help="Paths of photographs.")],
    as_json: AsJson = False,
) -> None:
    """Show whether the collection holds the very painting that a photograph shows; of each, where there are several."""
    from artpipe.search import Collection

    settings = settings_in_force()
    collection = Collection.open(settings.lake_root, device=settings.device)
    answers = [
        (picture, match, {} if match.artwork_id is None else collection.get(match.artwork_id))
        for picture, match in zip(pictures, collection.same_paintings(pictures), strict=True)
    ]
    if as_json:
        names = ("is_same", "artwork_id", "inliers", "false_positive_rate")
        shown = ("artist", "title", "date_text", "page_url")
        found = [
            {"file": str(picture)}
            | {name: getattr(match, name) for name in names}
            | {name: work.get(name) for name in shown}
            for picture, match, work in answers
        ]
        print_json(found if len(found) > 1 else found[0])
        return
    for picture, match, work in answers:
        text = _sameness(match, work)
        message_console(stderr=False).print(
            f"{picture}: {text}" if len(answers) > 1 else text, markup=False, highlight=False
        )


def _sameness(match: "Match", work: "Mapping[str, Any]") -> str:
    """Whether a photograph shows a work, in words."""
    from artpipe.schema import known_text

    described = ", ".join(text for name in ("artist", "title", "date_text") if (text := known_text(work.get(name))))
    found = f"{match.artwork_id} ({described}); {match.inliers} keypoints agree"
    if match:
        by_chance = f"{match.false_positive_rate:.1%} of photographs of other paintings agree as well"
        return f"This painting is {found}; {by_chance}."
    return "We did not find this painting in the collection." + (f" The closest is {found}." if work else "")


def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Paths of images.")], as_json: AsJson = False
) -> None:
    """Show the predicted labels of each image, such as its style, and whether it is a painting, and like the others.

    Of a photograph, the painting in it counts, not its frame and the wall. Where the collection holds the painting, its
    labels in the catalogue come first.

    An image that cannot be read is reported in its place, and the exit code is 1; it is 2 where none can be read.
    """
    from dataclasses import replace

    from artpipe.lake.paths import DataLake, LakeMissingError, found_upwards
    from artpipe.recognition.view import PHOTOGRAPH_SHORT_SIDE_PX
    from artpipe.search.collection import Collection, NothingEmbeddedError
    from artpipe.search.photographs import look_at
    from artpipe.search.predictions import predict_pictures, stored_short_side_px
    from artpipe.search.queries import ModelMismatchError, UnusableQueryError, query_picture

    settings = settings_in_force()
    lake = DataLake(found_upwards(settings.lake_root), settings.cache)

    @cache
    def load_encoder() -> "PictureEncoder":
        from artpipe.search.served_model import load_served_model

        return load_served_model(lake, settings.device)

    pictures: list[Image] = []
    errors: dict[Path, str] = {}
    for path in images:
        try:
            pictures.append(query_picture(path, PHOTOGRAPH_SHORT_SIDE_PX))
        except UnusableQueryError as error:
            errors[path] = str(error)
    try:
        answers = Collection.open(lake, device=settings.device).predict(pictures)
    except (LakeMissingError, NothingEmbeddedError, ModelMismatchError):
        # The model predicts without a collection that is embedded with it; only novelty needs one.
        short_side_px = stored_short_side_px(lake)
        answers = predict_pictures(
            pictures,
            lambda some: look_at(some, load_encoder, short_side_px),
            lambda: load_encoder().labels,
            settings.abstain_below,
        )
    readable = [path for path in images if path not in errors]
    answers = [replace(answer, file=str(path)) for path, answer in zip(readable, answers, strict=True)]
    found = {str(answer.file): answer for answer in answers}
    if as_json:
        print_json(
            [
                found[str(path)].as_json() if str(path) in found else {"file": str(path), "error": errors[path]}
                for path in images
            ]
        )
    elif answers:
        _show_predictions([found.get(str(path)) or errors[path] for path in images])
    if as_json or not answers:
        for error in errors.values():
            typer.echo(f"error: {error}", err=True)
    if errors:
        raise typer.Exit(SOME_FAILED if answers else EXPECTED_FAILURE)


def _show_predictions(answers: "list[Prediction | str]") -> None:
    """A table of predictions, and of the reasons why there is none."""
    from rich.markup import escape
    from rich.table import Table

    predictions = [answer for answer in answers if not isinstance(answer, str)]
    tasks = next((list(answer.best) for answer in predictions if answer.best), [])
    table = Table("file", *tasks)
    for answer in answers:
        if isinstance(answer, str):
            table.add_row(f"[red]{escape(answer)}[/]", end_section=True)
            continue
        is_unlike = answer.novelty is not None and answer.novelty.is_out_of_distribution
        note = "" if not is_unlike else "\n[yellow]unlike anything in the collection[/]"
        if answer.is_painting is False:
            note = "\n[yellow]This does not look like a painting. Its labels are withheld.[/]"
        if answer.work is not None:
            note += f"\n[green]in the collection: {escape(answer.work)}[/]"
        cells = {task: _labels(pairs, is_sure=answer.is_sure[task]) for task, pairs in answer.best.items()}
        for task in cells.keys() & answer.labels.keys():
            cells[task] = f"[green]{escape(answer.labels[task])} (catalogue)[/]\n{cells[task]}"
        table.add_row(escape(str(answer.file)) + note, *cells.values(), end_section=True)
    message_console(stderr=False).print(table)
    if not tasks and any(answer.is_painting is not False for answer in predictions):
        message_console().print("The model predicts nothing: there was no label to learn from; see `artpipe status`.")


def _labels(pairs: "list[tuple[str, float]]", *, is_sure: bool) -> str:
    lines = [f"{label} {share:.0%}" for label, share in pairs]
    return "\n".join(lines if is_sure else [f"unsure (best guess {lines[0]})", *lines[1:]])


def _filter(
    labels: "Mapping[str, str | None]", others: "Sequence[str]", *, years: str | None, **parts: str | None
) -> "SearchFilter":
    """The filter of the options.

    Args:
        labels: by option.
        others: of any task, as `TASK=LABEL`.
        years: a range.
        parts: the other options that have a field of the same name.
    """
    from pydantic import ValidationError

    from artpipe.search import SearchFilter
    from artpipe.settings import problems

    year_from, year_to = _years(years)
    try:
        fields = {"year_from": year_from, "year_to": year_to, **labels, **parts, "labels": _by_task(others) or None}
        return SearchFilter.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise typer.BadParameter(problems(error, "--")) from error


def _by_task(labels: "Sequence[str]") -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for text in labels:
        task, sign, label = text.partition("=")
        if not sign or not task.strip() or not label.strip():
            raise typer.BadParameter(f"{text!r} is no task and label; write movement=Cubism", param_hint="--label")
        found.setdefault(task.strip(), []).append(label.strip())
    return found


def _years(text: str | None) -> tuple[int | None, int | None]:
    if text is None:
        return None, None
    match = _YEARS.fullmatch(text)
    if match is None or not (match["first"] or match["last"]):
        raise typer.BadParameter(
            f"{text!r} is not a range of years; write 1600-1650, 1600-, -1650, 1600, 500-450 BC or 100 BC-AD 50",
            param_hint="--years",
        )
    first = int(match["first"]) if match["first"] else None
    last = int(match["last"]) if match["last"] else None
    if first is not None and (match["first_bc"] or (match["last_bc"] and not match["ad"])):
        first = -first
    if last is not None and match["last_bc"]:
        last = -last
    return first, first if last is None and not match["dash"] else last


def _write_file(write: "Callable[[Path], Path]", path: Path) -> None:
    try:
        message_console().print(f"Wrote {write(path)}.", highlight=False, markup=False)
    except OSError as error:
        raise UnwritableFileError(
            f"{path} cannot be written ({error.strerror or error}); name a file in a writable folder."
        ) from error


def _show_hits(title: str, hits: "pl.DataFrame", tasks: "Tasks") -> None:
    from rich.markup import escape
    from rich.table import Column, Table

    from artpipe.schema import known_text

    artwork_id = Column("artwork_id", no_wrap=True, overflow="fold")  # it is copied into the next command
    score = "similarity" if "similarity" in hits.columns else "relevance"
    shown = tasks.labelled[:LABELS_SHOWN]
    columns = ("", score, "work", "date", *(tasks[name].title for name in shown), artwork_id)
    table = Table(*columns, title=escape(title))
    for hit in hits.iter_rows(named=True):
        page = escape(hit["artwork_id"])
        if hit["page_url"]:
            page = f"[link={hit['page_url']}]{page}[/link]"
        table.add_row(
            str(hit["rank"]),
            f"{hit[score]:.3f}",
            escape(f"{hit['title'] or ''}\n{hit['artist'] or ''}"),
            escape(known_text(hit["date_text"]) or ""),
            *(escape(hit[name] or "") for name in shown),
            page,
        )
    message_console(stderr=False).print(table)
