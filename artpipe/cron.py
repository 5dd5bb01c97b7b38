"""Whether a cron line can be read; a wrong one is refused where settings enter, not when the daemon meets it."""

import re
from collections.abc import Mapping

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_FIELDS: tuple[tuple[str, int, int, Mapping[str, int]], ...] = (
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of the month", 1, 31, {}),
    ("month", 1, 12, {name: number for number, name in enumerate(_MONTHS, 1)}),
    ("day of the week", 0, 7, {name: number for number, name in enumerate(_DAYS)}),
)
_PART = re.compile(r"(?:\*|(?P<first>\w+)(?:-(?P<last>\w+))?)(?:/(?P<step>\d+))?", re.ASCII)


def cron_problem(line: str) -> str | None:
    """What is wrong with a cron line of five fields, in words; None where nothing is."""
    fields = line.split()
    if len(fields) != len(_FIELDS):
        return f"{line!r} has {len(fields)} fields instead of {len(_FIELDS)}"
    for text, (name, low, high, names) in zip(fields, _FIELDS, strict=True):
        if not all(_is_part(part, low, high, names) for part in text.split(",")):
            return f"{text!r} is no {name} ({low} to {high})"
    return None


def _is_part(text: str, low: int, high: int, names: Mapping[str, int]) -> bool:
    match = _PART.fullmatch(text.lower())
    if match is None or match["step"] == "0":
        return False
    if match["first"] is None:
        return True
    ends = [_number(end, names) for end in (match["first"], match["last"] or match["first"])]
    return all(low <= end <= high for end in ends) and ends[0] <= ends[1]


def _number(text: str, names: Mapping[str, int]) -> int:
    return int(text) if text.isdecimal() else names.get(text, -1)
