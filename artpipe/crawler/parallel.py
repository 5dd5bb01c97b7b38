"""Many items at a time on a fixed number of threads, delivered as they are done and never far ahead of the consumer."""

import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from queue import SimpleQueue
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LETTING_GO_S = 5.0
"""How long to wait for abandoned threads; they are daemons, so that one that hangs on keeps nobody from leaving."""


class AbandonedError(Exception):
    """Raised in a worker whose result nobody waits for any more."""


@dataclass(frozen=True)
class _Broken:
    """A worker, or the source of items, ended in a surprise."""

    error: BaseException


def in_parallel(
    work: Callable[[Item, threading.Event], Result],
    items: Iterable[Item],
    workers: int,
    abandon: Callable[[list[int]], None],
) -> Generator[tuple[Item, Result]]:
    """Do work on items, `workers` at a time.

    Items are taken one by one, by the worker threads, as there is room for their results: at most `2 * workers` are
    begun and not yet consumed. Closing the generator (or an exception at the consumer, Ctrl-C included) ends it all.

    Args:
        work: is given an item and an event; once the event is set it should raise `AbandonedError` soon.
        items: may be endless; it is iterated in the worker threads, never in two at once.
        workers: number of threads.
        abandon: wakes threads, given by ident, from whatever they are blocked in.

    Yields:
        Each item with its result, in the order of completion.
    """
    source = iter(items)
    taking = threading.Lock()
    room = threading.Semaphore(2 * workers)
    stopped = threading.Event()
    done: SimpleQueue[tuple[Item, Result] | _Broken | None] = SimpleQueue()

    def run() -> None:
        try:
            for item in _taken(source, taking, room, stopped):
                done.put((item, work(item, stopped)))
        except AbandonedError:
            pass
        except BaseException as error:  # noqa: BLE001 - handed to the consumer, who raises it
            done.put(_Broken(error))
        finally:
            done.put(None)

    threads = [threading.Thread(target=run, name=f"gallery-{n}", daemon=True) for n in range(workers)]
    running = 0
    try:
        for thread in threads:
            thread.start()
            running += 1
        while running:
            result = done.get()
            if result is None:
                running -= 1
            elif isinstance(result, _Broken):
                raise result.error
            else:
                room.release()
                yield result
    finally:
        stopped.set()
        room.release(workers)
        _let_go([thread for thread in threads if thread.ident is not None], abandon)


def _taken(
    source: Iterator[Item], taking: threading.Lock, room: threading.Semaphore, stopped: threading.Event
) -> Iterator[Item]:
    """The items that fall to one worker."""
    while True:
        room.acquire()
        if stopped.is_set():
            return
        try:
            with taking:
                item = next(source)
        except StopIteration:
            room.release()
            return
        yield item


def _let_go(threads: list[threading.Thread], abandon: Callable[[list[int]], None]) -> None:
    """Wait for the threads to end, cutting short what they are blocked in."""
    deadline = time.monotonic() + LETTING_GO_S
    while alive := [thread for thread in threads if thread.is_alive()]:
        if time.monotonic() > deadline:
            return
        # Again each time: a thread may have begun to wait just after it was woken.
        abandon([thread.ident for thread in alive if thread.ident is not None])
        alive[0].join(timeout=0.05)
