"""Whether a visitor's picture shows a very painting: found out beside the answers, one picture after another.

Comparing costs more than the whole rest of an answer, so a page may be shown before it is done, and ask again.
"""

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from os import cpu_count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from artpipe.web.tokens import Verdict

logger = logging.getLogger(__name__)

MOST_REMEMBERED = 2000

Compare = Callable[[], "Verdict | None"]


class Comparisons:
    """Compares pictures in the background, and remembers for a while what came of it; never the pictures.

    Half of the processors compare: the others are there for who waits for a page.

    Args:
        most_remembered: comparisons; the oldest is forgotten first.
    """

    def __init__(self, most_remembered: int = MOST_REMEMBERED) -> None:
        self._workers = ThreadPoolExecutor(max(1, (cpu_count() or 1) // 2), thread_name_prefix="artpipe-compare")
        self._most_remembered = most_remembered
        self._lock = threading.Lock()
        self._begun: OrderedDict[str, Future[Verdict | None]] = OrderedDict()

    @property
    def waiting(self) -> int:
        """How many pictures are not compared yet."""
        with self._lock:
            return sum(not one.done() for one in self._begun.values())

    def begin(self, token: str, compare: Compare) -> "Future[Verdict | None]":
        """Compare a picture when it is its turn; once, however often it is sent.

        Args:
            token: stands for the picture.
            compare: what to do.
        """
        with self._lock:
            if token not in self._begun:
                self._begun[token] = self._workers.submit(_compared, compare)
            self._begun.move_to_end(token)
            while len(self._begun) > self._most_remembered:
                self._begun.popitem(last=False)
            return self._begun[token]

    def of(self, token: str) -> "Future[Verdict | None] | None":
        """What comes of a picture's comparison; None where it was never begun here, or is forgotten."""
        with self._lock:
            return self._begun.get(token)

    def close(self) -> None:
        """End it; what was not begun is not compared."""
        self._workers.shutdown(wait=False, cancel_futures=True)


def _compared(compare: Compare) -> "Verdict | None":
    try:
        return compare()
    except Exception:
        # The picture's results are shown whatever becomes of this; they then say nothing of a very painting.
        logger.exception("a picture could not be compared with the collection")
        return None
