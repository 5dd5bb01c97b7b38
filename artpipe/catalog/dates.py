"""Parses the date texts of catalogues: `c. 1596`, `1627-28`, `early 9th century`, `begun before 1300`.

A date text becomes a first and a last year, a precision and flags. A typo is flagged, and corrected only where that is
unambiguous; nothing is guessed. `clean` parses each distinct text once and joins the result to the works.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

import polars as pl

from artpipe.schema import PERIOD_BOUNDS, PERIODS

LATEST_YEAR = 2100
USUAL_SPAN_YEARS = 60  # a range without its hyphen, or across a century, is accepted only up to this length


@dataclass(frozen=True, slots=True)
class ParsedDate:
    """When a work was made, by its date text.

    `year_from` and `year_to` are both set, in order, or both None. `before 1517` and `after 1517` have 1517 in both;
    `precision` is the side.
    """

    year_from: int | None = None
    year_to: int | None = None
    precision: str = "unknown"
    flags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Atom:
    """One date of a text that may have several."""

    first: int
    last: int
    precision: str
    is_secondary: bool = False


_NO_DATE = frozenset({"", "-", "--", "-.", "?", "n.d.", "nd", "s.d.", "no date", "undated", "unknown", "date unknown"})
_MONTH = r"(?:jan|febr?|mar|apr|may|june?|july?|aug|sept?|oct|nov|dec)[a-z]*\.?"
_DAY = re.compile(
    rf"\b[0-9]{{1,2}}(?:st|nd|rd|th)?(?:\s+of)?\s+(?={_MONTH}\s)|(?<=[a-z.])\s[0-9]{{1,2}},(?=\s+[0-9]{{4}})"
)
# Dashes of every length, curly quotes and the no-break space as ASCII.
TO_ASCII = str.maketrans(
    dict.fromkeys("\u2012\u2013\u2014\u2015\u2212", "-") | dict.fromkeys("\u2018\u2019", "'") | {"\u00a0": " "}
)
_ATOM = re.compile(
    r"""
    (?<![\w'%/])
    (?: (?P<century>[0-9]{1,2})(?:st|nd|rd|th|sr)?
        (?:\s*(?:-|/|to|and|or)\s*(?P<part>early|mid|late)?[\s-]*(?P<century_to>[0-9]{1,2})(?:st|nd|rd|th))?
        \s*-?\s*cent(?:ury|uries|\.|\b)
      | (?P<years>[0-9]{3,4}(?:'?s)?(?:\s*[-/]\s*(?:(?:c|ca|after|before|d)\b[\s.]*)*[0-9]{1,4}(?:'?s)?(?![0-9%]))*)
    )
    (?![\w%])
    """,
    re.VERBOSE,
)
_YEAR = re.compile(r"([0-9]+)('?s)?")
_MISSING_HYPHEN = re.compile(r"(?<![\w'])([0-9]{4})([0-9]{2}|[0-9]{4})(?!\w)")
_CIRCA_TYPO = re.compile(
    r"\b(c|ca|about|around|circa)(?:,|-|\.(?=\s*\.))\s*(?=[0-9])|\b(about|around|circa)\.\s*(?=[0-9])"
)
CIRCA = re.compile(r"(?:^|[^a-z])(?:c|ca|circa|around|about|approx(?:imately)?|probably|possibly)(?![a-z])")
BEFORE = re.compile(r"\b(?:before|by|until|till)\b")
AFTER = re.compile(r"\b(?:after|from|since|not before)\b")
_PART = re.compile(
    r"\b(early|beginning|mid|middle|late|end|first half|second half|1st half|2nd half"
    r"|(?:first|second|third|fourth|last|1st|1sr|2nd|3rd|4th) quarter)\b"
)
# These name another event in the history of the object, whose years are not when the work was made.
_OTHER_EVENT = re.compile(
    r"\b(?:cast|carved|restored|rebuilt|reworked|executed|erected|box|version|copy|copied|enlarged|altered|printed)\b"
)
_SAME_EVENT = re.compile(r"\b(?:completed|finished|begun|started|to)\b")
# The share of a century or decade that each word covers.
_SHARES = {
    "early": (0, 1 / 3), "beginning": (0, 1 / 3), "mid": (1 / 3, 2 / 3), "middle": (1 / 3, 2 / 3), "late": (2 / 3, 1),
    "end": (2 / 3, 1), "first half": (0, 0.5), "1st half": (0, 0.5), "second half": (0.5, 1), "2nd half": (0.5, 1),
    "first quarter": (0, 0.25), "1st quarter": (0, 0.25), "1sr quarter": (0, 0.25), "second quarter": (0.25, 0.5),
    "2nd quarter": (0.25, 0.5), "third quarter": (0.5, 0.75), "3rd quarter": (0.5, 0.75),
    "fourth quarter": (0.75, 1), "4th quarter": (0.75, 1), "last quarter": (0.75, 1),
}  # fmt: skip


@lru_cache(maxsize=65536)
def parse_date(text: str) -> ParsedDate:
    """Parse a date text; one that cannot be parsed is `unknown`, never an exception.

    Flags: `typo` (years are set only if the correction is unambiguous), `reversed` (a range that runs backwards; its
    years are put in order), `second_date` (another event, such as a later cast, is dated too and left out).
    """
    lowered = text.translate(TO_ASCII).strip().lower()
    if lowered in _NO_DATE:
        return ParsedDate()
    flags: list[str] = []
    tidy = _tidied(lowered)
    if tidy != lowered:
        flags.append("typo")
    tidy = _DAY.sub(" ", tidy)
    atoms = list(_atoms(tidy, flags))
    if any(char in "0123456789" for char in _ATOM.sub(" ", tidy)):
        flags.append("typo")
    primary = [atom for atom in atoms if not atom.is_secondary] or atoms
    if len(primary) < len(atoms):
        flags.append("second_date")
    ordered = tuple(dict.fromkeys(flags))
    if not primary:
        return ParsedDate(flags=ordered)
    first, last = min(atom.first for atom in primary), max(atom.last for atom in primary)
    return ParsedDate(first, last, _joint_precision(primary, first, last), ordered)


def _tidied(text: str) -> str:
    """The text with its unambiguous typos corrected."""
    tidy = re.sub(r"[\s,;.]+$", "", text)
    tidy = _CIRCA_TYPO.sub(lambda typo: f"{typo[1] or typo[2]} ", tidy)

    def hyphenated(run: re.Match[str]) -> str:
        first, last = int(run[1]), int(run[2] if len(run[2]) == 4 else run[1][:2] + run[2])
        return f"{run[1]}-{run[2]}" if first < last <= first + USUAL_SPAN_YEARS and last < LATEST_YEAR else run[0]

    return _MISSING_HYPHEN.sub(hyphenated, tidy)


def _atoms(text: str, flags: list[str]) -> Iterator[_Atom]:
    end = 0
    matches = list(_ATOM.finditer(text))
    for number, match in enumerate(matches):
        before = text[end : match.start()]
        after = text[match.end() : matches[number + 1].start() if number + 1 < len(matches) else len(text)]
        end = match.end()
        atom = _century(match, before) if match["century"] else _years(match["years"], before, flags)
        if not 1 <= atom.first <= atom.last <= LATEST_YEAR:
            flags.append("typo")
            continue
        atom = replace(atom, precision=_qualified(atom.precision, match[0], before, after))
        in_parentheses = "(" in before[before.rfind(")") + 1 :] and number > 0
        label = re.match(r"\s*\(([^()0-9]*)\)", after)
        is_secondary = (in_parentheses and not _SAME_EVENT.search(before)) or bool(
            _OTHER_EVENT.search(label[1] if label else "") or (number > 0 and _OTHER_EVENT.search(before))
        )
        yield replace(atom, is_secondary=is_secondary)


def _century(match: re.Match[str], before: str) -> _Atom:
    first, last = int(match["century"]), int(match["century_to"] or match["century"])
    first, last = min(first, last), max(first, last)
    part = _part(before)
    year_from, year_to = _share((first - 1) * 100 + 1, 100, part)
    if match["century_to"]:
        year_to = _share((last - 1) * 100 + 1, 100, match["part"])[1]
    return _Atom(year_from, year_to, "century")


def _years(chain: str, before: str, flags: list[str]) -> _Atom:
    """`1503-5`, `1640-50s`, `1495/1497`, `1284-c. 1341`: a year and those that continue it."""
    parts = _YEAR.findall(chain)
    first = previous = int(parts[0][0])
    last = first
    for digits, _ in parts[1:]:
        year = _continued(previous, digits)
        if year < previous and "/" not in chain:
            flags.append("reversed")
        first, last, previous = min(first, year), max(last, year), year
    is_decade = any(plural for _, plural in parts)
    if not is_decade:
        return _Atom(first, last, "exact" if len(parts) == 1 else "range")
    if parts[-1][1]:
        last += 9
    part = _part(before)
    if len(parts) == 1 and part:
        # "mid 1400s" is the middle of a century, "early 1630s" the beginning of a decade.
        first, last = _share(first, 100 if first % 100 == 0 else 10, part)
    return _Atom(first, last, "decade")


def _continued(previous: int, digits: str) -> int:
    """The year that `digits` mean after `previous`: 5 after 1503 is 1505, 02 after 1698 is 1702."""
    if len(digits) >= len(str(previous)):
        return int(digits)
    step = 10 ** len(digits)
    year = previous - previous % step + int(digits)
    runs_into_next_century = year < previous and step == 100 and year + step <= previous + USUAL_SPAN_YEARS // 2
    return year + step if runs_into_next_century else year


def _part(before: str) -> str | None:
    found = _PART.findall(before)
    return found[-1] if found else None


def _share(first: int, years: int, part: str | None) -> tuple[int, int]:
    start, stop = _SHARES[part] if part else (0, 1)
    return first + round(years * start), first + round(years * stop) - 1


def _qualified(precision: str, core: str, before: str, after: str) -> str:
    """`circa`, `before` or `after` by the words around a date, else its own precision."""
    if re.match(r"\s*(?:\(?\?|or (?:earlier))", after):
        return "before" if "earlier" in after else "circa"
    if re.match(r"\s*(?:onwards?|or later|and later)", after):
        return "after"
    nearest = before[max(before.rfind(","), before.rfind(")"), 0) :]
    if AFTER.search(nearest):
        return "after"
    if BEFORE.search(nearest):
        return "before"
    if CIRCA.search(nearest) or CIRCA.search(core):
        return "circa"
    return precision


def _joint_precision(atoms: list[_Atom], first: int, last: int) -> str:
    kinds = {atom.precision for atom in atoms}
    if len(atoms) == 1 or (len(kinds) == 1 and kinds <= {"circa", "decade", "century", "before", "after"}):
        return atoms[0].precision
    if "circa" in kinds:
        return "circa"
    if "century" in kinds:
        return "century"
    return "exact" if first == last else "range"


def period_expr(year_from: str = "year_from", year_to: str = "year_to") -> pl.Expr:
    """The period of the middle year, such as `1450-1550`; a period ends before its last year."""
    middle = (pl.col(year_from) + pl.col(year_to)) // 2
    label = pl.lit(PERIODS[0])
    for bound, period in zip(PERIOD_BOUNDS, PERIODS[1:], strict=True):
        label = pl.when(middle >= bound).then(pl.lit(period)).otherwise(label)
    return pl.when(middle.is_not_null()).then(label).otherwise(pl.lit(None, dtype=pl.String)).alias("period")
