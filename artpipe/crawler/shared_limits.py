"""The limits of a host that all processes of a user's machine share, whatever their lakes: files in the cache folder.

A host has a folder with its schedule, a file for each connection, and one for who is next to get one. They are locked
while they are used, and the kernel unlocks what a process held when it dies.
"""

import logging
import os
import struct
import time
from collections.abc import Callable, Generator, Iterable
from contextlib import contextmanager
from pathlib import Path

from artpipe.crawler.limits import HostPace, PaceOf, Schedule
from artpipe.lake.scratch import host_folder

POLL_S = 0.01
"""How often a free connection is looked for while other processes have all of them."""
CLOCK_STEP_S = 5.0
"""How far two machines' clocks, or one that is corrected, may differ."""
_SCHEDULE = struct.Struct("<3d")
"""The schedule and when it was written: so short that it is written whole or not at all."""

logger = logging.getLogger(__name__)


class FilePace(HostPace):
    """The pace and the connections of one host, for all processes that are given the same folder.

    Each has its own interval, and the next start is that of the last request and its interval later: together they ask
    no faster than the fastest of them may.

    Args:
        folder: of the host.
        interval_s: minimum time between the start of a request of this process and the next one of any.
        connections: maximum number of requests in flight.
        clock: seconds since 1970, since the schedule outlives the process and the machine's start.

    Raises:
        OSError: the folder cannot be written, or its disk has no locks.
    """

    def __init__(
        self, folder: Path, interval_s: float, connections: int, clock: Callable[[], float] = time.time
    ) -> None:
        super().__init__(interval_s, clock)
        self._folder, self._connections = folder, [str(number) for number in range(connections)]
        self.silence_left_s()

    @contextmanager
    def _schedule(self) -> Generator[Schedule]:
        file = self._locked("schedule", waits=True)
        try:
            read = os.pread(file, _SCHEDULE.size, 0)
            *times, written = _SCHEDULE.unpack(read) if len(read) == _SCHEDULE.size else (0.0, 0.0, 0.0)
            # One from the future is of a clock that was set back since.
            schedule = Schedule(*times) if written <= self._clock() + CLOCK_STEP_S else Schedule()
            yield schedule
            os.pwrite(file, _SCHEDULE.pack(schedule.next_start, schedule.silent_until, self._clock()), 0)
        finally:
            os.close(file)

    @contextmanager
    def connection(self, pause: Callable[[float], None]) -> Generator[bool]:
        """Hold one of the host's connections, and yield whether it had to be waited for.

        Args:
            pause: sleeps for some seconds, or raises where nobody waits for the response any more.
        """
        # Without turns, a process with many threads would hardly ever leave a connection to another one.
        turn, was_turn_taken = self._first_free(["turn"], pause)
        try:
            held, were_all_taken = self._first_free(self._connections, pause)
        finally:
            os.close(turn)
        try:
            yield was_turn_taken or were_all_taken
        finally:
            os.close(held)

    def _first_free(self, names: Iterable[str], pause: Callable[[float], None]) -> tuple[int, bool]:
        """Lock the first file that nobody has locked; returns its descriptor and whether it was waited for."""
        has_waited = False
        while True:
            for name in names:
                try:
                    return self._locked(name, waits=False), has_waited
                except BlockingIOError:
                    continue
            has_waited = True
            pause(POLL_S)

    def _locked(self, name: str, *, waits: bool) -> int:
        """A file of the host, locked until it is closed."""
        import fcntl

        path = self._folder / name
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:  # the first request, or somebody emptied the cache
            path.parent.mkdir(parents=True, exist_ok=True)
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(file, fcntl.LOCK_EX if waits else fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(file)
            raise
        return file


def shared_paces(cache: str | None, ray_address: str | None) -> PaceOf:
    """The paces that all processes share which have one cache folder or, where there is one, one Ray cluster.

    Args:
        cache: `ARTPIPE_CACHE`; by default the user's own.
        ray_address: `ARTPIPE_RAY_ADDRESS`.
    """

    def by_files(host: str, interval_s: float, connections: int) -> HostPace:
        try:
            return FilePace(host_folder(host, cache), interval_s, connections)
        except (OSError, ImportError) as error:  # Windows has no such locks
            logger.warning("%s; other processes that ask %s now do so at a pace of their own", error, host)
            return HostPace(interval_s, time.monotonic)

    if ray_address is None:
        return by_files
    from artpipe.crawler.cluster_limits import paces_of_cluster

    return paces_of_cluster(ray_address)
