"""The commands that query the collection and the model: `artpipe search` and `artpipe predict`."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from artpipe.cli.terminal import EXPECTED_FAILURE, AsJson, message_console, print_json, settings_in_force
from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    from collections.abc import Callable

    import polars as pl
    from PIL.Image import Image

    from artpipe.search import SearchFilter
    from artpipe.search.predictions import Prediction
    from artpipe.search.queries import PictureEncoder

_YEARS = re.compile(
    r"(?i)\s*(?P<first>\d{1,4})?\s*(?P<first_bc>bce?)?\s*(?P<dash>-)?\s*(?P<ad>ad|ce)?\s*(?P<last>\d{1,4})?"
    r"\s*(?P<last_bc>bce?)?\s*"
)


class UnwritableFileError(ArtpipeError):
    """A file named in an option cannot be written."""


def search(
    query: Annotated[
        str | None,
        typer.Argument(metavar="[ID_OR_IMAGE]", help="An artwork id, or the path of an image; not needed with --text."),
    ] = None,
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="How many works to show.")] = 10,
    style: Annotated[str | None, typer.Option(help="Only this style, such as `Baroque`.")] = None,
    type_: Annotated[str | None, typer.Option("--type", help="Only this type, such as `portrait`.")] = None,
    period: Annotated[str | None, typer.Option(help="Only this period, such as `1550-1650`.")] = None,
    artist: Annotated[
        str | None, typer.Option(help="Only artists who are called so, such as `van gogh` or `Titian`.")
    ] = None,
    technique: Annotated[str | None, typer.Option(help="Only techniques with this in them, such as `copper`.")] = None,
    years: Annotated[
        str | None, typer.Option(metavar="FROM-TO", help="Only these years: `1600-1650`, `1600-`, `500-450 BC`.")
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(metavar="DATE_OR_VERSION", help="Search the collection as it was then: `2026-11-01`."),
    ] = None,
    text: Annotated[str | None, typer.Option(help="Only works whose text has these words.")] = None,
    csv: Annotated[Path | None, typer.Option(help="Write the hits to this CSV file.")] = None,
    parquet: Annotated[Path | None, typer.Option(help="Write the hits to this Parquet file.")] = None,
    sheet: Annotated[Path | None, typer.Option(help="Write their pictures to this PNG file.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show the works most similar to an artwork or an image, or those that match the words of --text.

    --csv, --parquet and --sheet write them to files.
    """
    from artpipe.search import Collection

    if query is None and not text:
        raise typer.BadParameter("name an artwork, an image, or words with --text")
    where = _filter(style=style, type=type_, period=period, artist=artist, technique=technique, years=years)
    settings = settings_in_force()
    collection = Collection.open(settings.lake_root, device=settings.device, as_of=as_of)
    hits = collection.find(text or "", k, where) if query is None else collection.similar(query, k, where, text=text)
    for write, path in ((hits.to_csv, csv), (hits.to_parquet, parquet), (hits.contact_sheet, sheet)):
        if path is not None:
            _write_file(write, path)
    if as_json:
        print_json(hits.to_dicts())
    elif not hits.is_empty():
        _show_hits(f"Works that match {text}" if query is None else f"Most similar to {query}", hits.to_polars())
    else:
        meant = " or ".join(one.text for one in collection.did_you_mean(text)) if text else ""
        message_console().print("No work matches every filter." + (f" Did you mean {meant}?" if meant else ""))


def predict(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Paths of images.")], as_json: AsJson = False
) -> None:
    """Show the predicted style, period and type of each image, and whether it is out of distribution.

    An image that cannot be read is reported, and the others are shown all the same; the exit code is 2 then.
    """
    from dataclasses import replace

    from artpipe.lake.paths import DataLake, LakeMissingError
    from artpipe.search.collection import Collection, NothingEmbeddedError
    from artpipe.search.predictions import predict_pictures, stored_short_side_px
    from artpipe.search.queries import ModelMismatchError, UnusableQueryError, query_picture

    settings = settings_in_force()
    lake = DataLake(settings.lake_root)

    def load_encoder() -> "PictureEncoder":
        from artpipe.search.served_model import load_served_model

        return load_served_model(lake, settings.device)

    pictures: list[Image] = []
    errors: dict[Path, str] = {}
    short_side_px = stored_short_side_px(lake)
    for path in images:
        try:
            pictures.append(query_picture(path, short_side_px))
        except UnusableQueryError as error:
            errors[path] = str(error)
    try:
        answers = Collection.open(lake, device=settings.device).predict(pictures)
    except (LakeMissingError, NothingEmbeddedError, ModelMismatchError):
        # The model predicts without a collection that is embedded with it; only novelty needs one.
        answers = predict_pictures(load_encoder, pictures, short_side_px, settings.abstain_below)
    readable = [path for path in images if path not in errors]
    answers = [replace(answer, file=str(path)) for path, answer in zip(readable, answers, strict=True)]
    if as_json:
        found = {answer.file: answer.as_json() for answer in answers}
        print_json([found.get(str(path)) or {"file": str(path), "error": errors[path]} for path in images])
    elif answers:
        _show_predictions(answers)
    for error in errors.values():
        typer.echo(f"error: {error}", err=True)
    if errors:
        raise typer.Exit(EXPECTED_FAILURE)


def _show_predictions(answers: "list[Prediction]") -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("file", *(task for task in answers[0].best))
    for answer in answers:
        is_unlike = answer.novelty is not None and answer.novelty.is_out_of_distribution
        file = escape(str(answer.file)) + ("\n[yellow]unlike anything in the collection[/]" if is_unlike else "")
        cells = (_labels(pairs, is_sure=answer.is_sure[task]) for task, pairs in answer.best.items())
        table.add_row(file, *cells, end_section=True)
    message_console(stderr=False).print(table)
    if not answers[0].best:
        message_console().print("The model predicts nothing: there was no label to learn from; see `artpipe status`.")


def _labels(pairs: "list[tuple[str, float]]", *, is_sure: bool) -> str:
    lines = [f"{label} {share:.0%}" for label, share in pairs]
    return "\n".join(lines if is_sure else [f"unsure (best guess {lines[0]})", *lines[1:]])


def _filter(*, years: str | None, **labels: str | None) -> "SearchFilter":
    from pydantic import ValidationError

    from artpipe.search import SearchFilter
    from artpipe.settings import problems

    year_from, year_to = _years(years)
    try:
        fields = {"year_from": year_from, "year_to": year_to, **labels}
        return SearchFilter.model_validate({name: value for name, value in fields.items() if value is not None})
    except ValidationError as error:
        raise typer.BadParameter(problems(error, "--")) from error


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


def _show_hits(title: str, hits: "pl.DataFrame") -> None:
    from rich.markup import escape
    from rich.table import Column, Table

    artwork_id = Column("artwork_id", no_wrap=True, overflow="fold")  # it is copied into the next command
    score = "similarity" if "similarity" in hits.columns else "relevance"
    columns = ("", score, "work", "date", "style", "type", artwork_id)
    table = Table(*columns, title=escape(title))
    for hit in hits.iter_rows(named=True):
        page = f"[link={hit['page_url']}]{escape(hit['artwork_id'])}[/link]"
        table.add_row(
            str(hit["rank"]),
            f"{hit[score]:.3f}",
            escape(f"{hit['title']}\n{hit['artist']}"),
            *(escape(hit[name] or "") for name in ("date_text", "style", "type")),
            page,
        )
    message_console(stderr=False).print(table)
