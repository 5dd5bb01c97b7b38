"""Parses the date texts of catalogues: `c. 1596`, `1627-28`, `early 9th century`, `ca. 500-450 B.C.`.

A date text becomes a first and a last year, a precision and flags. Years before Christ are negative, 500 B.C. is -500,
and there is no year 0 (the convention of museums' data, as in Getty's CDWA). A number that is no year is flagged and
never counted as one; a typo is corrected only where that is unambiguous; nothing is guessed. `clean` parses each
distinct text once and joins the result to the works.

The grammar, by the tokens of `date_tokens`; each rule is a method of `_Reader`:

    text  := (word* span label?)*
    span  := point (join point)* open-end? side?      1503-5, 15th-16th century, 100 B.C.-A.D. 50, 1920-, 1480 or later
    point := (circa | side | part | month | era)* value unit? era? doubt?
    value := a date | a number | an ordinal | a Roman numeral
    unit  := century | millennium | the `s` of a decade
"""

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache

import polars as pl

from artpipe.catalog.date_tokens import TO_ASCII, Token, tokens
from artpipe.catalog.date_words import in_english

EARLIEST_YEAR, LATEST_YEAR = -9999, 2100
USUAL_SPAN_YEARS = 60  # a range that is mistyped, runs backwards or across a century is accepted up to this length


@dataclass(frozen=True, slots=True)
class ParsedDate:
    """When a work was made, by its date text.

    `year_from` and `year_to` are both set, in order, or both None; they are negative before Christ and never 0.
    `before 1517` and `after 1517` have 1517 in both; `precision` is the side.
    """

    year_from: int | None = None
    year_to: int | None = None
    precision: str = "unknown"
    flags: tuple[str, ...] = ()


_NO_DATE = frozenset({"", "-", "--", "-.", "?", "n.d.", "nd", "s.d.", "no date", "undated", "unknown", "date unknown"})
_MISSING_HYPHEN = re.compile(r"(?<![\w'])([0-9]{4})([0-9]{2}|[0-9]{4})(?!\w)")
_CIRCA_TYPO = re.compile(
    r"\b(c|ca|about|around|circa)(?:,|-|\.(?=\s*\.))\s*(?=[0-9])|\b(about|around|circa)\.\s*(?=[0-9])"
)
_OPEN_END = frozenset({"present", "ongoing", "now", "date", "today", "current"})
_VALUES = frozenset({"date", "number", "ordinal", "roman", "compact_century"})
# What may stand between a join and the value that it joins: `1650-before 1700`, `late 15th-early 16th century`.
_BETWEEN = frozenset({"circa", "doubt", "before", "after", "from", "part", "bc", "ad", "month", "filler", "century"})
_BETWEEN_ORDINALS = frozenset({"join", "part", "filler", "bc", "ad", "ordinal", "roman"})
_NTH = {"1st": "first", "1sr": "first", "2nd": "second", "3rd": "third", "4th": "fourth", "latter": "last"}
# The share of a century or decade that each word covers.
_SHARES = {
    "early": (0, 1 / 3), "beginning": (0, 1 / 3), "mid": (1 / 3, 2 / 3), "middle": (1 / 3, 2 / 3), "late": (2 / 3, 1),
    "end": (2 / 3, 1), "earlier": (0, 0.5), "later": (0.5, 1), "turn": (-0.1, 0.1),
    "first half": (0, 0.5), "second half": (0.5, 1), "last half": (0.5, 1),
    "first third": (0, 1 / 3), "second third": (1 / 3, 2 / 3), "third third": (2 / 3, 1), "last third": (2 / 3, 1),
    "first quarter": (0, 0.25), "second quarter": (0.25, 0.5), "third quarter": (0.5, 0.75),
    "fourth quarter": (0.75, 1), "last quarter": (0.75, 1), "first decade": (0, 0.1), "second decade": (0.1, 0.2),
    "third decade": (0.2, 0.3), "fourth decade": (0.3, 0.4), "last decade": (0.9, 1),
}  # fmt: skip
_DIGITS = re.compile("[0-9]+")
_MAX_DIGITS = 12  # far beyond every year; int() fails on thousands
_UNIT_YEARS = {"century": 100, "millennium": 1000}
_ROMAN = {"i": 1, "v": 5, "x": 10}


