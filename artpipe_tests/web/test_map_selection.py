"""Selections on the map and their addresses."""

import csv
import io
import re

import numpy as np
import pytest
from fastapi.testclient import TestClient

from artpipe.lake.parquet import read_table
from artpipe.lake.paths import DataLake
from artpipe.web.map_selection import MAX_CORNERS, UnusableSelectionError, corners_text, read_corners


@pytest.fixture
def places(web_lake: DataLake) -> dict[str, tuple[float, float]]:
    table = read_table(web_lake, "art_map")
    return {name: (x, y) for name, x, y in table.select("artwork_id", "x", "y").iter_rows()}


def around(place: tuple[float, float], reach: float) -> str:
    corners = np.array(place) + reach * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)])
    return corners_text(corners)


def test_the_address_of_a_polygon_is_short_and_exact():
    generator = np.random.default_rng(0)
    corners = generator.uniform(-30, 30, (40, 2))
    text = corners_text(corners)
    assert len(text) < 220
    assert np.abs(read_corners(text) - corners).max() <= 1 / 512


@pytest.mark.parametrize(
    "text",
    ["", "!", "AAAA", "é", "A" * 7, corners_text(np.zeros((2, 2))), corners_text(np.zeros((MAX_CORNERS + 1, 2)))],
)
def test_what_is_no_polygon_is_refused_with_advice(client: TestClient, text: str):
    with pytest.raises(UnusableSelectionError, match="select works on the map"):
        read_corners(text)
    answer = client.get("/map/selection", params={"corners": text})
    assert answer.status_code == 422


def test_a_selection_lists_the_works_inside_that_pass_the_filter(client: TestClient, places):
    near = {name for name, place in places.items() if np.abs(np.array(place) - places["d/durer/work005"]).max() < 2.5}
    assert 1 < len(near) < 60
    corners = around(places["d/durer/work005"], 2.5)
    page = client.get("/map/selection", params={"corners": corners}).text
    found = set(re.findall(r'href="/works/([^"]+)"', page))
    assert found == near
    filtered = client.get("/map/selection", params={"corners": corners, "type": ["portrait"]}).text
    assert set(re.findall(r'href="/works/([^"]+)"', filtered)) == {one for one in near if int(one[-3:]) % 2 == 0}
    assert "type: portrait" in filtered
    assert f'href="/map#corners={corners}&amp;type=portrait"' in filtered


def test_several_labels_of_a_task_and_years_narrow_a_selection(client: TestClient):
    everything = corners_text(np.array([(-99, -99), (99, -99), (99, 99), (-99, 99)]))
    query = {"corners": everything, "style": ["Baroque", "Rococo"], "year_from": 1540}
    assert "15 works" in client.get("/map/selection", params=query).text
    assert client.get("/map/selection", params={**query, "style": "Cubism"}).status_code == 404
    assert client.get("/map/selection", params={**query, "year_to": 1200}).status_code == 422


def test_a_selection_is_downloaded_as_csv(client: TestClient, places):
    corners = around(places["d/durer/work005"], 2.5)
    answer = client.get("/map/selection.csv", params={"corners": corners})
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"))))
    page = client.get("/map/selection", params={"corners": corners}).text
    assert [row["artwork_id"] for row in rows] == re.findall(r'href="/works/([^"]+)"', page)
    assert 'filename="selection.csv"' in answer.headers["content-disposition"]


def test_a_selection_leads_to_a_search_for_works_like_it(client: TestClient, places):
    answer = client.get("/map/selection/similar", params={"corners": around(places["d/durer/work005"], 1.0)})
    assert answer.status_code == 303
    assert "like=d%2Fdurer%2Fwork005" in answer.headers["location"]
    assert "Looks like" in client.get(answer.headers["location"]).text


def test_a_selection_of_nothing_says_so(client: TestClient):
    corners = around((90.0, 90.0), 1.0)
    assert "No work is in this selection." in client.get("/map/selection", params={"corners": corners}).text
    assert client.get("/map/selection/similar", params={"corners": corners}).status_code == 422
