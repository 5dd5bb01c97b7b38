"""What is asked of a gallery and what came of it, as plain values: the client makes them, the harvest stores them."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a request ended; every request has exactly one."""

    OK = "ok"
    """The body is there, whole."""
    NOT_MODIFIED = "not_modified"
    """The copy that is held is still the current one."""
    GONE = "gone"
    """The gallery has no such thing (404, 410)."""
    REFUSED = "refused"
    """robots.txt, the gallery (401, 403, 451) or our own rule on redirects forbids it."""
    TOO_LARGE = "too_large"
    """The body is larger than the ceiling."""
    FAILED = "failed"
    """No usable answer after all tries; another time may be better."""


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to ask for.

    Args:
        url: its original address.
        etag: the ETag of the copy that is held, if any.
        last_modified: the Last-Modified of the copy that is held, if any.
        key: whatever the caller wants to find beside the response.
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    key: object = None


@dataclass(frozen=True, slots=True)
class Response:
    """What came of one request."""

    outcome: Outcome
    status: int | None = None
    body: bytes = b""
    etag: str | None = None
    last_modified: str | None = None
    content_type: str | None = None
    error: str | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """What a client has done so far.

    Args:
        requests: requests sent, with robots.txt, redirects and retries.
        bodies: responses delivered with a body.
        not_modified: responses saying that the held copy is current.
        retries: tries after a first one.
        bytes: body bytes delivered.
    """

    requests: int = 0
    bodies: int = 0
    not_modified: int = 0
    retries: int = 0
    bytes: int = 0