@dataclass(slots=True)
class _Words:
    """What the words before a value say about it."""

    side: str | None = None
    is_circa: bool = False
    parts: list[str] = field(default_factory=list)
    era: str | None = None
    is_period: bool = False
    is_other_event: bool = False
    is_same_event: bool = False
    last_kind: str = ""

    def add(self, token: Token) -> None:
        """Take one more word into account."""
        kind = token.kind
        if kind in ("before", "after", "from"):
            self.side = kind
        elif kind in ("circa", "doubt"):
            self.is_circa = True
        elif kind == "part":
            self.parts += _parts(token.text)
        elif kind in ("bc", "ad"):
            self.era = kind
        elif kind == "period":
            self.is_period = True
        elif kind == "event":
            self.is_other_event = True
        elif kind == "same_event":
            self.is_same_event = True
        elif kind in ("comma", "close"):
            self.side, self.is_circa = None, False
        elif kind == "word":
            self.parts.clear()
        self.last_kind = kind


@dataclass(slots=True)
class _Point:
    """A year, a decade or a century of a span; `join` is what joins it to the point before."""

    text: str
    kind: str
    words: _Words
    join: str = ""
    unit: str | None = None
    era: str | None = None
    has_own_era: bool = False  # in `44 B.C.-5 B.C.` each point has, and none is abbreviated
    digits: str = field(init=False)

    def __post_init__(self) -> None:
        if self.kind == "roman":
            self.digits = str(_roman_number(self.text))
        else:
            # Of 21.6.1889 the year is the part with four digits.
            self.digits = max(_DIGITS.findall(self.text), key=len)

    @property
    def number(self) -> int:
        return int(self.digits[:_MAX_DIGITS])

    @property
    def is_small(self) -> bool:
        """Whether it is too small for a year, unless a unit or an era says what it is."""
        return self.kind not in ("number", "date") or (self.kind == "number" and len(self.text) <= 2)

    @property
    def is_decade(self) -> bool:
        return self.kind == "number" and self.text.endswith("s")


@dataclass(frozen=True, slots=True)
class _Span:
    """One date of a text that may have several."""

    first: int
    last: int
    precision: str
    is_other_event: bool = False
    is_aside: bool = False  # in parentheses
    is_holder: bool = False  # a century, a reign or a dynasty, which a narrower date may follow

    def holds(self, other: "_Span") -> bool:
        return self.first <= other.first and other.last <= self.last


@lru_cache(maxsize=65536)
def parse_date(text: str) -> ParsedDate:
    """Parse a date text; one that cannot be parsed is `unknown`, never an exception.

    Flags:

    - `typo`: digits that cannot be read; years are set only if the correction is unambiguous.
    - `reversed`: a range that runs backwards; its years are put in order if they are near each other.
    - `second_date`: another event, such as a later cast, is dated too and left out.
    - `not_a_year`: the only numbers are no years of this calendar, such as `No. 1234` or `A.H. 920`.
    - `ambiguous`: the text has another usual reading, such as `1889-06` for June.
    """
    lowered = in_english(text.translate(TO_ASCII).strip().lower())
    if lowered in _NO_DATE:
        return ParsedDate()
    tidy = _tidied(lowered)
    reader = _Reader(list(tokens(tidy)))
    if tidy != lowered:
        reader.flags.append("typo")
    spans = reader.text()
    primary, has_second_date = _of_the_work(spans)
    if has_second_date:
        reader.flags.append("second_date")
    if not spans and reader.has_other_number and not reader.flags:
        reader.flags.append("not_a_year")
    flags = tuple(dict.fromkeys(reader.flags))
    if not primary:
        return ParsedDate(flags=flags)
    first, last = min(span.first for span in primary), max(span.last for span in primary)
    if len(primary) > 1 and first < 0 < last:
        flags = (*flags, "ambiguous")  # 4th century, 350 B.C.
    return ParsedDate(first, last, _joint_precision([span.precision for span in primary], first, last), flags)


