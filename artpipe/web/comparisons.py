"""Whether a visitor's picture shows a painting of the collection: compared in the background.

A comparison costs more than the rest of a response, so a page may be shown first and fetch the verdict later.
"""

import asyncio
import logging
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from os import cpu_count
from typing import Generic, TypeVar

from artpipe.web.turns import Turns

logger = logging.getLogger(__name__)

T = TypeVar("T")
"""What a comparison gives."""
MAX_REMEMBERED = 2000


class ComparisonFailedError(Exception):
    """There is no verdict: the comparison failed, was never begun here, is forgotten, or not done yet."""


class Comparisons(Generic[T]):
    """Compares pictures in the background, and remembers the verdicts for a while; never the pictures.

    Half of the processors compare, one picture of each client in turn, so that the others answer requests.

    Args:
        max_remembered: how many comparisons; the oldest is forgotten first.
    """

    def __init__(self, max_remembered: int = MAX_REMEMBERED) -> None:
        self._turns = Turns[T]("comparisons", max_remembered, max(1, (cpu_count() or 1) // 2))
        self._max_remembered = max_remembered
        self._lock = threading.Lock()
        # Weak references, so that a collection that is no longer served does not stay in memory.
        self._comparisons: OrderedDict[str, tuple[weakref.ref[object], Future[T]]] = OrderedDict()

    def unfinished(self, client: str | None = None) -> int:
        """How many comparisons are not done yet: of one client's pictures, or of all."""
        return self._turns.unfinished(client)

    def begin(self, token: str, collection: object, compare: Callable[[], T], client: str = "") -> None:
        """Queue the comparison of a picture, once for each version of the collection however often it is uploaded.

        Args:
            token: of the picture.
            collection: what it is compared with.
            compare: does it.
            client: who sent it.

        Raises:
            TooManyJobsError: pictures of too many clients wait.
        """
        with self._lock:
            queued = self._comparisons.pop(token, None)
            if queued is None or queued[0]() is not collection or _has_failed(queued[1]):
                queued = weakref.ref(collection), self._turns.submit(partial(_logged, compare), client)
            self._comparisons[token] = queued
            while len(self._comparisons) > self._max_remembered:
                self._comparisons.popitem(last=False)

    def is_known(self, token: str) -> bool:
        """Whether a picture has a verdict, or will have one."""
        future = self._future(token)
        return future is not None and not _has_failed(future)

    def result(self, token: str) -> T:
        """What the comparison of a picture gave.

        Raises:
            ComparisonFailedError: there is none, or not yet.
        """
        future = self._future(token)
        if future is None or not future.done() or _has_failed(future):
            raise ComparisonFailedError
        return future.result()

    async def verdict(self, token: str) -> T:
        """Wait for what the comparison of a picture gives.

        Raises:
            ComparisonFailedError: there will be none.
        """
        future = self._future(token)
        if future is None:
            raise ComparisonFailedError
        # Shielded, since others may wait for the same comparison when this visitor leaves.
        return await asyncio.shield(asyncio.wrap_future(future))

    def close(self) -> None:
        """Stop; queued comparisons are dropped."""
        self._turns.close()

    def _future(self, token: str) -> Future[T] | None:
        with self._lock:
            queued = self._comparisons.get(token)
        return queued[1] if queued else None


def _logged(compare: Callable[[], T]) -> T:
    try:
        return compare()
    except Exception as error:
        # The results of the picture are shown all the same.
        logger.exception("a picture could not be compared with the collection")
        raise ComparisonFailedError from error


def _has_failed(future: Future[T]) -> bool:
    return future.done() and (future.cancelled() or future.exception() is not None)
