"""The addresses of a gallery laid out like the Web Gallery of Art, and the ids that they hold.

An artwork has a page `/html/a/aachen/allegory.html` and an image `/art/a/aachen/allegory.jpg`; its id is what they
share, `a/aachen/allegory`. An artist has a folder `/html/a/aachen/`; its id is `a/aachen`. Ids go to every table.
"""

from urllib.parse import urlsplit

ORIGINAL_SITE = "https://www.wga.hu"
"""The site that the catalogue's addresses name; a mirror serves the same paths below its own base URL."""

CATALOG_PATH = "/database/download/data_txt.zip"
ARTIST_LIST_PATH = (
    "/cgi-bin/artist.cgi?Profession=any&School=any&Period=any&Time-line=any&from=0&max=50000&Sort=Name"
    "&letter=-&width=700&targetleft=0"
)
CATALOG_URL = ORIGINAL_SITE + CATALOG_PATH
ARTIST_LIST_URL = ORIGINAL_SITE + ARTIST_LIST_PATH

PAGES = "/html"
IMAGES = "/art"


def artwork_id_of(page_url: str) -> str:
    """The id of an artwork from the address of its page: `.../html/a/aachen/allegory.html` is `a/aachen/allegory`.

    Raises:
        ValueError: the address is not that of an artwork's page.
    """
    folder, _, page = urlsplit(page_url.strip()).path.rpartition("/")
    # Two addresses of the real catalogue end in `..html`.
    name = page.removesuffix(".html").rstrip(".")
    if not folder.startswith(f"{PAGES}/") or not page.endswith(".html") or not name or name == "index":
        raise ValueError(f"{page_url!r} is not the page of an artwork ({ORIGINAL_SITE}/html/<artist>/<work>.html)")
    return f"{folder.removeprefix(f'{PAGES}/')}/{name}"


def image_url_of(page_url: str) -> str:
    """The original address of the image that belongs to an artwork's page.

    Raises:
        ValueError: the address is not that of an artwork's page.
    """
    return f"{ORIGINAL_SITE}{IMAGES}/{artwork_id_of(page_url)}.jpg"


def artist_id_of(url: str) -> str:
    """The id of an artist from the link in the artist list: `.../html/a/aachen/index.html` is `a/aachen`.

    Raises:
        ValueError: the address is not that of an artist's folder.
    """
    path = urlsplit(url.strip()).path
    folder, _, page = path.rpartition("/")
    if not folder.startswith(PAGES) or page not in ("", "index.html"):
        raise ValueError(f"{url!r} is not the folder of an artist ({ORIGINAL_SITE}/html/<artist>/index.html)")
    # The real list has a link without the slash after `html` and one without the slash after the initial.
    artist = folder.removeprefix(PAGES).strip("/")
    if "/" not in artist and len(artist) > 1 and artist[0] == artist[1]:
        artist = f"{artist[0]}/{artist[1:]}"
    if not artist:
        raise ValueError(f"{url!r} names no artist")
    return artist
