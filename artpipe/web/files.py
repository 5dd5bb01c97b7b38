"""The routes of pictures and map data, with ETags and cache lifetimes."""

import hashlib
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from artpipe.search.collection import UnknownArtworkError
from artpipe.web.app_state import AppState, State
from artpipe.web.map_data import NoMapError

router = APIRouter(include_in_schema=False)
CACHE_FOR_GOOD = "public, max-age=31536000, immutable"
CACHE_A_DAY = "public, max-age=86400, stale-while-revalidate=604800"
REVALIDATE = "no-cache"


@router.api_route("/images/{artwork_id:path}.jpg", methods=["GET", "HEAD"])
def image(
    state: State,
    request: Request,
    artwork_id: str,
    w: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    v: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """A work's picture, at most `w` pixels wide; an address with the hash of its content in `v` is cached for good."""
    if artwork_id not in state.catalogue:
        raise UnknownArtworkError(f"the collection has no artwork {artwork_id!r}.")
    picture = state.thumbnails.get(artwork_id, w)
    is_versioned = bool(v) and picture.sha256.startswith(v)
    cache_control = CACHE_FOR_GOOD if is_versioned else CACHE_A_DAY
    return _cacheable(request, picture.jpeg, "image/jpeg", picture.etag, cache_control)


@router.api_route("/originals/{artwork_id:path}", methods=["GET", "HEAD"])
async def original(state: State, request: Request, artwork_id: str) -> Response:
    """The gallery's own picture of a work, where this server passes it on."""
    if state.originals is None:
        raise HTTPException(404)
    picture = await state.originals.of(state.catalogue.get(artwork_id))
    return _cacheable(request, picture.data, picture.media_type, picture.etag, CACHE_A_DAY)


@router.get("/map/points.bin")
def map_points(state: State, request: Request) -> Response:
    """The coordinates and classes of all works."""
    return _map_response(state, request, state.map().points, "application/octet-stream", "p")


@router.get("/map/works.json")
def map_works(state: State, request: Request) -> Response:
    """The names of all works on the map."""
    return _map_response(state, request, state.map().works, "application/json", "w")


@router.get("/map/picture.png")
def map_picture(state: State, request: Request) -> Response:
    """The map as a still picture."""
    path = state.lake.report("map/art_map.png")
    if not path.exists():
        raise NoMapError
    return _map_response(state, request, path.read_bytes(), "image/png", "s")


def _map_response(state: AppState, request: Request, data: bytes, media_type: str, part: str) -> Response:
    of_map = state.map()
    digest = hashlib.blake2b(of_map.points + of_map.works, digest_size=9).hexdigest()
    return _cacheable(request, data, media_type, f'"{digest}-{part}"', REVALIDATE)


def _cacheable(request: Request, data: bytes, media_type: str, etag: str, cache_control: str) -> Response:
    headers = {"ETag": etag, "Cache-Control": cache_control}
    cached = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in cached:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)