def _tidied(text: str) -> str:
    """The text with its unambiguous typos corrected."""
    tidy = re.sub(r"(?<=[0-9\s])[\s,;.]+$", "", text)
    tidy = _CIRCA_TYPO.sub(lambda typo: f"{typo[1] or typo[2]} ", tidy)

    def hyphenated(run: re.Match[str]) -> str:
        first, last = int(run[1]), int(run[2] if len(run[2]) == 4 else run[1][:2] + run[2])
        return f"{run[1]}-{run[2]}" if first < last <= first + USUAL_SPAN_YEARS and last < LATEST_YEAR else run[0]

    return _MISSING_HYPHEN.sub(hyphenated, tidy)


class _Reader:
    """Reads the tokens of a date text from first to last."""

    def __init__(self, read: Sequence[Token]) -> None:
        self.tokens = [*read, Token("end", "")]
        self.at = 0
        self.depth = 0
        self.flags: list[str] = []
        self.has_other_number = False

    @property
    def kind(self) -> str:
        return self.tokens[self.at].kind

    def take(self) -> Token:
        token = self.tokens[self.at]
        self.at += 1
        return token

    def is_at_value(self) -> bool:
        """Whether a value comes next; `3rd` and `XV` are values only at a unit, and else a state or a king."""
        if self.kind not in ("ordinal", "roman"):
            return self.kind in _VALUES
        if self.at and self.tokens[self.at - 1].kind == "century":
            return True  # s. XVI
        return next(
            token.kind in _UNIT_YEARS or token.text in ("c", "c.")
            for token in self.tokens[self.at + 1 :]
            if token.kind not in _BETWEEN_ORDINALS
        )

    def text(self) -> list[_Span]:
        """All spans of the text, in its order."""
        spans: list[_Span] = []
        words, first_depth = _Words(), 0
        if self.kind == "join" and self.tokens[1].kind == "number":
            self.flags.append("ambiguous")  # -500 may be before Christ, and -1920 a dash before a year
            return []
        while self.kind != "end":
            if self.is_at_value():
                if not spans:
                    first_depth = self.depth
                span = self.span(words, number=len(spans), is_inside=self.depth > first_depth)
                spans += [span] if span else []
                # Of "1828, exhibited 1830, 1835" the last two are exhibitions.
                is_listed = self.kind == "comma" and self.tokens[self.at + 1].kind in ("number", "circa")
                words = _Words(is_other_event=words.is_other_event and is_listed)
                continue
            token = self.take()
            self.depth += (token.kind == "open") - (token.kind == "close")
            self.has_other_number |= token.kind in ("other_number", "ordinal")
            if token.kind == "unreadable":
                self.flags.append("typo")
            words.add(token)
        return spans

    def span(self, words: _Words, *, number: int, is_inside: bool) -> _Span | None:
        """A point and those that continue it; None if its numbers are no years."""
        points = [self.point(words, "")]
        while (point := self.next_point(points[-1])) is not None:
            points.append(point)
        self.part_behind(points[-1])
        bounds = self.bounds(points)
        if bounds is None:
            return None
        is_holder = any(point.unit for point in points) or (words.is_period and len(points) > 1)
        is_month = points[-1].join == "/" and bounds[0] == bounds[1]  # 1858/2
        precision = self.side(points)
        if precision is None and (self.kind == "doubt" or any(point.words.is_circa for point in points)):
            precision = "circa"
        elif precision is None and is_holder:
            precision = "century"
        elif precision is None and any(point.is_decade for point in points):
            precision = "decade"
        return _Span(
            *bounds,
            precision or ("range" if len(points) > 1 and not is_month else "exact"),
            is_other_event=self.label_is_other_event(number) or (number > 0 and words.is_other_event),
            is_aside=is_inside and number > 0 and not words.is_same_event,
            is_holder=is_holder,
        )

    def point(self, words: _Words, join: str) -> _Point:
        """A value with its unit and era."""
        token = self.take()
        point = _Point(token.text, token.kind, words, join, era=words.era)
        if point.kind == "compact_century":
            point.unit = "century"
        elif point.is_small:
            if self.kind in _UNIT_YEARS:
                point.unit = self.take().kind
            elif self.kind == "circa" and self.tokens[self.at].text in ("c", "c."):
                self.at += 1
                point.unit = "century"
            elif self.tokens[self.at - 2].kind == "century":
                point.unit = "century"  # s. XVI
        if self.kind in ("bc", "ad"):
            point.era, point.has_own_era = self.take().kind, True
        if self.kind == "doubt" and self.tokens[self.at + 1].kind == "join":
            self.at += 1
            words.is_circa = True
        return point

    def next_point(self, previous: _Point) -> _Point | None:
        """The point that is joined to the previous one; None, and nothing is taken, if there is none."""
        start = self.at
        join = self.take()
        if join.kind != "join":
            self.at = start
            return None
        words = _Words()
        while self.kind in _BETWEEN or (self.kind == "join" and self.tokens[self.at + 1].kind == "part"):
            words.add(self.take())
        is_counted = join.text.isalpha() and re.fullmatch("[0-9]", self.tokens[self.at].text)  # 1650 and 5 others
        if not is_counted and (self.is_at_value() or (self.kind in ("ordinal", "roman") and previous.unit)):
            return self.point(words, join.text)
        if words.era and previous.unit:
            return replace(previous, era=words.era, join=join.text)  # 1st century B.C.-A.D.
        self.at = start
        return None

    def side(self, points: list[_Point]) -> str | None:
        """`before` or `after`, by the words on either side of a span."""
        if self.kind == "earlier":
            return "before"
        if self.kind == "later" or self.open_end():
            return "after"
        side = points[0].words.side
        if side is None or self.kind == "doubt" or any(point.words.side for point in points[1:]):
            return None
        if side == "from":
            return "after" if len(points) == 1 else None
        return side

    def part_behind(self, point: _Point) -> None:
        """The part of a century that is named behind it: `16th century, second half`."""
        ahead = self.at + (self.kind in ("comma", "open"))
        if point.unit and self.tokens[ahead].kind == "part" and self.tokens[ahead + 1].kind in ("end", "close"):
            point.words.parts = _parts(self.tokens[ahead].text)
            self.depth += self.kind == "open"
            self.at = ahead + 1

    def open_end(self) -> bool:
        """`1920-`, `1920-present`."""
        if self.kind != "join" or self.tokens[self.at].text not in ("-", "to"):
            return False
        after = self.tokens[self.at + 1]
        return after.text in _OPEN_END or (
            after.kind in ("end", "close", "comma", "doubt") and self.tokens[self.at].text == "-"
        )

    def label_is_other_event(self, number: int) -> bool:
        """Whether the words behind a span, `1842 (cast)` or `1842 print`, name another event."""
        ahead = self.at
        is_in_parentheses = self.tokens[ahead].kind == "open"
        ahead += is_in_parentheses
        is_event = False
        while self.tokens[ahead].kind in ("word", "event", "filler", "join", "same_event"):
            is_event |= self.tokens[ahead].kind == "event"
            ahead += 1
        if is_in_parentheses:
            return is_event and self.tokens[ahead].kind == "close"
        return is_event and number > 0 and self.tokens[ahead].kind in ("end", "comma", "close")

    def bounds(self, points: list[_Point]) -> tuple[int, int] | None:
        """The first and the last year of points that are joined; None, and a flag, if they are no years."""
        _share_units(points)
        if not _share_eras(points):
            self.flags.append("ambiguous")
            return None
        if points[0].is_small and not points[0].unit and not any(point.era for point in points):
            is_regnal = len(points) == 1 and points[0].words.last_kind in ("word", "period")  # Meiji 20
            self.has_other_number |= is_regnal
            self.flags += [] if is_regnal else ["typo"]
            return None
        years: list[tuple[int, int]] = []
        for i, point in enumerate(points):
            if point.unit:
                first, last = _unit_bounds(point)
            else:
                year = self.year(point, points[i - 1], years[-1][0]) if years else self.year(point)
                first, last = _decade_bounds(point, year) if point.is_decade else (year, year)
            if not EARLIEST_YEAR <= first <= last <= LATEST_YEAR or 0 in (first, last):
                self.flags.append("typo")
                return None
            if years and first < years[-1][0] and point.join.startswith("-"):
                self.flags.append("reversed")
                if years[-1][0] - first > USUAL_SPAN_YEARS:
                    return None
            years.append((first, last))
        return min(first for first, _ in years), max(last for _, last in years)

    def year(self, point: _Point, previous: _Point | None = None, before: int = 0) -> int:
        """The year that a number means, which may be abbreviated after the year `before` of the previous point."""
        number = point.number
        shortened = len(str(abs(before))) - len(point.digits)
        if point.era == "bc":
            is_abbreviation = previous is not None and before < 0 < shortened and not previous.has_own_era
            return -self.year_before_christ(number, -before, 10 ** len(point.digits)) if is_abbreviation else -number
        if before <= 0 or shortened <= 0:
            return number
        # 5 after 1503 is 1505, 02 after 1698 is 1702.
        step = 10 ** len(point.digits)
        year = before - before % step + number
        if point.join == "/" and step == 10 and year < before:
            return before  # 1858/2 is February
        if year >= before or step != 100 or year + step > before + USUAL_SPAN_YEARS // 2:
            return year
        if 1 <= number <= 12:
            self.flags.append("ambiguous")  # 1889-06 may be June
        return year + step

    def year_before_christ(self, number: int, before: int, step: int) -> int:
        """1479-25 B.C. ends in 1425; 350-25 B.C. may end in 325 or in 25, and spans both."""
        abbreviated = before - before % step + number
        if abbreviated > before:
            return number
        if before >= 1000:
            return abbreviated
        self.flags.append("ambiguous")
        return number


