"""Requests, responses and their outcomes as plain values: the client makes them, the harvest stores them."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a request ended; every request has exactly one."""

    OK = "ok"
    """The whole body was received."""
    NOT_MODIFIED = "not_modified"
    """The stored copy is current."""
    GONE = "gone"
    """The gallery has no such file (404, 410)."""
    REFUSED = "refused"
    """robots.txt, the gallery (401, 403, 451) or our own rule on redirects forbids it."""
    CHALLENGED = "challenged"
    """The host wants a browser with a person before it (Cloudflare, Imperva); this is never evaded."""
    RESERVED = "reserved"
    """The response reserves its content against such use (`noai`, `noimageai`, TDM reservation)."""
    TOO_LARGE = "too_large"
    """The body is larger than the limit."""
    TOO_SLOW = "too_slow"
    """The response came too slowly to wait for its end; a later request may succeed."""
    FAILED = "failed"
    """No usable response after all tries; a later request may succeed."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Args:
        url: the original address.
        etag: the ETag of the stored copy, if any.
        last_modified: the Last-Modified of the stored copy, if any.
        key: anything the caller needs with the response.
    """

    url: str
    etag: str | None = None
    last_modified: str | None = None
    key: object = None


@dataclass(frozen=True, slots=True)
class Response:
    """The result of one request."""

    outcome: Outcome
    status: int | None = None
    body: bytes = b""
    etag: str | None = None
    last_modified: str | None = None
    error: str | None = None
    tries: int = 0


@dataclass(frozen=True, slots=True)
class RequestCounts:
    """What a client has done so far.

    Args:
        requests: requests sent, with robots.txt, redirects and retries.
        bodies: responses delivered with a body.
        not_modified: responses without a body, because the stored copy is current.
        retries: tries after a first one.
        bytes: body bytes delivered.
    """

    requests: int = 0
    bodies: int = 0
    not_modified: int = 0
    retries: int = 0
    bytes: int = 0
