"""Reads a maker as catalogues write one: a name with dates of life, perhaps linked to an authority."""

import re
from typing import TypedDict

from artpipe.catalog.lives import parse_life

_LIFE = re.compile(
    r"^(?P<name>.*?\S)(?:\s*[(\[](?P<life>[^()\[\]]*\d{3}[^()\[\]]*)[)\]]|,\s*(?P<span>\d{4}\s*[-\u2013]\s*(?:\d{4})?))\s*$"
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
    """A maker from a text such as `Winslow Homer (1836-1910)` or `Homer, Winslow, 1836-1910`."""
    found = _LIFE.match(text)
    # A span without an end is that of somebody who lives.
    life = parse_life(found["life"] or re.sub(r"^(\d{4})\s*\D$", r"born \1", found["span"])) if found else None
    name = found["name"] if found else text
    return Maker(
        artist_id=None,
        name=name.strip(),
        role=role,
        born=life.born if life else None,
        died=life.died if life else None,
        authority_uri=authority_uri,
    )


def authority_in(text: str) -> str | None:
    """The first address of Wikidata, ULAN, VIAF or the GND in a text."""
    found = _AUTHORITY.search(text)
    return found[0] if found else None
