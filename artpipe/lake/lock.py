"""The refresh lock: one refresh of a lake at a time; a second one waits and names the holder."""

import json
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake

if TYPE_CHECKING:
    from rich.console import Console


class RefreshUnderWayError(ArtpipeError):
    """Another refresh of this lake is under way."""


@contextmanager
def refresh_lock(lake: DataLake, console: "Console", *, wait: bool = True) -> Generator[None]:
    """Hold the lake's refresh lock; the operating system releases it when the process ends, however it ends.

    Args:
        lake: whose lock. That of a lake in an object store holds on one machine only.
        console: where the holder is named while this waits.
        wait: wait for another refresh to end.

    Raises:
        RefreshUnderWayError: another refresh holds the lock, and `wait` is off.
    """
    from filelock import FileLock, Timeout

    path = lake.lock_file("refresh")
    lock, holder_file = FileLock(path), path.with_suffix(".json")
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        message = f"a refresh of {lake.root} is under way ({_holder(holder_file)})"
        if not wait:
            raise RefreshUnderWayError(f"{message}; wait for it to end, or end that process.") from error
        console.print(f"  {message}; waiting for it to end ...", style="yellow", highlight=False)
        lock.acquire()
    try:
        since = datetime.now(UTC).isoformat("T", "seconds")
        holder = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
        holder_file.write_text(json.dumps(holder), encoding="utf-8")
        yield
    finally:
        holder_file.unlink(missing_ok=True)
        lock.release()


def refresh_under_way(lake: DataLake) -> str:
    """Which process refreshes a lake, and since when, in words; "" where none does. Creates nothing."""
    from filelock import FileLock, Timeout

    path = lake.local_root / "locks" / "refresh.lock"
    holder_file = path.with_suffix(".json")
    if not holder_file.exists() or not path.exists():
        return ""
    try:
        with FileLock(path, timeout=0):  # a killed process leaves its name and no lock
            return ""
    except Timeout:
        return _holder(holder_file)
    except OSError:  # the lock may not be opened by everybody
        return ""


def _holder(holder_file: Path) -> str:
    try:
        holder = json.loads(holder_file.read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}, since {holder['since']}"
    except (OSError, ValueError, KeyError):
        return "its process is unknown"
