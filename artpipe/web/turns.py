"""Threads in which visitors take turns: who asks for many things waits behind those who ask for one.

Of several threads, one client has all but one at most: who comes meanwhile never waits for a long job to end.
"""

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
        threads: how many jobs are done at once; of one client, one less.
    """

    def __init__(self, what: str, max_pending: int, threads: int = 1) -> None:
        self._what, self._at_once = what, max(1, threads - 1)
        self._max_unfinished = max_pending + self._at_once
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"artpipe-{what}")
        self._lock = threading.Lock()
        self._unfinished, self._begun = Counter[str](), Counter[str]()
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
        self._threads.submit(self._do_those_that_may_begin)
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

    def _do_those_that_may_begin(self) -> None:
        """Do one job after another, while there is one that need not wait for another of its client."""
        while (begun := self._next()) is not None:
            client, done, job = begun
            if done.set_running_or_notify_cancel():
                try:
                    tell = partial(done.set_result, job())
                except BaseException as error:  # noqa: BLE001 - raised for who waits for it; Lance and Polars may panic
                    tell = partial(done.set_exception, error)
            else:
                tell = None  # who wanted it has left
            with self._lock:
                for counter in (self._unfinished, self._begun):
                    counter[client] -= 1
                    counter += Counter()  # forgets those who wait for nothing
            if tell:
                tell()

    def _next(self) -> tuple[str, Future[T], Callable[[], T]] | None:
        """The next job of the client whose turn it is, who is then the last to have a turn."""
        with self._lock:
            client = next((one for one in self._waiting if self._begun[one] < self._at_once), None)
            if client is None:
                return None
            jobs = self._waiting.pop(client)
            done, job = jobs.popleft()
            if jobs:
                self._waiting[client] = jobs
            self._begun[client] += 1
            return client, done, job
