"""The pages: search, a painting, an artist, the map, the collection at a glance."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from artpipe.web.guard import wants_json
from artpipe.web.questions import MAX_PAGE, PAGE_SIZE, Question
from artpipe.web.results import results_page, verdict_shown
from artpipe.web.shown import artist_page, artists_page, collection_page, map_page, work_page
from artpipe.web.state import TheWeb

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
BEGIN_WITH = 12
Page = Annotated[int, Query(ge=1, le=MAX_PAGE)]


@router.get("/")
def home(web: TheWeb) -> HTMLResponse:
    """The first page: a picture, words, or some works to begin with."""
    return HTMLResponse(web.render("home.html", works=web.catalogue.some(BEGIN_WITH)))


@router.get("/search")
def results(web: TheWeb, question: Annotated[Question, Depends(Question.of)]) -> HTMLResponse:
    """The answer to a question; each has this address to share."""
    question, seen = web.settled(question)
    is_comparing = question.image is not None and web.comparisons.is_known(question.image)
    shown = results_page(
        web.lake, web.catalogue, question, seen, web.links, web.config.abstain_below, is_comparing=is_comparing
    )
    return HTMLResponse(web.render("results.html", **shown))


@router.get("/search/verdict")
async def verdict(web: TheWeb, question: Annotated[Question, Depends(Question.of)]) -> JSONResponse:
    """Whether a picture that was sent shows a very painting, once it was compared: for the page of its results."""
    seen = await run_in_threadpool(web.seen, question)
    if seen is None or question.image is None:
        raise HTTPException(422, "name the picture by its token.")
    seen, token = await web.decided(seen, question.image)
    shown = await run_in_threadpool(verdict_shown, web.catalogue, seen)
    told = web.render("verdict.html", question=replace(question, image=token), **shown)
    return JSONResponse({"token": token, "html": told.strip()}, headers={"Cache-Control": "no-store"})


@router.post("/search")
async def upload(web: TheWeb, request: Request) -> Response:
    """Look at a visitor's picture, and lead to its results; a script is told their address instead.

    A script asks for the verdict apart, and need not wait for it here.
    """
    is_script = wants_json(request.scope)
    _, token, _ = await web.look_at(request, "later" if is_script else "now")
    address = web.links.search(Question(image=token))
    if is_script:
        return JSONResponse({"address": address, "token": token})
    return RedirectResponse(address, status_code=303)


@router.get("/works/{artwork_id:path}")
def work(web: TheWeb, artwork_id: str) -> HTMLResponse:
    """A painting's page."""
    shown = work_page(web.lake, web.catalogue, artwork_id, web.config.abstain_below)
    return HTMLResponse(web.render("work.html", **shown))


@router.get("/artists")
def artists(web: TheWeb, initial: Annotated[str, Query(max_length=4)] = "", page: Page = 1) -> HTMLResponse:
    """The artists, one initial at a time where they are many."""
    return HTMLResponse(web.render("artists.html", **artists_page(web.catalogue, initial, page)))


@router.get("/artists/{artist_id:path}")
def artist(web: TheWeb, artist_id: str, page: Page = 1) -> HTMLResponse:
    """An artist's works."""
    return HTMLResponse(web.render("artist.html", **artist_page(web.lake, web.catalogue, artist_id, page, PAGE_SIZE)))


@router.get("/collection")
def collection(web: TheWeb) -> HTMLResponse:
    """The collection at a glance."""
    answer = web.standing.latest() if web.standing else None
    shown = collection_page(web.lake, web.catalogue)
    return HTMLResponse(web.render("collection.html", **shown, asks=web.standing is not None, answer=answer))


@router.get("/map")
def map_of_the_collection(web: TheWeb) -> HTMLResponse:
    """The map."""
    return HTMLResponse(web.render("map.html", **map_page(web.map()), picture="/map/picture.png", data_script=None))
