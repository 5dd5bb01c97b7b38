"""Pages stay small when the collection is large."""

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.web.app import create_app

WORKS, ARTISTS = 50_000, 12_000
LIMIT = 100_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory, colour_model_class) -> TestClient:
    number = np.arange(WORKS)
    artist_id = [f"b/artist{n % ARTISTS:05}" for n in number]
    rows = pl.DataFrame(
        {
            "artwork_id": [f"{who}/a-rather-long-name-{n:05}" for who, n in zip(artist_id, number, strict=True)],
            "artist_id": artist_id,
            "artist": [f"BREUGHEL-VAN-SOMEWHERE, Jan the {n % ARTISTS}th" for n in number],
            "title": [f"Landscape with Saint Christopher and a Mill, no. {n}" for n in number],
            "style": np.array(["Baroque", "Rococo", "Realism"])[number % 3],
            "type": "landscape",
            "model_id": colour_model_class.model_id,
            "jpeg_sha256": [f"{n:064x}" for n in number],
            "vector": np.eye(3, dtype=np.float32)[number % 3],
        }
    )  # fmt: skip
    lake = DataLake(tmp_path_factory.mktemp("large") / "lake")
    EmbeddingTable(lake).upsert(rows.with_columns(work_id=pl.col("artwork_id")))
    return TestClient(create_app(lake, encoder=colour_model_class()))


PAGES = ["/", "/search", "/search?style=Baroque&page=600", "/artists", "/artists?initial=B&page=40", "/collection"]


@pytest.mark.parametrize("page", [*PAGES, "/artists/b/artist00001"])
def test_no_page_of_a_large_collection_is_large(large: TestClient, page: str):
    answer = large.get(page)
    assert answer.status_code == 200
    assert len(answer.content) < LIMIT


def test_a_search_by_similarity_says_why_it_ends(large: TestClient):
    query = {"like": "b/artist00001/a-rather-long-name-00001"}
    page = large.get("/search", params=query).text
    assert "480 results, most similar first" in page
    assert "The other 49,519 works have little in common with what you chose" in page
    last = large.get("/search", params={**query, "page": 20}).text
    assert last.count('<li class="card">') == 24
    assert "The other" not in large.get("/search", params={"style": "Baroque"}).text


def test_the_pages_of_an_initial_show_each_artist_once(large: TestClient):
    seen: list[str] = []
    for page in range(1, 51):
        text = large.get("/artists", params={"initial": "B", "page": page}).text
        seen += [part.split('"')[0] for part in text.split('<li><a href="/artists/')[1:]]
    assert len(seen) == len(set(seen)) == ARTISTS


def test_pages_of_a_collection_beyond_memory_are_the_same_and_hold_no_metadata(
    own_lake: DataLake, colour_model_class, monkeypatch: pytest.MonkeyPatch
):
    in_memory = TestClient(create_app(own_lake, encoder=colour_model_class()))
    paths = [
        "/",
        "/search?text=work",
        "/artists",
        "/collection",
        "/map",
        "/artworks/d/durer/work001",
        "/artists/d/durer",
    ]
    expected = {path: in_memory.get(path) for path in paths}
    monkeypatch.setattr("artpipe.search.snapshot.IN_MEMORY_ROWS", 3)
    app = create_app(own_lake, encoder=colour_model_class())
    beyond_memory = TestClient(app)
    for path in paths:
        answer = beyond_memory.get(path)
        assert answer.status_code == expected[path].status_code
        assert answer.text == expected[path].text
    assert "works" not in vars(app.state.web.catalogue.snapshot)
