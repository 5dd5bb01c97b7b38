"""The commands about labels: `artpipe labels list`, `suspects`, `set` and `join`."""

from typing import TYPE_CHECKING, Annotated

import typer

from artpipe.cli.terminal import AsJson, people, print_json, settings_in_force
from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    import polars as pl

    from artpipe.lake.paths import DataLake

app = typer.Typer(no_args_is_help=True, help="Labels that a person corrects, and pictures that show one work.")

_Reason = Annotated[str, typer.Option(help="Why, for whoever looks at it later.")]
_By = Annotated[str | None, typer.Option(help="Who says so; by default your login name.")]


class UnknownWorkError(ArtpipeError):
    """The catalogue has no artwork of this name."""


@app.command("list")
def list_overrides(as_json: AsJson = False) -> None:
    """Show what people said: corrected and confirmed labels beside the catalogue's, and joined works."""
    from artpipe.lake.paths import DataLake
    from artpipe.splits.corrections import compare_corrections
    from artpipe.splits.overrides import OverrideFiles, read_overrides

    settings = settings_in_force()
    artworks = _artworks(DataLake(settings.lake_root))
    said = read_overrides(OverrideFiles.from_settings(settings), artworks["artwork_id"])
    corrections = compare_corrections(artworks, said.labels)
    if as_json:
        print_json(
            {"labels": corrections.to_dicts(), "same_work": said.same_work.to_dicts(), "remarks": list(said.remarks)}
        )
        return
    for title, table in (("Labels", corrections), ("One work", said.same_work)):
        if table.height:
            _show(title, table)
    if not corrections.height and not said.same_work.height:
        people().print("Nobody corrected anything yet; see `artpipe labels suspects`.", markup=False)
    for remark in said.remarks:
        people().print(remark, markup=False)


@app.command()
def suspects(
    task: Annotated[str | None, typer.Option(help="Only style, period or type.")] = None,
    most: Annotated[int, typer.Option("--most", "-n", min=1, help="So many of each task.")] = 12,
    as_json: AsJson = False,
) -> None:
    """Show the labels likeliest to be wrong that nobody has decided on yet."""
    import polars as pl

    from artpipe.lake.parquet import read_table_if_exists
    from artpipe.lake.paths import DataLake
    from artpipe.schema import TASKS
    from artpipe.splits.overrides import OverrideFiles, read_overrides

    if task is not None and task not in TASKS:
        raise typer.BadParameter(f"{task!r} is no task; write {', '.join(TASKS)}", param_hint="--task")
    settings = settings_in_force()
    lake = DataLake(settings.lake_root)
    found = read_table_if_exists(lake, "suspect_labels")
    if found is None:
        raise ArtpipeError(f'no labels were judged in {lake.root} yet; materialize "suspect_labels".')
    said = read_overrides(OverrideFiles.from_settings(settings), found["artwork_id"])
    found = found.join(said.labels, on=["artwork_id", "task"], how="anti", maintain_order="left")
    if task is not None:
        found = found.filter(task=task)
    found = found.filter(pl.int_range(pl.len()).over("task") < most)
    if as_json:
        print_json(found.to_dicts())
        return
    columns = ["artwork_id", "task", "label", "suggested", "suggested_probability", "artist", "title"]
    _show("Likeliest to be wrong", found.select(columns))
    people().print(
        f"Pictures: {lake.report('labels')}. Next: `artpipe labels set ARTWORK_ID TASK LABEL`.", markup=False
    )


@app.command("set")
def set_label(
    artwork_id: Annotated[str, typer.Argument(help="The id of an artwork, such as `a/artist/work`.")],
    task: Annotated[str, typer.Argument(help="style, period or type.")],
    label: Annotated[str, typer.Argument(help='The right label; the catalogue\'s own confirms it, "" is unknown.')],
    reason: _Reason = "",
    by: _By = None,
) -> None:
    """Say what a label is; it goes before the catalogue's, and before what was said of it until now."""
    from artpipe.splits.overrides import OverrideFiles, write_label

    settings = settings_in_force()
    _refuse_unknown(artwork_id)
    said = {"artwork_id": artwork_id, "task": task, "label": label, **_signed(by, reason)}
    files = OverrideFiles.from_settings(settings)
    before = write_label(files, said)
    instead = f", instead of {before['label'] or 'unknown'!r} by {before['by'] or 'somebody'}" if before else ""
    people().print(f"The {task} of {artwork_id} is {label or 'unknown'}{instead}.", markup=False)
    people().print(f"It stands in {files.labels}. Next: `artpipe refresh`.", markup=False)


@app.command()
def join(
    left: Annotated[str, typer.Argument(help="The id of an artwork.")],
    right: Annotated[str, typer.Argument(help="The id of another one that shows the same work.")],
    reason: _Reason = "",
    by: _By = None,
) -> None:
    """Say that two artworks show one work, so that they are never in two splits."""
    from artpipe.splits.overrides import OverrideFiles, write_same_work

    settings = settings_in_force()
    _refuse_unknown(left)
    _refuse_unknown(right)
    files = OverrideFiles.from_settings(settings)
    write_same_work(files, {"left": left, "right": right, **_signed(by, reason)})
    people().print(f"{left} and {right} are one work.", markup=False)
    people().print(f"It stands in {files.same_work}. Next: `artpipe refresh`.", markup=False)


def _signed(by: str | None, reason: str) -> dict[str, str]:
    import getpass
    from datetime import UTC, datetime

    try:
        name = by or getpass.getuser()
    except (KeyError, OSError) as error:  # a container's user may have a number alone
        raise typer.BadParameter("your login has no name; say who you are", param_hint="--by") from error
    return {"by": name, "reason": reason, "at": datetime.now(UTC).isoformat(timespec="seconds")}


def _refuse_unknown(artwork_id: str) -> None:
    from artpipe.lake.paths import DataLake
    from artpipe.splits.overrides import spelling_advice

    known = _artworks(DataLake(settings_in_force().lake_root))["artwork_id"].to_list()
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
    from rich.table import Table

    table = Table(*rows.columns, title=title)
    for row in rows.iter_rows():
        table.add_row(*("" if value is None else escape(str(value)) for value in row))
    people(stderr=False).print(table)
