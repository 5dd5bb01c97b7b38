"""The routes of the map: its page, its data, its sheets of small pictures, and selections."""

import hashlib
from dataclasses import dataclass
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlencode

import numpy as np
from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool

from artpipe.search.filters import SearchFilter
from artpipe.web.app_state import AppState, State, client_of
from artpipe.web.downloads import KINDS, as_csv
from artpipe.web.files import CACHE_FOR_GOOD, REVALIDATE, cacheable
from artpipe.web.map_data import MapData, NoMapError
from artpipe.web.map_regions import Region
from artpipe.web.map_selection import (
    UnusableSelectionError,
    corners_text,
    read_corners,
    select_works,
    typical_of,
)
from artpipe.web.questions import MAX_PAGE, PAGE_SIZE, LabelsOfAddress, Question

if TYPE_CHECKING:
    import polars as pl

router = APIRouter(include_in_schema=False)

_Labels = Annotated[tuple[str, ...], Query(max_length=40)]
_Year = Annotated[int | None, Query(ge=-9999, le=9999)]


@dataclass(frozen=True)
class Selection:
    """A polygon on the map and a filter, and their address.

    Attributes:
        corners: the polygon, see `corners_text`.
        where: which works may be selected.
    """

    corners: str
    where: SearchFilter

    @classmethod
    def of(
        cls,
        corners: Annotated[str, Query(max_length=400)],
        style: _Labels = (),
        period: _Labels = (),
        type: _Labels = (),  # noqa: A002 - the catalogue's own word
        year_from: _Year = None,
        year_to: _Year = None,
        others: LabelsOfAddress = None,
    ) -> "Selection":
        """Parse the query parameters.

        Raises:
            UnusableSelectionError: the years are the wrong way round, or a label is empty.
        """
        labels = {"style": style or None, "period": period or None, "type": type or None}
        try:
            return cls(
                corners,
                SearchFilter.model_validate(labels | {"year_from": year_from, "year_to": year_to, "labels": others}),
            )
        except ValidationError as error:
            raise UnusableSelectionError("the filter of this selection cannot be read; change it.") from error

    @property
    def filters(self) -> list[tuple[str, Any]]:
        """The filters that are set, one value each."""
        return self.where.conditions

    @cached_property
    def address(self) -> str:
        """The query string."""
        return urlencode([("corners", self.corners), *self.filters])


SelectionOfAddress = Annotated[Selection, Depends(Selection.of)]


@router.get("/map")
def map_of_the_collection(state: State, request: Request) -> HTMLResponse:
    """The map."""
    data, sheets = state.map()
    below = state.links.map()
    files = {"points": "points.bin", "works": "works.json", "picture": "picture.png"}
    files |= {"sheet_link": "sheets/ID.webp", "selection": "selection"}
    served = {name: f"{below}/{file}" for name, file in files.items()} | {"script": ""}
    served["work_link"] = state.links.work("ID")
    served["image_link"] = state.links.image({"artwork_id": "ID", "jpeg_sha256": ""}, 160)
    context = map_context(data, sheets.names)
    return HTMLResponse(state.render(request, "map.html", **context, **served))


def map_context(data: MapData, sheets: list[str]) -> dict[str, Any]:
    """What the page of the map shows, served or exported."""
    return {"map": data, "sheets": sheets, "regions": [_region_context(data, region) for region in data.regions]}


def _region_context(data: MapData, region: Region) -> dict[str, Any]:
    x, y = data.on_page(region.centre)
    wide, tall = np.ptp(region.corners, axis=0) / data.side * 65535
    first, *others = region.distinctions
    return {
        "title": region.title,
        "name": first.name,
        "kind": first.kind,
        "share": first.share,
        "works": region.works,
        "others": others,
        "level": region.level,
        "x": x,
        "y": y,
        "width": round(1.6 * max(wide, tall)),
        "top": round(y - tall / 2),
        "corners": corners_text(region.corners),
    }


@router.get("/map/points.bin")
def map_points(state: State, request: Request) -> Response:
    """The coordinates and classes of all works."""
    return _map_response(state, request, state.map()[0].points, "application/octet-stream", "p")


@router.get("/map/works.json")
def map_works(state: State, request: Request) -> Response:
    """The names of all works on the map."""
    return _map_response(state, request, state.map()[0].works, "application/json", "w")


@router.get("/map/picture.png")
def map_picture(state: State, request: Request) -> Response:
    """The map as a still picture."""
    path = state.lake.report("map/art_map.png")
    if not path.exists():
        raise NoMapError
    return _map_response(state, request, path.read_bytes(), "image/png", "s")


@router.get("/map/sheets/{name}.webp")
async def map_sheet(state: State, request: Request, name: str) -> Response:
    """A sheet of small pictures; its name is a hash of what is on it."""
    _, sheets = await run_in_threadpool(state.map)
    data = await run_in_threadpool(sheets.kept, name)  # what is kept waits behind no other
    if data is None:
        data = await state.map_sheets.get(name, partial(sheets.get, name), client_of(request))
    return cacheable(request, data, "image/webp", f'"{name}"', CACHE_FOR_GOOD)


@router.get("/map/selection")
def map_selection(
    state: State,
    request: Request,
    selection: SelectionOfAddress,
    page: Annotated[int, Query(ge=1, le=MAX_PAGE)] = 1,
) -> HTMLResponse:
    """The works of a selection, a page at a time."""
    works = _selected(state, selection)
    region = _region_of(state.map()[0], selection)
    context = {
        "selection": selection,
        "works": works[(page - 1) * PAGE_SIZE : page * PAGE_SIZE].to_dicts(),
        "total": works.height,
        "region": region,
        "page": page,
        "pages": max(1, -(-works.height // PAGE_SIZE)),
    }
    return HTMLResponse(state.render(request, "selection.html", **context))


@router.get("/map/selection/similar")
def similar_to_selection(state: State, selection: SelectionOfAddress) -> RedirectResponse:
    """A search for works like the most typical ones of a selection."""
    typical = typical_of(_selected(state, selection))
    if not typical:
        raise UnusableSelectionError("no work is in this selection; select works on the map.")
    return RedirectResponse(state.links.search(Question(like=typical)), status_code=303)


@router.get("/map/selection.csv")
async def selection_csv(state: State, request: Request, selection: SelectionOfAddress) -> Response:
    """All works of a selection as CSV."""
    shown, _ = await run_in_threadpool(state.map)
    key = ("selection.csv", state.catalogue.version, hash(shown.points), selection.address)
    data = await state.exports.get(key, lambda: as_csv(_selected(state, selection)), client_of(request))
    headers = {"Content-Disposition": 'attachment; filename="selection.csv"'}
    return Response(data, headers=headers, media_type=KINDS["hits.csv"])


def _selected(state: AppState, selection: Selection) -> "pl.DataFrame":
    return select_works(state.catalogue, state.map()[0], read_corners(selection.corners), selection.where)


def _region_of(data: MapData, selection: Selection) -> dict[str, Any] | None:
    """The named region that a selection is, if it is one."""
    regions = (region for region in data.regions if corners_text(region.corners) == selection.corners)
    return next((_region_context(data, region) for region in regions), None)


def _map_response(state: AppState, request: Request, data: bytes, media_type: str, part: str) -> Response:
    of_map = state.map()[0]
    digest = hashlib.blake2b(of_map.points + of_map.works, digest_size=9).hexdigest()
    return cacheable(request, data, media_type, f'"{digest}-{part}"', REVALIDATE)
