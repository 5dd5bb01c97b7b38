"""What every command shares: the settings in force, and how output for people and for programs is written."""

import json
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from artpipe.errors import BadSettingError

if TYPE_CHECKING:
    from pydantic import ValidationError
    from rich.console import Console

    from artpipe.settings import Settings

EXPECTED_FAILURE = 2

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON alone on stdout.")]


def settings_in_force() -> "Settings":
    """The settings of the environment.

    Raises:
        BadSettingError: one of them cannot be taken; every one that cannot is named.
    """
    from pydantic import ValidationError

    from artpipe.settings import Settings

    try:
        return Settings()  # pyright: ignore[reportCallIssue]
    except ValidationError as error:
        raise BadSettingError(problems(error, "ARTPIPE_")) from error


def problems(error: "ValidationError", prefix: str) -> str:
    """A validation error as one readable line, naming each field as the person wrote it."""
    lines: list[str] = []
    for problem in error.errors():
        field = str(problem["loc"][0]) if problem["loc"] else ""
        name = prefix + (field.upper() if prefix.isupper() else field.replace("_", "-"))
        message = problem["msg"].removeprefix("Value error, ")
        shown = "" if field == "webhook_url" else f"={problem['input']!r}"  # a webhook's address is a secret
        lines.append(f"{name}{shown}: {message}" if field else message)
    return "; ".join(lines) + "."


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
