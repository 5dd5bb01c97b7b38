"""The app: pages, API and files over one collection, behind the guards.

`create_app` is all that a server needs; `artpipe.web.serve` starts one.
"""

import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles

from artpipe import __version__
from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake
from artpipe.search.collection import UnknownArtworkError
from artpipe.search.filters import UnknownFilterValueError
from artpipe.search.predictions import stored_short_side_px
from artpipe.search.text import NoTextIndexError
from artpipe.web import api, files, pages
from artpipe.web.config import WebConfig
from artpipe.web.decoding import DecodingLimits, DecodingWorkers, UploadRefusedError
from artpipe.web.guard import RateLimit, SecurityHeaders, wants_json
from artpipe.web.live import LiveCatalogue
from artpipe.web.map_data import NoMapError
from artpipe.web.metrics import Measured, Metrics
from artpipe.web.shown import UnknownArtistError
from artpipe.web.standing import Standing
from artpipe.web.state import HERE, Web, web_of

if TYPE_CHECKING:
    from artpipe.search.queries import PictureEncoder

_NOT_FOUND = (UnknownArtworkError, UnknownArtistError, UnknownFilterValueError, NoMapError, NoTextIndexError)
_ASK_AFTER_S = 10.0
"""What is stale is asked when the model has been loaded: both take a processor for seconds."""


def create_app(
    lake: DataLake,
    config: WebConfig | None = None,
    *,
    device: str = "auto",
    encoder: "PictureEncoder | None" = None,
    standing: Standing | None = None,
) -> FastAPI:
    """The app over a lake.

    Args:
        lake: what is served.
        config: how strangers are treated.
        device: where the model runs.
        encoder: another model than the lake's own; for tests.
        standing: what tells what is stale; nothing is said of it by default.

    Raises:
        LakeMissingError, NothingEmbeddedError: there is nothing to serve yet.
    """
    config = config or WebConfig()
    limits = DecodingLimits(stored_short_side_px(lake), config.decode_seconds)
    web = Web(lake, LiveCatalogue(lake, device, encoder), DecodingWorkers(limits), config, Metrics(), standing)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        web.live.start()
        web.decoding.warm()
        asking = threading.Timer(_ASK_AFTER_S, standing.latest) if standing else None
        if asking:
            asking.daemon = True
            asking.start()
        yield
        if asking:
            asking.cancel()
        web.live.stop()
        web.decoding.close()
        web.comparisons.close()

    # FastAPI's own documentation pages load scripts from elsewhere; /api is ours.
    app = FastAPI(
        title="artpipe",
        version=__version__,
        description="Search a collection of paintings by looks and by words.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.web = web
    app.include_router(api.router)
    app.include_router(files.router)
    app.include_router(pages.router)
    app.add_api_route("/api", _api_page, include_in_schema=False, response_class=HTMLResponse)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    app.add_exception_handler(ArtpipeError, _told)
    app.add_exception_handler(HTTPException, _told)
    app.add_exception_handler(RequestValidationError, _told)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=6)
    if config.requests_per_minute is not None:
        app.add_middleware(RateLimit, per_minute=config.requests_per_minute)
    app.add_middleware(Measured, metrics=web.metrics)
    app.add_middleware(SecurityHeaders)
    return app


def _told(request: Request, error: Exception) -> Response:
    """An expected failure: JSON for programs, a page for people."""
    status = _status_of(error)
    if isinstance(error, RequestValidationError):
        problems = error.errors()
        text = "; ".join(f"{problem['loc'][-1]}: {problem['msg']}" for problem in problems)
        told: Any = [{key: problem[key] for key in ("loc", "msg", "type")} for problem in problems]
    elif isinstance(error, HTTPException):
        text = "there is nothing at this address." if status == 404 else str(error.detail)
        told = text
    else:
        text = told = str(error)
    headers = {"Retry-After": "5"} if status == 503 else dict(getattr(error, "headers", None) or {})
    if wants_json(request.scope):
        return JSONResponse({"detail": told}, status, headers)
    page = web_of(request).render(
        "message.html",
        heading="Not here" if status == 404 else "That did not work",
        told=text[:1].upper() + text[1:],
        is_problem=status != 404,
        offers_upload=status in (413, 415, 422, 503),
    )
    return HTMLResponse(page, status, headers)


def _status_of(error: Exception) -> int:
    if isinstance(error, HTTPException):
        return error.status_code
    if isinstance(error, UploadRefusedError):
        return error.status
    return 404 if isinstance(error, _NOT_FOUND) else 422


def _api_page(request: Request) -> HTMLResponse:
    """The API for people to read, from the same description that programs get."""
    operations: list[dict[str, Any]] = []
    for path, methods in request.app.openapi()["paths"].items():
        for method, told in methods.items():
            answers = [(status, answer["description"]) for status, answer in told["responses"].items()]
            parameters = [(one["name"], one.get("description", "")) for one in told.get("parameters", ())]
            operations.append(
                {
                    "method": method.upper(),
                    "path": path,
                    "summary": told["summary"],
                    "description": [told["description"]] if "description" in told else [],
                    "parameters": parameters,
                    "answers": answers,
                }
            )
    return HTMLResponse(web_of(request).render("api.html", operations=operations))
