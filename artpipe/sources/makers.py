"""Reads a maker as catalogues write one: a name with dates of life, perhaps linked to an authority."""

import re
from typing import TypedDict

from artpipe.catalog.lives import parse_life

_IN_BRACKETS = re.compile(r"^(?P<name>.*?\S)\s*[(\[](?P<life>[^()\[\]]*\d{3}[^()\[\]]*)[)\]]\s*$")
_AFTER_COMMA = re.compile(r"^(?P<name>.*?\S),\s*(?P<life>\d{4}\s*[-\u2013]\s*(?:\d{4})?)\s*(?:,|$)")
_ROLE = re.compile(
    r"^(?P<role>artist|author|creator|designer|engraver|maker|painter|printmaker|sculptor)s?:\s+", re.IGNORECASE
)
_AUTHORITY = re.compile(
    r"https?://(?:www\.)?(?:wikidata\.org/(?:wiki|entity)/Q\d+|vocab\.getty\.edu/(?:page/)?ulan/\d+"
    r"|viaf\.org/viaf/\d+|d-nb\.info/gnd/[\dX-]+)"
)


class Maker(TypedDict):
    """A value of `contract.ARTIST`."""

    artist_id: str | None
    name: str
    role: str | None
    born: int | None
    died: int | None
    authority_uri: str | None


def read_maker(text: str, authority_uri: str | None = None, role: str | None = None) -> Maker:
    """A maker from a text such as `Winslow Homer (1836-1910)`, `Homer, Winslow, 1836-1910` or `Painter: Homer`."""
    if role is None and (named := _ROLE.match(text)):
        role, text = named["role"].lower(), text[named.end() :]
    found = _AFTER_COMMA.match(text) or _IN_BRACKETS.match(text)
    # A span without an end is that of somebody who lives.
    life = parse_life(re.sub(r"^(\d{4})\s*[-\u2013]\s*$", r"born \1", found["life"])) if found else None
    name = found["name"] if found else text
    return Maker(
        artist_id=None,
        name=name.strip(),
        role=role,
        born=life.born if life else None,
        died=life.died if life else None,
        authority_uri=authority_uri,
    )


def read_makers(text: str) -> list[Maker]:
    """The makers of a text, one on each line or between semicolons; of two lines, the second may give the years."""
    lines = [line for line in map(str.strip, text.split("\n")) if line]
    if len(lines) == 2 and not re.search(r"\d", lines[0]) and re.fullmatch(r"[^\d()]*\d{3}[^()]*", lines[1]):
        lines = [f"{lines[0]} ({lines[1]})"]
    return [read_maker(part) for line in lines for part in map(str.strip, line.split(";")) if part]


def authority_in(text: str) -> str | None:
    """The first address of Wikidata, ULAN, VIAF or the GND in a text."""
    found = _AUTHORITY.search(text)
    return found[0] if found else None
