"""What the address of a rights statement says: whose licence it is, and whether anybody may use the work."""

import re

_STATEMENT = re.compile(
    r"https?://(?:www\.)?(?:creativecommons\.org/(?:licenses|publicdomain)/[a-z0-9+.-]+(?:/[a-z0-9.]+)*"
    r"|rightsstatements\.org/(?:vocab|page)/[a-z0-9-]+(?:/[a-z0-9.]+)*)/?",
    re.IGNORECASE,
)
_OPEN_LICENCES = frozenset({"zero", "mark", "by", "by-sa"})
_OPEN_STATEMENTS = frozenset({"noc-us"})
_UNKNOWN_STATEMENTS = frozenset({"cne", "und", "nkc"})


def rights_statement(text: str) -> str | None:
    """The first address of Creative Commons or rightsstatements.org in a text."""
    found = _STATEMENT.search(text)
    return found[0] if found else None


_NAMES = {"zero": "CC0", "mark": "Public Domain Mark"}


def rights_name(rights_uri: str) -> str:
    """A statement as people call it, such as `CC BY-SA 4.0`; an address of another kind as it is."""
    statement = rights_statement(rights_uri)
    if statement is None:
        return rights_uri
    host, _, kind, *version = statement.split("://")[1].rstrip("/").split("/")
    name = kind if host.endswith("rightsstatements.org") else _NAMES.get(kind.lower(), f"CC {kind.upper()}")
    return " ".join([name, *version[:1]])


def is_open(rights_uri: str | None) -> bool | None:
    """Whether anybody may use the work for any purpose: CC0, public domain, CC BY, CC BY-SA, NoC-US.

    Args:
        rights_uri: an address of Creative Commons or rightsstatements.org.

    Returns:
        None where there is no statement, it is of another kind, or it says that nobody knows.
    """
    statement = rights_statement(rights_uri or "")
    if statement is None:
        return None
    parts = statement.lower().split("://")[1].rstrip("/").split("/")
    if parts[0].endswith("rightsstatements.org"):
        return None if parts[2] in _UNKNOWN_STATEMENTS else parts[2] in _OPEN_STATEMENTS
    return parts[2] in _OPEN_LICENCES
