"""Titles of artworks: what a painting and its details share, and whether a title names a part.

`works.py` groups artworks by the base title, `near_duplicates.py` compares its words.
"""

import re
import unicodedata
from functools import lru_cache

_BRACKETED = re.compile(r"[(\[][^()\[\]]*(?:[)\]]+|$)")
_PART = re.compile(
    r"\b(details?|fragments?|panels?|wings?|shutters?|predella|sections?|recto|verso|obverse|reverse|open|closed|"
    r"left|right|cent(?:er|re|ral)|upper|lower|before restoration|after restoration)\b",
    re.IGNORECASE,
)
_DETAIL_OF = re.compile(r"^\W*details?\s+(?:of|from)\s+(?=\w)", re.IGNORECASE)
_DETAIL_TAIL = re.compile(r"(?<=\w)\W*\bdetails?\b.*$", re.IGNORECASE)
_NUMBER_TAIL = re.compile(r"(?<=\S)(?:\s+\d{1,4})+$")
_ARTICLE = re.compile(r"^(?:the|an?)\s+(?=\S)")
_PUNCTUATION = re.compile(r"[\W_]+")


@lru_cache(maxsize=65_536)  # places and techniques repeat
def normalised(text: str | None) -> str:
    """Lower case, no accents, no punctuation, single spaces."""
    plain = (text or "").casefold()
    if not plain.isascii():
        plain = "".join(c for c in unicodedata.normalize("NFKD", plain) if not unicodedata.combining(c))
    return " ".join(_PUNCTUATION.sub(" ", plain).split())


def base_title(title: str | None) -> str:
    """The title that a painting and its details share.

    Bracketed remarks, `detail` with what follows it, trailing numbers and a leading article go:
    `The Tower (detail)`, `Tower Detail 1663 10` and `Detail of the Tower` all give `tower`.
    """
    text = _BRACKETED.sub(" ", title or "")
    text = _DETAIL_OF.sub("", text)
    text = normalised(_DETAIL_TAIL.sub("", text))
    return _ARTICLE.sub("", _NUMBER_TAIL.sub("", text))


def shows_a_part(title: str | None) -> bool:
    """Whether a title names a part, side or state of a work, such as `(left wing)`."""
    text = title or ""
    if any(_PART.search(remark) for remark in _BRACKETED.findall(text)):
        return True
    return bool(
        _DETAIL_OF.search(text) or re.search(r"[,:;]\s*details?\b|\bdetails?\W*(?:\d+\W*)*$", text, re.IGNORECASE)
    )
