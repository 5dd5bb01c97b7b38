"""The polite HTTP client: every request to a gallery goes through it.

It obeys robots.txt, limits request rate and concurrency per host, retries transient failures, honours Retry-After,
sends conditional requests, and gives every request an outcome. The bytes go to `sources/` and `images/`.

urllib3's `Retry` is not used: a Retry-After must silence the whole host for all threads, and waiting must end at once
when the consumer leaves.
"""

import random
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO, TYPE_CHECKING, Self
from urllib.parse import SplitResult, urljoin, urlsplit

from artpipe.crawler.addresses import DEFAULT_PORTS, checked_parts
from artpipe.crawler.challenge import challenge, reservation
from artpipe.crawler.limits import HostPace, PaceOf, backoff_s, http_date_s, is_loopback, is_private, retry_after_s
from artpipe.crawler.local_files import local_response
from artpipe.crawler.outcome import Outcome, Request, RequestCounts, Response
from artpipe.crawler.parallel import AbandonedError, in_parallel
from artpipe.crawler.robots import MAX_ROBOTS_BYTES, ROBOTS_PATH, RobotsRules, robots_rules
from artpipe.crawler.wire import (
    Accepted,
    BodyTooLargeError,
    PrivateAddressError,
    RawResponse,
    TooSlowError,
    TransferError,
    Wire,
)
from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    from artpipe.settings import SecretUrl, Settings

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
"""Threads in addition to those with a request in flight: ready to send the next one, or pausing before a retry."""
LOOK_UP_S = 0.2
"""How often a thread that waits for its turn looks whether its response is still wanted."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, *range(520, 525)})  # 520 to 524 are Cloudflare's
GONE = frozenset({404, 410})
REFUSED = frozenset({401, 403, 451})
FILE_SCHEME = "file"


class GalleryUnreachableError(ArtpipeError):
    """The gallery did not send a file that the pipeline cannot do without."""


@dataclass(frozen=True)
class HostPolicy:
    """How one host is asked, where it differs from the others.

    Args:
        requests_per_s: maximum rate; None: as for the others.
        concurrency: maximum number of requests in flight; None: as for the others.
        headers: sent to this host alone, at this port; they may be secret, so on a public network only over https.
    """

    requests_per_s: float | None = None
    concurrency: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


@dataclass(frozen=True)
class ClientConfig:
    """How requests are sent; the defaults suit a public site.

    Args:
        base_url: where the gallery is, perhaps with a path; every request goes to a path below it. None: every address
            is requested where it says.
        user_agent: who we are, `product/version (+contact)`; robots.txt addresses us by the product.
        requests_per_s: maximum rate to one host; loopback addresses are not limited.
        concurrency: maximum number of requests in flight to one host.
        connect_timeout_s: for opening a connection.
        read_timeout_s: for the next piece of a response.
        total_timeout_s: for a whole response.
        least_rate: bytes a second that a body must come with on average.
        rate_from_s: how long a body may be slower than that.
        max_tries: attempts before a request has failed.
        backoff_s: bound of the random pause after the first failure; it doubles with each further one.
        retry_after_ceiling_s: the longest Retry-After that is waited for.
        max_body_bytes: the largest accepted body.
        allowed_hosts: hosts (`name` or `name:port`) that a redirect may lead to, in addition to the one that was asked.
        mirrors: addresses in whose place the files of a host are requested below a base URL; their original ones stay.
        policies: how single hosts (`name`, or `name:port` where the scheme implies another port) are asked. The pace
            of a name is that of its other ports, too.
        local_folders: folders whose files may be read by `file:` addresses.
        reaches_private: whether addresses of this machine and of private networks are requested where `allowed_hosts`
            does not name them; a public catalogue has no business there.
        obeys_reservations: whether a response that reserves its content is an outcome of its own, without a body.
    """

    base_url: str | None
    user_agent: str = "artpipe"
    requests_per_s: float = 4.0
    concurrency: int = 4
    connect_timeout_s: float = 10.0
    read_timeout_s: float = 30.0
    total_timeout_s: float = 120.0
    least_rate: float = 1000.0
    rate_from_s: float = 10.0
    max_tries: int = 4
    backoff_s: float = 0.5
    retry_after_ceiling_s: float = 120.0
    max_body_bytes: int = 50_000_000
    allowed_hosts: tuple[str, ...] = ()
    mirrors: Mapping[str, str] = field(default_factory=dict[str, str])
    policies: Mapping[str, HostPolicy] = field(default_factory=dict[str, HostPolicy])
    local_folders: tuple[Path, ...] = ()
    obeys_reservations: bool = True
    reaches_private: bool = True

    @classmethod
    def from_settings(cls, settings: "Settings", *, of_gallery: bool = True) -> Self:
        """How the settings want requests sent: to their gallery, or to where each address says."""
        return cls(
            base_url=str(settings.gallery) if of_gallery and settings.sources is None else None,
            user_agent=settings.user_agent,
            requests_per_s=settings.requests_per_s,
            concurrency=settings.concurrency,
            allowed_hosts=settings.allowed_hosts,
            obeys_reservations=settings.obey_reservations,
        )

    def __post_init__(self) -> None:
        if self.base_url is not None:
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

    def policy_of(self, origin: str) -> HostPolicy:
        """How the host of an origin (`scheme://name:port`) is asked."""
        parts = urlsplit(origin)
        name = parts.hostname or ""
        policy = self.policies.get(_name_and_port(parts))
        if policy is not None and (parts.scheme == "https" or is_private(name)):
            return policy
        return replace(policy or self.policies.get(name) or HostPolicy(), headers={})


def login_of(gallery: "SecretUrl") -> tuple[str, str]:
    """The name and the password in a gallery's address; empty where it has none."""
    from requests.utils import get_auth_from_url

    return get_auth_from_url(gallery.get_secret_value())


