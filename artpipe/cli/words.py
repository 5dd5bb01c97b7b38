"""The command that guesses words for what a work shows: `artpipe words`."""

from pathlib import Path
from typing import Annotated

import typer

from artpipe.cli.terminal import AsJson, message_console, print_json, settings_in_force


def words(
    query: Annotated[str, typer.Argument(metavar="ID_OR_IMAGE", help="An artwork id, or the path of an image.")],
    k: Annotated[int, typer.Option("--k", "-k", min=1, help="How many words to show.")] = 5,
    vocabulary: Annotated[
        Path | None,
        typer.Option(help="A text file of words or descriptions, one a line; subjects of paintings without it."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Guess words for what an artwork or an image shows, by the image-text model."""
    from rich.table import Table

    from artpipe.search import Collection
    from artpipe.search.guessed_words import SUBJECTS

    chosen = SUBJECTS
    if vocabulary is not None:
        try:
            chosen = tuple(line.strip() for line in vocabulary.read_text("utf-8").splitlines() if line.strip())
        except (OSError, UnicodeDecodeError) as error:
            raise typer.BadParameter(f"{vocabulary} cannot be read as text ({error})") from error
    settings = settings_in_force()
    guesses = Collection.open(settings.lake_root, device=settings.device).guess_words(query, k, chosen)
    if as_json:
        print_json(guesses.to_dicts())
        return
    table = Table("guess", "standard score", title="Guesses, which nobody checked")
    for word, _, score in guesses.iter_rows():
        table.add_row(word, f"{score:.1f}")
    message_console(stderr=False).print(table)
