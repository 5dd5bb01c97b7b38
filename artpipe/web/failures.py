"""The responses where there is no answer: a page for people, JSON for programs."""

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from artpipe.search.collection import UnknownArtworkError
from artpipe.search.filters import UnknownFilterValueError
from artpipe.search.text import NoTextIndexError
from artpipe.search.text_encoder import NoTextEncoderError, UnknownWordsError
from artpipe.web.app_state import state_of
from artpipe.web.decoding import UploadRefusedError
from artpipe.web.headers import SECURITY_HEADERS, wants_json
from artpipe.web.map_data import NoMapError
from artpipe.web.map_sheets import UnknownSheetError
from artpipe.web.originals import OriginalUnavailableError
from artpipe.web.page_context import UnknownArtistError
from artpipe.web.turns import TooManyJobsError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NOT_FOUND = (
    UnknownArtworkError,
    UnknownArtistError,
    UnknownFilterValueError,
    NoMapError,
    NoTextIndexError,
    UnknownWordsError,
    NoTextEncoderError,
    UnknownSheetError,
)
_HEADINGS = {404: "Not found", 429: "One moment, please", 500: "Something went wrong here", 503: "One moment, please"}
_MESSAGES = {
    404: "there is no page at this address.",
    405: "this address cannot be used in this way; start from the search page.",
    429: "too many requests came from your connection; try again in a minute.",
}
_OUR_FAULT = "the page could not be made; the fault is ours and was noted. Try again later."


async def expected_failure(request: Request, error: Exception) -> Response:
    """The response to an expected failure."""
    if isinstance(error, UploadRefusedError | TooManyJobsError):
        await asyncio.sleep(state_of(request).config.refusal_pause_s)
    return await run_in_threadpool(_expected_failure, request, error)


def _expected_failure(request: Request, error: Exception) -> Response:
    status = _status_of(error)
    if isinstance(error, RequestValidationError):
        problems = [
            {"loc": one["loc"], "msg": _problem(one["loc"], one["type"], one.get("ctx") or {}), "type": one["type"]}
            for one in error.errors()
        ]
        return _response(request, status, " ".join(problem["msg"] for problem in problems), detail=problems)
    if isinstance(error, HTTPException):
        return _response(request, status, _MESSAGES.get(status, str(error.detail)), error.headers or {})
    return _response(request, status, str(error), {"Retry-After": "5"} if status == 503 else {})


def unexpected_failure(request: Request, _: Exception) -> Response:
    """The response to a mistake of ours; the server logs it."""
    # This is made outside of the middleware that adds these headers.
    return _response(request, 500, _OUR_FAULT, SECURITY_HEADERS)


def _response(
    request: Request, status: int, message: str, headers: "Mapping[str, str] | None" = None, detail: Any = None
) -> Response:
    if wants_json(request.scope):
        return JSONResponse({"detail": detail or message}, status, dict(headers or {}))
    page = state_of(request).render(
        request,
        "message.html",
        heading=_HEADINGS.get(status, "That did not work"),
        message=message[:1].upper() + message[1:],
        is_problem=status != 404,
        offers_upload=status in (413, 415, 503) or (status == 422 and _is_about_a_picture(request)),
    )
    return HTMLResponse(page, status, dict(headers or {}))


def _is_about_a_picture(request: Request) -> bool:
    """Whether a request sends a picture, or names one that was sent."""
    return request.method == "POST" or "image" in request.query_params


def _status_of(error: Exception) -> int:
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, UploadRefusedError | OriginalUnavailableError):
        return error.status
    if isinstance(error, TooManyJobsError):
        return 503
    return 404 if isinstance(error, _NOT_FOUND) else 422


def _problem(loc: "tuple[int | str, ...]", kind: str, limits: "Mapping[str, Any]") -> str:
    """What is wrong with a parameter, as a sentence."""
    name = next((str(part) for part in reversed(loc) if isinstance(part, str)), "value")
    named = name.replace("_", " ").capitalize()
    match kind:
        case "missing":
            return f"{named} is missing."
        case "string_too_long":
            return f"{named}: at most {limits['max_length']:,} characters can be used; shorten it."
        case "too_long":
            return f"{named}: at most {limits['max_length']:,} values can be used; remove some."
        case "string_pattern_mismatch":
            return f"{named} is no year; write one like 1600 or 500 BC."
        case "greater_than_equal":
            return f"{named} begins at {limits['ge']:,}."
        case "less_than_equal":
            return f"{named} ends at {limits['le']:,}."
        case "int_parsing" | "int_type" | "int_from_float":
            return f"{named} must be a whole number."
        case "literal_error" | "enum":
            return f"{named} must be one of {limits.get('expected', 'the values that the API names')}."
        case _:
            return f"{named} cannot be used like this."
