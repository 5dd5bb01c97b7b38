"""Processes of this machine: which one this is, and whether one is still there."""

import os
import socket
from functools import cache
from pathlib import Path


@cache
def this_machine() -> str:
    """This boot of this machine, and this container on it: within it, a process id means one process."""
    parts = [socket.gethostname()]
    for file in ("/proc/sys/kernel/random/boot_id", "/proc/self/ns/pid"):
        try:
            parts.append(str(Path(file).readlink()) if "ns" in file.split("/") else Path(file).read_text().strip())
        except OSError:  # not Linux
            continue
    return " ".join(parts)


def started_at(pid: int) -> str:
    """When a process started, in clock ticks of Linux since the machine did; "" on other systems."""
    return _stat(pid, 19)


def is_alive(pid: int, since: str) -> bool:
    """Whether the process that started then still runs; a later process may have its number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it is there, and somebody else's
        pass
    if _stat(pid, 0) == "Z":  # it ended, and its parent has not asked how
        return False
    return not since or started_at(pid) in ("", since)


def _stat(pid: int, place: int) -> str:
    """A field of a process's statistics, counted from its state; "" where there are none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[place]
    except (OSError, IndexError):
        return ""
