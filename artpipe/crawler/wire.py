"""One HTTP request: sent over a kept connection, its body read whole, within limits of time and size.

Nothing here retries, follows redirects or interprets a status; `client.py` does.
"""

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlsplit

from artpipe.crawler.limits import is_loopback, is_private

if TYPE_CHECKING:
    from requests import PreparedRequest, Response
    from requests.adapters import HTTPAdapter

CHUNK_BYTES = 128 * 1024
KEPT_OPEN_BYTES = 64 * 1024
"""An unwanted body up to this size is read to its end, so that its connection can be used again."""


class TransferError(Exception):
    """A request got no whole response.

    Args:
        message: what happened.
        is_transient: whether the same request may succeed a little later.
    """

    def __init__(self, message: str, *, is_transient: bool = True) -> None:
        super().__init__(message)
        self.is_transient = is_transient


class TooSlowError(Exception):
    """A response comes too slowly to wait for its end."""


class PrivateAddressError(Exception):
    """A name leads to an address of this machine or of a private network, where only a public one may be asked."""


class BodyTooLargeError(Exception):
    """A body is larger than allowed; it was not read to its end."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The body that is accepted.

    Args:
        max_bytes: the largest one.
        into: an open file that takes it, for one that is too large for memory; the response then has its beginning.
    """

    max_bytes: int
    into: IO[bytes] | None = None


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A whole response. The body is read for status 200 alone."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class _Route:
    """What all requests to one origin share; preparing it costs as much as a small request itself."""

    prepared: "PreparedRequest"
    options: dict[str, Any]


