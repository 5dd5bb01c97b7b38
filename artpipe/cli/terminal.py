"""What every command shares: the settings in force, and how output for people and for programs is written."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from artpipe.settings import Settings

EXPECTED_FAILURE = 2

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")]


def settings_in_force() -> "Settings":
    """The settings of the environment; a variable named like one that is none is pointed out on stderr.

    Raises:
        BadSettingError: one of them cannot be taken (every one that cannot is named), or needs a library.
        UnwritableLakeError: the lake can be no folder.
    """
    from artpipe.settings import read_settings, unknown_variables

    for name, meant in unknown_variables().items():
        typer.echo(f"{name} is no setting{f'; {meant} may be meant' if meant else ''}.", err=True)
    settings = read_settings()
    _refuse_without_library(settings)
    settings.data_lake.refuse_other_than_folder()
    return settings


def _refuse_without_library(settings: "Settings") -> None:
    """Refuse an address of an object store whose library is not installed."""
    for name in ("lake", "label_overrides"):
        address: str | None = getattr(settings, name)
        if address is None or "://" not in address:
            continue
        from fsspec import get_filesystem_class

        from artpipe.errors import BadSettingError

        try:
            get_filesystem_class(address.partition("://")[0])
        except ImportError as error:
            raise BadSettingError(
                f"ARTPIPE_{name.upper()}={address!r}: {error}; for s3:// addresses, `pip install 'artpipe[s3]'`."
            ) from error


def message_console(*, stderr: bool = True) -> "Console":
    """Where tables and progress go: stderr, so that stdout stays free for what a program reads.

    Long lines are left to the terminal to wrap: rich would put newlines into the commands and paths in them.
    """
    from rich.console import Console

    console = Console(stderr=stderr, soft_wrap=True)
    # A pipe or a file has no width of its own, and 80 columns cut titles short.
    return console if console.is_terminal else Console(stderr=stderr, soft_wrap=True, width=120)


def print_json(value: object) -> None:
    """Write JSON alone to stdout."""
    sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=1) + "\n")