def _roman_number(text: str) -> int:
    """The number of `xvi` or `xvie`."""
    digits = [_ROMAN[letter] for letter in text if letter in _ROMAN]
    return sum(-n if n < max(digits[i:]) else n for i, n in enumerate(digits))


def _share_units(points: list[_Point]) -> None:
    """In `15th-16th century` and `18th century-early 19th` the unit is that of both."""
    for point, following in zip(points[-2::-1], points[:0:-1], strict=True):
        if point.is_small and not point.unit:
            point.unit = following.unit
    for previous, point in itertools.pairwise(points):
        if point.is_small and point.kind != "number" and not point.unit:
            point.unit = previous.unit


def _share_eras(points: list[_Point]) -> bool:
    """Give each point its era; False if it is open on which side of Christ's birth one lies."""
    for point, following in zip(points[-2::-1], points[:0:-1], strict=True):
        point.era = point.era or ("bc" if following.era == "bc" else None)
    for previous, point in itertools.pairwise(points):
        if point.era or previous.era != "bc":
            continue
        if previous.words.era == "bc":
            point.era = "bc"  # B.C. 500-450
        elif point.number <= previous.number:
            return False  # 50 B.C.-20
    return True


def _decade_bounds(point: _Point, year: int) -> tuple[int, int]:
    """The years of a decade: `mid 1400s` is the middle of a century, `early 1630s` the beginning of a decade."""
    if point.era == "bc":
        return year - 9, year
    return _share(year, 100 if point.words.parts and year % 100 == 0 else 10, point.words.parts)


