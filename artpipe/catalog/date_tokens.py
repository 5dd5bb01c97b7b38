"""Splits a date text into tokens: numbers, eras, and the words that say how a year is meant.

`dates` reads the tokens by its grammar; `lives` asks them whether the dates of an artist are approximate.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

# Dashes of every length, curly quotes and the no-break space as ASCII.
TO_ASCII = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-")
    | dict.fromkeys("\u2018\u2019", "'")
    | {"\u00a0": " "}
)


class Token(NamedTuple):
    """A piece of a date text; `kind` is a key of `_KINDS`."""

    kind: str
    text: str


_NTH = r"(?:st|sr|nd|rd|th)"
_D, _M = r"(?:0?[1-9]|[12][0-9]|3[01])", r"(?:0?[1-9]|1[0-2])"
_DD, _MM = r"(?:0[1-9]|[12][0-9]|3[01])", r"(?:0[1-9]|1[0-2])"
_ORDINAL = r"(?:first|second|third|fourth|last|latter|1st|1sr|2nd|3rd|4th)"
_DAYS = rf"[0-9]{{1,2}}{_NTH}?(?:\s*[-/]\s*[0-9]{{1,2}}{_NTH}?)?"
_SEASONS = r"spring|summer|autumn|fall|winter"
_MONTHS = (
    r"jan(?:uary)?|feb(?:r(?:uary)?)?|febrauary|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    rf"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?|{_SEASONS}"
)
_OTHER_CALENDAR = r"a\.?\s?h\.?|b\.?\s?p\.?|hijri|hegira|saka|shaka|samvat"
_LABEL = (
    r"(?:n[or]s?|number|inv|acc|accession|cat|lot|fig|fol|folio|vol|pl|pp|ms|sheet|patent|editions?\s+of"
    # The plate of a print that names its impression too is dated, not numbered.
    r"|plates?(?!.*(?:impression|print|state|publi)))"
)

# The kinds in the order in which they are tried. A word ends before a digit too, as in `c1596`.
_KINDS = {
    # 1889-06-21, 21.6.1889, 6/21/1889, 1889/06/21, 6/1889, 1852/XII: one year, whatever the order of day and month
    "date": rf"(?:[0-9]{{4}}-{_MM}-{_DD}(?:t[0-9:.]+z?)?|[0-9]{{4}}/{_MM}/{_DD}|[0-9]{{4}}\.{_MM}\.{_DD}"
    rf"|(?:{_D}(?:\.{_M}\.|/{_M}/|-{_M}-)|{_M}(?:\.{_D}\.|/{_D}/|-{_D}-)|{_M}[/.])[0-9]{{4}}"
    r"|[0-9]{4}/[ivx]{1,4})(?![\w%])",
    # A.H. 920, 1250 AH, No. 1234, 1912.45.3, 191,300, 30 x 1200, 1200 mm
    "other_number": rf"(?:{_OTHER_CALENDAR})\s*[0-9]{{1,5}}(?:\s*-\s*[0-9]{{1,4}})*(?!\w)"
    rf"|[0-9]{{1,5}}(?:\s*-\s*[0-9]{{1,4}})*\s*(?:{_OTHER_CALENDAR}|years?)(?![a-z])"
    rf"|(?:{_LABEL}(?![a-z])\.?\s*(?:n[or]\.?|number)?\s*\#?|[#\u2116])\s*[0-9]+(?:[.,/-][0-9]+)*(?![\w%])"
    r"|[0-9]+(?:\.[0-9]+)+(?![\w%])|[0-9]{1,3}(?:,[0-9]{3})+(?![\w%])"
    r"|[0-9]+(?:\s*x\s*[0-9]+)+|[0-9]+\s*(?:cm|mm|kg)(?![a-z])",
    "month": rf"(?:{_DAYS}(?:\s+of)?\s+)?(?:{_MONTHS})(?![a-z])\.?(?:\s+{_DAYS}(?=\s*,|\s+[0-9]{{4}}|\s+-))?",
    # B. c. 1440 is a birth, and d. c. 1501 a death
    "bc": r"(?:b\.c\.?(?:\s?e(?![a-z])\.?)?|b\.\s?c\.(?:\s?e\.)?(?!\s*[0-9])|bce?"
    r"|av\.?\s?j\.?-?\s?c\.?|v\.\s?chr\.?|a\.c\.)(?![a-z])\.?",
    "ad": r"(?:a\.\s?d\.?|ad|c\.\s?e\.|ce|ap\.?\s?j\.?-?\s?c\.?|n\.\s?chr\.?|d\.c\.(?!\s*[0-9]))(?![a-z])\.?",
    "earlier": r"(?:or|and)\s+(?:earlier|before)(?![a-z])(?!\s*(?:c\w*\.?\s*)?[0-9])",
    "later": r"(?:or|and)\s+(?:later|after)(?![a-z])(?!\s*(?:c\w*\.?\s*)?[0-9])|onwards?(?![a-z])|\+",
    "before": r"(?:before|prior\s+to|until|till|not?\s+(?:later\s+than|after))(?![a-z])|<|(?:pre|ante)-?\s*(?=[0-9])"
    r"|by(?=\s+(?:(?:c|ca|circa|about|the|early|late|mid)(?![a-z])[.\s-]*)*[0-9])",
    "from": r"(?:from|since)(?![a-z])",
    "after": r"(?:after|not?\s+(?:earlier\s+than|before))(?![a-z])|>|post-?\s*(?=[0-9])",
    "part": rf"(?:early|beginning|mid|middle|late|end|turn|(?:earlier|later)(?=\s+[0-9]{{1,2}}{_NTH})"
    rf"|(?:{_ORDINAL}\s*(?:-|to|and|or)\s*)?{_ORDINAL}\s+(?:half|quarter|third|decade)s?)(?![a-z])-?",
    "century": r"-?(?:cent(?:ury|uries|\.)?|si[e\u00e8]cles?|jh\.?|jahrhunderts?|secolo|siglos?|s(?=\.\s*[ivx])"
    r"|saec|sec(?=\.?\s+[ivx]))(?![a-z])\.?",
    "millennium": r"mill(?:\.|ennium|ennia)",
    "period": rf"[0-9]{{1,2}}{_NTH}\s+dynasty|dynasty\s+(?:[0-9]{{1,2}}|[ivx]+)(?!\w)|r\.(?=\s*(?:c|[0-9]))"
    r"|(?:period|dynast(?:y|ies)|reign(?:ed)?|ruled|era|kingdom|empire|shogunate|caliphate)(?![a-z])",
    # Another event in the history of the object, whose years are not when the work was made.
    "event": r"(?:cast|carved|restored|rebuilt|reworked|executed|erected|box|version|copy|copied|enlarged|altered"
    r"|(?:re)?printed|prints?|manufactured|produced|impressions?|editions?|exhibited|published|reissued|re-?fired"
    r"|retouched|revised|re-?edited|replica|remade|mounts?|mounted|framed?|with|style\s+of|manner\s+of)(?![a-z])",
    "same_event": r"(?:completed|finished|begun|started)(?![a-z])",
    # c18 and 18C are centuries, but c1596 is a year
    "compact_century": rf"c[1-9][0-9]?{_NTH}?(?!\w)|[1-9][0-9]?{_NTH}?c(?!\w)\.?",
    "circa": r"(?:c|ca|circa|around|about|approx(?:imately)?|probably|possibly|perhaps|likely|presumably|maybe|vers|um)"
    r"(?![^\W\d_])\.?|~",
    "doubt": r"\(\s*\?\s*\)|\?",
    "join": r"-+|/|&|(?:to|and|or|bis)(?![^\W\d_])",
    "filler": r"(?:of|the|in|on|a)(?![^\W\d_])",
    "ordinal": rf"[0-9]{{1,2}}(?:{_NTH}|\u00e8?me|eme|er?|\.(?=\s*j))(?!\w)",
    "roman": r"[ivx]+(?:\u00e8me|eme|er?|th)?(?![\w.])",
    "number": r"[0-9]+(?:'?s)?(?=(?:bce?|ad|ce)(?![a-z])|[^\w%]|$)",
    "unreadable": r"'[0-9]{1,3}(?![0-9])\w*|[^\W\d_]+\d\w*|%?\d\w*(?:%\S*)?",
    "word": r"[^\W\d_]+(?:'[^\W\d_]+)*\.?",
    "open": r"\(",
    "close": r"\)",
    "comma": r"[,;:]",
}
_TOKEN = re.compile("|".join(f"(?P<{kind}>{pattern})" for kind, pattern in _KINDS.items()))
_APPROXIMATE = frozenset({"circa", "before", "after", "from", "earlier", "later"})


def tokens(text: str) -> Iterator[Token]:
    """The tokens of a lower-case text, white space and lone punctuation left out."""
    for match in _TOKEN.finditer(text):
        yield Token(match.lastgroup or "", match[0])


def is_approximate(text: str) -> bool:
    """Whether a lower-case text has `circa`, `before`, `after` or a word that means the same."""
    return any(token.kind in _APPROXIMATE for token in tokens(text))
