"""The command line `artpipe`: every command group has its own module in this package.

Tables and progress go to a person, JSON to a program: with `--json`, stdout has JSON alone. An expected failure is one
line on stderr and exit code 2, an interrupt is one line and exit code 130 (Ctrl-C) or 143 (SIGTERM). Heavy libraries
are imported by the command that needs them.
"""

import os
import signal
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from artpipe import __version__
from artpipe.cli import images, info, labels, models, refresh, search, serve, sources, words
from artpipe.cli.failures import expected_failure
from artpipe.cli.terminal import EXPECTED_FAILURE, message_console, settings_in_force
from artpipe.errors import ArtpipeError


class _Commands(TyperGroup):
    """Prints an expected failure, or an interrupt, as one line."""

    def invoke(self, ctx: Any) -> Any:
        with _recorded_signals() as received:
            try:
                return super().invoke(ctx)
            except ArtpipeError as error:
                typer.echo(f"error: {error}", err=True)
                raise typer.Exit(EXPECTED_FAILURE) from error
            except (typer.Exit, typer.Abort):
                raise
            except Exception as error:
                if (failure := expected_failure(error)) is None:
                    raise
                typer.echo(f"error: {failure}", err=True)
                raise typer.Exit(EXPECTED_FAILURE) from error
            except BaseException as error:
                # Dagster's own is no KeyboardInterrupt; its class is not imported, which takes a second.
                is_dagsters = type(error).__name__ == "DagsterExecutionInterruptedError"
                if not isinstance(error, KeyboardInterrupt) and not is_dagsters:
                    raise
                typer.echo("interrupted; what was finished is kept: the same command goes on from there.", err=True)
                raise typer.Exit(128 + _last_signal(received)) from error


@contextmanager
def _recorded_signals() -> Generator[int]:
    """Let SIGTERM interrupt as Ctrl-C does; where the numbers of received signals can be read, whoever handles them."""
    # Not the handler of SIGINT: a shell script lets its background jobs ignore that one.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    received, sent = os.pipe()
    for end in (received, sent):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(sent, warn_on_full_buffer=False)
    try:
        yield received
    finally:
        signal.set_wakeup_fd(-1)
        os.close(received)
        os.close(sent)


def _last_signal(received: int) -> int:
    try:
        return os.read(received, 1024)[-1]
    except BlockingIOError:
        return signal.SIGINT


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
    images.images,
    search.search,
    search.find,
    search.same,
    words.words,
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
app.add_typer(sources.app, name="sources")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
