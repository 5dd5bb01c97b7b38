"""The commands that bring a lake up to date and show what is stale: `artpipe refresh` and `artpipe status`."""

from typing import TYPE_CHECKING, Annotated

import typer

from artpipe.cli.terminal import AsJson, message_console, print_json, settings_in_force
from artpipe.lake.paths import DamagedLakeError, DataLake

if TYPE_CHECKING:
    from artpipe.orchestration.runner import RefreshReport

Select = Annotated[
    str | None,
    typer.Option(
        help="Only these assets: `images`, `images+` (and all below), `artists,splits`, or Dagster's own syntax."
    ),
]


def refresh(
    select: Select = None,
    force: Annotated[bool, typer.Option("--force", help="Run everything selected, whether stale or not.")] = False,
    accept_loss: Annotated[
        bool,
        typer.Option(
            "--accept-loss",
            "--accept-shrink",
            help="Accept the loss that the last refresh refused, as `status` shows it.",
        ),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would run, and run nothing.")] = False,
    wait: Annotated[
        bool, typer.Option("--wait/--no-wait", help="Wait for another refresh of this lake, or end at once.")
    ] = True,
    webserver: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Run through the queue of the Dagster webserver at this address."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Bring the collection up to date: run what is stale or missing, and nothing else."""
    from artpipe.definitions import build_definitions
    from artpipe.orchestration.runner import RefreshOptions
    from artpipe.orchestration.runner import refresh as run_refresh

    if dry_run:
        status(select, force, as_json=as_json)
        return
    settings, console = settings_in_force(), message_console()
    options = RefreshOptions(select=select, force=force, accept_loss=accept_loss, wait=wait, webserver=webserver)
    report = run_refresh(build_definitions(settings), settings, options, console)
    if as_json:
        print_json(report.to_dict())
    else:
        console.print(refresh_summary(report), highlight=False)


def status(
    select: Select = None,
    force: Annotated[
        bool, typer.Option("--force", help="Show what a refresh with --force would run.", hidden=True)
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show what is fresh, stale or missing, why, and what a refresh would run."""
    from artpipe.cli.info import expected_training
    from artpipe.definitions import build_definitions
    from artpipe.orchestration.lines import failed_check_line
    from artpipe.orchestration.outlook import outlook, outlook_table

    settings = settings_in_force()
    found = outlook(build_definitions(settings), settings, select, force=force)
    if as_json:
        print_json(found.to_dict())
        return
    console = message_console(stderr=False)
    console.print(outlook_table(found))
    for check in found.failed_checks:
        console.print(failed_check_line(check), highlight=False)
    if line := _pictures_line(settings.data_lake):
        console.print(line, markup=False, highlight=False)
    training = expected_training(settings)
    if training and any(one.state.asset == "classifier" and one.state.status != "fresh" for one in found.forecasts):
        console.print(f"Training: {training}", markup=False, highlight=False)
    console.print(found.summary, highlight=False)


def _pictures_line(lake: DataLake) -> str:
    """How many works have no picture, and where to see which; empty where all have one, or nothing can be said."""
    from artpipe.cli.images import pictures_text
    from artpipe.images.missing import picture_outcomes, without_picture

    try:
        pictures = picture_outcomes(lake)
    except DamagedLakeError:  # the table of assets says so
        return ""
    if without_picture(pictures).is_empty():
        return ""
    return f"{pictures_text(pictures)} `artpipe images` lists those without."


def refresh_summary(report: "RefreshReport") -> str:
    """What a refresh did, in one line."""
    from artpipe.progress import clock_text

    work = report.work
    counts = [
        f"{work['requests']:,} requests ({work['not_modified']:,} not modified)" if work["requests"] else "",
        f"{work['images_fetched']:,} images fetched" if work["images_fetched"] else "",
        f"{work['images_embedded']:,} embedded" if work["images_embedded"] else "",
        f"{work['rows_updated']:,} rows updated" if work["rows_updated"] else "",
    ]
    done = ", ".join(part for part in counts if part) or "no work was needed"
    checks = f"; {report.passed_checks} checks passed" if report.passed_checks or report.failed_checks else ""
    if failed := len(report.failed_checks) - report.warnings:
        checks += f", [yellow]{failed} failed[/]"
    if report.warnings:
        checks += f", [yellow]{report.warnings} {'warns' if report.warnings == 1 else 'warn'}[/]"
    return (
        f"  {len(report.ran)} assets ran and {len(report.skipped)} were fresh, in {clock_text(report.seconds)}: "
        f"{done}{checks}."
    )
