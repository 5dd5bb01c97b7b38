"""Fills the pages that have their source elsewhere: the settings table, README.md and CONTRIBUTING.md."""

from pathlib import Path
from typing import Any

from artpipe.settings import Settings

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


def on_page_markdown(markdown: str, *, page: Any, **_: object) -> str:
    """The page with what is generated put in its place."""
    if page.file.src_uri == "settings.md":
        return markdown.replace("<!-- settings -->", settings_table())
    if source := SOURCES.get(page.file.src_uri):
        text = (ROOT / source).read_text(encoding="utf-8")
        return text.replace("](docs/", "](").replace("](CONTRIBUTING.md)", "](contributing.md)")
    return markdown
