"""Rows with a delimiter inside a field, put back where that can be done in one way only.

An export that does not quote its fields writes `Oil; tempera` as two columns. The columns whose values have a known
shape (dates, URL, type...) tell where the row was torn; `parse` quarantines a row that fits in two ways or in none.
"""

import itertools
import re
from collections.abc import Callable

from artpipe.catalog.dates import parse_date
from artpipe.schema import TYPES

MAX_EXTRA_FIELDS = 3


def field_mender(header: list[str], delimiter: str) -> Callable[[list[str]], list[str] | None]:
    """A function that puts a row with too many fields right where that can be done in one way only."""
    width = len(header)
    known: dict[str, Callable[[str], bool]] = {
        "born-died": lambda text: text.startswith("(") and text.endswith(")"),
        # A title beside a date is no date, though a year can be read out of the two.
        "date": lambda text: all(_looks_like_a_date(piece.strip()) for piece in text.split(delimiter)),
        "url": lambda text: re.fullmatch(r"https?://\S+\.html?", text) is not None,
        "form": lambda text: re.fullmatch(r"[a-z -]+", text) is not None,
        "type": lambda text: text in TYPES,
        "timeframe": lambda text: re.fullmatch(r"[0-9]{3,4}-[0-9]{4}", text) is not None,
    }
    checks = [(header.index(name), fits) for name, fits in known.items()]

    def mend(fields: list[str]) -> list[str] | None:
        extra = len(fields) - width
        if extra == 0:
            return fields
        if not 0 < extra <= MAX_EXTRA_FIELDS:
            return None
        fitting: list[list[str]] = []
        # Where a field ended is a choice of `width - 1` of the delimiters.
        for ends in itertools.combinations(range(1, len(fields)), width - 1):
            bounds = (0, *ends, len(fields))
            joined = [delimiter.join(fields[a:b]).strip() for a, b in itertools.pairwise(bounds)]
            if all(fits(joined[i]) for i, fits in checks):
                fitting.append(joined)
        # "Oil; tempera" is written with a space after the semicolon that is text, columns are not.
        spaced = [joined for joined in fitting if _stripped(joined) == _spaced(fields, delimiter)]
        return fitting[0] if len(fitting) == 1 else spaced[0] if len(spaced) == 1 else None

    return mend


def _looks_like_a_date(text: str) -> bool:
    return text == "-" or (len(text) < 40 and parse_date(text).year_from is not None)


def _stripped(fields: list[str]) -> list[str]:
    return [field.strip() for field in fields]


def _spaced(fields: list[str], delimiter: str) -> list[str]:
    """The fields with those that start with a space joined to the one before."""
    joined: list[str] = []
    for field in fields:
        if joined and field.startswith(" "):
            joined[-1] += delimiter + field
        else:
            joined.append(field)
    return _stripped(joined)
