"""A gallery on loopback that answers exactly as a test tells it to."""

import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import pytest

from artpipe.gallery.client import ClientConfig


@dataclass
class Reply:
    """One answer; `say` replaces all of it by whatever it writes to the handler."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    say: "Callable[[Handler], None] | None" = None


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "FakeGallery"

    def do_GET(self) -> None:
        reply = self.server.next_reply(self)
        if reply.say:
            try:
                reply.say(self)
            except OSError:
                self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 304:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body if reply.status != 304 else b"")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's names
        pass


class FakeGallery(http.server.ThreadingHTTPServer):
    """Replies of a path are used up one by one, the last one stays; a path without any is a 404."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.replies: dict[str, list[Reply]] = {}
        self.seen: list[str] = []
        self.headers: list[dict[str, str]] = []
        self.connections: set[tuple[str, int]] = set()
        self.ended = threading.Event()
        self._lock = threading.Lock()

    def on(self, path: str, *replies: Reply) -> None:
        self.replies[path] = list(replies)

    def asked(self, path: str) -> int:
        return self.seen.count(path)

    def next_reply(self, handler: Handler) -> Reply:
        with self._lock:
            self.seen.append(handler.path)
            self.headers.append({name.lower(): value for name, value in handler.headers.items()})
            self.connections.add(handler.client_address)
            queue = self.replies.get(handler.path, [Reply(404, b"nothing here")])
            return queue.pop(0) if len(queue) > 1 else queue[0]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is what some tests are about."""


@pytest.fixture
def gallery() -> Iterator[FakeGallery]:
    with FakeGallery() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        yield server
        server.ended.set()
        server.shutdown()
        thread.join()


class FakeTime:
    """A clock that moves only when somebody sleeps."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.slept.append(seconds)
            self.now += seconds


@pytest.fixture
def fake_time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def config(gallery: FakeGallery) -> ClientConfig:
    return ClientConfig(gallery.url, "artpipe/0.1.0 (+curator@example.org)", backoff_s=0.001)


@pytest.fixture
def reply() -> type[Reply]:
    return Reply


@pytest.fixture
def saying(gallery: FakeGallery) -> Callable[..., Reply]:
    """An answer given byte by byte as written, after which the connection is dropped, or hangs."""

    def make(wire: bytes, *, stall: bool = False) -> Reply:
        def say(handler: Handler) -> None:
            handler.close_connection = True
            handler.wfile.write(wire)
            if stall:
                gallery.ended.wait(20)

        return Reply(say=say)

    return make
