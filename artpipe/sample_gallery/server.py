"""Serves a written gallery on loopback, as the real site would: files with ETag, Last-Modified and 304.

The graph opens it for as long as an asset needs the gallery; `artpipe gallery serve` keeps it open.
"""

import hashlib
import io
import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import BinaryIO

from artpipe.errors import PortTakenError
from artpipe.sample_gallery.site import ARTIST_LIST_FILE


class _Handler(SimpleHTTPRequestHandler):
    """Python's own handler of files, with strong ETags, no listings, and connections that stay open after a 404."""

    protocol_version = "HTTP/1.1"
    # Headers and body leave in one piece; in two, a kept-alive connection waits for the other side's acknowledgement.
    wbufsize = -1
    disable_nagle_algorithm = True
    server: "SampleServer"  # pyright: ignore[reportIncompatibleVariableOverride]
    _etag = ""

    def translate_path(self, path: str) -> str:
        """The file that a path asks for."""
        return super().translate_path(f"/{ARTIST_LIST_FILE}" if path.startswith("/cgi-bin/artist.cgi") else path)

    def send_head(self) -> io.BytesIO | BinaryIO | None:
        """Send the headers; the answer's body is returned."""
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self._etag, body = "", b"<html><body>Not found</body></html>"
            self.send_response(HTTPStatus.NOT_FOUND)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            return io.BytesIO(body)
        self._etag = f'"{hashlib.sha256(path.read_bytes()).hexdigest()[:20]}"'
        known = self.headers.get("If-None-Match", "")
        if known.strip() == "*" or self._etag in (tag.strip().removeprefix("W/") for tag in known.split(",")):
            self.send_response(HTTPStatus.NOT_MODIFIED)
            self.end_headers()
            return None
        return super().send_head()

    def end_headers(self) -> None:
        """Add the ETag."""
        if self._etag:
            self.send_header("ETag", self._etag)
        super().end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:  # noqa: ARG002
        """Record the request."""
        with self.server.lock:
            self.server.requests.append((self.command, self.path, int(code)))


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
        try:
            super().__init__((host, port), partial(_Handler, directory=str(self.root)))
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
