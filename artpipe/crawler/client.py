"""The polite HTTP client: what every request to a gallery goes through.

It obeys robots.txt, keeps to a request rate and a concurrency per host, retries what may pass, waits when it is told
to, asks conditionally, and gives every request an outcome. The bytes go to `catalog/` and `images/`.
"""

import random
import threading
import time
from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self
from urllib.parse import SplitResult, urljoin, urlsplit

from artpipe.crawler.limits import HostPace, backoff_s, is_loopback, retry_after_s
from artpipe.crawler.outcome import Outcome, Request, RequestCounts, Response
from artpipe.crawler.parallel import AbandonedError, in_parallel
from artpipe.crawler.robots import MAX_ROBOTS_BYTES, ROBOTS_PATH, RobotsRules, robots_rules
from artpipe.crawler.wire import Answer, BodyTooLargeError, TransferError, Wire
from artpipe.errors import ArtpipeError

__all__ = [
    "ClientConfig",
    "GalleryClient",
    "GalleryUnreachableError",
    "Outcome",
    "Request",
    "RequestCounts",
    "Response",
]

MAX_REDIRECTS = 5
SPARE_WORKERS = 2
"""Threads beside those whose requests are under way: ready to send when one is done, or pausing before a retry."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
MAY_PASS = frozenset({429, 500, 502, 503, 504})
GONE = frozenset({404, 410})
REFUSED = frozenset({401, 403, 451})
DEFAULT_PORTS = {"http": 80, "https": 443}


class GalleryUnreachableError(ArtpipeError):
    """The gallery did not give something that nothing can go on without."""


@dataclass(frozen=True)
class ClientConfig:
    """How a gallery is asked; the defaults suit a public site.

    Args:
        base_url: where the gallery is, perhaps with a path; every request goes to a path below it.
        user_agent: who we are, `product/version (+contact)`; robots.txt addresses us by the product.
        requests_per_s: most requests a second to one host; loopback addresses are not limited.
        concurrency: most requests to one host at a time.
        connect_timeout_s: for a connection to come about.
        read_timeout_s: for the next piece of an answer.
        total_timeout_s: for one answer as a whole.
        max_tries: how often a request is tried before it has failed.
        backoff_s: bound of the random pause after the first failure; it doubles with each further one.
        retry_after_ceiling_s: the longest Retry-After that is waited for.
        max_body_bytes: the largest body that is read.
        allowed_hosts: hosts (`name` or `name:port`) that a redirect may lead to, beside the one of `base_url`.
    """

    base_url: str
    user_agent: str = "artpipe"
    requests_per_s: float = 4.0
    concurrency: int = 4
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    total_timeout_s: float = 120.0
    max_tries: int = 4
    backoff_s: float = 0.5
    retry_after_ceiling_s: float = 120.0
    max_body_bytes: int = 50_000_000
    allowed_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        base = urlsplit(self.base_url)
        if base.scheme not in DEFAULT_PORTS or not base.hostname:
            raise ValueError(f"base_url {self.base_url!r} is not an http(s) address")
        if not self.user_agent.isascii() or not self.user_agent.isprintable() or not self.user_agent.strip():
            raise ValueError(f"user_agent {self.user_agent!r} cannot be sent: it must be printable ASCII")
        for name in ("requests_per_s", "concurrency", "connect_timeout_s", "read_timeout_s", "total_timeout_s"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0")
        if self.max_tries < 1:
            raise ValueError("max_tries must be at least 1")


class _Host:
    """What is known of one host: its pace, how many requests it has in hand, its robots.txt."""

    def __init__(self, origin: str, config: ClientConfig, clock: Callable[[], float]) -> None:
        self.origin = origin
        self.name = urlsplit(origin).hostname or ""
        self.pace = HostPace(0.0 if is_loopback(self.name) else 1 / config.requests_per_s, clock)
        self.slots = threading.BoundedSemaphore(config.concurrency)
        self.robots_lock = threading.Lock()
        self.rules: RobotsRules | None = None
        self.rules_end = 0.0


class GalleryClient:
    """Asks a gallery for things, politely. Threads may share it; use it in a `with`.

    Addresses given to it are original ones, whatever their host: their path and query are asked for below `base_url`.

    Args:
        config: how to ask.
        clock: seconds, monotonic.
        sleep: waits that many seconds; by default in real time and cut short when nobody waits for the answer.
        rng: source of the jitter.
    """

    def __init__(
        self,
        config: ClientConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.config = config
        self._clock, self._sleep, self._rng = clock, sleep, rng or random.Random()
        self._product = config.user_agent.split("/")[0].split()[0]
        self._base = config.base_url.rstrip("/")
        self._wire = Wire(
            config.user_agent,
            config.concurrency,
            config.connect_timeout_s,
            config.read_timeout_s,
            config.total_timeout_s,
            clock,
        )
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()
        self._counts = RequestCounts()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()

    @property
    def counts(self) -> RequestCounts:
        """What was done so far."""
        return self._counts

    def get(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None, max_body_bytes: int | None = None
    ) -> Response:
        """Ask for one thing; a failure is a response too.

        Args:
            url: its original address.
            etag: the ETag of the copy that is held; with it, an unchanged thing comes back as NOT_MODIFIED.
            last_modified: the Last-Modified of the copy that is held; likewise.
            max_body_bytes: the largest body to accept, where it differs from the configured one.
        """
        return self._get(Request(url, etag, last_modified), max_body_bytes, threading.Event())

    def get_many(
        self, requests: Iterable[Request], *, max_body_bytes: int | None = None
    ) -> Generator[tuple[Request, Response]]:
        """Ask for many things, `concurrency` at a time; responses come in the order in which they are complete.

        Requests are taken as there is room for them, in other threads than the caller's, never two at once. When
        responses are not consumed, asking pauses. Closing the generator abandons what is under way.
        """

        def work(request: Request, stop: threading.Event) -> Response:
            return self._get(request, max_body_bytes, stop)

        return in_parallel(work, requests, self.config.concurrency + SPARE_WORKERS, self._wire.abandon)

    def require(
        self, url: str, *, etag: str | None = None, last_modified: str | None = None, max_body_bytes: int | None = None
    ) -> Response:
        """Ask for something that nothing can go on without; as `get`, but only OK and NOT_MODIFIED come back.

        Raises:
            GalleryUnreachableError: any other outcome.
        """
        response = self.get(url, etag=etag, last_modified=last_modified, max_body_bytes=max_body_bytes)
        if response.outcome in (Outcome.OK, Outcome.NOT_MODIFIED):
            return response
        advice = {
            Outcome.GONE: "check that ARTPIPE_GALLERY is the base URL of a gallery laid out like wga.hu.",
            Outcome.REFUSED: "ask the gallery's owner for permission, or point ARTPIPE_GALLERY at another mirror.",
            Outcome.TOO_LARGE: "check that ARTPIPE_GALLERY is the base URL of a gallery laid out like wga.hu.",
        }.get(response.outcome, "check ARTPIPE_GALLERY and your network, then try again.")
        tried = f" after {response.tries} tries" if response.tries > 1 else ""
        raise GalleryUnreachableError(
            f"{self.address_of(url)} could not be read{tried}: {response.error or response.outcome}; {advice}"
        )

    def address_of(self, url: str) -> str:
        """Where an original address is asked for: its path and query below the base URL."""
        parts = urlsplit(url)
        query = f"?{parts.query}" if parts.query else ""
        return f"{self._base}/{parts.path.lstrip('/')}{query}"

    def _get(self, request: Request, max_body_bytes: int | None, stop: threading.Event) -> Response:
        headers: dict[str, str] = {}
        if request.etag:
            headers["If-None-Match"] = request.etag
        if request.last_modified:
            headers["If-Modified-Since"] = request.last_modified
        limit = self.config.max_body_bytes if max_body_bytes is None else max_body_bytes
        try:
            address = self.address_of(request.url)
        except ValueError as error:
            return Response(Outcome.FAILED, error=f"{request.url!r} is not an address: {error}")
        response = self._persist(address, headers, limit, stop, obey_robots=True)
        if response.outcome is Outcome.OK:
            self._count(bodies=1, bytes=len(response.body))
        elif response.outcome is Outcome.NOT_MODIFIED:
            # A 304 need not repeat what the held copy was known by.
            response = replace(
                response,
                etag=response.etag or request.etag,
                last_modified=response.last_modified or request.last_modified,
            )
            self._count(not_modified=1)
        return response

    def _persist(
        self, address: str, headers: dict[str, str], limit: int, stop: threading.Event, *, obey_robots: bool
    ) -> Response:
        """Try until there is an answer to keep, or no try is left."""
        for tries in range(1, self.config.max_tries + 1):
            response, may_pass = self._try(address, headers, limit, stop, obey_robots=obey_robots)
            if not may_pass or tries == self.config.max_tries:
                return replace(response, tries=tries)
            self._pause(backoff_s(tries, self.config.backoff_s, self._rng), stop)
            self._count(retries=1)
        raise AssertionError("max_tries is at least 1")

    def _try(
        self, address: str, headers: dict[str, str], limit: int, stop: threading.Event, *, obey_robots: bool
    ) -> tuple[Response, bool]:
        """Ask once, along redirects; returns what came of it and whether another try may do better."""
        for _ in range(MAX_REDIRECTS + 1):
            host = self._host(urlsplit(address))
            if obey_robots and (refusal := self._rules(host, stop).refusal(address)):
                return refusal, False
            try:
                answer = self._exchange(host, address, headers, limit, stop)
            except BodyTooLargeError as error:
                return Response(Outcome.TOO_LARGE, 200, error=str(error)), False
            except TransferError as error:
                return Response(Outcome.FAILED, error=str(error)), error.may_pass
            target = answer.headers.get("Location") if answer.status in REDIRECTS else None
            if target is None:
                return self._judge(host, answer, conditional=bool(headers))
            followed = self._followed(address, target)
            if followed is None:
                error = (
                    f"{address} redirects to {target}, a host that was not agreed to; "
                    "name it in ARTPIPE_ALLOWED_HOSTS to follow"
                )
                return Response(Outcome.REFUSED, answer.status, error=error), False
            address = followed
        return Response(Outcome.FAILED, error=f"more than {MAX_REDIRECTS} redirects, the last to {address}"), False

    def _exchange(
        self, host: _Host, address: str, headers: dict[str, str], limit: int, stop: threading.Event
    ) -> Answer:
        """One request, when the host's concurrency and pace allow it."""
        with host.slots:
            waiting = True
            while waiting:
                silence_s = host.pace.silence_left_s()
                if silence_s > self.config.retry_after_ceiling_s:
                    raise TransferError(self._too_long(host, silence_s), may_pass=False)
                self._pause(host.pace.claim(), stop)
                # Meanwhile another thread may have been told to leave the host alone.
                waiting = host.pace.silence_left_s() > 0
            self._count(requests=1)
            return self._wire.send(address, headers, limit)

    def _judge(self, host: _Host, answer: Answer, *, conditional: bool) -> tuple[Response, bool]:
        """What an answer means, and whether another try may bring a better one."""
        status, headers = answer.status, answer.headers
        if status == 200 or (status == 304 and conditional):
            response = Response(
                Outcome.OK if status == 200 else Outcome.NOT_MODIFIED,
                status,
                answer.body,
                headers.get("ETag"),
                headers.get("Last-Modified"),
                headers.get("Content-Type"),
            )
            return response, False
        if status in GONE:
            return Response(Outcome.GONE, status, error=f"the gallery answered {status}"), False
        if status in REFUSED:
            return Response(Outcome.REFUSED, status, error=f"the gallery answered {status}"), False
        failed = Response(Outcome.FAILED, status, error=f"the gallery answered {status}")
        if status not in MAY_PASS:
            return failed, False
        # HTTP dates are in wall-clock time, whatever clock the waiting goes by.
        wait_s = retry_after_s(headers.get("Retry-After"), time.time())
        if wait_s is None:
            return failed, True
        host.pace.silence(wait_s)
        if wait_s > self.config.retry_after_ceiling_s:
            return replace(failed, error=f"the gallery answered {status}: {self._too_long(host, wait_s)}"), False
        return failed, True

    def _too_long(self, host: _Host, wait_s: float) -> str:
        return (
            f"{host.name} wants to be left alone for {wait_s:,.0f} s (Retry-After), more than the "
            f"{self.config.retry_after_ceiling_s:g} s that are waited for; run again later"
        )

    def _followed(self, address: str, target: str) -> str | None:
        """Where a redirect leads, if we may go there: to the gallery's own host, or to one that was allowed."""
        try:
            followed = urljoin(address, target)
            there, base = urlsplit(followed), urlsplit(self._base)
            port, base_port = there.port, base.port
        except ValueError:
            return None
        if there.scheme not in DEFAULT_PORTS or not there.hostname:
            return None
        port = port or DEFAULT_PORTS[there.scheme]
        # http and https of one name are one host; any other port is another server.
        base_ports = {base_port} if base_port else set(DEFAULT_PORTS.values())
        is_own = there.hostname == base.hostname and port in base_ports
        allowed = {host.lower() for host in self.config.allowed_hosts}
        return followed if is_own or not allowed.isdisjoint({there.hostname, f"{there.hostname}:{port}"}) else None

    def _host(self, address: SplitResult) -> _Host:
        origin = f"{address.scheme}://{address.netloc}"
        host = self._hosts.get(origin)
        if host is None:
            with self._lock:
                host = self._hosts.setdefault(origin, _Host(origin, self.config, self._clock))
        return host

    def _rules(self, host: _Host, stop: threading.Event) -> RobotsRules:
        """What the host's robots.txt says; it is asked for when first needed, by one thread for all."""
        if host.rules is not None and self._clock() < host.rules_end:
            return host.rules
        with host.robots_lock:
            if host.rules is None or self._clock() >= host.rules_end:
                url = f"{host.origin}{ROBOTS_PATH}"
                answer = self._persist(url, {}, MAX_ROBOTS_BYTES, stop, obey_robots=False)
                if stop.is_set():
                    # Cut off by us: that says nothing about the host.
                    raise AbandonedError
                rules = robots_rules(url, answer, self._product)
                host.pace.slow_down(rules.crawl_delay_s)
                host.rules, host.rules_end = rules, self._clock() + rules.keep_s
            return host.rules

    def _pause(self, seconds: float, stop: threading.Event) -> None:
        if seconds > 0:
            if self._sleep is None:
                stop.wait(seconds)
            else:
                self._sleep(seconds)
        if stop.is_set():
            raise AbandonedError

    def _count(self, **more: int) -> None:
        with self._lock:
            self._counts = replace(self._counts, **{name: getattr(self._counts, name) + n for name, n in more.items()})
