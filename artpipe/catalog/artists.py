"""The artist list of the site: who the artists are, when they lived, and which names are aliases.

The list is one HTML page with four `td.ARTISTLIST` cells for a name: name with link, dates, period, school and
profession. `clean` joins the works to it. An artist is identified by its folder on the site (`a/aachen` of
`/html/a/aachen/index.html`), because names are spelled, and damaged, in several ways and the folder is not.
"""

import re
from dataclasses import dataclass

import polars as pl
from lxml import etree, html

from artpipe.catalog.lives import parse_life
from artpipe.catalog.names import normalized_name
from artpipe.errors import ArtpipeError
from artpipe.schema import ARTISTS, STYLES


class NotAnArtistListError(ArtpipeError):
    """The page has no artist rows."""


_STYLE_OF = {style.casefold(): style for style in STYLES}
# UTF-8 decoded as Latin-1 or Windows-1252: a capital with an accent, then a symbol.
_MOJIBAKE = re.compile(
    r"[ÂÃÄÅÆÇÈÉÊËÐ\u00d7â][\u0080-\u00bf\u2013-\u203a\u20ac\u2122\u0152\u0153\u0160\u0161\u0178\u017d\u017e]"
)
_ALIAS = re.compile(r"\s*\(\s*see\s.*$", re.IGNORECASE | re.DOTALL)
_PLACE = re.compile(r"\s*\(.*$", re.DOTALL)


@dataclass(slots=True)
class _Listed:
    """One row of the page."""

    name: str
    dates: str
    period: str | None
    school: str | None
    profession: str | None
    folder: str | None
    target_name: str | None  # set on an alias

    @property
    def is_alias(self) -> bool:
        return self.target_name is not None


def parse_artist_list(page: bytes, source: str = "the artist list") -> pl.DataFrame:
    """Parse the artist list.

    The page is UTF-8; a copy saved as Windows-1252, or encoded twice, is parsed all the same.

    Args:
        page: the HTML as it was downloaded.
        source: its name in an error.

    Returns:
        `ARTISTS`, sorted by `artist_id`, which is unique: an artist has the folder, a name without a folder of its
        own (an alias, a row without link, a second name in the same folder) has `~` and its name in plain letters.

    Raises:
        NotAnArtistListError: the page has no artist rows, or the cells do not come in fours.
    """
    cells = _cells(page, source)
    listed = [_row(*cells[i : i + 4]) for i in range(0, len(cells), 4)]
    owners: dict[str, str] = {}  # folder -> artist_id, the same text
    names: dict[str, str] = {}
    ids: list[str] = [""] * len(listed)
    taken: set[str] = set()
    order = sorted(range(len(listed)), key=lambda i: (listed[i].is_alias, listed[i].name, listed[i].dates))
    for i in order:
        row = listed[i]
        if not row.is_alias and row.folder and row.folder not in owners:
            owners[row.folder] = ids[i] = row.folder
        else:
            ids[i] = _free_slug(row.name, taken)
        if not row.is_alias:
            names.setdefault(normalized_name(row.name), ids[i])
    records = []
    for artist_id, row in zip(ids, listed, strict=True):
        life = parse_life(row.dates)
        alias_of = None
        if row.is_alias:
            alias_of = owners.get(row.folder or "") or names.get(normalized_name(row.target_name or ""))
        records.append(
            (artist_id, row.name, life.born, life.died, row.dates, row.period, row.school, row.profession, alias_of)
        )
    return pl.DataFrame(records, schema=ARTISTS, orient="row").sort("artist_id")


def check_artist_list(page: bytes, source: str = "the artist list") -> None:
    """Raise what `parse_artist_list` would raise, without parsing the rows."""
    _cells(page, source)


def _cells(page: bytes, source: str) -> list[html.HtmlElement]:
    """The cells of the list, four for each name."""
    text = _decoded(page)
    try:
        document = html.document_fromstring(text) if text.strip() else None
    except (etree.ParserError, ValueError):
        document = None
    cells = [] if document is None else document.findall(".//td[@class='ARTISTLIST']")
    if not cells:
        start = " ".join(text[:60].split()) or "nothing"
        raise NotAnArtistListError(
            f"{source} has no artist rows (it starts with {start!r}); "
            "check that ARTPIPE_GALLERY names a gallery laid out like wga.hu, and that it answers without a login page."
        )
    if len(cells) % 4:
        raise NotAnArtistListError(
            f"{source} has {len(cells):,} artist cells, which do not come in fours (name, dates, period, school): "
            "it was probably cut off; fetch it again."
        )
    return cells


def _decoded(page: bytes) -> str:
    """The page as text without characters that XML forbids: UTF-8, or Windows-1252 where it is not that."""
    try:
        text = page.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = page.decode("cp1252", errors="replace")
    return re.sub(r"^\s*<\?xml[^>]*\?>", "", text).replace("\x00", "")


def _row(name: html.HtmlElement, dates: html.HtmlElement, period: html.HtmlElement, kind: html.HtmlElement) -> _Listed:
    full = _text(name)
    own = _ALIAS.sub("", full)
    link = name.find(".//a")
    school, _, profession = _PLACE.sub("", _text(kind)).partition(" ")
    return _Listed(
        name=own,
        dates=_text(dates),
        period=_STYLE_OF.get(_text(period).casefold()),
        school=f"{school[0].upper()}{school[1:]}" if school else None,
        profession=profession or None,
        folder=None if link is None else folder_of(link.get("href") or ""),
        target_name=(_text(link) if link is not None else "") if own != full else None,
    )


def _text(cell: html.HtmlElement) -> str:
    # Repaired first: the second half of a damaged letter may be a no-break space.
    return " ".join(repaired_text(str(cell.text_content())).split())


def repaired_text(text: str) -> str:
    """Repair UTF-8 that was decoded as Latin-1 (`Ã©`); any other text stays as it is."""
    if not _MOJIBAKE.search(text):
        return text
    from ftfy import fix_encoding

    return fix_encoding(text)


def folder_of(address: str) -> str | None:
    """The artist's folder below `/html/`: `a/adam/lambert` of `https://host/html/a/adam/lambert/index.html`.

    Two links of the real list lack a slash (`/htmlf/feure/`, `/html/hhaagen/`); folders hang below the letter they
    start with, so both are unambiguous.
    """
    found = re.search(r"/html(?:/|(?=[a-z]/))(.+)$", address.strip())
    if found is None:
        return None
    parts = [part for part in found[1].split("/") if part]
    if parts and "." in parts[-1]:
        parts.pop()
    if len(parts) == 1 and len(parts[0]) > 2 and parts[0][0] == parts[0][1]:
        parts = [parts[0][0], parts[0][1:]]
    return "/".join(parts) if len(parts) > 1 else None


def _free_slug(name: str, taken: set[str]) -> str:
    slug = f"~{normalized_name(name).replace(' ', '-')}"
    number, free = 1, slug
    while free in taken:
        number += 1
        free = f"{slug}-{number}"
    taken.add(free)
    return free