def _unit_bounds(point: _Point) -> tuple[int, int]:
    """The years of a century or millennium: the 16th has 1501 to 1600, the 3rd before Christ -300 to -201."""
    years = _UNIT_YEARS[point.unit or "century"]
    start = -years * point.number if point.era == "bc" else years * (point.number - 1) + 1
    return _share(start, years, point.words.parts)


def _share(first: int, years: int, parts: list[str]) -> tuple[int, int]:
    """The years of some parts of a century or decade, `mid` to `late`; all of them without parts."""
    if not parts:
        return first, first + years - 1
    shares = [_SHARES.get(part, (0, 1)) for part in parts]
    start, stop = min(share[0] for share in shares), max(share[1] for share in shares)
    return first + round(years * start), first + round(years * stop) - 1


def _parts(text: str) -> list[str]:
    """The keys of `_SHARES` that a token names: `2nd or 3rd quarter` names two."""
    found: list[str] = re.findall("[a-z0-9]+", text)
    words = [_NTH.get(word, word) for word in found]
    if len(words) == 1:
        return words
    unit = words[-1].removesuffix("s")
    return [f"{word} {unit}" for word in words[:-1] if word not in ("to", "and", "or")]


def _of_the_work(spans: list[_Span]) -> tuple[list[_Span], bool]:
    """The spans in which the work was made, and whether a date of another event was left out.

    A century or a reign that holds the next span gives way to it: `Edo period (1615-1868), c. 1800`.
    """
    kept: list[_Span] = []
    has_second_date = False
    for span in spans:
        last = kept[-1] if kept else None
        if span.is_other_event:
            has_second_date = True
        elif last and last.is_holder and (last.holds(span) or (span.is_holder and _overlap(last, span))):
            kept[-1] = _narrowed(span, last)
        elif not span.is_aside:
            kept.append(span)
        elif last is None or not (span.holds(last) or (span.is_holder and _overlap(last, span))):
            has_second_date = True
    return (kept, has_second_date) if kept else (spans, False)


