"""Below which path the app is reached, and `HEAD` for every page: what is settled before a request is routed."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send


def own_path(scope: "Scope") -> str:
    """The path of a request below that of the app."""
    return scope["path"].removeprefix(scope.get("root_path", "")) or "/"


class BelowPath:
    """ASGI middleware: the app is reached below a path, whether or not the proxy in front passes that path on.

    Args:
        root: the path, such as `/art`; empty for none.
    """

    def __init__(self, app: "ASGIApp", root: str) -> None:
        self.app, self.root = app, root

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        if self.root and scope["type"] == "http":
            path = scope["path"]
            is_below = path == self.root or path.startswith(f"{self.root}/")
            # In place, so that the handler of unexpected failures, which is outside, sees it too.
            scope.update(root_path=self.root, path=path if is_below else self.root + path)
        await self.app(scope, receive, send)


class HeadAsGet:
    """ASGI middleware that answers `HEAD` as `GET`, without the body."""

    def __init__(self, app: "ASGIApp") -> None:
        self.app = app

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""

        async def send_without_body(message: "Message") -> None:
            is_body = message["type"] == "http.response.body"
            await send({**message, "body": b""} if is_body else message)

        if scope["type"] == "http" and scope["method"] == "HEAD":
            await self.app({**scope, "method": "GET"}, receive, send_without_body)
        else:
            await self.app(scope, receive, send)
