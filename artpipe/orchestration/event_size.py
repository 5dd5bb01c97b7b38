"""Keeps the events of Dagster small: what is large lies in the lake, and an event shows a part and says where it lies.

Dagster stores the metadata of a materialisation four times: in two events of the run's database, and twice in the
index of all runs. `step.py` and `check.py` hand all metadata to `limited` before Dagster sees it.
"""

import base64
import io
import json
import re
from collections.abc import Mapping
from typing import Any, cast

import dagster as dg

from artpipe.orchestration.dagster_private import serialize_value

MAX_EVENT_BYTES = 100_000
"""Of one event, as Dagster stores it."""

MAX_METADATA_BYTES = MAX_EVENT_BYTES - 15_000
"""Of the metadata of one event; the rest of it is names, tags, versions and a description."""

MAX_DESCRIPTION_BYTES = 5_000
"""Of the description of a check's result."""

THUMBNAIL_BYTES = 18_000
"""Of one thumbnail; less where an event shows many."""

_LEAST_THUMBNAIL_BYTES = 4_000
"""What a text leaves to each picture beside it."""

_SIDES_PX = (640, 560, 480, 400, 340, 280, 240, 200, 160, 120, 80)
_QUALITY = 60
_EMBEDDED = re.compile(r"!\[([^\]]*)\]\(data:image/\w+;base64,([A-Za-z0-9+/=]+)\)")
_CUT = "\n\n… cut here, to keep the event small"


def limited(metadata: Mapping[str, Any], max_bytes: int = MAX_METADATA_BYTES) -> dict[str, dg.MetadataValue[Any]]:
    """Metadata that is together no larger than `max_bytes` as Dagster stores it.

    What is small is kept as it is. The rest shares what is left: pictures in Markdown become smaller, which tells more
    than a text that is cut; of other values only the size is told.

    Args:
        metadata: by name, as Dagster takes it.
        max_bytes: most bytes of all of it.
    """
    kept, left = normalized(metadata), max_bytes - len("{}")
    pictures = {name for name, value in kept.items() if _EMBEDDED.search(str(value.value))}
    for names, reserved in (
        (kept.keys() - pictures, min(_LEAST_THUMBNAIL_BYTES * len(pictures), max_bytes // 2)),
        (pictures, 0),
    ):
        by_size = sorted(names, key=lambda name: (_size(name, kept[name]), name))
        for position, name in enumerate(by_size):
            share = (left - reserved) // (len(by_size) - position)
            if _size(name, kept[name]) > share:
                kept[name] = _shortened(kept[name], share - _size(name, dg.MetadataValue.text("")))
            left -= _size(name, kept[name])
    return kept


def normalized(metadata: Mapping[str, Any]) -> dict[str, dg.MetadataValue[Any]]:
    """Metadata as Dagster keeps it, whatever plain values it was given."""
    return dict(dg.AssetMaterialization("any", metadata=metadata).metadata)


def limited_result(result: dg.AssetCheckResult) -> dg.AssetCheckResult:
    """The result of a check with its metadata and its description limited."""
    description = result.description and _cut(result.description, MAX_DESCRIPTION_BYTES)
    return result._replace(metadata=limited(result.metadata), description=description)


def embedded_picture(name: str, picture: bytes, max_bytes: int = THUMBNAIL_BYTES) -> str:
    """A picture as Markdown that holds a thumbnail of it.

    Args:
        name: shown where the picture is not.
        picture: in any format that Pillow reads.
        max_bytes: most bytes of the Markdown.
    """
    from PIL import Image

    text = f"![{name}](data:image/webp;base64,{{}})"
    try:
        with Image.open(io.BytesIO(picture)) as opened:
            whole = opened.convert("RGB")
    except OSError:
        return f"({name}: no picture)"
    for side in _SIDES_PX:
        small, out = whole.copy(), io.BytesIO()
        small.thumbnail((side, side), Image.Resampling.LANCZOS)
        small.save(out, "WEBP", quality=_QUALITY)
        found = text.format(base64.b64encode(out.getvalue()).decode())
        if len(found) <= max_bytes:
            return found
    return f"({name}: no room for a thumbnail)"


def _size(name: str, value: dg.MetadataValue[Any]) -> int:
    """Bytes of an entry as Dagster stores it."""
    return len(json.dumps(name)) + len(": , ") + len(serialize_value(cast("Any", value)))


def _shortened(value: dg.MetadataValue[Any], max_bytes: int) -> dg.MetadataValue[Any]:
    """As much of a value as fits."""
    if isinstance(value, dg.MarkdownMetadataValue):
        text = _with_smaller_pictures(value.value or "", max_bytes)
        return dg.MetadataValue.md(_cut(text, max_bytes))
    if isinstance(value, dg.TextMetadataValue):
        return dg.MetadataValue.text(_cut(value.value or "", max_bytes))
    return dg.MetadataValue.text(f"{_size('', value) / 1000:,.0f} kB, left out to keep the event small")


def _with_smaller_pictures(markdown: str, max_bytes: int) -> str:
    pictures = _EMBEDDED.findall(markdown)
    if not pictures:
        return markdown
    each = (max_bytes - len(json.dumps(_EMBEDDED.sub("", markdown)))) // len(pictures)
    return _EMBEDDED.sub(lambda found: embedded_picture(found[1], base64.b64decode(found[2]), each), markdown)


def _cut(text: str, max_bytes: int) -> str:
    """The lines, or where there is one alone the letters, that fit, and a remark where that is not all."""
    if len(json.dumps(text)) <= max_bytes:
        return text
    fits = text
    while fits and len(json.dumps(fits + _CUT)) > max_bytes:
        fits = fits[: min(len(fits) - 1, len(fits) * max_bytes // len(json.dumps(fits + _CUT)))]
    whole_lines, newline, _ = fits.rpartition("\n")
    return (whole_lines if newline else fits) + _CUT
