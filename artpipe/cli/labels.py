"""`artpipe labels`: list corrections, show suspect labels, set a label, join two artworks."""

from typing import TYPE_CHECKING, Annotated

import typer

from artpipe.cli.terminal import AsJson, message_console, print_json, settings_in_force
from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    import polars as pl

    from artpipe.lake.paths import DataLake

app = typer.Typer(no_args_is_help=True, help="Correct labels, and join artworks that show the same work.")

_Reason = Annotated[str, typer.Option(help="Reason, for later readers.")]
_By = Annotated[str | None, typer.Option(help="Author; by default your login name.")]


class UnknownWorkError(ArtpipeError):
    """The catalogue has no artwork with this id."""


@app.command("list")
def list_overrides(as_json: AsJson = False) -> None:
    """List the corrected and confirmed labels with the catalogue's, and the joined artworks."""
    from artpipe.splits.corrections import compare_corrections
    from artpipe.splits.overrides import OverrideFiles, read_overrides

    settings = settings_in_force()
    artworks = _artworks(settings.data_lake)
    files = OverrideFiles.from_settings(settings)
    overrides = read_overrides(files, artworks["artwork_id"])
    corrections = compare_corrections(artworks, overrides.labels, files.tasks)
    if as_json:
        joined = overrides.same_work.to_dicts()
        print_json({"labels": corrections.to_dicts(), "same_work": joined, "remarks": list(overrides.remarks)})
        return
    for title, table in (("Labels", corrections), ("Joined artworks", overrides.same_work)):
        if table.height:
            _show(title, table)
    if not corrections.height and not overrides.same_work.height:
        message_console().print("There are no corrections yet; see `artpipe labels suspects`.", markup=False)
    for remark in overrides.remarks:
        message_console().print(remark, markup=False)


@app.command()
def suspects(
    task: Annotated[str | None, typer.Option(help="Only this task, such as style, period or type.")] = None,
    most: Annotated[int, typer.Option("--most", "-n", min=1, help="Number of labels of each task.")] = 12,
    as_json: AsJson = False,
) -> None:
    """Show the labels most likely to be wrong (confident learning) that nobody reviewed yet."""
    import polars as pl

    from artpipe.lake.parquet import read_table_if_exists
    from artpipe.splits.overrides import OverrideFiles, read_overrides

    settings = settings_in_force()
    files = OverrideFiles.from_settings(settings)
    if task is not None and task not in files.tasks:
        raise typer.BadParameter(f"{task!r} is not a task; choose {', '.join(files.tasks)}", param_hint="--task")
    lake = settings.data_lake
    found = read_table_if_exists(lake, "suspect_labels")
    if found is None:
        raise ArtpipeError(f'the table of suspect labels is not in {lake.root} yet; materialize "suspect_labels".')
    overrides = read_overrides(files, found["artwork_id"])
    found = found.join(overrides.labels, on=["artwork_id", "task"], how="anti", maintain_order="left")
    if task is not None:
        found = found.filter(task=task)
    found = found.filter(pl.int_range(pl.len()).over("task") < most)
    if as_json:
        print_json(found.to_dicts())
        return
    columns = ["artwork_id", "task", "label", "suggested", "suggested_probability", "artist", "title"]
    _show("Suspect labels", found.select(columns))
    message_console().print(
        f"Pictures: {lake.report('labels')}. Next: `artpipe labels set ARTWORK_ID TASK LABEL`.", markup=False
    )


@app.command("set")
def set_label(
    artwork_id: Annotated[str, typer.Argument(help="The id of an artwork, such as `a/artist/work`.")],
    task: Annotated[str, typer.Argument(help="style, period, type, or another task of the collection.")],
    label: Annotated[str, typer.Argument(help='The correct label; the catalogue\'s confirms it, "" means unknown.')],
    reason: _Reason = "",
    by: _By = None,
) -> None:
    """Set a label. It overrides the catalogue's, and replaces an earlier correction."""
    from artpipe.splits.overrides import OverrideFiles, write_label

    settings = settings_in_force()
    _refuse_unknown(artwork_id)
    line = {"artwork_id": artwork_id, "task": task, "label": label, **_signed(by, reason)}
    files = OverrideFiles.from_settings(settings)
    previous = write_label(files, line)
    instead = f", instead of {previous['label'] or 'unknown'!r} by {previous['by'] or 'somebody'}" if previous else ""
    message_console().print(f"The {task} of {artwork_id} is {label or 'unknown'}{instead}.", markup=False)
    message_console().print(f"Written to {files.labels}. Next: `artpipe refresh`.", markup=False)


@app.command()
def join(
    left: Annotated[str, typer.Argument(help="The id of an artwork.")],
    right: Annotated[str, typer.Argument(help="The id of another artwork that shows the same work.")],
    reason: _Reason = "",
    by: _By = None,
) -> None:
    """Record that two artworks show the same work, so that they are never in two splits."""
    from artpipe.splits.overrides import OverrideFiles, write_same_work

    settings = settings_in_force()
    _refuse_unknown(left)
    _refuse_unknown(right)
    files = OverrideFiles.from_settings(settings)
    write_same_work(files, {"left": left, "right": right, **_signed(by, reason)})
    message_console().print(f"{left} and {right} are recorded as one work.", markup=False)
    message_console().print(f"Written to {files.same_work}. Next: `artpipe refresh`.", markup=False)


def _signed(by: str | None, reason: str) -> dict[str, str]:
    import getpass
    from datetime import UTC, datetime

    try:
        name = by or getpass.getuser()
    except (KeyError, OSError) as error:  # a container's user may have a number alone
        raise typer.BadParameter("your login has no name; give the author", param_hint="--by") from error
    return {"by": name, "reason": reason, "at": datetime.now(UTC).isoformat(timespec="seconds")}


def _refuse_unknown(artwork_id: str) -> None:
    from artpipe.splits.overrides import spelling_advice

    known = _artworks(settings_in_force().data_lake)["artwork_id"].to_list()
    if artwork_id not in known:
        advice = spelling_advice(artwork_id, known, "`artpipe labels suspects` shows some ids")
        raise UnknownWorkError(f"the catalogue has no artwork {artwork_id!r}; {advice}.")


def _artworks(lake: "DataLake") -> "pl.DataFrame":
    from artpipe.lake.parquet import read_table_if_exists

    artworks = read_table_if_exists(lake, "artworks")
    if artworks is None:
        raise ArtpipeError(f"there is no catalogue in {lake.root} yet; run `artpipe refresh`.")
    return artworks


def _show(title: str, rows: "pl.DataFrame") -> None:
    from rich.markup import escape
    from rich.table import Column, Table

    # An id is copied into the next command, so it is never cut short.
    table = Table(*(Column(name, no_wrap=name == "artwork_id", overflow="fold") for name in rows.columns), title=title)
    for row in rows.iter_rows():
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    message_console(stderr=False).print(table)
