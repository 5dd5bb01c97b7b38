"""The command line `artpipe`: every command group has its own module in this package.

Tables and progress go to a person, JSON to a program: with `--json`, stdout has JSON alone. An expected failure is one
line on stderr and exit code 2. Heavy libraries are imported by the command that needs them.
"""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from artpipe import __version__
from artpipe.cli import info, labels, models, refresh, search, serve
from artpipe.cli.terminal import EXPECTED_FAILURE, message_console, settings_in_force
from artpipe.errors import ArtpipeError


class _Commands(TyperGroup):
    """Prints an expected failure as one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ArtpipeError as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(EXPECTED_FAILURE) from error


def _print_version(is_requested: bool) -> None:
    if is_requested:
        typer.echo(f"artpipe {__version__}")
        raise typer.Exit


def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def demo() -> None:
    """Run the whole graph on the sample gallery, and show a painting with its nearest neighbours."""
    from artpipe.cli.demo import run_demo

    run_demo(settings_in_force(), message_console())


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From a gallery on the web to a search hit.",
    callback=_options,
)
for command in (
    demo,
    refresh.refresh,
    refresh.status,
    search.search,
    search.predict,
    serve.serve,
    serve.export_site,
    info.info,
    info.summarise,
):
    app.command()(command)
gallery = typer.Typer(no_args_is_help=True, help="The sample gallery that artpipe draws itself.")
gallery.command("serve")(serve.serve_gallery)
app.add_typer(gallery, name="gallery")
app.add_typer(models.app, name="models")
app.add_typer(labels.app, name="labels")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
