"""Texts of catalogues as people read them: without HTML, on one line, and storable."""

import re

from artpipe.catalog.parse import unescaped

_NAMES = "a|abbr|b|bdi|bdo|br|cite|dd|div|dl|dt|em|font|h[1-6]|i|img|li|ol|p|small|span|strong|sub|sup|table|td|tr|u|ul"
_TAG = re.compile(rf"</?(?:{_NAMES})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_BREAK = re.compile(r"</?(?:br|dd|div|dl|dt|h[1-6]|li|ol|p|table|td|tr|ul)(?:\s[^<>]*)?/?>", re.IGNORECASE)
MAX_CHARS = 20_000


def plain_text(text: str) -> str:
    """The text without the HTML tags that catalogues use, its white space collapsed; `a < b` stays as it is.

    Half a surrogate pair, which JSON can hold and no file can, becomes a question mark.
    """
    text = text[:MAX_CHARS]
    if "<" in text:
        text = _TAG.sub("", _BREAK.sub(" ", text))
    if "&" in text:
        text = unescaped(text)
    return " ".join(storable(text).split())


def storable(text: str) -> str:
    """The text without what JSON can hold and no file can: half a surrogate pair, and NUL."""
    return (text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")).replace("\0", "")
