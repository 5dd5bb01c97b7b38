"""Starts the server: on loopback by default, pages at once, the model a few seconds later."""

import socket
import threading
import time
import webbrowser
from collections.abc import Callable
from typing import TYPE_CHECKING

from artpipe.crawler.limits import is_loopback
from artpipe.errors import PortTakenError
from artpipe.lake.paths import DataLake, LakeMissingError
from artpipe.search.snapshot import NothingEmbeddedError
from artpipe.web.config import WebConfig
from artpipe.web.lake_status import LakeStatus

if TYPE_CHECKING:
    from fastapi import FastAPI

    from artpipe.crawler.client import GalleryClient

_LOOKS_AGAIN_S = 5.0


def serve(
    lake: DataLake,
    config: WebConfig,
    *,
    host: str,
    port: int,
    device: str = "auto",
    status: LakeStatus | None = None,
    gallery: "GalleryClient | None" = None,
    opens_browser: bool = False,
    waits: bool = False,
    write_line: Callable[[str], None] = print,
) -> None:
    """Serve a lake until Ctrl-C.

    Args:
        lake: the lake to serve.
        config: limits on what visitors may send.
        host: the address to bind.
        port: 0 takes a free one.
        device: where the model runs.
        status: reports stale assets.
        gallery: requests the originals of works into which visitors zoom.
        opens_browser: whether to open the first page.
        waits: whether to wait where there is nothing to serve yet.
        write_line: prints a line for the person who starts the server.

    Raises:
        LakeMissingError, NothingEmbeddedError: there is nothing to serve yet, and `waits` is False.
        PortTakenError: the address cannot be bound.
    """
    import cv2
    import uvicorn
    from threadpoolctl import threadpool_limits

    from artpipe.web.app import create_app
    from artpipe.web.connections import PatientServer

    def create() -> "FastAPI":
        return create_app(lake, config, device=device, status=status, gallery=gallery)

    app = _once_there_is_something(create, write_line) if waits else create()
    listening = _bind(host, port)
    address = f"http://{host if ':' not in host else f'[{host}]'}:{listening.getsockname()[1]}"
    address += config.root_path
    write_line(f"The collection is at {address} (Ctrl-C stops the server).")
    if config.editing == "loopback":
        write_line(f"Labels are corrected at {address}/corrections?key={config.editing_key}")
    if not is_loopback(host):
        write_line(
            f"warning: other machines can reach {host}, without a password or a rate limit; "
            "a reverse proxy in front can add both."
        )
    if opens_browser:
        threading.Timer(0.5, webbrowser.open, (address,)).start()
    # The headers in which a proxy names a client, any client could send: `create_app` takes those of known proxies.
    settings = uvicorn.Config(app, log_level="warning", server_header=False, proxy_headers=False)
    # Requests already share the processors. Threads within one matrix product or one picture that wait for each other
    # on busy cores take at least twice the processor time of one thread.
    cv2.setNumThreads(1)
    with threadpool_limits(1, user_api="blas"):
        PatientServer(settings).run(sockets=[listening])


def _once_there_is_something(create: "Callable[[], FastAPI]", write_line: Callable[[str], None]) -> "FastAPI":
    """The app, as soon as the lake has a collection; what it waits for is said once."""
    said = ""
    while True:
        try:
            return create()
        except (LakeMissingError, NothingEmbeddedError) as error:
            if str(error) != said:
                write_line(f"Waiting for a first collection: {error}")
            said = str(error)
            time.sleep(_LOOKS_AGAIN_S)


def _bind(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        bound.listen(128)  # connections from here on wait instead of being refused
    except OSError as error:
        bound.close()
        raise PortTakenError(
            f"cannot bind {host}:{port} ({error.strerror or error}); choose another port with --port."
        ) from error
    return bound
