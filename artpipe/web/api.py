"""The JSON API: the answers of the pages for programs."""

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, HTTPException, Query, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field

from artpipe.errors import ArtpipeError
from artpipe.search.predictions import sure_tasks
from artpipe.search.word_query import WordMatch
from artpipe.web.app_state import AppState, State, client_of
from artpipe.web.downloads import KINDS, Download, as_csv, as_parquet
from artpipe.web.links import AddressedId
from artpipe.web.parameters import unknown_parameters
from artpipe.web.questions import PAGE_SIZE, Question, QuestionOfAddress
from artpipe.web.results import heading
from artpipe.web.uploads import FIELD, CropOfAddress, view_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from artpipe.search.suggestions import Suggestion
    from artpipe.web.tokens import EncodedPicture

_CORNERS = (
    "the part of the picture that the labels and the similar works are of: its corners, clockwise from the upper left "
    "one of the painting, as fractions of the picture's width and height"
)


class UnknownParameterError(ArtpipeError):
    """A request has a query parameter that its address does not know."""


def refuse_unknown_parameters(request: Request) -> None:
    """Refuse a misspelt parameter, which would otherwise be ignored in silence.

    Raises:
        UnknownParameterError: there is one; the closest known one is named.
    """
    for hint in unknown_parameters(request).values():
        raise UnknownParameterError(hint)


router = APIRouter(prefix="/api", dependencies=[Depends(refuse_unknown_parameters)])


class Problem(BaseModel):
    """Why there is no answer, and the next step."""

    detail: Any


class Guess(BaseModel):
    """A label and its probability."""

    label: str
    probability: float


class Hit(BaseModel):
    """A work that was found."""

    artwork_id: str
    similarity: float | None = Field(
        default=None, description="cosine with the query, where works are ranked by similarity"
    )
    artist: str | None
    title: str | None
    date_text: str | None
    year_from: int | None = Field(description="the first year; negative before Christ, -500 is 500 BC")
    year_to: int | None = Field(description="the last year")
    style: str | None = None
    period: str | None = None
    type: str | None = None
    school: str | None
    technique: str | None
    location: str | None
    page_url: str | None
    predicted_style: str | None = None
    predicted_style_probability: float | None = None
    predicted_period: str | None = None
    predicted_period_probability: float | None = None
    predicted_type: str | None = None
    predicted_type_probability: float | None = None
    labels: dict[str, str | None] = Field(
        default_factory=dict, description="for each task of the collection, what the catalogue says"
    )
    predicted: dict[str, Guess | None] = Field(
        default_factory=dict, description="for each task of the collection, what the model predicts"
    )


class NoveltyAnswer(BaseModel):
    """How far a picture is from the collection."""

    is_out_of_distribution: bool | None = Field(description="farther than the threshold; null where not measured")
    nearest_similarity: float = Field(description="cosine with the most similar work")
    distance: float | None = Field(description="from the nearest work, in units of how the collection varies")
    threshold: float | None = Field(description="the distance that 99 of 100 held-out works do not exceed")


class SamePainting(BaseModel):
    """Whether the picture shows a painting of the collection."""

    artwork_id: str | None = Field(description="the painting; null where the collection does not have it")
    certainty: float = Field(description="1 - false-positive rate at this match strength")
    is_mirrored: bool = Field(default=False, description="whether the picture shows it the wrong way round")
    labels: dict[str, str] = Field(
        default_factory=dict, description="what the catalogue says of it, such as its style, period and type"
    )


class Suggested(BaseModel):
    """Something to search for."""

    text: str
    kind: str = Field(description="`artist`, `school`, `location`, `title`, or the task whose label it is")
    works: int = Field(description="how many works have it")


class SearchAnswer(BaseModel):
    """A page of results."""

    total: int = Field(description="works on all pages; at most 480 where they are ranked by similarity")
    page: int
    pages: int
    milliseconds: float
    hits: list[Hit]
    facets: dict[str, dict[str, int]] = Field(
        description="for each filter, how many works would be found with each label"
    )
    image: str | None = Field(default=None, description="the token of the picture, to request further pages with")
    is_painting: bool | None = Field(
        default=None, description="whether the picture looks like a painting; null where not measured"
    )
    predictions: dict[str, list[Guess]] | None = Field(
        default=None, description="empty where the picture is no painting: its labels are withheld"
    )
    corners: list[list[float]] | None = Field(default=None, description=_CORNERS)
    is_sure: dict[str, bool] | None = Field(
        default=None,
        description="for each task, whether the probability of its first label reaches the configured minimum",
    )
    novelty: NoveltyAnswer | None = None
    same_painting: SamePainting | None = Field(
        default=None,
        description="null where local features were not extracted for the collection, or this picture was not "
        "compared: `/api/predict` does not compare, and a page shows its results first",
    )
    word_match: WordMatch | None = Field(description="how well the works match the words; null without words")
    note: str = Field(description="`word_match` as text, where it is not `all`")
    did_you_mean: list[Suggested] = Field(
        description="what the words may have meant, where no work matches all of them"
    )


