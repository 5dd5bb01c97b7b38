"""The limits of hosts that all drivers of a Ray cluster share: an object in the cluster that knows every host.

One object for all hosts, since each is a process, and a catalogue may name hundreds of hosts.
"""

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING

from artpipe.crawler.limits import HostPace, PaceOf, Schedule

if TYPE_CHECKING:
    from artpipe.engine.ray_engine import ClusterObject

POLL_S = 0.05
"""How often a free connection is looked for while other drivers have all of them."""
LEASE_S = 30.0
QUEUED_S = 2.0


def paces_of_cluster(ray_address: str) -> PaceOf:
    """The paces that all drivers of a cluster share; it is connected to by the first request."""
    from artpipe.engine.ray_engine import ClusterObject

    return partial(ClusterPace, ClusterObject(ray_address, "hosts", HostsOfCluster))


class ClusterPace(HostPace):
    """The pace and the connections of one host, for all drivers of a cluster."""

    def __init__(self, hosts: "ClusterObject", host: str, interval_s: float, connections: int) -> None:
        super().__init__(interval_s, time.monotonic)
        self._hosts, self._host, self._connections = hosts, host, connections

    def silence(self, seconds: float) -> None:
        """Start no request for this long, whoever sends it."""
        self._hosts.ask("silence", self._host, seconds)

    def silence_left_s(self) -> float:
        """How long the silence still lasts; negative when it is over."""
        return self._hosts.ask("silence_left_s", self._host)

    def _claim(self, interval_s: float) -> float:
        return self._hosts.ask("claim", self._host, interval_s)

    @contextmanager
    def connection(self, pause: Callable[[float], None]) -> Generator[bool]:
        """Hold one of the host's connections, and yield whether it had to be waited for."""
        token, has_waited = uuid.uuid4().hex, False
        while not self._hosts.ask("connect", self._host, token, self._connections):
            has_waited = True
            pause(POLL_S)
        try:
            yield has_waited
        finally:
            self._hosts.tell("release", self._host, token)


class HostsOfCluster:
    """The schedules and connections of all hosts, by name: the object that lives in the cluster.

    A connection counts for `LEASE_S` at most, since its driver may have died; a place in the queue for `QUEUED_S` after
    the last look.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._schedules = defaultdict[str, Schedule](Schedule)
        self._leases, self._queues = defaultdict[str, dict[str, float]](dict), defaultdict[str, dict[str, float]](dict)

    def claim(self, host: str, interval_s: float) -> float:
        """Claim the next free start; returns the seconds to wait for it."""
        return self._schedules[host].claim(interval_s, self._clock())

    def silence(self, host: str, seconds: float) -> None:
        """Let no request to a host start for this long."""
        self._schedules[host].silence(seconds, self._clock())

    def silence_left_s(self, host: str) -> float:
        """How long a host's silence still lasts; negative when it is over."""
        return self._schedules[host].silent_until - self._clock()

    def connect(self, host: str, token: str, connections: int) -> bool:
        """Take a free connection, if it is this token's turn; ask again where it is not."""
        now = self._clock()
        self._leases[host] = leases = {each: end for each, end in self._leases[host].items() if end > now}
        self._queues[host] = queue = {each: end for each, end in self._queues[host].items() if end > now}
        queue[token] = now + QUEUED_S
        if len(leases) >= connections or next(iter(queue)) != token:
            return False
        del queue[token]
        leases[token] = now + LEASE_S
        return True

    def release(self, host: str, token: str) -> None:
        """Give a connection back."""
        self._leases[host].pop(token, None)
