"""What search engines read: `robots.txt`, and a sitemap of every page that has an address of its own."""

from xml.sax.saxutils import escape

from fastapi import APIRouter, HTTPException, Request
from fastapi.responses import PlainTextResponse, Response

from artpipe.web.app_state import AppState, State

router = APIRouter(include_in_schema=False)
ADDRESSES_PER_FILE = 25_000
"""A sitemap may have 50,000, and 50 MB."""
_CLOSED = ("search", "api/", "originals/", "map/selection.csv", "map/selection/similar")
_SITEMAP = "http://www.sitemaps.org/schemas/sitemap/0.9"


@router.get("/robots.txt")
def robots(state: State, request: Request) -> PlainTextResponse:
    """Pages of works and artists may be indexed; searches are without number, and files are made on demand."""
    root = state.links.root
    closed = "\n".join(f"Disallow: {root}/{path}" for path in _CLOSED)
    return PlainTextResponse(f"User-agent: *\n{closed}\nSitemap: {_site(request)}{state.links.sitemap()}\n")


@router.get("/sitemap.xml")
def sitemap_index(state: State, request: Request) -> Response:
    """The files of the sitemap."""
    addresses = [_site(request) + state.links.sitemap(number) for number in range(1, _file_count(state) + 1)]
    return _xml("sitemapindex", "sitemap", addresses)


@router.get("/sitemap-{number}.xml")
def sitemap(state: State, request: Request, number: str) -> Response:
    """One file of the sitemap."""
    if number not in map(str, range(1, _file_count(state) + 1)):
        raise HTTPException(404)
    first = (int(number) - 1) * ADDRESSES_PER_FILE
    addresses = _addresses(state, first, first + ADDRESSES_PER_FILE)
    return _xml("urlset", "url", [_site(request) + address for address in addresses])


def _site(request: Request) -> str:
    """The scheme and the host under which the site was asked for."""
    forwarded = request.headers.get("x-forwarded-proto", "")
    return f"{forwarded if forwarded in ('http', 'https') else request.url.scheme}://{request.url.netloc}"


def _file_count(state: AppState) -> int:
    return -(-(len(_pages(state)) + len(state.catalogue)) // ADDRESSES_PER_FILE)


def _pages(state: AppState) -> list[str]:
    links = state.links
    artists = [links.artist(str(artist["artist_id"])) for artist in state.catalogue.artists]
    return [links.home(), links.map(), links.artists(), links.collection(), *artists]


def _addresses(state: AppState, first: int, last: int) -> list[str]:
    pages = _pages(state)
    ids = state.catalogue.snapshot.rows["artwork_id"]
    works = ids[max(0, first - len(pages)) : max(0, last - len(pages))]
    return [*pages[first:last], *map(state.links.work, works.to_list())]


def _xml(root: str, item: str, addresses: list[str]) -> Response:
    items = "\n".join(f"<{item}><loc>{escape(address)}</loc></{item}>" for address in addresses)
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<{root} xmlns="{_SITEMAP}">\n{items}\n</{root}>\n'
    return Response(text, media_type="application/xml")
