"""Where this machine keeps what belongs to a lake in an object store and can be made again: caches, Dagster's memory.

Each lake has a folder of its own, named after its address; so has each host that is asked for pictures.
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
    address = address.rstrip("/")
    return _cache_folder(cache) / _readable_name(address.partition("://")[2], address)


def host_folder(host: str, cache: str | None = None) -> Path:
    """The folder with what all processes must know of a host that they ask; nothing is created.

    Args:
        host: its name, with the port where that is not the usual one.
        cache: as of `scratch_folder`.
    """
    return _cache_folder(cache) / "hosts" / _readable_name(host, host)


def _cache_folder(cache: str | None) -> Path:
    from platformdirs import user_cache_path

    return Path(cache or user_cache_path("artpipe")).absolute()


def _readable_name(shown: str, whole: str) -> str:
    """A file name of the first part of a text, with a hash of the whole one."""
    readable = re.sub(r"[^A-Za-z0-9.]+", "-", shown).strip("-")[:_LONGEST_NAME]
    return f"{readable}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"


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