def _on_private_network(why: str) -> Response:
    return Response(Outcome.REFUSED, error=f"{why}; name it in `image_hosts` of the source to request it")


def _name_and_port(parts: SplitResult) -> str:
    """The host of an address, with its port where the scheme implies another one."""
    return parts.netloc.rpartition("@")[2].lower().removesuffix(f":{DEFAULT_PORTS.get(parts.scheme)}")


class _Host:
    """The state of one host: its pace, its free request slots, its robots.txt."""

    def __init__(self, origin: str, config: ClientConfig, clock: Callable[[], float], pace_of: PaceOf | None) -> None:
        self.origin = origin
        self.name = urlsplit(origin).hostname or ""
        policy = config.policy_of(origin)
        interval_s = 1 / (policy.requests_per_s or config.requests_per_s)
        concurrency = policy.concurrency or config.concurrency
        self.headers = policy.headers
        if is_loopback(self.name) or pace_of is None:
            self.pace = HostPace(0.0 if is_loopback(self.name) else interval_s, clock)
        else:
            self.pace = pace_of(_name_and_port(urlsplit(origin)), interval_s, concurrency)
        self.slots = threading.BoundedSemaphore(concurrency)
        self.next = threading.Lock()
        """Held by the one thread that waits for a start, so that a process that is killed had claimed no others."""
        self.may_be_private = False
        """Whether its name may lead to a private address: who runs artpipe named it, or it is named beside them."""
        self.challenge: Response | None = None
        """The answer that asked for a browser; nothing is requested after it."""
        self.robots_lock = threading.Lock()
        self.rules: RobotsRules | None = None
        self.rules_end = 0.0

    @property
    def refusal(self) -> Response | None:
        """Why nothing may be requested of it, whatever its robots.txt says."""
        if self.challenge is None and not self.may_be_private and is_private(self.name):
            return _on_private_network(f"{self.name} is on a private network")
        return self.challenge


