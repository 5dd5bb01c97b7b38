"""Which folder below `data_lake/` is the lake of a gallery, where no lake is set.

Two galleries of one host (another port, path or user) have two lakes. Lakes of version 0.1 were named by host and
port, as the address had them: such a lake stays where it is, and belongs to the gallery that is asked for it first.
"""

import hashlib
import re
from pathlib import Path
from urllib.parse import urlsplit

LAKES = Path("data_lake")
CLAIM = "gallery"
"""The file of a lake that names its gallery, by a hash: an address may hold a user."""
_LONGEST_NAME = 80


def lake_of_gallery(gallery: str) -> Path:
    """The folder of a gallery's lake; nothing is created.

    Args:
        gallery: its base URL.
    """
    parts = urlsplit(gallery)
    host = parts.netloc.rpartition("@")[2]
    by_host = LAKES / host.replace(":", "-")
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", host + parts.path).strip("-")[:_LONGEST_NAME]
    own = LAKES / f"{readable}-{_identity(gallery)}"
    is_whole_host = not parts.path and "@" not in parts.netloc
    claim = _claim(by_host)
    if claim == _identity(gallery) or (claim is None and (is_whole_host or (by_host.exists() and not own.exists()))):
        return by_host
    return own


def claim_lake(lake: Path, gallery: str) -> None:
    """Note whose lake it is, where that is not noted yet."""
    file = lake / CLAIM
    if not file.exists():
        file.write_text(_identity(gallery), encoding="ascii")


def is_claimed_by(lake: Path, gallery: str) -> bool:
    """Whether a lake is noted as that of a gallery."""
    return _claim(lake) == _identity(gallery)


def _claim(lake: Path) -> str | None:
    try:
        return (lake / CLAIM).read_text(encoding="ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        return None


def _identity(gallery: str) -> str:
    """A hash of user, host, port and path: `http` and `https` of a host are one gallery, and a password may change."""
    parts = urlsplit(gallery)
    user, _, host = parts.netloc.rpartition("@")
    name = f"{user.partition(':')[0]}@{host.lower()}{parts.path}"
    return hashlib.sha256(name.encode()).hexdigest()[:8]
