"""The lock of a lake: one process at a time writes it, on whichever machine; another one waits and names the holder.

What is written into a lake passes `ensure_held`, so that a process whose lock was taken over writes nothing more.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError
from artpipe.lake.lease import Holder, Lock, guarding
from artpipe.lake.paths import DataLake

if TYPE_CHECKING:
    from rich.console import Console

_held_here: ContextVar[tuple[str, ...]] = ContextVar("_held_here", default=())
"""The lakes whose lock is held around the present code."""


class RefreshUnderWayError(ArtpipeError):
    """Another process writes this lake."""


@contextmanager
def refresh_lock(
    lake: DataLake, console: "Console", *, wait: bool = True, doing: str = "a refresh", through_queue: bool = False
) -> Generator[bool]:
    """Hold the lock of a lake for a command; yields whether this waited for another process.

    Args:
        lake: whose lock.
        console: where the holder is named while this waits.
        wait: wait for another process to end.
        doing: what for, as a noun.
        through_queue: only keep other such commands off, and leave the lock of the lake to the runs in a queue. A run
            of somebody else may be before them in it, and would wait for a lock that is held until they have ended.

    Raises:
        RefreshUnderWayError: another process holds the lock, and `wait` is off.
    """
    waited_for: list[Holder | None] = []

    def waiting(other: Holder | None) -> None:
        message = under_way(other, f" of {lake.root}")
        if not wait:
            raise RefreshUnderWayError(f"{message}; wait for it to end, or end that process.")
        console.print(f"  {message}; waiting for it to end ...", style="yellow", highlight=False)
        waited_for.append(other)

    with _queue_lock(lake).held(doing, waiting) if through_queue else _locked(lake, doing, waiting):
        yield bool(waited_for)


@contextmanager
def write_lock(lake: DataLake, doing: str, waiting: Callable[[Holder | None], None]) -> Generator[None]:
    """Hold the lock of a lake; code within may hold it again.

    Args:
        lake: whose lock.
        doing: what for, as a noun.
        waiting: told once of each process that this one waits for, None where it is unknown.
    """
    if str(lake.root) in _held_here.get():
        yield
        return
    with _locked(lake, doing, waiting):
        yield


def upgrade_lock(lake: DataLake) -> AbstractContextManager[None]:
    """Hold the lock of a lake of an older release while its records are adopted.

    Raises:
        RefreshUnderWayError: another process holds it.
    """

    def refuse(other: Holder | None) -> None:
        raise RefreshUnderWayError(under_way(other, f" of {lake.root}"))

    return write_lock(lake, "an upgrade", refuse)


@contextmanager
def _locked(lake: DataLake, doing: str, waiting: Callable[[Holder | None], None]) -> Generator[None]:
    address, lock = str(lake.root), lake_lock(lake)
    with lock.held(doing, waiting) as lease, guarding(address, lease):
        lake.root.fs.invalidate_cache()  # others wrote while this process waited
        before = _held_here.set((*_held_here.get(), address))
        try:
            yield
        finally:
            _held_here.reset(before)


def refresh_under_way(lake: DataLake) -> str:
    """What is done to a lake now, by which process and since when, in words; "" where nothing is. Creates nothing."""
    try:
        holder = lake_lock(lake).holder() or _queue_lock(lake).holder()
    except OSError:  # it may not be read by everybody
        return ""
    return under_way(holder) if holder else ""


def under_way(holder: Holder | None, of: str = "") -> str:
    """What is done to a lake, and by which process, in words.

    Args:
        holder: of its lock; None where the lock is held, and by whom cannot be read.
        of: which lake.
    """
    return f"{holder.doing if holder else 'a write'}{of} is under way ({holder or 'by which process is unknown'})"


def lake_lock(lake: DataLake) -> Lock:
    """The lock of a lake."""
    return Lock(f"the lake {lake.root}", lake.root / "locks" / "lake")


def _queue_lock(lake: DataLake) -> Lock:
    """The lock of the refreshes of a lake whose runs wait in a queue."""
    return Lock(f"the refresh of {lake.root}", lake.root / "locks" / "refresh")
