"""Starts the server: loopback by default, pages at once, the model a few seconds later."""

import ipaddress
import socket
import threading
import webbrowser
from collections.abc import Callable

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake
from artpipe.web.config import WebConfig
from artpipe.web.standing import Standing


class PortTakenError(ArtpipeError):
    """Something else listens at the address."""


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach the address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def serve(
    lake: DataLake,
    config: WebConfig,
    *,
    host: str,
    port: int,
    device: str = "auto",
    standing: Standing | None = None,
    opens_browser: bool = False,
    tell: Callable[[str], None] = print,
) -> None:
    """Serve a lake until Ctrl-C.

    Args:
        lake: what is served.
        config: how strangers are treated.
        host: the address to listen at.
        port: 0 takes a free one.
        device: where the model runs.
        standing: what tells what is stale.
        opens_browser: whether to open the first page.
        tell: where the lines for people go.

    Raises:
        LakeMissingError, NothingEmbeddedError: there is nothing to serve yet.
        PortTakenError: the port cannot be had.
    """
    import cv2
    import uvicorn
    from threadpoolctl import threadpool_limits

    from artpipe.web.app import create_app

    app = create_app(lake, config, device=device, standing=standing)
    listening = _listening(host, port)
    address = f"http://{host if ':' not in host else f'[{host}]'}:{listening.getsockname()[1]}"
    tell(f"The collection is at {address} (Ctrl-C ends it).")
    if not is_loopback(host):
        limited = "" if config.requests_per_minute else "; ARTPIPE_WEB_REQUESTS_PER_MINUTE sets a limit for each client"
        tell(f"warning: {host} can be reached by other machines, and nobody is asked for a password{limited}.")
    if opens_browser:
        threading.Timer(0.5, webbrowser.open, (address,)).start()
    # Addresses that a proxy claims to speak for are not believed: anybody could claim any.
    settings = uvicorn.Config(app, log_level="warning", server_header=False, proxy_headers=False)
    # Visitors share the processors already: threads of one product, or of one picture, that wait for each other on busy
    # cores take at least twice the processor time that one thread takes.
    cv2.setNumThreads(1)
    with threadpool_limits(1, user_api="blas"):
        uvicorn.Server(settings).run(sockets=[listening])


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
        found.listen(128)  # from here on a visitor waits a moment instead of being turned away
    except OSError as error:
        found.close()
        raise PortTakenError(
            f"{host}:{port} cannot be listened at ({error.strerror or error}); name another with --port."
        ) from error
    return found
