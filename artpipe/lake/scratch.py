"""Where this machine keeps what belongs to a lake in an object store and can be made again: caches, Dagster's memory.

Each lake has a folder of its own, named after its address.
"""

import hashlib
import os
import re
import tempfile
from contextlib import suppress
from pathlib import Path

_LONGEST_NAME = 60


def scratch_folder(address: str, cache: str | None = None) -> Path:
    """The folder of a lake; nothing is created.

    Args:
        address: of the lake, such as `s3://bucket/prefix`.
        cache: the folder for all lakes; by default that of artpipe in the user's cache folder.
    """
    from platformdirs import user_cache_path

    address = address.rstrip("/")
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", address.partition("://")[2]).strip("-")[:_LONGEST_NAME]
    digest = hashlib.sha256(address.encode()).hexdigest()[:8]
    return Path(cache or user_cache_path("artpipe")).absolute() / f"{readable}-{digest}"


def adopt_old_caches(folder: Path) -> None:
    """Move what artpipe 0.1 cached for all lakes of the machine into the folder of the lake that is opened first.

    Cached vectors and pixels are named by hashes of content, so any lake may have them. What Dagster remembered there
    was of several lakes at once, and stays behind.
    """
    old = Path(tempfile.gettempdir()) / "artpipe" / "cache"
    with suppress(OSError):  # on another disk, somebody else's, or taken by another process
        is_mine = hasattr(os, "getuid") and old.stat().st_uid == os.getuid()
        if is_mine and not folder.exists():
            folder.mkdir(parents=True)
            old.rename(folder / "cache")
