"""Parses artists' dates: `(1570-1624)`, `(active 1570-1624)` or `(b. 1552, Town, d. ca. 1615, Town)`.

`artists` takes years of birth and death from here; `clean` compares the years of works with them.
"""

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from artpipe.catalog.date_tokens import TO_ASCII, is_approximate
from artpipe.catalog.dates import ParsedDate, parse_date

_BORN = re.compile(r"\b(?:b|born|bapt|baptised|baptized)\b[.\s]")
_DIED = re.compile(r"\b(?:d|died)\b[.\s]")
_ACTIVE = re.compile(r"\b(?:acti[vc]e|doc|documented|known|recorded|mentioned|master|fl\b|flourished)")
_SPAN = re.compile(
    r"^(?P<born>.*?[0-9?]s?(?:\sbce?|\sor (?:before|after|earlier|later)|\s?\(\?\))?),?\s*(?:-+|\.)"
    r"\s*(?P<died>[^0-9]*(?:[0-9]{3,}(?:s\b|\b)|[0-9]+(?:/[0-9]+)?\s*(?:bc|ad)).*|\s*\?.*)$"
)
_STRAY_LETTER = re.compile(r"(?<=[0-9]{4})[a-rt-z]\b")
_MISSING_SPACE = re.compile(r"(?<=[a-z])(?=[0-9]{4})")
_MISSING_HYPHEN = re.compile(r"(?<![0-9])([0-9]{4})([0-9]{4})(?![0-9])")
# The b. of b.c. is no birth and the d. of a.d. no death, that of `b. c. 1440` is; in `490-430 bc` both years are bc.
_BEFORE_CHRIST = re.compile(r"\bb\.\s?c\b\.?(?:\s?e\b\.?)?(?![.\s]*[0-9])")
_ANNO_DOMINI = re.compile(r"\ba\.\s?d\b\.?")
_SHARED_ERA = re.compile(r"([0-9])(\s*-[^0-9]*[0-9]+\s*bce?\b)")


@dataclass(frozen=True, slots=True)
class Life:
    """When an artist lived, or was active where birth and death are unknown."""

    born: int | None = None
    died: int | None = None
    active_from: int | None = None
    active_to: int | None = None
    is_approximate: bool = False

    @property
    def earliest(self) -> int | None:
        """No work is expected before this year."""
        if self.born is not None:
            return self.born
        # A half-known lifetime is assumed to be long, so that only clear outliers are flagged.
        if self.active_from is not None:
            return self.active_from - 40
        return None if self.died is None else self.died - 100

    @property
    def latest(self) -> int | None:
        """No work is expected after this year."""
        if self.died is not None:
            return self.died
        if self.active_to is not None:
            return self.active_to + 40
        return None if self.born is None else self.born + 100

    @property
    def middle(self) -> int | None:
        """The middle of the life, or of the active years; 30 years from the one known end."""
        for first, last in ((self.born, self.died), (self.active_from, self.active_to)):
            if first is not None and last is not None:
                return (first + last) // 2 or 1  # there is no year 0
        if self.born is not None:
            return self.born + 30
        return None if self.died is None else self.died - 30


@lru_cache(maxsize=65536)
def parse_life(text: str) -> Life:
    """Parse the dates of an artist; one that cannot be parsed is an empty `Life`."""
    tidy = text.translate(TO_ASCII).strip().strip("()").strip().lower()
    tidy = _MISSING_HYPHEN.sub(r"\1-\2", _MISSING_SPACE.sub(" ", _STRAY_LETTER.sub("", tidy)))
    tidy = _SHARED_ERA.sub(r"\1 bc\2", _ANNO_DOMINI.sub("ad", _BEFORE_CHRIST.sub("bc", tidy)))
    if not any(char in "0123456789" for char in tidy):
        return Life()
    death = _DIED.search(tidy)
    birth = _BORN.search(tidy)
    approximate = is_approximate(tidy)
    if birth and not death:
        tidy, birth = tidy[birth.end() :], None
        if not _SPAN.match(tidy):
            return _checked(_year(tidy), None, approximate)
    if death or birth:
        head = tidy[: death.start()] if death else tidy
        died = _year(tidy[death.end() :], last=True) if death else None
        if birth and birth.start() < len(head):
            return _checked(_year(head[birth.end() :]), died, approximate)
        if _ACTIVE.search(head):
            active = parse_date(head)
            return Life(None, died, active.year_from, active.year_to, approximate)
        return _checked(_year(head), died, approximate)
    if _ACTIVE.search(tidy):
        active = parse_date(re.sub(r"^.*?(?:acti[vc]e|documented|doc\.?)", "", tidy))
        return Life(None, None, active.year_from, active.year_to, True)
    span = _SPAN.match(tidy)
    if span and "cent" not in tidy:
        return _checked(_year(span["born"]), _year(span["died"], last=True), approximate)
    dated = parse_date(tidy)
    if "reversed" in dated.flags:
        return Life()
    if dated.precision == "range":
        return _checked(dated.year_from, dated.year_to, approximate)
    return Life(None, None, dated.year_from, dated.year_to, True)


def _year(text: str, *, last: bool = False) -> int | None:
    parsed = parse_date(text)
    return parsed.year_to if last else parsed.year_from


def _checked(born: int | None, died: int | None, is_approximate: bool) -> Life:
    """A life, unless its two ends contradict each other."""
    if born is not None and died is not None and not 0 <= died - born <= 120:
        return Life()
    return Life(born, died, is_approximate=is_approximate)


def corrected_date(text: str, life: Life) -> ParsedDate | None:
    """Correct a mistyped year with the help of the artist's life; None unless exactly one candidate falls into it.

    `11757` has a digit too many and `'622` lost one: of all years that one typing error can have come from, only one
    may lie within the life.
    """
    if life.earliest is None or life.latest is None:
        return None
    tidy = text.translate(TO_ASCII)
    candidates: set[str] = set()
    for token in re.finditer(r"(?<![0-9])[0-9]{5}(?![0-9])", tidy):
        digits = token[0]
        candidates |= {tidy[: token.start()] + digits[:i] + digits[i + 1 :] + tidy[token.end() :] for i in range(5)}
    for token in re.finditer(r"(?<!\w)'([0-9]{3})(?!\w)", tidy):
        candidates |= {f"{tidy[: token.start()]}{digit}{token[1]}{tidy[token.end() :]}" for digit in "12"}
    found = {
        parsed
        for parsed in map(parse_date, candidates)
        if parsed.year_from is not None
        and parsed.year_to is not None
        and life.earliest <= parsed.year_from <= parsed.year_to <= life.latest
    }
    if len(found) != 1:
        return None
    only = found.pop()
    return replace(only, flags=tuple(dict.fromkeys(("typo", *only.flags))))
