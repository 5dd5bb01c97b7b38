"""The paths of an exported site's files, made from ids, which may hold anything."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable

# An ordinary file name everywhere: not hidden, and not `..`.
_ORDINARY = re.compile(r"(?!\.)[^/\\\x00-\x1f:*?\"<>|]+")
_UNUSABLE = re.compile(r"[/\\\x00-\x1f:*?\"<>|]+")
_NO_FOLDERS = (".html", ".jpg", "small")
_SEGMENT_BYTES, _PATH_BYTES = 100, 400
_KEPT_BYTES = 60


def site_paths(ids: Iterable[str]) -> dict[str, str]:
    """The path of each id's files, without the ending: that of a work of one of several sources, `tate:3`, is `tate/3`.

    What no file can be called, or what is long, is shortened and gets a hash. So does an id whose path is taken by an
    earlier one, also where a file system does not tell capitals or forms of accents apart.
    """
    paths: dict[str, str] = {}
    taken: set[str] = set()
    for one in ids:
        path = _path(one)
        if _compared(path) in taken:
            path = f"{path}-{_hash(one)}"
        taken.add(_compared(path))
        paths[one] = path
    return paths


def _path(name: str) -> str:
    *folders, last = name.replace(":", "/").split("/")
    # A folder called `a.html` would be where the page of `a` is; `images/small/` has the small pictures.
    parts = [_hashed(one) if one.lower().endswith(_NO_FOLDERS) else _segment(one) for one in folders]
    path = "/".join([*parts, _segment(last)])
    return path if len(path.encode()) <= _PATH_BYTES else _hashed(name)


def _segment(text: str) -> str:
    is_ordinary = _ORDINARY.fullmatch(text) and len(text.encode()) <= _SEGMENT_BYTES
    return text if is_ordinary else _hashed(text)


def _hashed(text: str) -> str:
    kept = _UNUSABLE.sub("-", text).encode()[:_KEPT_BYTES].decode(errors="ignore").strip(".- ")
    return f"{kept}-{_hash(text)}".lstrip("-")


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _compared(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()
