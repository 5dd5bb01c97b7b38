"""How fast a host may be asked: spacing of requests, silence when it asks for it, growing pauses after failures."""

import ipaddress
import random
import threading
from collections.abc import Callable
from email.utils import parsedate_to_datetime

LONGEST_BACKOFF_S = 30.0


class HostPace:
    """When the next request to one host may start, for all threads together.

    Args:
        interval_s: least time between the starts of two requests; 0 for no limit.
        clock: seconds, monotonic.
    """

    def __init__(self, interval_s: float, clock: Callable[[], float]) -> None:
        self._interval_s, self._clock = interval_s, clock
        self._lock = threading.Lock()
        self._next_start = self._silent_until = clock()

    def slow_down(self, interval_s: float) -> None:
        """Widen the spacing to at least `interval_s`, beginning after the requests already claimed."""
        with self._lock:
            self._next_start += max(0.0, interval_s - self._interval_s)
            self._interval_s = max(self._interval_s, interval_s)

    def silence(self, seconds: float) -> None:
        """Start nothing for this long, whoever asks: the host has said when to come back."""
        with self._lock:
            self._silent_until = max(self._silent_until, self._clock() + seconds)
            self._next_start = max(self._next_start, self._silent_until)

    def silence_left_s(self) -> float:
        """How long the host still wants to be left alone."""
        return self._silent_until - self._clock()

    def claim(self) -> float:
        """Take the next free start; returns the seconds to wait for it, 0 when it is now."""
        with self._lock:
            now = self._clock()
            start = max(now, self._next_start)
            self._next_start = start + self._interval_s
            return start - now


def backoff_s(failures: int, base_s: float, rng: random.Random) -> float:
    """How long to wait after the n-th failure in a row: anywhere up to a bound that doubles ("full jitter").

    Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015.
    """
    return rng.uniform(0.0, min(base_s * 2 ** (failures - 1), LONGEST_BACKOFF_S))


def retry_after_s(value: str | None, wall_clock_s: float) -> float | None:
    """The seconds that a Retry-After header asks for, or None where it is absent or means nothing.

    Args:
        value: seconds (`120`) or an HTTP date (`Wed, 21 Oct 2026 07:28:00 GMT`).
        wall_clock_s: now, in seconds since 1970.
    """
    if value is None:
        return None
    value = value.strip()
    if value.isascii() and value.isdigit():
        # More digits than this are no wait that anybody means; they are far above every ceiling as it is.
        return float(value[:12])
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - wall_clock_s)
    except (ValueError, TypeError, OverflowError):
        return None


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