class GalleryClient:
    """Sends requests to a gallery, politely. Threads may share it; use it in a `with`.

    Addresses given to it are original ones. Where there is a `base_url`, their path and query are requested below it,
    whatever their host.

    Args:
        config: how requests are sent.
        clock: seconds, monotonic.
        sleep: waits that many seconds; by default in real time and cut short when the consumer leaves.
        rng: source of the jitter.
        login: name and password, sent to the host of `base_url` alone; ("", "") is none.
    """

    def __init__(
        self,
        config: ClientConfig,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] | None = None,
        rng: random.Random | None = None,
        login: tuple[str, str] | None = None,
        pace_of: PaceOf | None = None,
    ) -> None:
        self.config, self._pace_of = config, pace_of
        self._clock, self._sleep, self._rng = clock, sleep, rng or random.Random()
        self._product = config.user_agent.split("/")[0].split()[0]
        self._base = config.base_url.rstrip("/") if config.base_url else None
        self._wire = Wire(
            config.user_agent,
            config.concurrency,
            config.connect_timeout_s,
            config.read_timeout_s,
            config.total_timeout_s,
            config.least_rate,
            config.rate_from_s,
            clock,
            login={self._base: login} if self._base and login and any(login) else {},
        )
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()
        self._counts = RequestCounts()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._wire.close()

    @property
    def counts(self) -> RequestCounts:
        """What this client has done so far."""
        return self._counts

    def get(
        self,
        url: str,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        max_body_bytes: int | None = None,
        into: IO[bytes] | None = None,
    ) -> Response:
        """Send one request; a failure is a response too.

        Args:
            url: the original address.
            etag: the ETag of the stored copy; with it, an unchanged file comes back as NOT_MODIFIED.
            last_modified: the Last-Modified of the stored copy; likewise.
            max_body_bytes: the largest accepted body, where it differs from the configured one.
            into: an open file that takes the body; the response then has its beginning.
        """
        return self._get(Request(url, etag, last_modified), max_body_bytes, threading.Event(), into)

    def get_many(
        self, requests: Iterable[Request], *, max_body_bytes: int | None = None
    ) -> Generator[tuple[Request, Response]]:
        """Send many requests, `concurrency` at a time; responses come in the order of completion.

        Requests are taken from the iterable as there is room for them. When responses are not consumed, sending
        pauses. Closing the generator abandons the requests in flight.
        """

        def work(request: Request, stop: threading.Event) -> Response:
            return self._get(request, max_body_bytes, stop)

        return in_parallel(work, requests, self.config.concurrency + SPARE_WORKERS, self._wire.abandon)

    def require(
        self,
        url: str,
        *,
        etag: str | None = None,
        last_modified: str | None = None,
        max_body_bytes: int | None = None,
        into: IO[bytes] | None = None,
    ) -> Response:
        """As `get`, for a file that the pipeline cannot do without: only OK and NOT_MODIFIED come back.

        Raises:
            GalleryUnreachableError: any other outcome.
        """
        response = self.get(url, etag=etag, last_modified=last_modified, max_body_bytes=max_body_bytes, into=into)
        if response.outcome in (Outcome.OK, Outcome.NOT_MODIFIED):
            return response
        setting = "ARTPIPE_GALLERY" if self._base else "the address in the file of sources"
        layout = (
            "check that ARTPIPE_GALLERY is the base URL of a gallery laid out like wga.hu."
            if self._base
            else f"check {setting}."
        )
        advice = {
            Outcome.GONE: layout,
            Outcome.REFUSED: "ask its owner for permission"
            + (", or point ARTPIPE_GALLERY at another mirror." if self._base else "."),
            Outcome.CHALLENGED: "ask its owner for another way to the data; such a page is never evaded.",
            Outcome.RESERVED: "ask its owner for permission, then set ARTPIPE_OBEY_RESERVATIONS=0.",
            Outcome.TOO_LARGE: layout,
        }.get(response.outcome, f"check {setting} and your network, then try again.")
        tried = f" after {response.tries} tries" if response.tries > 1 else ""
        try:
            address = self.address_of(url)
        except ValueError:
            address = repr(url)
        raise GalleryUnreachableError(
            f"{address} could not be read{tried}: {response.error or response.outcome}; {advice}"
        )

    def address_of(self, url: str) -> str:
        """Where an original address is requested: its path and query below the base URL, if there is one.

        Raises:
            ValueError: it cannot be requested.
        """
        parts = urlsplit(url) if self._base else checked_parts(url)
        base = self._base or self.config.mirrors.get(parts.netloc.lower())
        if base is None:
            return url
        query = f"?{parts.query}" if parts.query else ""
        return f"{base.rstrip('/')}/{parts.path.lstrip('/')}{query}"

    def _get(
        self, request: Request, max_body_bytes: int | None, stop: threading.Event, into: IO[bytes] | None = None
    ) -> Response:
        if request.url.startswith(f"{FILE_SCHEME}:"):
            return local_response(request, self.config.local_folders)
        headers: dict[str, str] = {}
        if request.etag:
            headers["If-None-Match"] = request.etag
        # A date in the future comes from a wrong clock, and nothing would count as modified since until it has come.
        if request.last_modified and (http_date_s(request.last_modified) or 0.0) <= time.time():
            headers["If-Modified-Since"] = request.last_modified
        accepted = Accepted(self.config.max_body_bytes if max_body_bytes is None else max_body_bytes, into)
        try:
            address = self.address_of(request.url)
        except ValueError as error:
            return Response(Outcome.FAILED, error=f"{request.url!r} is not a valid address: {error}")
        response = self._with_retries(address, headers, accepted, stop, obey_robots=True)
        if response.outcome is Outcome.OK:
            self._count(bodies=1, bytes=len(response.body) if into is None else into.tell())
        elif response.outcome is Outcome.NOT_MODIFIED:
            # A 304 need not repeat the validators of the stored copy.
            response = replace(
                response,
                etag=response.etag or request.etag,
                last_modified=response.last_modified or request.last_modified,
            )
            self._count(not_modified=1)
        return response

    def _with_retries(
        self, address: str, headers: dict[str, str], accepted: Accepted, stop: threading.Event, *, obey_robots: bool
    ) -> Response:
        """Attempt until there is a final response, or no try is left."""
        for tries in range(1, self.config.max_tries + 1):
            response, is_transient = self._attempt(address, headers, accepted, stop, obey_robots=obey_robots)
            if not is_transient or tries == self.config.max_tries:
                return replace(response, tries=tries)
            self._pause(backoff_s(tries, self.config.backoff_s, self._rng), stop)
            self._count(retries=1)
        raise AssertionError("max_tries is at least 1")

    def _attempt(
        self, address: str, headers: dict[str, str], accepted: Accepted, stop: threading.Event, *, obey_robots: bool
    ) -> tuple[Response, bool]:
        """One attempt, along redirects; returns the response and whether its failure is transient."""
        asked = urlsplit(address).hostname
        for _ in range(MAX_REDIRECTS + 1):
            host = self._host(urlsplit(address))
            if obey_robots:  # a request for robots.txt goes where that for a picture may go
                reaches = self.config.reaches_private and host.name == asked
                host.may_be_private |= reaches or self._is_allowed(urlsplit(address))
            if host.refusal:
                return host.refusal, False
            if obey_robots:
                rules = self._rules(host, stop)
                # The challenge may have come in place of robots.txt.
                if refusal := host.challenge or rules.refusal(address):
                    return refusal, False
            try:
                answer = self._exchange(host, address, headers, accepted, stop)
            except PrivateAddressError as error:
                return _on_private_network(str(error)), False
            except BodyTooLargeError as error:
                return Response(Outcome.TOO_LARGE, 200, error=str(error)), False
            except TooSlowError as error:
                return Response(Outcome.TOO_SLOW, error=str(error)), False
            except TransferError as error:
                return Response(Outcome.FAILED, error=str(error)), error.is_transient
            target = answer.headers.get("Location") if answer.status in REDIRECTS else None
            if target is None:
                return self._interpret(host, answer, conditional=bool(headers), is_robots=not obey_robots)
            followed = self._followed(address, target)
            if followed is None:
                setting = "ARTPIPE_ALLOWED_HOSTS" if self._base else "`image_hosts` of the source"
                error = f"{address} redirects to {target}, a host that is not allowed; add it to {setting} to follow"
                return Response(Outcome.REFUSED, answer.status, error=error), False
            address = followed
        return Response(Outcome.FAILED, error=f"more than {MAX_REDIRECTS} redirects, the last to {address}"), False

    def _exchange(
        self, host: _Host, address: str, headers: dict[str, str], accepted: Accepted, stop: threading.Event
    ) -> RawResponse:
        """One request, as soon as the host's concurrency and pace allow it."""
        with host.slots:
            self._wait_for_start(host, stop)
            with host.pace.connection(lambda seconds: self._pause(seconds, stop)) as was_full:
                if was_full:  # the start has passed
                    self._wait_for_start(host, stop)
                self._count(requests=1)
                sent = {**host.headers, **headers}
                return self._wire.send(address, sent, accepted, only_public=not host.may_be_private)

    def _wait_for_start(self, host: _Host, stop: threading.Event) -> None:
        while not host.next.acquire(timeout=LOOK_UP_S):
            self._pause(0.0, stop)
        try:
            waiting = True
            while waiting:
                silence_s = host.pace.silence_left_s()
                if silence_s > self.config.retry_after_ceiling_s:
                    raise TransferError(self._too_long(host, silence_s), is_transient=False)
                self._pause(host.pace.claim(), stop)
                # Meanwhile somebody else may have received a Retry-After.
                waiting = host.pace.silence_left_s() > 0
        finally:
            host.next.release()

    def _interpret(
        self, host: _Host, answer: RawResponse, *, conditional: bool, is_robots: bool
    ) -> tuple[Response, bool]:
        """The response for a status, and whether its failure is transient."""
        status, headers = answer.status, answer.headers
        if reason := challenge(answer):
            host.challenge = Response(Outcome.CHALLENGED, status, error=f"{host.name} {reason}; nothing more is asked")
            return host.challenge, False
        # Rules are there to be read by robots, whatever a header of the whole site reserves.
        obeys = self.config.obeys_reservations and not is_robots
        if obeys and (reason := reservation(headers, self._product)):
            return Response(Outcome.RESERVED, status, error=f"{host.name} answered `{reason}`"), False
        if status == 200 or (status == 304 and conditional):
            response = Response(
                Outcome.OK if status == 200 else Outcome.NOT_MODIFIED,
                status,
                answer.body,
                headers.get("ETag"),
                headers.get("Last-Modified"),
            )
            return response, False
        if status in GONE:
            return Response(Outcome.GONE, status, error=f"the gallery answered {status}"), False
        if status in REFUSED:
            return Response(Outcome.REFUSED, status, error=f"the gallery answered {status}"), False
        failed = Response(Outcome.FAILED, status, error=f"the gallery answered {status}")
        if status not in TRANSIENT:
            return failed, False
        # HTTP dates are in wall-clock time, whatever clock the pace goes by.
        wait_s = retry_after_s(headers.get("Retry-After"), time.time())
        if wait_s is None:
            return failed, True
        host.pace.silence(wait_s)
        if wait_s > self.config.retry_after_ceiling_s:
            return replace(failed, error=f"the gallery answered {status}: {self._too_long(host, wait_s)}"), False
        return failed, True

    def _too_long(self, host: _Host, wait_s: float) -> str:
        return (
            f"{host.name} requests a pause of {wait_s:,.0f} s (Retry-After), longer than the "
            f"{self.config.retry_after_ceiling_s:g} s that are waited for; run again later"
        )

    def _followed(self, address: str, target: str) -> str | None:
        """The target of a redirect if it may be requested, else None.

        It may where it is on the host that was asked, or on a configured one. Sources name pictures on any public host,
        so there a redirect may lead to one, too.
        """
        try:
            followed = urljoin(address, _utf8(target))
            there, base = checked_parts(followed), urlsplit(self._base or address)
            base_port = base.port
        except ValueError:
            return None
        port = there.port or DEFAULT_PORTS[there.scheme]
        # http and https of one name are one host; any other port is another server.
        base_ports = {base_port} if base_port else set(DEFAULT_PORTS.values())
        is_own = there.hostname == base.hostname and port in base_ports
        is_public = self._base is None and not is_private(there.hostname or "")
        return followed if is_own or is_public or self._is_allowed(there) else None

    def _is_allowed(self, address: SplitResult) -> bool:
        port = address.port or DEFAULT_PORTS[address.scheme]
        allowed = {host.lower() for host in self.config.allowed_hosts}
        return not allowed.isdisjoint({address.hostname, f"{address.hostname}:{port}"})

    def _host(self, address: SplitResult) -> _Host:
        origin = f"{address.scheme}://{address.netloc}"
        host = self._hosts.get(origin)
        if host is None:
            with self._lock:
                host = self._hosts.setdefault(origin, _Host(origin, self.config, self._clock, self._pace_of))
        return host

    def _rules(self, host: _Host, stop: threading.Event) -> RobotsRules:
        """The host's robots.txt rules; requested when first needed, by one thread for all."""
        if host.rules is not None and self._clock() < host.rules_end:
            return host.rules
        with host.robots_lock:
            if host.rules is None or self._clock() >= host.rules_end:
                url = f"{host.origin}{ROBOTS_PATH}"
                answer = self._with_retries(url, {}, Accepted(MAX_ROBOTS_BYTES), stop, obey_robots=False)
                if stop.is_set():
                    # We cut it off ourselves, so the failure is not the host's.
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


def _utf8(header: str) -> str:
    """A header whose raw bytes are UTF-8, as servers send them; http.client reads them as Latin-1."""
    try:
        return header.encode("latin-1").decode("utf-8")
    except UnicodeError:
        return header