class Predicted(BaseModel):
    """The three most likely labels of each task for a picture."""

    model_id: str
    is_painting: bool | None = Field(description="whether the picture looks like a painting; null where not measured")
    predictions: dict[str, list[Guess]] = Field(
        description="empty where the picture is no painting: its labels are withheld"
    )
    corners: list[list[float]] = Field(description=_CORNERS)
    is_sure: dict[str, bool] = Field(
        description="for each task, whether the probability of its first label reaches the configured minimum"
    )
    novelty: NoveltyAnswer
    image: str = Field(description="the token of the picture, to search with")


class Health(BaseModel):
    """The served version."""

    status: str
    works: int
    table_version: int
    model_id: str
    is_model_ready: bool


REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"model": Problem, "description": description}
    for status, description in {
        400: "The request cannot be read.",
        404: "There is no such work or label.",
        413: "The picture is too large.",
        415: "The file is no picture that can be opened.",
        422: "A value or the picture cannot be used.",
        503: "Too many pictures or exports at once, or the model is being loaded.",
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
Size = Annotated[int, Query(ge=1, le=100, description="works on a page")]


@router.get("/search", responses={k: REFUSALS[k] for k in (404, 422)})
def search(state: State, question: QuestionOfAddress, size: Size = PAGE_SIZE) -> SearchAnswer:
    """Works by words, by filters, or by similarity to a work or to a picture that was uploaded before."""
    question, picture = state.resolve(question)
    return _answer(state, question, picture, size)


@router.post("/search", openapi_extra=_PICTURE, responses=REFUSALS)
async def search_by_picture(
    state: State,
    request: Request,
    question: QuestionOfAddress,
    size: Size = PAGE_SIZE,
    crop: CropOfAddress = None,
) -> SearchAnswer:
    """Works similar to the painting in the uploaded picture, which is not stored."""
    from starlette.concurrency import run_in_threadpool

    picture, token = await state.encode_upload(request, "now", view_of(crop))
    return await run_in_threadpool(_answer, state, replace(question, image=token), picture, size)


@router.get(
    "/search/{file}",
    response_class=Response,
    responses={200: _FILE, **{k: REFUSALS[k] for k in (404, 422, 503)}},
)
async def download(
    state: State, request: Request, question: QuestionOfAddress, file: Download, size: Size = PAGE_SIZE
) -> Response:
    """Export what `/api/search` finds: all hits as CSV or Parquet, or a contact sheet of the page as JPEG."""
    catalogue, picture = state.catalogue, state.picture_of(question)

    def make() -> bytes:
        if file == "sheet.jpg":
            found = catalogue.search(question, picture, size)
            return state.sheets.draw(catalogue, found, heading(question, catalogue))
        return (as_csv if file == "hits.csv" else as_parquet)(catalogue.all_works(question, picture))

    data = await state.exports.get((file, catalogue.version, question, size), make, client_of(request))
    return Response(data, headers={"Content-Disposition": f'attachment; filename="{file}"'}, media_type=KINDS[file])


@router.get("/artworks/{artwork_id:path}", responses={k: REFUSALS[k] for k in (404, 422)})
def artwork(state: State, artwork_id: AddressedId) -> Hit:
    """Everything known of one work."""
    return _hit(state.catalogue.get(artwork_id), state.catalogue.collection.tasks)


@router.post("/predict", openapi_extra=_PICTURE, responses=REFUSALS)
async def predict(state: State, request: Request, crop: CropOfAddress = None) -> Predicted:
    """The labels that the model predicts for the painting in the uploaded picture, which is not stored."""
    from starlette.concurrency import run_in_threadpool

    picture, token = await state.encode_upload(request, "never", view_of(crop))
    return Predicted(
        model_id=state.live.now[1].model_id,
        is_painting=picture.is_painting,
        predictions=_guesses(picture),
        corners=picture.view.as_json(),
        is_sure=sure_tasks(picture.labels, state.config.abstain_below),
        novelty=await run_in_threadpool(_novelty, state, picture),
        image=token,
    )


@router.get("/suggest", responses={422: REFUSALS[422]})
def suggest(state: State, beginning: Annotated[str, Query(max_length=100)] = "") -> list[Suggested]:
    """Artists, titles and labels, such as styles, with a word that begins so, the most common first."""
    return _suggested(state.catalogue.suggest(beginning))


@router.get("/healthz", responses={422: REFUSALS[422]})
def healthz(state: State) -> Health:
    """Whether pages are served, and of which version of the collection."""
    catalogue, model = state.live.now
    return Health(
        status="ok",
        works=len(catalogue),
        table_version=catalogue.version,
        model_id=model.model_id,
        is_model_ready=model.is_ready,
    )


@router.get("/readyz", responses={k: REFUSALS[k] for k in (422, 503)})
def readyz(state: State) -> Health:
    """Whether this server should be sent visitors: 503 while the model is being loaded."""
    if state.live.now[1].is_loading:
        raise HTTPException(503, "The model is being loaded.", headers={"Retry-After": "5"})
    return healthz(state)


@router.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}, 422: REFUSALS[422]})
def metrics(state: State) -> Response:
    """Metrics for Prometheus."""
    from prometheus_client import CONTENT_TYPE_LATEST

    if not state.config.has_metrics:
        raise HTTPException(404)
    catalogue, _ = state.live.now
    state.metrics.works.set(len(catalogue))
    state.metrics.version.set(catalogue.version)
    return Response(state.metrics.text(), media_type=CONTENT_TYPE_LATEST)


