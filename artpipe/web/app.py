"""The web app: pages, API and files over one collection.

`create_app` is all that a server needs; `artpipe.web.serve` starts one.
"""

import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.staticfiles import StaticFiles
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from artpipe import __version__
from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake
from artpipe.recognition.view import PHOTOGRAPH_SHORT_SIDE_PX
from artpipe.web import api, correction_pages, crawlers, files, map_pages, pages
from artpipe.web.app_state import HERE, AppState, state_of
from artpipe.web.config import WebConfig
from artpipe.web.decoding import DecodingWorkers
from artpipe.web.failures import expected_failure, unexpected_failure
from artpipe.web.headers import KnownHosts, SecurityHeaders
from artpipe.web.lake_status import LakeStatus
from artpipe.web.live_collection import LiveCollection
from artpipe.web.metrics import Metrics, RequestMetrics
from artpipe.web.mounting import BelowPath, HeadAsGet
from artpipe.web.originals import Originals
from artpipe.web.parameters import CollectionApp

if TYPE_CHECKING:
    from artpipe.crawler.client import GalleryClient
    from artpipe.embedding.predictions import PictureEncoder

_STATUS_DELAY_S = 10.0
"""`artpipe status` starts after the model has loaded: both take a processor for seconds."""


def create_app(
    lake: DataLake,
    config: WebConfig | None = None,
    *,
    device: str = "auto",
    encoder: "PictureEncoder | None" = None,
    status: LakeStatus | None = None,
    gallery: "GalleryClient | None" = None,
) -> FastAPI:
    """The app over a lake.

    Args:
        lake: the lake to serve.
        config: limits on what visitors may send.
        device: where the model runs.
        encoder: replaces the lake's own model; for tests.
        status: reports stale assets on the collection page; without it the page has no such section.
        gallery: requests the originals of works into which visitors zoom; without it they zoom into stored pictures.

    Raises:
        LakeMissingError, NothingEmbeddedError: there is nothing to serve yet.
    """
    config = config or WebConfig()
    decoding = DecodingWorkers(PHOTOGRAPH_SHORT_SIDE_PX, config.decode_seconds)
    originals = Originals(gallery, lake, config.originals_bytes) if gallery else None
    state = AppState(lake, LiveCollection(lake, device, encoder), decoding, config, Metrics(), status, originals)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncGenerator[None]:
        state.live.start()
        state.decoding.warm_up()
        first_status = threading.Timer(_STATUS_DELAY_S, status.latest if status else lambda: None)
        first_status.daemon = True
        first_status.start()
        yield
        first_status.cancel()
        state.live.stop()
        state.decoding.close()
        state.comparisons.close()
        state.exports.close()
        state.sheets.close()
        state.map_sheets.close()
        state.decoded.close()
        if originals:
            originals.close()

    # FastAPI's own documentation pages load scripts from other sites, which the CSP forbids; /api replaces them.
    app = CollectionApp(
        title="artpipe",
        version=__version__,
        description="Search a collection of paintings by image and by words.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.web = state
    app.include_router(api.router)
    app.include_router(files.router)
    app.include_router(map_pages.router)
    app.include_router(correction_pages.router)
    app.include_router(crawlers.router)
    app.include_router(pages.router)
    app.add_api_route("/api", _api_page, include_in_schema=False, response_class=HTMLResponse)
    app.mount("/static", StaticFiles(directory=HERE / "static"), name="static")
    for expected in (ArtpipeError, HTTPException, RequestValidationError):
        app.add_exception_handler(expected, expected_failure)
    app.add_exception_handler(Exception, unexpected_failure)
    app.add_middleware(KnownHosts, hosts=config.hosts)
    app.add_middleware(GZipMiddleware, minimum_size=1024, compresslevel=6)
    app.add_middleware(RequestMetrics, metrics=state.metrics)
    app.add_middleware(SecurityHeaders)
    app.add_middleware(HeadAsGet)
    app.add_middleware(BelowPath, root=config.root_path)
    if config.trusted_proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=list(config.trusted_proxies))
    return app


def _api_page(request: Request) -> HTMLResponse:
    """The API's documentation, rendered from its OpenAPI description."""
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in request.app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]
    return HTMLResponse(state_of(request).render(request, "api.html", operations=operations))
