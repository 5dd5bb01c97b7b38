"""One refresh of a lake at a time: the second waits, and says for whom."""

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
def alone(lake: DataLake, console: "Console", *, wait: bool = True) -> Generator[None]:
    """Hold the lake's refresh lock; it is let go when its process ends, however it ends.

    Args:
        lake: whose lock. That of a lake in an object store holds on one machine only.
        console: told who is waited for.
        wait: wait for another refresh to end.

    Raises:
        RefreshUnderWayError: another one is under way, and `wait` is off.
    """
    from filelock import FileLock, Timeout

    folder = lake.local_folder("locks")
    lock, holder = FileLock(folder / "refresh.lock"), folder / "refresh.json"
    try:
        lock.acquire(timeout=0)
    except Timeout as error:
        told = f"a refresh of {lake.root} is under way ({_holder_told(holder)})"
        if not wait:
            raise RefreshUnderWayError(f"{told}; wait for it to end, or end that process.") from error
        console.print(f"  {told}; waiting for it to end ...", style="yellow", highlight=False)
        lock.acquire()
    try:
        about = {"pid": os.getpid(), "host": socket.gethostname(), "since": datetime.now(UTC).isoformat("T", "seconds")}
        holder.write_text(json.dumps(about), encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _holder_told(holder: Path) -> str:
    try:
        about = json.loads(holder.read_text(encoding="utf-8"))
        return f"process {about['pid']} on {about['host']}, since {about['since']}"
    except (OSError, ValueError, KeyError):
        return "its process is not known"
