"""The lock of a lake: one process at a time writes it, on whichever machine; another one waits and names the holder.

What is written into a lake passes `ensure_held`, so that a process whose lock was taken over writes nothing more.
"""

from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
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
    lake: DataLake, console: "Console", *, wait: bool = True, doing: str = "a refresh", run: str = ""
) -> Generator[bool]:
    """Hold the lock of a lake for a command; yields whether this waited for another process.

    Args:
        lake: whose lock.
        console: where the holder is named while this waits.
        wait: wait for another process to end.
        doing: what for, as a noun.
        run: tag of the Dagster runs that may write the lake meanwhile, in whichever process.

    Raises:
        RefreshUnderWayError: another process holds the lock, and `wait` is off.
    """
    waited_for: list[Holder] = []

    def waiting(other: Holder) -> None:
        message = f"{other.doing} of {lake.root} is under way ({other})"
        if not wait:
            raise RefreshUnderWayError(f"{message}; wait for it to end, or end that process.")
        console.print(f"  {message}; waiting for it to end ...", style="yellow", highlight=False)
        waited_for.append(other)

    with _locked(lake, doing, waiting, run):
        yield bool(waited_for)


@contextmanager
def write_lock(lake: DataLake, doing: str, waiting: Callable[[Holder], None], *, run: str = "") -> Generator[None]:
    """Hold the lock of a lake; code within may hold it again.

    Args:
        lake: whose lock.
        doing: what for, as a noun.
        waiting: told once of each process that this one waits for.
        run: names the work; where another process holds the lock for the same, this one works under its lock.
    """
    if str(lake.root) in _held_here.get():
        yield
        return
    with _locked(lake, doing, waiting, run):
        yield


@contextmanager
def _locked(lake: DataLake, doing: str, waiting: Callable[[Holder], None], run: str) -> Generator[None]:
    address, lock = str(lake.root), lake_lock(lake)
    with ExitStack() as stack:
        lease = lock.under(run) if run else None
        stack.enter_context(guarding(address, lease or stack.enter_context(lock.held(doing, waiting, run=run))))
        lake.root.fs.invalidate_cache()  # others wrote while this process waited
        before = _held_here.set((*_held_here.get(), address))
        try:
            yield
        finally:
            _held_here.reset(before)


def refresh_under_way(lake: DataLake) -> str:
    """What is done to a lake now, by which process and since when, in words; "" where nothing is. Creates nothing."""
    try:
        holder = lake_lock(lake).holder()
    except OSError:  # it may not be read by everybody
        return ""
    return f"{holder.doing} is under way ({holder})" if holder else ""


def lake_lock(lake: DataLake) -> Lock:
    """The lock of a lake."""
    return Lock(f"the lake {lake.root}", lake.root / "locks" / "lake")
