"""Repairs rows with a delimiter inside a field, where that can be done in one way only.

An export that does not quote its fields writes `Oil; tempera` as two columns. The columns whose values have a known
shape (dates, URL, type...) show where the row was split; `parse` quarantines a row that fits in two ways or in none.
"""

import itertools
import re
from collections.abc import Callable

from artpipe.catalog.dates import parse_date
from artpipe.schema import TYPES

MAX_EXTRA_FIELDS = 3


def field_repairer(header: list[str], delimiter: str) -> Callable[[list[str]], list[str] | None]:
    """A function that joins the fields of a row with too many of them; None where that is ambiguous or impossible."""
    width = len(header)
    shapes: dict[str, Callable[[str], bool]] = {
        "born-died": lambda text: text.startswith("(") and text.endswith(")"),
        # A title joined to a date is not a date, though a year can be parsed from it.
        "date": lambda text: all(_is_date(piece.strip()) for piece in text.split(delimiter)),
        "url": lambda text: re.fullmatch(r"https?://\S+\.html?", text) is not None,
        "form": lambda text: re.fullmatch(r"[a-z -]+", text) is not None,
        "type": lambda text: text in TYPES,
        "timeframe": lambda text: re.fullmatch(r"[0-9]{3,4}-[0-9]{4}", text) is not None,
    }
    checks = [(header.index(name), has_shape) for name, has_shape in shapes.items()]

    def repair(fields: list[str]) -> list[str] | None:
        extra = len(fields) - width
        if extra == 0:
            return fields
        if not 0 < extra <= MAX_EXTRA_FIELDS:
            return None
        fitting: list[list[str]] = []
        # Where each field ended is a choice of `width - 1` of the delimiters.
        for ends in itertools.combinations(range(1, len(fields)), width - 1):
            bounds = (0, *ends, len(fields))
            joined = [delimiter.join(fields[a:b]).strip() for a, b in itertools.pairwise(bounds)]
            if all(has_shape(joined[i]) for i, has_shape in checks):
                fitting.append(joined)
        # "Oil; tempera" has a space after a semicolon that is text; columns have none.
        by_spaces = _joined_at_spaces(fields, delimiter)
        spaced = [joined for joined in fitting if joined == by_spaces]
        return fitting[0] if len(fitting) == 1 else spaced[0] if len(spaced) == 1 else None

    return repair


def _is_date(text: str) -> bool:
    return text == "-" or (len(text) < 40 and parse_date(text).year_from is not None)


def _joined_at_spaces(fields: list[str], delimiter: str) -> list[str]:
    """The fields with each that starts with a space joined to the one before."""
    joined: list[str] = []
    for field in fields:
        if joined and field.startswith(" "):
            joined[-1] += delimiter + field
        else:
            joined.append(field)
    return [field.strip() for field in joined]
