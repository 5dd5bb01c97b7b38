"""HTTP headers: the names that the app answers to, the security headers of every response, whether JSON is accepted."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import JSONResponse, PlainTextResponse

from artpipe.web.mounting import own_path

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
    # A page's address may contain search words; other sites must not receive it as the referrer.
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "geolocation=(), microphone=(), payment=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


_UNKNOWN_HOST = (
    "this site does not answer to the name in your request; open it under one of its own names. Whoever runs it can "
    "add a name to ARTPIPE_WEB_HOSTS."
)


def wants_json(scope: "Scope") -> bool:
    """Whether the client is a program or a script of a page, not a person who follows a link."""
    return own_path(scope).startswith("/api/") or "application/json" in Headers(scope=scope).get("accept", "")


class SecurityHeaders:
    """ASGI middleware that adds the security headers to every response, errors included."""

    def __init__(self, app: "ASGIApp") -> None:
        self.app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""

        async def send_with_headers(message: "Message") -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class KnownHosts:
    """ASGI middleware that refuses requests for other names than those of the app, and says what to do."""

    def __init__(self, app: "ASGIApp", hosts: Sequence[str]) -> None:
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        is_known = False

        async def known(*_: object) -> None:
            nonlocal is_known
            is_known = True

        async def unsent(_: "Message") -> None:
            """Drop Starlette's own refusal, two words."""

        await TrustedHostMiddleware(known, self.hosts, www_redirect=False)(scope, receive, unsent)
        if is_known:
            await self.app(scope, receive, send)
        elif wants_json(scope):
            await JSONResponse({"detail": _UNKNOWN_HOST}, 400)(scope, receive, send)
        else:  # no page: another site's script must not learn anything from it
            await PlainTextResponse(_UNKNOWN_HOST[:1].upper() + _UNKNOWN_HOST[1:], 400)(scope, receive, send)
