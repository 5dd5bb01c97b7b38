"""The commands about models: `artpipe models`, `artpipe models promote` and `artpipe models rollback`."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from artpipe.cli.terminal import AsJson, message_console, print_json, settings_in_force

if TYPE_CHECKING:
    from collections.abc import Mapping

    from rich.table import Table

    from artpipe.models.summary import ModelSummary

app = typer.Typer(invoke_without_command=True, help="The trained models: which is served, why, and changing that.")

_STATES = {
    "served": "served",
    "measured": "the measured one",
    "refit": "a refit",
    "candidate": "a candidate",
    "declined": "declined",
    "served before": "an earlier one",
    "kept": "kept",
}
_MARKS = {
    "served": "[green]served[/]",
    "measured": "[green]measured[/]",
    "candidate": "[cyan]candidate[/]",
    "declined": "[yellow]declined[/]",
}


@app.callback()
def models(context: typer.Context, as_json: AsJson = False) -> None:
    """List every saved model, the last trained first, or change which one is served."""
    if context.invoked_subcommand is not None:
        return
    from artpipe.models.summary import model_summaries

    lake = settings_in_force().data_lake
    summaries = model_summaries(lake)
    if as_json:
        print_json([each.to_dict() for each in summaries])
    elif summaries:
        console = message_console(stderr=False)
        console.print(_table(summaries))
        for each in summaries:
            console.print(f"{each.model_id} is {_STATES[each.state]}: {each.why}", markup=False, highlight=False)
            if each.rights:
                console.print(f"  its training pictures: {each.rights}", markup=False, highlight=False)
    else:
        message_console().print(f"No model was trained in {lake.root} yet; run `artpipe refresh`.", markup=False)


@app.command()
def promote(model_id: Annotated[str, typer.Argument(help="The id of a saved model.")], as_json: AsJson = False) -> None:
    """Serve this model, whatever its comparison with the served one shows."""
    from artpipe.definitions import build_definitions
    from artpipe.serving.promotion import promote as run_promote

    settings = settings_in_force()
    has_moved = run_promote(build_definitions(settings), settings, model_id)
    _report(model_id, has_moved=has_moved, as_json=as_json)


@app.command()
def rollback(as_json: AsJson = False) -> None:
    """Serve the model that was served before the present one."""
    from artpipe.definitions import build_definitions
    from artpipe.serving.promotion import roll_back

    settings = settings_in_force()
    _report(roll_back(build_definitions(settings), settings), has_moved=True, as_json=as_json)


def _report(model_id: str, *, has_moved: bool, as_json: bool) -> None:
    from artpipe.models.served import read_pointer, served_model_id

    lake = settings_in_force().data_lake
    now = read_pointer(lake).now
    chosen, reason = (now.model_id, now.reason) if now else (model_id, "")
    if as_json:
        print_json({"served": chosen, "changed": has_moved, "reason": reason})
    elif has_moved:
        message_console().print(f"{chosen} is served: {reason}.", markup=False)
        message_console().print(
            "Next: `artpipe refresh`; its refit, if any, then embeds the collection and predicts.", markup=False
        )
    else:
        message_console().print(f"{served_model_id(lake)} is served already: nothing was changed.", markup=False)


def _table(summaries: "list[ModelSummary]") -> "Table":
    from rich.markup import escape
    from rich.table import Column, Table

    names = ("is", "trained", "backbone, start", "learned", "validation @1", "test @1")
    table = Table(Column("model", no_wrap=True), *names)
    for each in summaries:
        mark = _MARKS.get(each.state, each.state)
        if each.is_candidate and each.state != "candidate":
            mark += "\ncandidate"
        table.add_row(
            each.model_id,
            mark,
            _when(each.trained_at),
            escape(f"{each.backbone}\n{each.start}"),
            ("-" if each.training_rows is None else f"{each.training_rows:,} rows") + f"\n{each.epochs} epochs",
            f"of {each.refit_of}" if each.refit_of else _shares(each.validation_at_1),
            "-" if each.refit_of or each.test_at_1 is None else _shares(each.test_at_1),
        )
    return table


def _shares(values: "Mapping[str, Any]") -> str:
    return "\n".join(f"{task} {value:.1%}" for task, value in values.items()) or "-"


def _when(iso: str) -> str:
    from datetime import datetime

    return f"{datetime.fromisoformat(iso).astimezone():%Y-%m-%d\n%H:%M}" if iso else "-"
