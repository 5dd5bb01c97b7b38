"""Jobs that cost seconds: each is done once for all who ask for it, and the last results are kept."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future

from artpipe.web.turns import Turns

_KEPT = 16
"""Results that are kept for who asks for them again."""
_KEPT_BYTES = 64 * 1024 * 1024
"""Of all of them together; a larger one is not kept."""


class SharedJobs:
    """Does jobs, one of each client in turn; those who ask for the same one at the same time get one.

    Args:
        what: what is made, in the plural, for messages.
        max_pending: how many of one client may wait for their turn, beside the one that is being done.
        kept_bytes: how large the results may be together that are kept for who asks for them again.
        threads: how many are done at once; see `Turns`.
    """

    def __init__(self, what: str, max_pending: int, kept_bytes: int = _KEPT_BYTES, threads: int = 1) -> None:
        self._turns, self._kept_bytes = Turns[bytes](what, max_pending, threads), kept_bytes
        self._made: OrderedDict[Hashable, Future[bytes]] = OrderedDict()

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
            known = self._made[key] = self._turns.submit(make, client)
        self._made.move_to_end(key)
        made = asyncio.wrap_future(known)
        made.add_done_callback(lambda _: self._forget())
        return await asyncio.shield(made)  # who leaves does not end it for the others

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
        self._turns.close()
