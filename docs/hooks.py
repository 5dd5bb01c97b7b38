"""Fills what has its source elsewhere: tables of settings, presets and keys, README.md and CONTRIBUTING.md."""

import re
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from artpipe.settings import Settings
from artpipe.sources.answer_pages import Pages
from artpipe.sources.answers import Answers
from artpipe.sources.config import preset_head, preset_names
from artpipe.sources.folder import FolderSource
from artpipe.sources.iiif import IiifSource
from artpipe.sources.joins import JoinedTable
from artpipe.sources.mapping import ArtistColumns, Columns, Condition, ImageColumns, Value
from artpipe.sources.oai import OaiSource
from artpipe.sources.table import Table
from artpipe.tasks import TaskDeclaration

ROOT = Path(__file__).resolve().parents[1]
SOURCES = {"index.md": "README.md", "contributing.md": "CONTRIBUTING.md"}
"""Pages that are a file of the repository's root."""


def settings_table() -> str:
    """Every setting with its default and its description, as Markdown."""
    lines = ["| variable | default | description |", "|---|---|---|"]
    for name, field in Settings.model_fields.items():
        default = ",".join(field.default) if isinstance(field.default, tuple) else field.default
        shown = "" if default in (None, "") else f"`{default}`"
        variable = field.validation_alias or f"ARTPIPE_{name.upper()}"
        lines.append(f"| `{variable}` | {shown} | {field.description} |")
    return "\n".join(lines)


MODELS: dict[str, type[BaseModel]] = {
    model.__name__: model
    for model in (
        *(Table, JoinedTable, Columns, ArtistColumns, ImageColumns, Value, Condition, Pages, Answers, TaskDeclaration),
        *(FolderSource, IiifSource, OaiSource),
    )
}


def keys_table(model: type[BaseModel]) -> str:
    """Every key of a part of the file of sources, as Markdown; those that are needed come first."""
    lines = ["| key | needed | what it is |", "|---|---|---|"]
    for name, field in sorted(model.model_fields.items(), key=lambda one: not one[1].is_required()):
        description = field.description or "the word that chooses the adapter"
        lines.append(f"| `{field.alias or name}` | {'yes' if field.is_required() else ''} | {description} |")
    return "\n".join(lines)


def presets_table() -> str:
    """Every preset with what its head comment says, as Markdown."""
    words = ("title", "terms", "pace", "tried", "page")
    lines = ["| preset | what | terms | pace | tried | page |", "|---|---|---|---|---|---|"]
    lines += [
        f"| `{name}` | {' | '.join(preset_head(name)[word].replace('|', '&#124;') for word in words)} |"
        for name in preset_names()
    ]
    return "\n".join(lines)


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """The page with what is generated put in its place."""
    if page.file.src_uri == "settings.md":
        return markdown.replace("<!-- settings -->", settings_table())
    if page.file.src_uri.startswith("sources"):
        markdown = re.sub(r"<!-- keys: (\w+) -->", lambda found: keys_table(MODELS[found[1]]), markdown)
        return markdown.replace("<!-- presets -->", presets_table())
    if source := SOURCES.get(page.file.src_uri):
        text = (ROOT / source).read_text(encoding="utf-8")
        return text.replace("](docs/", "](").replace("](CONTRIBUTING.md)", "](contributing.md)")
    return markdown
