"""One piece of work on many rows, shared among threads; NumPy and NumKong release the interpreter's lock."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from os import cpu_count

# Fewer are scanned in about the time that another thread takes to wake.
_ROWS_WORTH_A_THREAD = 8_000


def in_parts(rows: int, work: Callable[[slice], None], parts_a_thread: int = 1, step: int = 1) -> list[slice]:
    """Do some work on all rows, shared among as many threads as are worth waking.

    Args:
        rows: how many there are.
        work: what to do with a part of them; any thread may do any part.
        parts_a_thread: with several, no thread waits long for another whose core is busy with something else.
        step: every part begins at a multiple of it.

    Returns:
        The parts, in the order of the rows; none of them is empty.
    """
    threads = max(1, min(cpu_count() or 1, rows // _ROWS_WORTH_A_THREAD))
    length = max(step, -(-rows // (threads * parts_a_thread * step)) * step)
    parts = [slice(first, min(first + length, rows)) for first in range(0, rows, length)]
    waiting = deque(parts)

    def take() -> None:
        while True:
            try:
                part = waiting.popleft()
            except IndexError:
                return
            work(part)

    helpers = [_pool().submit(take) for _ in range(threads - 1)]
    try:
        take()
    finally:
        waiting.clear()  # after a failure nobody continues
        running = [helper for helper in helpers if not helper.cancel()]  # the others are busy with other queries
    for helper in running:
        helper.result()
    return parts


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads that scan beside the calling one; kept, since starting them takes as long as a small scan."""
    return ThreadPoolExecutor(max(1, (cpu_count() or 1) - 1), thread_name_prefix="artpipe-scan")
