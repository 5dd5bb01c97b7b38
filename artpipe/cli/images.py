"""`artpipe images`: which works have no picture in the lake, and why."""

from typing import TYPE_CHECKING, Annotated

import typer

from artpipe.cli.terminal import AsJson, message_console, print_json, settings_in_force
from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    import polars as pl
    from rich.table import Table


class UnknownOutcomeError(ArtpipeError):
    """No picture can have this outcome."""


def images(
    outcome: Annotated[
        str | None, typer.Option(help="Only works with this outcome, such as `gone` or `no_address`.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many works to list.")] = 20,
    as_json: AsJson = False,
) -> None:
    """List the works that have no picture in the lake: what came of it, when it was asked for, and where."""
    import polars as pl

    from artpipe.images.missing import OUTCOMES, count_outcomes, picture_outcomes, without_picture

    if outcome is not None and outcome not in OUTCOMES:
        raise UnknownOutcomeError(f"there is no outcome {outcome!r}; choose {', '.join(OUTCOMES)}.")
    settings = settings_in_force()
    pictures = picture_outcomes(settings.data_lake)
    without, listed = without_picture(pictures), without_picture(pictures, outcome)
    if as_json:
        rows = listed.with_columns(pl.col("asked_at").dt.to_string("iso:strict")).to_dicts()
        print_json({"outcomes": count_outcomes(pictures), "works": rows})
        return
    console = message_console(stderr=False)
    console.print(pictures_text(pictures) or "No work is in the lake yet; run `artpipe refresh`.", markup=False)
    for name, count in count_outcomes(pictures).items():
        if name in OUTCOMES:
            console.print(f"  {count:,} {name}: {OUTCOMES[name]}", markup=False, highlight=False)
    if listed.height:
        console.print(_table(listed.head(limit)))
    if listed.height > limit:
        console.print(f"{listed.height - limit:,} more: --limit, --outcome, or --json for all of them.", markup=False)
    if without.height:
        console.print(
            "What a source did not have is asked for again after ARTPIPE_REVALIDATE_AFTER_DAYS "
            f"({settings.revalidate_after_days:g}); `artpipe refresh --select images --force` asks now, and only for "
            "what is missing.",
            markup=False,
        )


def pictures_text(pictures: "pl.DataFrame") -> str:
    """How many works have a picture and how many have none, in a line; empty where there is no work."""
    from artpipe.images.missing import STORED_OUTCOME, count_outcomes, without_picture

    without, stored = without_picture(pictures), without_picture(pictures, STORED_OUTCOME).height
    if not stored + without.height:
        return ""
    others = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in count_outcomes(without).items())
    return f"Pictures: {stored:,} of {stored + without.height:,} works have one{f'; {others}' if others else ''}."


def _table(listed: "pl.DataFrame") -> "Table":
    from rich.markup import escape
    from rich.table import Column, Table

    table = Table("work", "title", "outcome", "asked for", Column("address, error", overflow="fold"))
    for row in listed.iter_rows(named=True):
        when = "" if row["asked_at"] is None else f"{row['asked_at'].astimezone():%Y-%m-%d}"
        where = "\n".join(filter(None, (row["address"], row["error"])))
        table.add_row(*map(escape, (row["artwork_id"], row["title"] or "", row["outcome"], when, where)))
    return table
