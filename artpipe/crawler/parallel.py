"""Bounded parallel work on threads: results in the order of completion, never far ahead of the consumer."""

import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

SHUTDOWN_S = 5.0
"""How long to wait for abandoned threads to end."""


class AbandonedError(Exception):
    """Raised in a worker whose result nobody waits for any more."""


def in_parallel(
    work: Callable[[Item, threading.Event], Result],
    items: Iterable[Item],
    workers: int,
    abandon: Callable[[Iterable[int]], None],
) -> Generator[tuple[Item, Result]]:
    """Do work on items, `workers` at a time.

    Items are taken one by one, as there is room for their results: at most `2 * workers` are begun and not yet
    consumed. Closing the generator (or an exception at the consumer, Ctrl-C included) ends it all.

    Args:
        work: gets an item and an event; once the event is set it should raise `AbandonedError` soon.
        items: may be endless; iterated by the consumer's thread.
        workers: number of threads.
        abandon: wakes threads, given by ident, from whatever they are blocked in.

    Yields:
        Each item with its result, in the order of completion.
    """
    source, stopped, threads = iter(items), threading.Event(), list[int]()
    pool = ThreadPoolExecutor(workers, "gallery-", initializer=lambda: threads.append(threading.get_ident()))
    pending: set[Future[tuple[Item, Result]]] = set()
    done: deque[Future[tuple[Item, Result]]] = deque()

    def run(item: Item) -> tuple[Item, Result]:
        return item, work(item, stopped)

    try:
        while True:
            room = 2 * workers - len(pending) - len(done)
            pending.update(pool.submit(run, item) for item in islice(source, room))
            if not done:
                if not pending:
                    return
                completed, pending = wait(pending, return_when=FIRST_COMPLETED)
                done.extend(completed)
            yield done.popleft().result()
    finally:
        stopped.set()
        pool.shutdown(wait=False, cancel_futures=True)
        deadline = time.monotonic() + SHUTDOWN_S
        while (running := [future for future in pending if not future.done()]) and time.monotonic() < deadline:
            # Again each time: a thread may have begun to block just after it was woken.
            abandon(threads)
            wait(running, timeout=0.05)
        pool.shutdown(wait=not running)
