"""Rate limits per host: spacing of requests, silence after a Retry-After, exponential backoff after failures."""

import ipaddress
import random
import threading
from collections.abc import Callable
from email.utils import parsedate_to_datetime

MAX_BACKOFF_S = 30.0


class HostPace:
    """When the next request to one host may start, for all threads together.

    Args:
        interval_s: minimum time between the starts of two requests; 0 for no limit.
        clock: seconds, monotonic.
    """

    def __init__(self, interval_s: float, clock: Callable[[], float]) -> None:
        self._interval_s, self._clock = interval_s, clock
        self._lock = threading.Lock()
        self._next_start = self._silent_until = clock()

    def slow_down(self, interval_s: float) -> None:
        """Widen the interval to at least `interval_s`, after the starts already claimed."""
        with self._lock:
            self._next_start += max(0.0, interval_s - self._interval_s)
            self._interval_s = max(self._interval_s, interval_s)

    def silence(self, seconds: float) -> None:
        """Start no request for this long, in any thread."""
        with self._lock:
            self._silent_until = max(self._silent_until, self._clock() + seconds)
            self._next_start = max(self._next_start, self._silent_until)

    def silence_left_s(self) -> float:
        """How long the silence still lasts; negative when it is over."""
        return self._silent_until - self._clock()

    def claim(self) -> float:
        """Claim the next free start; returns the seconds to wait for it."""
        with self._lock:
            now = self._clock()
            start = max(now, self._next_start)
            self._next_start = start + self._interval_s
            return start - now


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
    """Whether a host name or address is of this machine or of a private network; names are not looked up."""
    if is_loopback(host):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return "." not in host


def is_loopback(host: str) -> bool:
    """Whether a host name or address is loopback."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
