"""Serves a written gallery on loopback, as the real site would: files with ETag, Last-Modified and 304.

The graph opens it for as long as an asset needs the gallery; `artpipe gallery serve` keeps it open.
"""

import email.utils
import hashlib
import threading
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

from artpipe.errors import PortTakenError
from artpipe.sample_gallery.site import ARTIST_LIST_FILE

_KINDS = {".jpg": "image/jpeg", ".html": "text/html; charset=utf-8", ".zip": "application/zip", ".txt": "text/plain"}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Headers and body leave in one piece; in two, a kept-alive connection waits for the other side's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "SampleServer"  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        """Answer with a file."""
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        """Answer with the headers of a file."""
        self._answer(with_body=False)

    def _answer(self, *, with_body: bool) -> None:
        path = self.server.file_of(self.path)
        if path is None:
            self._send(HTTPStatus.NOT_FOUND, b"<html><body>Not found</body></html>", {}, with_body=with_body)
            return
        data, etag, modified_s = self.server.content_of(path)
        headers = {
            "ETag": etag,
            "Last-Modified": email.utils.formatdate(modified_s, usegmt=True),
            "Content-Type": _KINDS.get(path.suffix, "application/octet-stream"),
        }
        if self._is_current(etag, modified_s):
            self._send(HTTPStatus.NOT_MODIFIED, None, headers, with_body=False)
        else:
            self._send(HTTPStatus.OK, data, headers, with_body=with_body)

    def _is_current(self, etag: str, modified_s: float) -> bool:
        known = self.headers.get("If-None-Match")
        if known is not None:
            return known.strip() == "*" or etag in (part.strip().removeprefix("W/") for part in known.split(","))
        since = self.headers.get("If-Modified-Since")
        if since is None:
            return False
        try:
            return email.utils.parsedate_to_datetime(since).timestamp() >= int(modified_s)
        except ValueError:
            return False

    def _send(self, status: HTTPStatus, data: bytes | None, headers: dict[str, str], *, with_body: bool) -> None:
        with self.server.lock:
            self.server.requests.append((self.command, self.path, int(status)))
        self.send_response(status)
        if data is not None:
            self.send_header("Content-Length", str(len(data)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if with_body and data:
            self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Nothing: `SampleServer.requests` records every request."""


class SampleServer(ThreadingHTTPServer):
    """A gallery's files on loopback.

    Args:
        folder: a written site.
        port: 0 takes a free one.
        host: the address to listen at.

    Raises:
        PortTakenError: another program has the port.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, folder: Path, port: int = 0, host: str = "127.0.0.1") -> None:
        self.root = folder.resolve()
        self.lock = threading.Lock()
        self.requests: list[tuple[str, str, int]] = []
        """Method, path and status of every request answered."""
        self._known: dict[Path, tuple[float, int, str]] = {}
        try:
            super().__init__((host, port), _Handler)
        except OSError as error:
            raise PortTakenError(
                f"the sample gallery cannot be served at {host}:{port} ({error.strerror}); "
                "choose another --port, or 0 for any that is free."
            ) from error

    @property
    def url(self) -> str:
        """The base URL of the gallery."""
        host, port = self.server_address[:2]
        return f"http://{host!s}:{port}"

    def file_of(self, target: str) -> Path | None:
        """The requested file; None where there is none inside the gallery."""
        route = unquote(urlsplit(target).path)
        if route == "/cgi-bin/artist.cgi":
            route = f"/{ARTIST_LIST_FILE}"
        try:
            path = (self.root / route.lstrip("/")).resolve()
            return path if path.is_relative_to(self.root) and path.is_file() else None
        except (OSError, ValueError):
            return None

    def content_of(self, path: Path) -> tuple[bytes, str, float]:
        """A file's bytes, its strong ETag, and when it was changed."""
        data, stat = path.read_bytes(), path.stat()
        known = self._known.get(path)
        if known is None or known[:2] != (stat.st_mtime, stat.st_size):
            known = (stat.st_mtime, stat.st_size, f'"{hashlib.sha256(data).hexdigest()[:20]}"')
            self._known[path] = known
        return data, known[2], stat.st_mtime


@contextmanager
def serving(folder: Path, port: int = 0, host: str = "127.0.0.1") -> Generator[SampleServer]:
    """A running server for as long as the `with` lasts; it has its `url` and the `requests` it answered.

    Raises:
        PortTakenError: another program has the port.
    """
    with SampleServer(folder, port, host) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="sample gallery", daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@contextmanager
def serve(folder: Path, port: int = 0, host: str = "127.0.0.1") -> Generator[str]:
    """Serve a written site for as long as the `with` lasts; yields its base URL.

    Raises:
        PortTakenError: another program has the port.
    """
    with serving(folder, port, host) as server:
        yield server.url