def _origin(address: str) -> tuple[str, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.netloc


class Wire:
    """A pool of kept connections to a few hosts; threads may share it.

    Args:
        user_agent: sent with every request.
        connections: how many connections to a host are kept open.
        connect_timeout_s: for opening a connection.
        read_timeout_s: for the next piece of a response.
        total_timeout_s: for a whole response; a read in progress at that moment is not cut short.
        least_rate: bytes a second that a body must come with on average, once `rate_from_s` of it have passed.
        rate_from_s: how long a body may be slower.
        clock: seconds, monotonic.
        login: name and password by an address on the host that they are sent to (HTTP Basic authentication).
    """

    def __init__(
        self,
        user_agent: str,
        connections: int,
        connect_timeout_s: float,
        read_timeout_s: float,
        total_timeout_s: float,
        least_rate: float = 0.0,
        rate_from_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        login: Mapping[str, tuple[str, str]] | None = None,
    ) -> None:
        import requests

        self._timeouts = (connect_timeout_s, min(read_timeout_s, total_timeout_s))
        self._total_timeout_s, self._clock = total_timeout_s, clock
        self._least_rate, self._rate_from_s = least_rate, rate_from_s
        self._waiting: dict[int, socket.socket] = {}
        self._headers = _HeaderWatch(self._timeouts[1])
        self._only_public: set[int] = set()
        self._adapter = _watched_adapter(connections, self._waiting, self._only_public, self._headers)
        self._session = requests.Session()
        self._session.headers["User-Agent"] = user_agent
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, self._adapter)
        self._login = {_origin(address): login for address, login in (login or {}).items()}
        self._routes: dict[tuple[str, str], _Route] = {}

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._headers.end()
        self._session.close()

    def abandon(self, threads: Iterable[int]) -> None:
        """Shut down the sockets on which these threads (by ident) wait for a response, so that they stop waiting."""
        for thread in threads:
            if (waiting := self._waiting.get(thread)) is not None:
                # The socket may just have been closed by its own thread, which is as good.
                with contextlib.suppress(OSError):
                    waiting.shutdown(socket.SHUT_RDWR)

    def send(
        self, url: str, headers: Mapping[str, str], accepted: Accepted, *, only_public: bool = False
    ) -> RawResponse:
        """Send one GET request.

        Args:
            url: http or https, quoted or not.
            headers: sent in addition to the usual ones.
            accepted: the largest body to accept, and where it goes.
            only_public: whether a new connection may lead to a public address alone. What a name leads to may change,
                so it is the connection that is looked at. Where a proxy is set, the proxy decides.

        Raises:
            PrivateAddressError: it leads to another one; nothing was sent.
            TransferError: no connection, no response in time, or a body that ended early.
            TooSlowError: headers or body come too slowly.
            BodyTooLargeError: the body is larger than that.
        """
        from requests.exceptions import RequestException
        from urllib3.exceptions import HTTPError

        deadline = self._clock() + self._total_timeout_s
        if only_public:
            self._only_public.add(threading.get_ident())
        try:
            request, options = self._request(url, headers)
            # Session.send would read the body of a redirect without a ceiling, and doubles the cost of a request.
            response = self._adapter.send(request, stream=True, timeout=self._timeouts, **options)
            # Closing gives the connection back; before the body's end it also cuts it.
            with response:
                body = self._body(response, accepted, deadline)
        except ValueError as error:
            # Both libraries raise it for an address or a header that can never be sent.
            raise TransferError(f"{url!r} cannot be requested: {error}", is_transient=False) from error
        except (RequestException, HTTPError, OSError) as error:
            raise TransferError(self._plain(error)) from error
        finally:
            self._waiting.pop(threading.get_ident(), None)
            self._only_public.discard(threading.get_ident())
        return RawResponse(response.status_code, response.headers, body)

    def _request(self, url: str, headers: Mapping[str, str]) -> "tuple[PreparedRequest, dict[str, Any]]":
        from requests.utils import requote_uri

        parts = urlsplit(url)
        route = self._routes.get((parts.scheme, parts.netloc))
        if route is None:
            route = self._routes[parts.scheme, parts.netloc] = self._route(f"{parts.scheme}://{parts.netloc}/")
        request = route.prepared.copy()
        query = f"?{parts.query}" if parts.query else ""
        request.url = f"{route.prepared.url}{requote_uri(parts.path.removeprefix('/') + query)}"
        request.headers.update(headers)
        return request, route.options

    def _route(self, origin: str) -> _Route:
        import requests

        prepared = self._session.prepare_request(requests.Request("GET", origin, auth=self._login.get(_origin(origin))))
        options = dict(self._session.merge_environment_settings(origin, {}, None, None, None))
        if is_loopback(urlsplit(origin).hostname or ""):
            options["proxies"] = {}
        return _Route(prepared, {name: options[name] for name in ("proxies", "verify", "cert")})

    def _body(self, response: "Response", accepted: Accepted, deadline: float) -> bytes:
        """Read the body of a 200 whole, and a small one of any other status so that its connection can be reused."""
        raw = response.raw
        announced = raw.length_remaining
        if response.status_code != 200:
            if announced is not None and announced <= KEPT_OPEN_BYTES:
                size, began = 0, time.monotonic()
                while piece := raw.read1(CHUNK_BYTES, decode_content=False):
                    size += len(piece)
                    if self._is_slow(size, time.monotonic() - began):
                        break
            return b""
        if announced is not None and announced > accepted.max_bytes:
            raise BodyTooLargeError(
                f"the body is {announced:,} bytes long; at most {accepted.max_bytes:,} are accepted"
            )
        pieces: list[bytes] = []
        if accepted.into is not None:
            accepted.into.seek(0)
            accepted.into.truncate()
        size, began = 0, time.monotonic()
        # read1 returns what has arrived; read would wait for a full piece, however slowly it trickles in.
        while piece := raw.read1(CHUNK_BYTES, decode_content=True):
            if accepted.into is not None:
                accepted.into.write(piece)
            if accepted.into is None or size < CHUNK_BYTES:
                pieces.append(piece)
            size += len(piece)
            if size > accepted.max_bytes:
                raise BodyTooLargeError(f"the body is longer than the {accepted.max_bytes:,} bytes that are accepted")
            if self._is_slow(size, seconds := time.monotonic() - began):
                raise TooSlowError(
                    f"{size:,} bytes of the body came in {seconds:.0f} s, less than {self._least_rate:,.0f} a second"
                )
            self._check_time(deadline)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _is_slow(self, size: int, seconds: float) -> bool:
        return seconds > self._rate_from_s and size < self._least_rate * seconds

    def _check_time(self, deadline: float) -> None:
        if self._clock() > deadline:
            raise TransferError(f"the response was not complete within {self._total_timeout_s:g} s")

    def _plain(self, error: Exception) -> str:
        """The cause of a transfer error in plain words; the libraries wrap it in three layers."""
        from requests.exceptions import ConnectTimeout, ReadTimeout
        from urllib3.exceptions import IncompleteRead, ReadTimeoutError

        connect_s, read_s = self._timeouts
        if isinstance(error, ConnectTimeout):
            return f"no connection within {connect_s:g} s"
        if isinstance(error, ReadTimeout | ReadTimeoutError | TimeoutError):
            return f"nothing was received for {read_s:g} s"
        cause: BaseException | None = error
        innermost: BaseException = error
        while cause is not None:
            innermost = cause
            if isinstance(cause, IncompleteRead):
                return f"the body ended {cause.expected:,} bytes early"
            if isinstance(cause, socket.gaierror):
                return "the host's name cannot be resolved"
            if isinstance(cause, OSError) and cause.strerror:
                return cause.strerror.lower()
            cause = cause.__cause__ or cause.__context__
        return str(innermost) or type(innermost).__name__


