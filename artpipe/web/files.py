"""The route of pictures, and responses with ETags and cache lifetimes."""

from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import Response

from artpipe.search.collection import UnknownArtworkError
from artpipe.web.app_state import State, client_of
from artpipe.web.links import AddressedId

router = APIRouter(include_in_schema=False)
CACHE_FOR_GOOD = "public, max-age=31536000, immutable"
CACHE_A_DAY = "public, max-age=86400, stale-while-revalidate=604800"
REVALIDATE = "no-cache"


@router.get("/images/{artwork_id:path}.jpg")
def image(
    state: State,
    request: Request,
    artwork_id: AddressedId,
    w: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    v: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """A work's picture, at most `w` pixels wide; an address with the hash of its content in `v` is cached for good."""
    if artwork_id not in state.catalogue:
        raise UnknownArtworkError(f"the collection has no artwork {artwork_id!r}.")
    picture = state.thumbnails.get(artwork_id, w)
    is_versioned = bool(v) and picture.sha256.startswith(v)
    cache_control = CACHE_FOR_GOOD if is_versioned else CACHE_A_DAY
    return cacheable(request, picture.jpeg, "image/jpeg", picture.etag, cache_control)


@router.get("/originals/{artwork_id:path}")
async def original(state: State, request: Request, artwork_id: AddressedId) -> Response:
    """The gallery's own picture of a work, where this server passes it on."""
    if state.originals is None:
        raise HTTPException(404)
    picture = await state.originals.of(state.catalogue.get(artwork_id), client_of(request))
    return cacheable(request, picture.data, picture.media_type, picture.etag, CACHE_A_DAY)


def cacheable(request: Request, data: bytes, media_type: str, etag: str, cache_control: str) -> Response:
    """Data with its ETag, or 304 for a client that has them."""
    headers = {"ETag": etag, "Cache-Control": cache_control}
    cached = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in cached:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=media_type, headers=headers)
