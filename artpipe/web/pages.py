"""The pages: search, a painting, an artist, the map, the collection at a glance."""

from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response

from artpipe.errors import ArtpipeError
from artpipe.search.filters import UnknownFilterValueError
from artpipe.web.glance import held_out_accuracy
from artpipe.web.questions import PAGE_SIZE, Question
from artpipe.web.shown import artist_page, artists_page, collection_page, map_page, work_page
from artpipe.web.state import TheWeb

if TYPE_CHECKING:
    from artpipe.web.state import Web

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
BEGIN_WITH = 12


@router.get("/")
def home(web: TheWeb) -> HTMLResponse:
    """The first page: a picture, words, or some works to begin with."""
    return HTMLResponse(web.render("home.html", works=web.catalogue.some(BEGIN_WITH)))


@router.get("/search")
def results(web: TheWeb, question: Annotated[Question, Depends(Question.of)]) -> HTMLResponse:
    """The answer to a question; each has this address to share."""
    from artpipe.web.catalogue import Found

    catalogue = web.catalogue
    seen = web.seen(question)
    like = catalogue.get(question.like) if question.like is not None else None
    reason = ""
    try:
        found = catalogue.search(question, seen)
    except UnknownFilterValueError as error:
        reason = _sentence(error)
        facets = catalogue.search(question.without(*question.filters), seen).facets
        found = Found([], 0, 1, facets, 0.0)
    marked = urlencode({"works": "|".join(str(work["artwork_id"]) for work in found.works)})
    return HTMLResponse(
        web.render(
            "results.html",
            question=question,
            seen=seen,
            match=catalogue.get(seen.match) if seen and seen.match and seen.match in catalogue else None,
            like=like,
            found=found,
            facets=found.facets,
            reason=reason,
            accuracy=held_out_accuracy(web.lake) if seen else {},
            heading=_heading(question, like),
            has_map=has_map(web),
            on_map=f"{web.links.map()}#{marked}",
        )
    )


@router.post("/search")
async def upload(web: TheWeb, request: Request) -> Response:
    """Look at a visitor's picture, and lead to its results; a script is told their address instead."""
    _, token, _ = await web.look_at(request)
    address = web.links.search(Question(image=token))
    if "application/json" in request.headers.get("accept", ""):
        return JSONResponse({"address": address, "token": token})
    return RedirectResponse(address, status_code=303)


@router.get("/works/{artwork_id:path}")
def work(web: TheWeb, artwork_id: str) -> HTMLResponse:
    """A painting's page."""
    return HTMLResponse(web.render("work.html", **work_page(web.lake, web.catalogue, artwork_id)))


@router.get("/artists")
def artists(web: TheWeb, initial: Annotated[str, Query(max_length=4)] = "") -> HTMLResponse:
    """The artists, one initial at a time where they are many."""
    return HTMLResponse(web.render("artists.html", **artists_page(web.catalogue, initial)))


@router.get("/artists/{artist_id:path}")
def artist(web: TheWeb, artist_id: str, page: Annotated[int, Query(ge=1, le=10_000)] = 1) -> HTMLResponse:
    """An artist's works."""
    return HTMLResponse(web.render("artist.html", **artist_page(web.lake, web.catalogue, artist_id, page, PAGE_SIZE)))


@router.get("/collection")
def collection(web: TheWeb) -> HTMLResponse:
    """The collection at a glance."""
    return HTMLResponse(web.render("collection.html", **collection_page(web.lake, web.catalogue)))


@router.get("/map")
def map_of_the_collection(web: TheWeb) -> HTMLResponse:
    """The map."""
    return HTMLResponse(web.render("map.html", **map_page(web.map()), picture="/map/picture.png", data_script=None))


def has_map(web: "Web") -> bool:
    """Whether there is a map to show something on."""
    return web.lake.table("art_map").exists()


def _heading(question: Question, like: dict[str, Any] | None) -> str:
    if question.image is not None:
        start = "Looks like your picture"
    elif like is not None:
        start = f"Looks like “{like['title'] or 'this work'}”"
    else:
        return f"“{question.words}”" if question.words else "All works" if not question.filters else "Works"
    return start + (f", with “{question.words}”" if question.words else "")


def _sentence(error: ArtpipeError) -> str:
    text = str(error)
    return text[:1].upper() + text[1:]
