"""A picture from a web address, fetched so that a stranger's address can do no harm.

Only http and https on public addresses are asked, and it is the checked address that is connected to: a name that
points elsewhere a moment later gains nothing. Every redirect is checked in the same way. Proxies of the environment
are not used, because a proxy would resolve the name again.
"""

import http.client
import ipaddress
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from artpipe import __version__
from artpipe.search.queries import UnusableQueryError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, int], list[str]]

_REDIRECTS = (301, 302, 303, 307, 308)
_CHUNK_BYTES = 64 * 1024
_PORTS = {"http": 80, "https": 443}


class UrlQueryError(UnusableQueryError):
    """A picture cannot or may not be fetched from an address."""


@dataclass(frozen=True)
class UrlLimits:
    """What a fetch may take.

    Attributes:
        max_bytes: of the picture.
        timeout_s: for all of it, redirects included.
        max_redirects: how many are followed.
    """

    max_bytes: int = 20_000_000
    timeout_s: float = 10.0
    max_redirects: int = 3


def is_url(query: str) -> bool:
    """Whether the words are a web address."""
    return query.lower().startswith(("http://", "https://"))


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the open internet: neither private, loopback, link-local nor reserved."""
    parsed: Address = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(parsed, ipaddress.IPv6Address):
        # An IPv4 address may travel inside an IPv6 one, by mapping, 6to4 or NAT64.
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if inner is None and parsed in ipaddress.ip_network("64:ff9b::/96"):
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
    return parsed.is_global and not parsed.is_multicast


def resolve_host(host: str, port: int) -> list[str]:
    """Every IP address that a name stands for."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def fetch_picture(
    url: str,
    limits: UrlLimits | None = None,
    *,
    resolve: Resolve = resolve_host,
    accepts: Callable[[str], bool] = is_public,
) -> bytes:
    """The bytes at a web address.

    Args:
        url: http or https.
        limits: of size, time and redirects.
        resolve: turns a host name into IP addresses.
        accepts: whether an IP address may be connected to.

    Raises:
        UrlQueryError: the address may not be asked, or gives no picture in time.
    """
    limits = limits or UrlLimits()
    deadline = time.monotonic() + limits.timeout_s
    for _ in range(limits.max_redirects + 1):
        try:
            answer = _asked(url, limits, deadline, resolve, accepts)
        except UrlQueryError:
            raise
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UrlQueryError(f"{url} cannot be fetched ({error}); give the picture itself.") from error
        if isinstance(answer, bytes):
            return answer
        url = urljoin(url, answer)
    raise UrlQueryError(f"{url} redirects more than {limits.max_redirects} times; give the final address.")


def _asked(
    url: str, limits: UrlLimits, deadline: float, resolve: Resolve, accepts: Callable[[str], bool]
) -> bytes | str:
    """The body of one address, or where it redirects to."""
    parts = urlsplit(url)
    host, port = _host_of(parts, url)
    addresses = resolve(host, port)
    refused = [address for address in addresses if not accepts(address)]
    if refused or not addresses:
        raise UrlQueryError(f"{host} is not on the public internet; give the picture itself.")
    sock = _connected(parts, host, port, addresses[0], _left(deadline, url))
    connection = http.client.HTTPConnection(host, port)
    connection.sock = sock
    try:
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"User-Agent": f"artpipe/{__version__}", "Accept": "image/*", "Host": parts.netloc.rpartition("@")[2]}
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        if response.status in _REDIRECTS and (target := response.getheader("Location")):
            return target
        if response.status != 200:
            raise UrlQueryError(f"{url} answers {response.status}; give the address of a picture.")
        pieces: list[bytes] = []
        size = 0
        while piece := response.read1(_CHUNK_BYTES):
            pieces.append(piece)
            size += len(piece)
            if size > limits.max_bytes:
                raise UrlQueryError(f"{url} is larger than {limits.max_bytes:,} bytes; give a smaller copy.")
            sock.settimeout(_left(deadline, url))
        return b"".join(pieces)
    finally:
        connection.close()
        sock.close()


def _host_of(parts: SplitResult, url: str) -> tuple[str, int]:
    if parts.scheme not in _PORTS or not parts.hostname:
        raise UrlQueryError(f"{url} is no http or https address; give the picture itself.")
    if parts.username or parts.password:
        raise UrlQueryError(f"{parts.hostname}: an address with a password in it is not asked; leave it out.")
    return parts.hostname, parts.port or _PORTS[parts.scheme]


def _connected(parts: SplitResult, host: str, port: int, address: str, timeout_s: float) -> socket.socket:
    """A connection to the checked address; with https the certificate must be that of the name."""
    sock = socket.create_connection((address, port), timeout=timeout_s)
    if parts.scheme == "http":
        return sock
    try:
        return ssl.create_default_context().wrap_socket(sock, server_hostname=host)
    except OSError:
        sock.close()
        raise


def _left(deadline: float, url: str) -> float:
    left = deadline - time.monotonic()
    if left <= 0:
        raise UrlQueryError(f"{url} did not answer in time; give the picture itself.")
    return left
