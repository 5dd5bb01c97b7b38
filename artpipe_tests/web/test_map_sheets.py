"""The sheets of small pictures on the map, and the order in which works stand for it."""

import io

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from artpipe.lake.paths import DataLake, UnwritableLakeError
from artpipe.web.map_sheets import (
    COLUMNS,
    PER_SHEET,
    TILE_PX,
    Sheets,
    UnknownSheetError,
    aspect_codes,
    box_px,
    pyramid_order,
)


@pytest.fixture
def pictures(picture_of) -> dict[str, bytes]:
    colours = {"red": (250, 0, 0), "green": (0, 250, 0), "blue": (0, 0, 250)}
    return {name: picture_of(colour, (200, 100)) for name, colour in colours.items()}


def listed(names: list[str]) -> list[tuple[str, str, int]]:
    return [(name, f"hash of {name}", int(aspect_codes(np.array([200.0]), np.array([100.0]))[0])) for name in names]


def test_the_first_works_stand_for_every_part_of_the_map():
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 65536, (2, 4000)).astype(np.uint16)
    order = pyramid_order(x, y)
    assert sorted(order) == list(range(4000))
    for first, side in ((16, 4), (64, 8), (256, 16)):
        cells = {(int(x[i]) * side >> 16, int(y[i]) * side >> 16) for i in order[:first]}
        assert len(cells) == side * side


def test_works_at_one_place_are_all_in_the_order():
    place = np.full(300, 7, dtype=np.uint16)
    assert sorted(pyramid_order(place, place)) == list(range(300))
    assert pyramid_order(place[:0], place[:0]).tolist() == []


def test_a_sheet_has_every_picture_on_its_tile_in_its_proportions(lake: DataLake, pictures: dict[str, bytes]):
    sheets = Sheets(lake, listed(["red", "green", "blue"]), lambda names: {name: pictures[name] for name in names})
    with Image.open(io.BytesIO(sheets.get(sheets.names[0]))) as sheet:
        assert sheet.size == (COLUMNS * TILE_PX, TILE_PX)
        middle, edge = sheet.getpixel((TILE_PX * 3 // 2, TILE_PX // 2)), sheet.getpixel((TILE_PX * 3 // 2, 3))
    assert middle[1] > 200 > middle[0] + middle[2]
    assert max(edge) - min(edge) < 30


def test_a_sheet_is_made_once_and_those_of_earlier_maps_are_deleted(lake: DataLake, pictures: dict[str, bytes]):
    reads: list[list[str]] = []

    def read(names) -> dict[str, bytes]:
        reads.append(list(names))
        return {name: pictures[name] for name in names}

    names = ["red", "green", "blue"]
    first = Sheets(lake, listed(names), read)
    data = first.get(first.names[0])
    again = Sheets(lake, listed(names), read)
    assert again.get(again.names[0]) == data
    assert reads == [names]
    other = Sheets(lake, listed(names[:2]), read)
    other.get(other.names[0])
    assert [path.stem for path in lake.cache("map").glob("*.webp")] == other.names


def test_a_picture_that_is_gone_or_torn_leaves_its_tile_grey(lake: DataLake, pictures: dict[str, bytes]):
    sheets = Sheets(lake, listed(["red", "torn", "gone"]), lambda _: {"red": pictures["red"], "torn": b"\xff\xd8no"})
    with Image.open(io.BytesIO(sheets.get(sheets.names[0]))) as sheet:
        assert max(sheet.getpixel((TILE_PX * 5 // 2, TILE_PX // 2))) < 160


def test_a_lake_without_a_cache_has_sheets_all_the_same(lake: DataLake, pictures: dict[str, bytes]):
    lake.local_folder("cache").joinpath("map").write_text("in the way")
    sheets = Sheets(lake, listed(["red"]), lambda _: pictures)
    assert sheets.get(sheets.names[0]).startswith(b"RIFF")


def test_a_lake_that_cannot_be_written_has_sheets_all_the_same(
    lake: DataLake, pictures: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
):
    def refuse(_: DataLake) -> None:
        raise UnwritableLakeError("the lake cannot be written to")

    monkeypatch.setattr(DataLake, "ensure_writable", refuse)  # a superuser, who may run the tests, writes anywhere
    sheets = Sheets(lake, listed(["red"]), lambda _: pictures)
    assert sheets.get(sheets.names[0]).startswith(b"RIFF")


def test_a_large_map_has_more_than_one_sheet_and_no_other(lake: DataLake):
    sheets = Sheets(lake, listed([f"work {n}" for n in range(PER_SHEET + 1)]), lambda _: {})
    assert len(sheets.names) == 2
    with pytest.raises(UnknownSheetError):
        sheets.get("0" * 24)


@pytest.mark.parametrize(("width", "height", "box"), [(100, 100, (64, 64)), (400, 200, (64, 32)), (100, 300, (21, 64))])
def test_proportions_survive_as_one_byte(width: float, height: float, box: tuple[int, int]):
    code = int(aspect_codes(np.array([float(width)]), np.array([float(height)]))[0])
    assert box_px(code) == pytest.approx(box, abs=1)


def test_unknown_proportions_are_a_square():
    codes = aspect_codes(np.array([np.nan, 0.0, 10.0]), np.array([5.0, 0.0, 0.0]))
    assert [box_px(int(code)) for code in codes] == [(TILE_PX, TILE_PX)] * 3


def test_the_page_names_the_sheets_and_they_are_cached_for_good(client: TestClient):
    page = client.get("/map").text
    (name,) = page.partition('data-sheets="')[2].partition('"')[0].split()
    sheet = client.get(f"/map/sheets/{name}.webp")
    assert sheet.headers["content-type"] == "image/webp"
    assert "immutable" in sheet.headers["cache-control"]
    assert client.get(f"/map/sheets/{'0' * 24}.webp").status_code == 404
