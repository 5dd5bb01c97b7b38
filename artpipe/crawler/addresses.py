"""Which addresses can be requested: those whose host every parser reads alike."""

import unicodedata
from urllib.parse import SplitResult, urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443}


def checked_parts(url: str) -> SplitResult:
    """The parts of an address of http or https.

    `urlsplit` drops line ends, and takes a backslash before the path and `%2e` for a part of the host; the library that
    connects goes to another host.

    Raises:
        ValueError: it is none, or its host could be read in two ways; the message does not repeat it.
    """
    if any(unicodedata.category(char) == "Cc" for char in url):
        raise ValueError("it has a control character")
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError("it is no http(s) address")
    if "\\" in parts.netloc:
        raise ValueError("it has a backslash before its path")
    if "%" in parts.hostname and ":" not in parts.hostname:  # the zone of an IPv6 address follows a "%"
        raise ValueError("its host has a %")
    try:
        _ = parts.port
    except ValueError:
        raise ValueError("its port is no number from 0 to 65535") from None
    return parts
