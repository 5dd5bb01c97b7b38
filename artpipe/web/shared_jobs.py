"""Jobs that cost seconds: done one at a time in a thread of their own, the last results kept.

Clients take turns: who asks for many waits behind those who ask for one.
"""

import asyncio
import itertools
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor

from artpipe.errors import ArtpipeError

_KEPT = 16
"""Results that are kept for who asks for them again."""
_KEPT_BYTES = 64 * 1024 * 1024
"""Of all of them together; a larger one is not kept."""
_MAX_CLIENTS = 64
"""Clients that may wait at once."""


class TooManyJobsError(ArtpipeError):
    """Too many jobs wait for their turn."""


class SharedJobs:
    """Does jobs, one of each client in turn; those who ask for the same one at the same time get one.

    Args:
        what: what is made, in the plural, for messages.
        max_pending: how many of one client may wait for their turn, beside the one that is being done.
        kept_bytes: how large the results may be together that are kept for who asks for them again.
    """

    def __init__(self, what: str, max_pending: int, kept_bytes: int = _KEPT_BYTES) -> None:
        self._what, self._max_pending, self._kept_bytes = what, max_pending, kept_bytes
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"artpipe-{what}")
        self._made: OrderedDict[Hashable, Future[bytes]] = OrderedDict()
        self._lock = threading.Lock()
        self._unfinished = Counter[str]()
        self._waiting: OrderedDict[str, deque[tuple[Future[bytes], Callable[[], bytes]]]] = OrderedDict()

    async def get(self, key: Hashable, make: Callable[[], bytes], client: str = "") -> bytes:
        """The result: what was made for this key before, or is being made, or is made now.

        Args:
            key: tells jobs apart that differ in anything.
            make: makes it.
            client: who asks.

        Raises:
            TooManyJobsError: too many others of this client wait, or too many clients.
        """
        known = self._made.get(key)
        if known is None or (known.done() and known.exception()):
            known = self._made[key] = self._queued(make, client)
        self._made.move_to_end(key)
        made = asyncio.wrap_future(known)
        made.add_done_callback(lambda _: self._forget())
        return await asyncio.shield(made)  # who leaves does not end it for the others

    def _queued(self, make: Callable[[], bytes], client: str) -> Future[bytes]:
        with self._lock:
            if self._unfinished[client] > self._max_pending or len(self._waiting) >= _MAX_CLIENTS:
                raise TooManyJobsError(f"too many {self._what} are being made; try again in a few seconds.")
            self._unfinished[client] += 1
            made = Future[bytes]()
            self._waiting.setdefault(client, deque()).append((made, make))
        self._thread.submit(self._make_next)
        return made

    def _make_next(self) -> None:
        """Make the next one of the client whose turn it is, who is then the last to have a turn."""
        with self._lock:
            client, waiting = self._waiting.popitem(last=False)
            made, make = waiting.popleft()
            if waiting:
                self._waiting[client] = waiting
        try:
            made.set_result(make())
        except BaseException as error:  # noqa: BLE001 - raised for those who wait for it; Lance and Polars may panic
            made.set_exception(error)
        with self._lock:
            self._unfinished[client] -= 1
            self._unfinished += Counter()  # forgets those who wait for nothing

    def _forget(self) -> None:
        """Drop what failed, and of the others those that were not asked for the longest and exceed a limit."""
        count = total = 0
        for key, one in reversed(list(self._made.items())):
            if not one.done():
                continue
            size = None if one.cancelled() or one.exception() else len(one.result())
            if size is None or count == _KEPT or total + size > self._kept_bytes:
                del self._made[key]
            else:
                count, total = count + 1, total + size

    def close(self) -> None:
        """Make no more of them."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            for made, _ in itertools.chain(*self._waiting.values()):
                made.cancel()
