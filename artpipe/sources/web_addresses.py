"""Addresses of the web as records give them."""

from urllib.parse import urljoin, urlsplit

from artpipe.sources.plain_text import storable


def absolute(base: str, address: str | None) -> str | None:
    """An address of http or https, joined to `base` where it is relative; None for any other."""
    if not address:
        return None
    try:
        joined = urljoin(base, storable(address))
        return joined if urlsplit(joined).scheme in ("http", "https") and urlsplit(joined).hostname else None
    except ValueError:
        return None
