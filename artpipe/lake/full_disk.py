"""A full disk, by whichever library it is reported."""

import errno
import shutil
from collections.abc import Iterator
from pathlib import Path

from artpipe.errors import ArtpipeError

FULL = (errno.ENOSPC, errno.EDQUOT)
"""What a write to a full disk, or beyond a quota, fails with."""
_FULL_WORDS = ("no space left on device", "disk is full", "disk quota exceeded")
_HARDLY_ANY_BYTES = 200_000
"""SQLite calls it an I/O error where it finds no room for its shared memory of 32 kB, of each database."""


class FullDiskError(ArtpipeError):
    """There is no room for a file.

    Args:
        place: the file, or a folder on that disk.
        needed_bytes: the size of the file, where it is known.
    """

    def __init__(self, place: str | Path, needed_bytes: int = 0) -> None:
        needed = f"{needed_bytes / 1e6:,.2f} MB are needed, and " if needed_bytes else ""
        super().__init__(
            f"the disk of {place} is full: {needed}{_free_bytes(place) / 1e6:,.2f} MB are free. Free some space there, "
            "then run the same command again: what was finished is kept."
        )


def is_of_full_disk(error: BaseException, folder: str | Path) -> bool:
    """Whether an error, or one that it came from, says that the disk of a folder is full."""
    for cause in causes(error):
        text = str(cause).lower()
        if isinstance(cause, FullDiskError) or (isinstance(cause, OSError) and cause.errno in FULL):
            return True
        if any(words in text for words in _FULL_WORDS):  # SQLite and Lance have no error number for it
            return True
        if "disk i/o error" in text and _free_bytes(folder) < _HARDLY_ANY_BYTES:
            return True
    return False


def causes(error: BaseException) -> Iterator[BaseException]:
    """An error, and those that it came from, each once."""
    seen: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop(0)
        if one is not None and one not in seen:
            seen.append(one)
            yield one
            waiting += [one.__cause__, one.__context__]


def _free_bytes(place: str | Path) -> int:
    path = Path(place).absolute()
    return shutil.disk_usage(next(one for one in (path, *path.parents) if one.is_dir())).free