class _HeaderWatch:
    """Shuts down sockets whose headers are not complete in time: a read timeout starts anew with every byte.

    Args:
        seconds: how long headers may take.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._lock = threading.Lock()
        self._due: dict[int, tuple[float, socket.socket]] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def until_complete(self, sock: socket.socket) -> Generator[None]:
        """Watch the socket of this thread while its headers are read.

        Raises:
            TooSlowError: it was shut down; without this, what had come by then would pass for all of the headers.
        """
        thread = threading.get_ident()
        with self._lock:
            self._due[thread] = time.monotonic() + self._seconds, sock
            if self._thread is None:
                self._thread = threading.Thread(target=self._watch, name="gallery headers", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                was_cut_off = self._due.pop(thread, None) is None
            if was_cut_off:
                raise TooSlowError(f"its headers were not complete within {self._seconds:g} s")

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()

    def _watch(self) -> None:
        while not self._ended.wait(min(1.0, self._seconds / 4)):
            with self._lock:
                for thread, (due, sock) in list(self._due.items()):
                    if time.monotonic() > due:
                        del self._due[thread]
                        with contextlib.suppress(OSError):
                            sock.shutdown(socket.SHUT_RDWR)


def _watched_adapter(
    connections: int, waiting: dict[int, socket.socket], only_public: set[int], headers: _HeaderWatch
) -> "HTTPAdapter":
    """A transport that records in `waiting` which thread waits for a response on which socket.

    Those in `only_public` (threads by ident) get no connection to a private address.
    """
    from requests.adapters import HTTPAdapter
    from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
    from urllib3.connection import HTTPConnection, HTTPSConnection

    def watched(pool: Any, connection: Any) -> Any:
        def getresponse(self: Any) -> Any:
            sock = waiting[threading.get_ident()] = _open(self.sock)
            with headers.until_complete(sock):
                response = connection.getresponse(self)
            _acknowledge(self.sock)
            return response

        def new_connection(self: Any) -> Any:
            sock = connection._new_conn(self)  # noqa: SLF001 - urllib3 has no other way to see the address before use
            address = sock.getpeername()[0]
            if threading.get_ident() in only_public and is_private(address):
                sock.close()
                raise PrivateAddressError(f"{self.host} leads to {address}, which is on a private network")
            return sock

        own = {"getresponse": getresponse, "_new_conn": new_connection}
        watched_connection = type(f"Watched{connection.__name__}", (connection,), own)
        return type(f"Watched{pool.__name__}", (pool,), {"ConnectionCls": watched_connection})

    adapter = HTTPAdapter(pool_connections=16, pool_maxsize=connections)
    adapter.poolmanager.pool_classes_by_scheme = {
        "http": watched(HTTPConnectionPool, HTTPConnection),
        "https": watched(HTTPSConnectionPool, HTTPSConnection),
    }
    return adapter


def _open(sock: socket.socket | None) -> socket.socket:
    if sock is None:
        raise ConnectionError("the connection was closed before a response arrived")
    return sock


def _acknowledge(sock: socket.socket | None) -> None:
    """Acknowledge the headers at once.

    A server that writes headers and body apart holds the body back until the headers are acknowledged (Nagle), and on
    a kept connection our ACK is delayed by 40 ms: 22 requests a second instead of hundreds.
    """
    if sock is not None and hasattr(socket, "TCP_QUICKACK"):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
