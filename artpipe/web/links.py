"""Where a page's links lead: to the server's addresses, or to the files of an exported site."""

from pathlib import PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from artpipe.web.questions import Question


class Links(Protocol):
    """The addresses of everything that a page may lead to."""

    @property
    def is_served(self) -> bool:
        """Whether there is a server behind, which can search."""
        ...

    def home(self) -> str: ...  # noqa: D102
    def static(self, name: str) -> str: ...  # noqa: D102
    def work(self, artwork_id: str) -> str: ...  # noqa: D102
    def image(self, work: dict[str, Any], width_px: int) -> str: ...  # noqa: D102
    def artist(self, artist_id: str) -> str: ...  # noqa: D102
    def artists(self, initial: str = "", page: int = 1) -> str: ...  # noqa: D102
    def search(self, question: Question | None = None, **asked: Any) -> str: ...  # noqa: D102
    def map(self, artwork_id: str = "") -> str: ...  # noqa: D102
    def map_points(self) -> str: ...  # noqa: D102
    def map_works(self) -> str: ...  # noqa: D102
    def collection(self) -> str: ...  # noqa: D102


class ServedLinks:
    """Addresses of a running server."""

    is_served = True

    def __init__(self, version: str = "") -> None:
        self._version = version

    def home(self) -> str:
        """The first page."""
        return "/"

    def static(self, name: str) -> str:
        """A style sheet, a script or a drawing."""
        return f"/static/{name}?v={self._version}"

    def work(self, artwork_id: str) -> str:
        """A painting's page."""
        return f"/works/{quote(artwork_id)}"

    def image(self, work: dict[str, Any], width_px: int) -> str:
        """A work's picture, at most so wide; the mark of its content lets browsers keep it for good."""
        return f"/images/{quote(str(work['artwork_id']))}.jpg?w={width_px}&v={str(work['jpeg_sha256'])[:8]}"

    def artist(self, artist_id: str) -> str:
        """An artist's page."""
        return f"/artists/{quote(artist_id)}"

    def artists(self, initial: str = "", page: int = 1) -> str:
        """The list of artists, or a page of those with an initial."""
        asked = ({"initial": initial} if initial else {}) | ({"page": page} if page > 1 else {})
        return "/artists" + (f"?{urlencode(asked)}" if asked else "")

    def search(self, question: Question | None = None, **asked: Any) -> str:
        """The answer to a question."""
        address = question.address() if question is not None else urlencode(asked)
        return f"/search?{address}" if address else "/search"

    def map(self, artwork_id: str = "") -> str:
        """The map, with one work marked."""
        return "/map" + (f"#work={quote(artwork_id, safe='')}" if artwork_id else "")

    def map_points(self) -> str:
        """The places of all works."""
        return "/map/points.bin"

    def map_works(self) -> str:
        """The names of all works."""
        return "/map/works.json"

    def collection(self) -> str:
        """The collection at a glance."""
        return "/collection"


class ExportedLinks:
    """Files, relative to the page at `page`, so that the folder works wherever it lies.

    Args:
        page: path of the page below the site's folder, such as `works/a/aachen/allegory.html`.
    """

    is_served = False

    def __init__(self, page: str) -> None:
        self._up = "../" * (len(PurePosixPath(page).parts) - 1)

    def _to(self, path: str) -> str:
        return self._up + quote(path)

    def home(self) -> str:
        """The first page."""
        return self._to("index.html")

    def static(self, name: str) -> str:
        """A style sheet, a script or a drawing."""
        return self._to(f"static/{name}")

    def work(self, artwork_id: str) -> str:
        """A painting's page."""
        return self._to(f"works/{artwork_id}.html")

    def image(self, work: dict[str, Any], width_px: int) -> str:
        """A work's picture; a site keeps two sizes of it."""
        return self._to(f"images/{'small/' if width_px <= 320 else ''}{work['artwork_id']}.jpg")

    def artist(self, artist_id: str) -> str:
        """An artist's page."""
        return self._to(f"artists/{artist_id}.html")

    def artists(self, initial: str = "", page: int = 1) -> str:  # noqa: ARG002 - one file holds them all
        """The list of artists, at an initial."""
        return self._to("artists.html") + (f"#{initial}" if initial else "")

    def search(self, question: Question | None = None, **asked: Any) -> str:  # noqa: ARG002 - there is none
        """The map, which is how works are found without a server."""
        return self.map()

    def map(self, artwork_id: str = "") -> str:
        """The map, with one work marked."""
        return self._to("map.html") + (f"#work={quote(artwork_id, safe='')}" if artwork_id else "")

    def map_points(self) -> str:
        """The places of all works, which a page opened from a folder may not fetch: they come as a script."""
        return self._to("map/data.js")

    def map_works(self) -> str:
        """The names of all works, in the same script."""
        return self._to("map/data.js")

    def collection(self) -> str:
        """The collection at a glance."""
        return self._to("collection.html")


def web_address(url: object) -> str | None:
    """An address of the source, where it is one that a link may lead to; never a script."""
    text = str(url or "")
    return text if urlsplit(text).scheme in ("http", "https") else None
