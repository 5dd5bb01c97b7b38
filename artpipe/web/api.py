"""The JSON API: the same answers as the pages, for programs."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from artpipe.search.predictions import sure_tasks
from artpipe.web.app_state import AppState, State
from artpipe.web.downloads import KINDS, Download, as_csv, as_parquet, as_sheet
from artpipe.web.questions import PAGE_SIZE, Question
from artpipe.web.results import heading
from artpipe.web.uploads import FIELD

if TYPE_CHECKING:
    from artpipe.web.tokens import EncodedPicture

router = APIRouter(prefix="/api")


class Problem(BaseModel):
    """Why there is no answer, and what to do."""

    detail: Any


class Hit(BaseModel):
    """A work that was found."""

    artwork_id: str
    similarity: float | None = Field(default=None, description="cosine with the query, where works are ranked by looks")
    artist: str | None
    title: str | None
    date_text: str | None
    year_from: int | None
    year_to: int | None
    style: str | None
    period: str | None
    type: str | None
    school: str | None
    technique: str | None
    location: str | None
    page_url: str | None
    predicted_style: str | None
    predicted_style_probability: float | None
    predicted_period: str | None
    predicted_period_probability: float | None
    predicted_type: str | None
    predicted_type_probability: float | None


class Guess(BaseModel):
    """A label and how likely the model finds it."""

    label: str
    probability: float


class Likeness(BaseModel):
    """How far a picture is from the collection."""

    is_unlike_collection: bool | None = Field(description="farther than 99 of 100 works; null where not measured")
    nearest_similarity: float = Field(description="cosine with the most similar work")
    distance: float | None = Field(description="from the nearest work, in units of how the collection varies")
    usual_up_to: float | None = Field(description="the distance that 99 of 100 held-out works do not exceed")


class SamePainting(BaseModel):
    """Whether the picture shows a very painting of the collection."""

    artwork_id: str | None = Field(description="the painting; null where the collection does not hold it")
    certainty: float = Field(
        description="1 less the share of pictures of paintings that are not held which agree as well with one that is"
    )


class Suggested(BaseModel):
    """Something to search for."""

    text: str
    kind: str = Field(description="`artist`, `style`, `type` or `title`")
    works: int = Field(description="how many works have it")


class SearchAnswer(BaseModel):
    """A page of results."""

    total: int
    page: int
    pages: int
    milliseconds: float
    hits: list[Hit]
    facets: dict[str, dict[str, int]] = Field(description="for each filter, how many works each label would leave")
    image: str | None = Field(default=None, description="the token of the picture, to ask for further pages with")
    predictions: dict[str, list[Guess]] | None = None
    is_sure: dict[str, bool] | None = Field(default=None, description="whether the first label of a task is sure")
    likeness: Likeness | None = None
    same_painting: SamePainting | None = Field(
        default=None,
        description="null where the pictures of the collection are not described for comparison, or this one was not "
        "compared with them: `/api/predict` does not, and a page shows its results before that is done",
    )
    note: str = Field(description="what of the words the works hold, where it is not every word as it is")


class Predicted(BaseModel):
    """What the model takes a picture for: the three most likely labels of each task."""

    model_id: str
    predictions: dict[str, list[Guess]]
    is_sure: dict[str, bool] = Field(description="for each task, whether its first label is likely enough to be told")
    likeness: Likeness
    image: str = Field(description="the token of the picture, to search with")


class Health(BaseModel):
    """What is served."""

    status: str
    works: int
    table_version: int | None
    model_id: str
    is_model_ready: bool


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": told}
    for status, told in {
        400: "The request cannot be read.",
        404: "There is no such work or label.",
        413: "The picture is too large.",
        415: "This is no picture that can be opened.",
        422: "A value or the picture cannot be used.",
        503: "Too many pictures at once.",
    }.items()
}
_PICTURE: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {FIELD: {"type": "string", "format": "binary"}},
                }
            },
            "image/jpeg": {"schema": {"type": "string", "format": "binary"}},
        },
    }
}
_FILE: dict[str, Any] = {"content": {kind.split(";")[0]: {} for kind in KINDS.values()}}
Asked = Annotated[Question, Depends(Question.of)]
Size = Annotated[int, Query(ge=1, le=100, description="works on a page")]


@router.get("/search", responses={k: REFUSALS[k] for k in (404, 422)})
def search(state: State, question: Asked, size: Size = PAGE_SIZE) -> SearchAnswer:
    """Works by words, by filters, or by likeness to a work or to a picture that was sent before."""
    question, picture = state.resolve(question)
    return _answer(state, question, picture, size)


@router.post("/search", openapi_extra=_PICTURE, responses=REFUSALS)
async def search_by_picture(state: State, request: Request, question: Asked, size: Size = PAGE_SIZE) -> SearchAnswer:
    """Works that look like the picture that is sent. Nothing of it is kept."""
    from starlette.concurrency import run_in_threadpool

    picture, token = await state.encode_upload(request, "now")
    return await run_in_threadpool(_answer, state, replace(question, image=token), picture, size)


@router.get(
    "/search/{file}",
    response_class=Response,
    responses={200: _FILE, **{k: REFUSALS[k] for k in (404, 422)}},
)
def download(state: State, question: Asked, file: Download, size: Size = PAGE_SIZE) -> Response:
    """What `/api/search` finds, to take away: all hits as CSV or Parquet, or a contact sheet of the page as JPEG."""
    catalogue, picture = state.catalogue, state.picture_of(question)
    if file == "sheet.jpg":
        data = as_sheet(catalogue, catalogue.search(question, picture, size), heading(question, catalogue))
    else:
        data = (as_csv if file == "hits.csv" else as_parquet)(catalogue.every(question, picture))
    return Response(data, headers={"Content-Disposition": f'attachment; filename="{file}"'}, media_type=KINDS[file])


@router.get("/artworks/{artwork_id:path}", responses={k: REFUSALS[k] for k in (404, 422)})
def artwork(state: State, artwork_id: str) -> Hit:
    """Everything known of one work."""
    return Hit.model_validate(state.catalogue.get(artwork_id))


@router.post("/predict", openapi_extra=_PICTURE, responses=REFUSALS)
async def predict(state: State, request: Request) -> Predicted:
    """What the model takes a picture for. Nothing of it is kept."""
    from starlette.concurrency import run_in_threadpool

    picture, token = await state.encode_upload(request, "never")
    return Predicted(
        model_id=state.live.now[1].model_id,
        predictions=_guesses(picture),
        is_sure=sure_tasks(picture.predictions, state.config.abstain_below),
        likeness=await run_in_threadpool(_likeness, state, picture),
        image=token,
    )


@router.get("/suggest", responses={k: REFUSALS[k] for k in (422,)})
def suggest(state: State, beginning: Annotated[str, Query(max_length=100)] = "") -> list[Suggested]:
    """Artists, titles, styles and types that somebody who typed this may mean, the most useful first."""
    return [Suggested(text=one.text, kind=one.kind, works=one.works) for one in state.catalogue.suggest(beginning)]


@router.get("/healthz")
def healthz(state: State) -> Health:
    """Whether pages are served, and of what."""
    catalogue, model = state.live.now
    return Health(
        status="ok",
        works=len(catalogue),
        table_version=catalogue.version,
        model_id=model.model_id,
        is_model_ready=model.is_ready,
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
def metrics(state: State) -> Response:
    """Figures for Prometheus."""
    from prometheus_client import CONTENT_TYPE_LATEST

    catalogue, _ = state.live.now
    state.metrics.works.set(len(catalogue))
    state.metrics.version.set(catalogue.version or 0)
    return Response(state.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _answer(state: State, question: Question, picture: "EncodedPicture | None", size: int) -> SearchAnswer:
    found = state.catalogue.search(question, picture, size)
    return SearchAnswer(
        total=found.total,
        page=found.page,
        pages=max(1, -(-found.total // size)),
        milliseconds=round(found.milliseconds, 3),
        hits=[Hit.model_validate(work) for work in found.works],
        facets={name: dict(labels) for name, labels in found.facets.items()},
        image=question.image,
        predictions=_guesses(picture) if picture else None,
        is_sure=sure_tasks(picture.predictions, state.config.abstain_below) if picture else None,
        likeness=_likeness(state, picture) if picture else None,
        same_painting=SamePainting(**asdict(picture.verdict)) if picture and picture.verdict else None,
        note=found.note,
    )


def _likeness(state: AppState, picture: "EncodedPicture") -> Likeness:
    return Likeness.model_validate(state.catalogue.novelty(picture).as_json())


def _guesses(picture: "EncodedPicture") -> dict[str, list[Guess]]:
    return {
        task: [Guess(label=label, probability=round(share, 4)) for label, share in pairs]
        for task, pairs in picture.predictions.items()
    }
