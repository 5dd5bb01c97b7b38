"""Threads in which visitors take turns: who asks for many things waits behind those who ask for one."""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Generic, TypeVar

from artpipe.errors import ArtpipeError

_MAX_CLIENTS = 64
"""Clients that may wait at once."""
T = TypeVar("T")
"""What a job gives."""


class TooManyJobsError(ArtpipeError):
    """Too many jobs wait for their turn."""


class Turns(Generic[T]):
    """A pool of threads that does jobs, one of each client in turn.

    Args:
        what: what is made, in the plural, for messages and the names of threads.
        max_pending: how many jobs of one client may wait, beside those that are being done.
        threads: how many jobs are done at once.
    """

    def __init__(self, what: str, max_pending: int, threads: int = 1) -> None:
        self._what, self._max_unfinished = what, max_pending + threads
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"artpipe-{what}")
        self._lock = threading.Lock()
        self._unfinished = Counter[str]()
        self._waiting: OrderedDict[str, deque[tuple[Future[T], Callable[[], T]]]] = OrderedDict()

    def submit(self, job: Callable[[], T], client: str = "") -> Future[T]:
        """Do a job when it is its client's turn.

        Raises:
            TooManyJobsError: too many others of this client wait, or too many clients.
        """
        with self._lock:
            if self._unfinished[client] >= self._max_unfinished or len(self._waiting) >= _MAX_CLIENTS:
                raise TooManyJobsError(f"too many {self._what} are being made; try again in a few seconds.")
            self._unfinished[client] += 1
            done = Future[T]()
            self._waiting.setdefault(client, deque()).append((done, job))
        self._threads.submit(self._do_next)
        return done

    def unfinished(self, client: str | None = None) -> int:
        """How many jobs wait or are being done: of one client, or of all."""
        with self._lock:
            return self._unfinished.total() if client is None else self._unfinished.get(client, 0)

    def close(self) -> None:
        """Begin no more jobs."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for jobs in self._waiting.values():
                for done, _ in jobs:
                    done.cancel()

    def _do_next(self) -> None:
        """Do the next job of the client whose turn it is, who is then the last to have a turn."""
        with self._lock:
            client, jobs = self._waiting.popitem(last=False)
            done, job = jobs.popleft()
            if jobs:
                self._waiting[client] = jobs
        if done.set_running_or_notify_cancel():
            try:
                tell = partial(done.set_result, job())
            except BaseException as error:  # noqa: BLE001 - raised for who waits for it; Lance and Polars may panic
                tell = partial(done.set_exception, error)
        else:
            tell = None  # who wanted it has left
        with self._lock:
            self._unfinished[client] -= 1
            self._unfinished += Counter()  # forgets those who wait for nothing
        if tell:
            tell()
