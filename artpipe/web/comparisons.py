"""Whether a visitor's picture shows a very painting: found out beside the answers.

Comparing costs more than the whole rest of an answer, so a page may be shown before it is done, and ask again.
"""

import asyncio
import logging
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from os import cpu_count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artpipe.web.tokens import Verdict

logger = logging.getLogger(__name__)

MOST_REMEMBERED = 2000


class ComparisonFailedError(Exception):
    """What comes of a comparison is not known: it failed, was never begun here, is forgotten, or not done yet."""


class Comparisons:
    """Compares pictures in the background, and remembers for a while what came of it; never the pictures.

    With several processors half of them compare: the others are there for who waits for a page.

    Args:
        most_remembered: comparisons; the oldest is forgotten first.
    """

    def __init__(self, most_remembered: int = MOST_REMEMBERED) -> None:
        self._workers = ThreadPoolExecutor(max(1, (cpu_count() or 1) // 2), thread_name_prefix="artpipe-compare")
        self._most_remembered = most_remembered
        self._lock = threading.Lock()
        # Weakly, so that a collection that is no longer served does not stay in memory.
        self._begun: OrderedDict[str, tuple[weakref.ref[object], Future[Verdict | None]]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many pictures are not compared yet."""
        with self._lock:
            return sum(not one.done() for _, one in self._begun.values())

    def begin(self, token: str, collection: object, compare: "Callable[[], Verdict | None]") -> None:
        """Compare a picture when it is its turn; once with each state of a collection, however often it is sent.

        Args:
            token: stands for the picture.
            collection: what it is compared with.
            compare: what to do.
        """
        with self._lock:
            before = self._begun.pop(token, None)
            if before is None or before[0]() is not collection or _has_failed(before[1]):
                before = weakref.ref(collection), self._workers.submit(_compared, compare)
            self._begun[token] = before
            while len(self._begun) > self._most_remembered:
                self._begun.popitem(last=False)

    def is_known(self, token: str) -> bool:
        """Whether something came of a picture's comparison, or will."""
        begun = self._of(token)
        return begun is not None and not _has_failed(begun)

    def told(self, token: str) -> "Verdict | None":
        """What came of a picture's comparison; None where it cannot be decided here.

        Raises:
            ComparisonFailedError: nothing did, or not yet.
        """
        begun = self._of(token)
        if begun is None or not begun.done() or _has_failed(begun):
            raise ComparisonFailedError
        return begun.result()

    async def verdict(self, token: str) -> "Verdict | None":
        """The same, once it is done.

        Raises:
            ComparisonFailedError: nothing comes of it.
        """
        begun = self._of(token)
        if begun is None:
            raise ComparisonFailedError
        # Shielded, since others may wait for the same comparison when this visitor leaves.
        return await asyncio.shield(asyncio.wrap_future(begun))

    def close(self) -> None:
        """End it; what was not begun is not compared."""
        self._workers.shutdown(wait=False, cancel_futures=True)

    def _of(self, token: str) -> "Future[Verdict | None] | None":
        with self._lock:
            begun = self._begun.get(token)
        return begun[1] if begun else None


def _compared(compare: "Callable[[], Verdict | None]") -> "Verdict | None":
    try:
        return compare()
    except Exception as error:
        # The picture's results are shown whatever becomes of this.
        logger.exception("a picture could not be compared with the collection")
        raise ComparisonFailedError from error


def _has_failed(begun: "Future[Verdict | None]") -> bool:
    return begun.done() and (begun.cancelled() or begun.exception() is not None)
