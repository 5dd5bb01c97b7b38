"""Rate limits per host: spacing of requests, silence after a Retry-After, exponential backoff after failures.

These hold in one process; `shared_limits.py` has those that processes share.
"""

import ipaddress
import random
import socket
import threading
import unicodedata
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import TypeAlias

MAX_BACKOFF_S = 30.0
MAX_SILENCE_S = 24 * 3600.0
"""A longer Retry-After is cut to this, since later processes obey it, too."""


@dataclass
class Schedule:
    """When one host may be asked next, in seconds of one clock.

    Args:
        next_start: of a request.
        silent_until: the end of the last Retry-After.
    """

    next_start: float = 0.0
    silent_until: float = 0.0

    def claim(self, interval_s: float, now: float) -> float:
        """Claim the next free start and the time after it; returns the seconds to wait for it."""
        start = max(now, self.next_start)
        self.next_start = start + interval_s
        return start - now

    def silence(self, seconds: float, now: float) -> None:
        """Let no request start for this long."""
        self.silent_until = max(self.silent_until, now + min(seconds, MAX_SILENCE_S))
        self.next_start = max(self.next_start, self.silent_until)


class HostPace:
    """When the next request to one host may start, for all threads together.

    Args:
        interval_s: minimum time between the starts of two requests; 0 for no limit.
        clock: seconds, monotonic.
    """

    def __init__(self, interval_s: float, clock: Callable[[], float]) -> None:
        self._interval_s, self._clock = interval_s, clock
        self._lock, self._own = threading.Lock(), Schedule()

    @contextmanager
    def _schedule(self) -> Generator[Schedule]:
        """The schedule, while nobody else has it; changes are kept."""
        with self._lock:
            yield self._own

    def slow_down(self, interval_s: float) -> None:
        """Widen the interval to at least `interval_s`, after the starts already claimed."""
        more_s = interval_s - self._interval_s
        if more_s > 0:
            self._interval_s = interval_s
            self._claim(more_s)

    def silence(self, seconds: float) -> None:
        """Start no request for this long, in any thread."""
        with self._schedule() as schedule:
            schedule.silence(seconds, self._clock())

    def silence_left_s(self) -> float:
        """How long the silence still lasts; negative when it is over."""
        with self._schedule() as schedule:
            return schedule.silent_until - self._clock()

    def claim(self) -> float:
        """Claim the next free start; returns the seconds to wait for it."""
        return self._claim(self._interval_s)

    def _claim(self, interval_s: float) -> float:
        with self._schedule() as schedule:
            return schedule.claim(interval_s, self._clock())

    @contextmanager
    def connection(self, pause: Callable[[float], None]) -> Generator[bool]:  # noqa: ARG002 - here none is shared
        """Hold one of the connections that processes share, and yield whether it had to be waited for.

        Args:
            pause: sleeps for some seconds, or raises where nobody waits for the response any more.
        """
        yield False


PaceOf: TypeAlias = Callable[[str, float, int], HostPace]
"""Gives the pace of a host: its name (and port), the interval in seconds, the number of its connections."""


def backoff_s(failures: int, base_s: float, rng: random.Random) -> float:
    """The pause after the n-th failure in a row: random up to a bound that doubles ("full jitter").

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return rng.uniform(0.0, min(base_s * 2 ** (failures - 1), MAX_BACKOFF_S))


def retry_after_s(value: str | None, wall_clock_s: float) -> float | None:
    """The seconds of a Retry-After header, or None where it is absent or invalid.

    Args:
        value: seconds (`120`) or an HTTP date (`Wed, 21 Oct 2026 07:28:00 GMT`).
        wall_clock_s: now, in seconds since 1970.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # Twelve digits are above every ceiling; float() and int() fail on thousands of them.
        return float(value[:12])
    at = http_date_s(value)
    return None if at is None else max(0.0, at - wall_clock_s)


def http_date_s(value: str) -> float | None:
    """An HTTP date in seconds since 1970; None where it is invalid."""
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, OverflowError):
        return None


def is_private(host: str) -> bool:
    """Whether a host name or address is of this machine or of a private network; names are not looked up.

    Args:
        host: a name, or an address in any form that a resolver takes: `127.1`, `0177.0.0.1`, with a dot at its end.
    """
    name = _plain(host)
    address = _address(name)
    if address is None:
        return "." not in name or name.endswith(_PRIVATE_ENDS)
    inner = _within(address)
    return not address.is_global or address.is_multicast or (inner is not None and not inner.is_global)


def is_loopback(host: str) -> bool:
    """Whether a host name or address is loopback."""
    name = _plain(host)
    address = _address(name)
    return name == "localhost" or name.endswith(".localhost") if address is None else address.is_loopback


def _plain(host: str) -> str:
    """A host in the one form that a resolver gets; a full stop of another script separates labels, too (UTS 46)."""
    shown = "".join(char for char in host if unicodedata.category(char) not in ("Cf", "Mn"))  # as UTS 46 ignores them
    name = unicodedata.normalize("NFKC", shown).replace("\u3002", ".").lower()
    return name.removesuffix(".").removeprefix("[").removesuffix("]")


def _address(name: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(name)
    except ValueError:
        pass
    try:
        # Connecting takes the short, octal and hexadecimal forms of IPv4, which `ipaddress` refuses.
        return ipaddress.IPv4Address(socket.inet_aton(name))
    except (OSError, ValueError):
        return None


def _within(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address that one of IPv6 leads to: mapped, 6to4, NAT64 (RFC 6052) or compatible."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if any(address in network for network in _HOLD_IPV4):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour


_HOLD_IPV4 = (ipaddress.IPv6Network("64:ff9b::/96"), ipaddress.IPv6Network("::/96"))
_PRIVATE_ENDS = (
    ".localhost", ".local", ".localdomain", ".internal", ".intranet", ".private", ".corp", ".home", ".lan",
    ".home.arpa",
)  # fmt: skip
"""Source: RFC 6761, RFC 6762 (appendix G), RFC 8375; ICANN reserves `internal`."""
