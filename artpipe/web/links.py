"""Where a page's links lead: to the server's addresses, or to the files of an exported site."""

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any
from urllib.parse import quote, urlencode, urlsplit

from pydantic import AfterValidator

from artpipe.web.questions import Question

_DOTS = re.compile(r"(?<![^/])~*\.\.?(?![^/])")


def in_address(name: str) -> str:
    """An id as part of an address: browsers take segments `.` and `..` away, so that these get a `~` before them."""
    return quote(_DOTS.sub(r"~\g<0>", name))


def of_address(name: str) -> str:
    """The id that is `name` in an address; undoes `in_address`."""
    return _DOTS.sub(lambda found: found[0].removeprefix("~"), name)


AddressedId = Annotated[str, AfterValidator(of_address)]
"""The id in the path of a route."""


class ServedLinks:
    """Addresses of a running server.

    Args:
        version: part of the address of static files, so that browsers fetch those of a new version.
        root: the path below which the app is reached; empty for none.
    """

    is_served = True  # it can search

    def __init__(self, version: str = "", root: str = "") -> None:
        self._version, self.root = version, root

    def home(self) -> str:
        """The first page."""
        return f"{self.root}/"

    def static(self, name: str) -> str:
        """A style sheet, a script or an icon."""
        return f"{self.root}/static/{name}?v={self._version}"

    def work(self, artwork_id: str) -> str:
        """The page of a work."""
        return f"{self.root}/works/{in_address(artwork_id)}"

    def image(self, work: dict[str, Any], width_px: int) -> str:
        """A work's picture; the hash of its content lets browsers cache it for good."""
        version = str(work["jpeg_sha256"])[:8]
        return f"{self.root}/images/{in_address(str(work['artwork_id']))}.jpg?w={width_px}&v={version}"

    def original(self, artwork_id: str) -> str:
        """The gallery's own picture of a work, passed on by this server."""
        return f"{self.root}/originals/{in_address(artwork_id)}"

    def artist(self, artist_id: str) -> str:
        """The page of an artist."""
        return f"{self.root}/artists/{in_address(artist_id)}"

    def artists(self, initial: str = "", page: int = 1) -> str:
        """The list of artists, or a page of those with an initial."""
        query = ({"initial": initial} if initial else {}) | ({"page": page} if page > 1 else {})
        return f"{self.root}/artists" + (f"?{urlencode(query)}" if query else "")

    def search(self, question: Question | None = None, **query: Any) -> str:
        """The results of a search."""
        text = question.address() if question is not None else urlencode(query)
        return f"{self.root}/search" + (f"?{text}" if text else "")

    def map(self, artwork_id: str = "") -> str:
        """The map, with one work marked."""
        return f"{self.root}/map" + _marked(artwork_id)

    def collection(self) -> str:
        """The page of collection statistics."""
        return f"{self.root}/collection"

    def download(self, question: Question, file: str) -> str:
        """An export of a search."""
        return f"{self.root}/api/search/{file}?{question.address()}"

    def sitemap(self, number: int | None = None) -> str:
        """The sitemap, or one file of it."""
        return f"{self.root}/sitemap{'' if number is None else f'-{number}'}.xml"


class ExportedLinks:
    """Relative paths of files, so that the folder works wherever it is.

    Args:
        page: path of the linking page below the site's folder, such as `works/a/aachen/allegory.html`.
        works: the path of each work, as made by `site_paths`.
        artists: that of each artist.
        closed: the works that have no picture there.
    """

    is_served = False
    root = ""

    def __init__(
        self,
        page: str,
        works: Mapping[str, str],
        artists: Mapping[str, str],
        closed: Collection[str] = frozenset[str](),
    ) -> None:
        self._up = "../" * (len(PurePosixPath(page).parts) - 1)
        self._works, self._artists, self._closed = works, artists, closed

    def _to(self, path: str) -> str:
        return self._up + quote(path)

    def home(self) -> str:
        """The first page."""
        return self._to("index.html")

    def static(self, name: str) -> str:
        """A style sheet, a script or an icon."""
        return self._to(f"static/{name}")

    def work(self, artwork_id: str) -> str:
        """The page of a work."""
        return self._to(f"works/{self._works[artwork_id]}.html")

    def image(self, work: dict[str, Any], width_px: int) -> str:
        """A work's picture; a site has two sizes of it, and none of works that are not open."""
        if work["artwork_id"] in self._closed:
            return self.static("closed.svg")
        return self._to(f"images/{'small/' if width_px <= 320 else ''}{self._works[work['artwork_id']]}.jpg")

    def artist(self, artist_id: str) -> str:
        """The page of an artist."""
        return self._to(f"artists/{self._artists[artist_id]}.html")

    def artists(self, initial: str = "", page: int = 1) -> str:  # noqa: ARG002
        """The list of artists, one file, scrolled to an initial."""
        return self._to("artists.html") + (f"#initial-{initial}" if initial else "")

    def search(self, question: Question | None = None, **query: Any) -> str:  # noqa: ARG002
        """The map: works are found there where no server can search."""
        return self.map()

    def map(self, artwork_id: str = "") -> str:
        """The map, with one work marked."""
        return self._to("map.html") + _marked(artwork_id)

    def collection(self) -> str:
        """The page of collection statistics."""
        return self._to("collection.html")


Links = ServedLinks | ExportedLinks


def _marked(artwork_id: str) -> str:
    return f"#work={quote(artwork_id, safe='')}" if artwork_id else ""


def safe_url(url: object) -> str | None:
    """A web address that a link may lead to; None for anything else, such as a script or half an address."""
    text = str(url or "")
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return text if parts.scheme in ("http", "https") and parts.hostname else None


def host_of(url: str) -> str:
    """`wga.hu` of `https://www.wga.hu/html/a.html`; the URL is one that `safe_url` passes."""
    return (urlsplit(url).hostname or "").removeprefix("www.")