def _answer(state: State, question: Question, picture: "EncodedPicture | None", size: int) -> SearchAnswer:
    found = state.catalogue.search(question, picture, size)
    return SearchAnswer(
        total=found.total,
        page=found.page,
        pages=max(1, -(-found.total // size)),
        milliseconds=round(found.milliseconds, 3),
        hits=[_hit(work, state.catalogue.collection.tasks) for work in found.works],
        facets={name: dict(labels) for name, labels in found.facets.items()},
        image=question.image,
        is_painting=picture.is_painting if picture else None,
        predictions=_guesses(picture) if picture else None,
        corners=picture.view.as_json() if picture else None,
        is_sure=sure_tasks(picture.labels, state.config.abstain_below) if picture else None,
        novelty=_novelty(state, picture) if picture else None,
        same_painting=_same_painting(state, picture) if picture else None,
        word_match=found.word_match,
        note=found.note,
        did_you_mean=_suggested(state.catalogue.meant_by(question.words, found)),
    )


def _hit(work: "Mapping[str, Any]", tasks: "Iterable[str]") -> Hit:
    """A work with its labels and predictions, those of the Web Gallery of Art also as fields of their own."""
    guesses = {task: (work[f"predicted_{task}"], work[f"predicted_{task}_probability"]) for task in tasks}
    predicted = {
        task: None if label is None else Guess(label=label, probability=share or 0.0)
        for task, (label, share) in guesses.items()
    }
    return Hit.model_validate({**work, "labels": {task: work[task] for task in tasks}, "predicted": predicted})


def _suggested(suggestions: "Iterable[Suggestion]") -> list[Suggested]:
    return [Suggested(text=one.text, kind=one.kind, works=one.works) for one in suggestions]


def _same_painting(state: AppState, picture: "EncodedPicture") -> SamePainting | None:
    verdict = picture.verdict
    if verdict is None:
        return None
    work, catalogue = verdict.artwork_id, state.catalogue
    labels = catalogue.collection.catalogued_labels(work) if work is not None and work in catalogue else {}
    return SamePainting(**asdict(verdict), is_mirrored=picture.view.is_mirrored, labels=labels)


def _novelty(state: AppState, picture: "EncodedPicture") -> NoveltyAnswer:
    return NoveltyAnswer.model_validate(state.catalogue.novelty(picture).as_json())


def _guesses(picture: "EncodedPicture") -> dict[str, list[Guess]]:
    return {
        task: [Guess(label=label, probability=round(share, 4)) for label, share in pairs]
        for task, pairs in picture.labels.items()
    }
