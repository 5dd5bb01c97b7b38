"""What pages are made of besides HTML: pictures and the map's data, with marks that let browsers keep them."""

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from artpipe.search.collection import UnknownArtworkError
from artpipe.web.map_data import NoMapError
from artpipe.web.state import TheWeb

if TYPE_CHECKING:
    from artpipe.web.state import Web

router = APIRouter(include_in_schema=False)
FOR_GOOD = "public, max-age=31536000, immutable"
A_DAY = "public, max-age=86400, stale-while-revalidate=604800"
ASK_AGAIN = "no-cache"


@router.api_route("/images/{artwork_id:path}.jpg", methods=["GET", "HEAD"])
def image(
    web: TheWeb,
    request: Request,
    artwork_id: str,
    w: Annotated[int | None, Query(ge=1, le=10_000)] = None,
    v: Annotated[str, Query(max_length=64)] = "",
) -> Response:
    """A work's picture."""
    if artwork_id not in web.catalogue:
        raise UnknownArtworkError(f"the collection has no artwork {artwork_id!r}.")
    picture = web.pictures.get(artwork_id, w)
    is_marked = bool(v) and picture.sha256.startswith(v)
    return _kept(request, picture.jpeg, "image/jpeg", picture.etag, FOR_GOOD if is_marked else A_DAY)


@router.get("/map/points.bin")
def map_points(web: TheWeb, request: Request) -> Response:
    """The places of all works."""
    return _kept(request, web.map().points, "application/octet-stream", _etag(web, "p"), ASK_AGAIN)


@router.get("/map/works.json")
def map_works(web: TheWeb, request: Request) -> Response:
    """The names of all works on the map."""
    return _kept(request, web.map().works, "application/json", _etag(web, "w"), ASK_AGAIN)


@router.get("/map/picture.png")
def map_picture(web: TheWeb, request: Request) -> Response:
    """The map as a still picture."""
    path = web.lake.report("map/art_map.png")
    if not path.exists():
        raise NoMapError('the map has not been drawn yet; materialize "art_map".')
    return _kept(request, path.read_bytes(), "image/png", _etag(web, "s"), ASK_AGAIN)


def _etag(web: "Web", part: str) -> str:
    import hashlib

    data = web.map()
    mark = hashlib.blake2b(data.points + data.works, digest_size=9).hexdigest()
    return f'"{mark}-{part}"'


def _kept(request: Request, data: bytes, kind: str, etag: str, control: str) -> Response:
    headers = {"ETag": etag, "Cache-Control": control}
    held = {tag.strip().removeprefix("W/") for tag in request.headers.get("if-none-match", "").split(",")}
    if etag in held:
        return Response(status_code=304, headers=headers)
    return Response(data, media_type=kind, headers=headers)
