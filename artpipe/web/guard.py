"""What stands between strangers and the pages: security headers, and a limit on how often one client may ask."""

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
SECURITY_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # A page's address may hold what a visitor searched for; the source's site is not told it.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_UNCOUNTED = ("/static/", "/images/", "/api/healthz", "/search/verdict")
"""What a page asks for by itself."""
_MOST_CLIENTS = 10_000


def wants_json(scope: "Scope") -> bool:
    """Whether a program or a page's script asks, and not a person."""
    return scope["path"].startswith("/api/") or "application/json" in Headers(scope=scope).get("accept", "")


class SecurityHeaders:
    """Adds the headers to every answer, errors too."""

    def __init__(self, app: "ASGIApp") -> None:
        self.app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""

        async def send_guarded(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_guarded if scope["type"] == "http" else send)


class RateLimit:
    """Lets each client ask so many times a minute, with a burst of a quarter of that at once.

    Clients are told apart by their address and forgotten, the longest silent first, when there are very many.
    """

    def __init__(self, app: "ASGIApp", per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self.app = app
        self._per_second = per_minute / 60
        self._burst = max(1.0, per_minute / 4)
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request, or refuse it with status 429."""
        if scope["type"] != "http" or scope["path"].startswith(_UNCOUNTED):
            await self.app(scope, receive, send)
            return
        client = scope["client"][0] if scope.get("client") else ""
        wait_s = self.wait_s(client)
        if not wait_s:
            await self.app(scope, receive, send)
            return
        told = f"too many requests from {client or 'this address'}; wait {wait_s} seconds and go on."
        headers = {"Retry-After": str(wait_s)}
        refusal = (
            JSONResponse({"detail": told}, 429, headers)
            if wants_json(scope)
            else PlainTextResponse(told + "\n", 429, headers)
        )
        await refusal(scope, receive, send)

    def wait_s(self, client: str) -> int:
        """Count one request: 0 where it may pass, else the seconds to wait."""
        now = self._clock()
        left, since = self._left.pop(client, (self._burst, now))
        left = min(self._burst, left + (now - since) * self._per_second)
        passes = left >= 1
        self._left[client] = (left - 1 if passes else left, now)
        if len(self._left) > _MOST_CLIENTS:
            self._left.popitem(last=False)
        return 0 if passes else max(1, round((1 - left) / self._per_second + 0.5))