def _overlap(one: _Span, other: _Span) -> bool:
    return one.first <= other.last and other.first <= one.last


def _narrowed(span: _Span, holder: _Span) -> _Span:
    """The span within its holder: `18th century, after 1713` ends in 1800."""
    first = holder.first if span.precision == "before" else max(span.first, holder.first)
    last = holder.last if span.precision == "after" else min(span.last, holder.last)
    is_cut = span.precision in ("before", "after")
    return replace(span, first=first, last=last, precision=holder.precision if is_cut else span.precision)


def _joint_precision(precisions: list[str], first: int, last: int) -> str:
    kinds = set(precisions)
    if len(precisions) == 1 or (len(kinds) == 1 and kinds <= {"circa", "decade", "century", "before", "after"}):
        return precisions[0]
    if "circa" in kinds:
        return "circa"
    if "century" in kinds:
        return "century"
    return "exact" if first == last else "range"


def class_by_year(classes: Sequence[str], bounds: Sequence[int]) -> pl.Expr:
    """The class that holds the middle year of a work, such as `1450-1550`; a class ends before its last year.

    Args:
        classes: in the order of time.
        bounds: the years at which one ends and the next begins, one fewer than the classes.
    """
    middle = (pl.col("year_from") + pl.col("year_to")) // 2
    label = pl.lit(classes[0] if classes else None, pl.String)
    for bound, name in zip(bounds, classes[1:], strict=True):
        label = pl.when(middle >= bound).then(pl.lit(name)).otherwise(label)
    return pl.when(middle.is_not_null()).then(label)
