"""Connections on which nothing happens are closed; those that are at work are not."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import uvicorn

from artpipe.web.connections import PatientServer

REQUEST = b"GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE = 50_000_000
"""Bytes that no socket buffers."""


async def app(scope: dict[str, Any], _: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(2)  # many times the server's patience
    body = bytes(LARGE if scope["path"] == "/large" else 2)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture(scope="module", params=["h11", "httptools"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """A server that waits for a fifth of a second."""
    if request.param == "httptools":
        pytest.importorskip("httptools")
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(app, log_level="critical", lifespan="off", http=request.param, timeout_keep_alive=60)
    server = PatientServer(config, patience_s=0.2)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    yield listening.getsockname()[1]
    server.should_exit = True
    thread.join(60)
    assert not thread.is_alive()


def connected(port: int, sent: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.sendall(sent)
    return connection


def received(connection: socket.socket) -> int:
    """How many bytes arrive until the server closes the connection."""
    count = 0
    try:
        while part := connection.recv(1 << 20):
            count += len(part)
    except ConnectionResetError:
        pass
    return count


@pytest.mark.parametrize("sent", [b"", b"GET / HTTP/1.1\r\nHost: loc", b"GET /"])
def test_half_a_request_is_not_waited_for_without_end(port: int, sent: bytes):
    with connected(port, sent) as connection:
        assert received(connection) == 0


def test_neither_is_the_second_request_of_a_connection(port: int):
    with connected(port, REQUEST % b"/" + b"GET / HT") as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
        received(connection)


def test_who_reads_nothing_does_not_get_the_rest(port: int):
    with connected(port, REQUEST % b"/large") as connection:
        done = threading.Event()
        done.wait(2)  # many times the server's patience
        assert received(connection) < LARGE


def test_a_request_that_takes_longer_is_answered(port: int):
    with connected(port, REQUEST % b"/slow") as connection:
        assert connection.recv(12) == b"HTTP/1.1 200"
