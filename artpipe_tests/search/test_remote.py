import threading
import time
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from artpipe.search.remote import UrlLimits, UrlQueryError, fetch_picture, is_public


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        asked.append((self.path, self.headers["Host"]))
        kind, _, rest = self.path.lstrip("/").partition("/")
        if kind == "to":
            self.send_response(302)
            self.send_header("Location", rest if "://" in rest else "/" + rest)
            self.end_headers()
        elif kind == "missing":
            self.send_error(404)
        elif kind == "slow":
            self.send_response(200)
            self.end_headers()
            for _ in range(20):
                self.wfile.write(b"x")
                time.sleep(0.05)
        else:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"p" * (5000 if kind == "large" else 10))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


asked: list[tuple[str, str]] = []


@pytest.fixture
def port() -> Generator[int]:
    asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield server.server_port
    server.shutdown()
    server.server_close()
    thread.join()


def fetched(url: str, **limits: float) -> bytes:
    """As if loopback were public for the name `gallery.example`, and for no other."""
    return fetch_picture(
        url,
        UrlLimits(**limits),  # pyright: ignore[reportArgumentType]
        resolve=lambda host, _: ["127.0.0.1"] if host == "gallery.example" else ["10.0.0.7"],
        accepts=lambda address: address == "127.0.0.1",
    )


def test_a_picture_is_fetched_from_the_address_that_was_checked(port: int):
    assert fetched(f"http://gallery.example:{port}/art/x.jpg?size=1") == b"p" * 10
    assert asked == [("/art/x.jpg?size=1", f"gallery.example:{port}")]


def test_a_redirect_is_followed_when_its_target_is_public_too(port: int):
    assert fetched(f"http://gallery.example:{port}/to/art/x.jpg") == b"p" * 10
    with pytest.raises(UrlQueryError, match=r"intranet\.example is not on the public internet"):
        fetched(f"http://gallery.example:{port}/to/http://intranet.example/secret")
    with pytest.raises(UrlQueryError, match="no http or https address"):
        fetched(f"http://gallery.example:{port}/to/file:///etc/passwd".replace("file:///", "file://localhost/"))


@pytest.mark.parametrize(
    ("path", "limits", "message"),
    [
        ("large", {"max_bytes": 4000}, "larger than 4,000 bytes"),
        ("missing", {}, "answers 404"),
        ("to/to/to/to/art", {"max_redirects": 2}, "redirects more than 2 times"),
        ("slow", {"timeout_s": 0.2}, "did not answer in time|timed out"),
    ],
)
def test_a_fetch_ends_at_its_limits(port: int, path: str, limits: dict[str, float], message: str):
    with pytest.raises(UrlQueryError, match=message):
        fetched(f"http://gallery.example:{port}/{path}", **limits)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]:1/", "http://0.0.0.0:1/"])
def test_this_machine_is_never_asked(url: str):
    with pytest.raises(UrlQueryError, match="not on the public internet"):
        fetch_picture(url)


@pytest.mark.parametrize("url", ["ftp://gallery.example/x", "http:///x", "http://user:pass@gallery.example/"])
def test_other_kinds_of_addresses_are_refused(url: str):
    with pytest.raises(UrlQueryError):
        fetched(url)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("127.0.0.1", False),
        ("224.0.0.1", False),
        ("0.0.0.0", False),  # noqa: S104
        ("::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
    ],
)
def test_only_addresses_of_the_open_internet_are_public(address: str, public: bool):
    assert is_public(address) is public
