"""Paths into records: `title`, `images.web.url`, `creators[0].description`, `creators[].description`.

A path leads to a text, or to a list of texts where it has `[]` or ends at a list; the places of a list are kept, so
that several paths through one list belong together place by place.
"""

import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, cast

_STEP = re.compile(r"([^.\[\]]+)|\[(\d*)\]")
NUMBER = "\0number"
"""The column of a batch with the line or the place of each record; no table has a column of that name."""
FILE = "\0file"
"""The column with the place of a record's file, where a batch has records of several."""
Step = str | int | None
"""A key, a place in a list, or every place."""


def parse_path(path: str) -> tuple[Step, ...]:
    """The steps of a path."""
    return tuple(key or (int(place) if place else None) for key, place in _STEP.findall(path))


def value_at(record: object, steps: tuple[Step, ...]) -> object:
    """What a path leads to; None where it leads nowhere. `[]` gives a list, with None where an item has nothing."""
    for number, step in enumerate(steps):
        if step is None:
            if not isinstance(record, list):
                return None
            rest = steps[number + 1 :]
            found = [value_at(item, rest) for item in cast("list[object]", record)]
            return [one for some in found for one in (cast("list[object]", some) if isinstance(some, list) else [some])]
        if isinstance(step, int):
            if not isinstance(record, list) or step >= len(cast("list[object]", record)):
                return None
            record = cast("list[object]", record)[step]
        else:
            if not isinstance(record, Mapping):
                return None
            record = cast("Mapping[str, object]", record).get(step)
    return record


def has_path(record: object, steps: tuple[Step, ...]) -> bool | None:
    """Whether a record has the keys of a path; None where an empty list or a null on the way leaves it open."""
    for number, step in enumerate(steps):
        if record is None or record == []:
            return None
        if isinstance(step, str):
            if not isinstance(record, Mapping) or step not in record:
                return False
            record = cast("Mapping[str, object]", record)[step]
        else:
            items = cast("list[object]", record) if isinstance(record, list) else []
            return any(has_path(item, steps[number + 1 :]) is not False for item in items)
    return True


def as_text(value: object) -> str | None:
    """A value of JSON as text."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, Mapping | list):
        return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def as_texts(value: object) -> str | list[str | None] | None:
    """A value of JSON as text, a list as a list of texts."""
    return [as_text(one) for one in cast("list[object]", value)] if isinstance(value, list) else as_text(value)


def known_paths(records: Iterable[Any]) -> list[str]:
    """The paths that some records have, for suggestions."""
    found: dict[str, None] = {}

    def walk(value: object, path: str) -> None:
        if isinstance(value, Mapping):
            for key, inner in cast("Mapping[str, object]", value).items():
                walk(inner, f"{path}.{key}" if path else str(key))
        elif isinstance(value, list) and any(isinstance(item, Mapping) for item in cast("list[object]", value)):
            for item in cast("list[object]", value)[:3]:
                walk(item, f"{path}[]")
        else:
            found[path] = None

    for record in records:
        walk(record, "")
    # What is a list of objects in one record may be empty in another.
    return [path for path in found if not any(other.startswith((f"{path}.", f"{path}[]")) for other in found)]
