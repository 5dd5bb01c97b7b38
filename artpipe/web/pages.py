"""The routes of the pages: search, a work, an artist, the collection."""

from dataclasses import replace
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from artpipe.web.app_state import State
from artpipe.web.headers import wants_json
from artpipe.web.links import AddressedId
from artpipe.web.page_context import artist_context, artists_context, collection_context, work_context
from artpipe.web.parameters import ignored_parameters
from artpipe.web.questions import MAX_PAGE, PAGE_SIZE, Question, QuestionOfAddress
from artpipe.web.results import results_context, verdict_context
from artpipe.web.uploads import CropOfAddress, view_of

router = APIRouter(include_in_schema=False, default_response_class=HTMLResponse)
WORKS_ON_HOME_PAGE = 12
Page = Annotated[int, Query(ge=1, le=MAX_PAGE)]


@router.get("/")
def home(state: State, request: Request) -> HTMLResponse:
    """The first page: a picture, words, or some works to start from."""
    return HTMLResponse(state.render(request, "home.html", works=state.catalogue.sample(WORKS_ON_HOME_PAGE)))


@router.get("/search")
def results(state: State, request: Request, question: QuestionOfAddress) -> HTMLResponse:
    """The results of a search; each has this address to share."""
    question, picture = state.resolve(question)
    is_comparing = question.image is not None and state.comparisons.is_known(question.image)
    context = results_context(
        state.lake,
        state.catalogue,
        question,
        picture,
        state.links,
        state.config.abstain_below,
        is_comparing=is_comparing,
    )
    return HTMLResponse(state.render(request, "results.html", **context, ignored=ignored_parameters(request)))


@router.get("/search/verdict")
async def verdict(state: State, request: Request, question: QuestionOfAddress) -> JSONResponse:
    """Whether an uploaded picture shows a painting of the collection, after the comparison; for the results page."""
    picture = await run_in_threadpool(state.picture_of, question)
    if picture is None or question.image is None:
        raise HTTPException(422, "`image`, the token of the picture, is missing.")
    first = picture
    picture, token = await state.await_verdict(picture, question.image)
    context = await run_in_threadpool(verdict_context, state.catalogue, picture)
    html = state.render(request, "verdict.html", question=replace(question, image=token), **context)
    # The results shown so far are of another part of the photograph than the recognised painting.
    is_other_view = picture.view != first.view
    answer = {"token": token, "html": html.strip(), "is_other_view": is_other_view}
    return JSONResponse(answer, headers={"Cache-Control": "no-store"})


@router.post("/search")
async def upload(state: State, request: Request, crop: CropOfAddress = None) -> Response:
    """Encode an uploaded picture, and redirect to its results; a script receives their address as JSON instead.

    A script waits here for a moment only, and requests a later verdict separately.
    """
    is_script = wants_json(request.scope)
    _, token = await state.encode_upload(request, "later" if is_script else "now", view_of(crop))
    address = state.links.search(Question(image=token))
    if is_script:
        return JSONResponse({"address": address, "token": token})
    return RedirectResponse(address, status_code=303)


@router.get("/works/{artwork_id:path}")
def work(state: State, request: Request, artwork_id: AddressedId) -> HTMLResponse:
    """A work's page."""
    context = work_context(state.lake, state.catalogue, artwork_id, state.links, state.config.abstain_below)
    passes_originals = state.originals is not None
    return HTMLResponse(state.render(request, "work.html", **context, passes_originals=passes_originals))


@router.get("/artists")
def artists(
    state: State, request: Request, initial: Annotated[str, Query(max_length=4)] = "", page: Page = 1
) -> HTMLResponse:
    """The artists, one initial at a time where they are many."""
    return HTMLResponse(state.render(request, "artists.html", **artists_context(state.catalogue, initial, page)))


@router.get("/artists/{artist_id:path}")
def artist(state: State, request: Request, artist_id: AddressedId, page: Page = 1) -> HTMLResponse:
    """An artist's works."""
    context = artist_context(state.lake, state.catalogue, artist_id, page, PAGE_SIZE)
    return HTMLResponse(state.render(request, "artist.html", **context))


@router.get("/collection")
def collection(state: State, request: Request) -> HTMLResponse:
    """Statistics of the collection."""
    status = state.status.latest() if state.status else None
    context = collection_context(state.lake, state.catalogue)
    page = state.render(request, "collection.html", **context, shows_status=state.status is not None, status=status)
    return HTMLResponse(page)
