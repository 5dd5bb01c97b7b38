"""Pages and API that search for what works look like."""

from collections.abc import Iterator

import numpy as np
import pytest
from fastapi.testclient import TestClient

from artpipe.lake.paths import DataLake
from artpipe.search.text_encoder import TextEncoder, save_text_encoder
from artpipe.web.app import create_app
from artpipe_tests.fixtures.colour_model import MODEL, ColourModel


@pytest.fixture
def client(own_lake: DataLake) -> Iterator[TestClient]:
    """Twelve works of all colours, the first red; "red" and "blue" are known by looks."""
    words, ones = np.array(["blue", "red"]), np.ones(2, np.float32)
    directions = np.array([[-0.5, -0.5, 1], [1, -0.5, -0.5]], np.float32)
    save_text_encoder(own_lake, TextEncoder(MODEL, words, words, directions, ones, ones / 5))
    with TestClient(create_app(own_lake, encoder=ColourModel())) as client:
        yield client


def test_works_are_found_by_what_they_look_like(client: TestClient):
    found = client.get("/api/search?looks=red&size=3").json()
    assert found["hits"][0]["artwork_id"] == "d/durer/work000"
    assert client.get("/api/search?looks=red&artist=hals").json()["total"] == 4
    assert client.get("/api/search?looks=storm").status_code == 404


def test_the_page_says_which_words_count_and_leads_to_those_in_texts(client: TestClient):
    page = client.get("/search?looks=blue+storm").text
    assert "Looks like “blue storm”" in page
    assert "has not taught what “storm” looks like" in page
    assert '<a href="/search?words=blue+storm">Find these words in the text</a>' in page
    assert "has not taught" not in client.get("/search?looks=blue").text


def test_words_that_no_picture_taught_find_nothing_and_the_page_names_others(client: TestClient):
    page = client.get("/search?looks=storm")
    assert page.status_code == 200
    assert "is not among the words known by looks" in page.text
    assert "/works/" not in page.text
    without = client.get("/search?looks=storm&unlike=d/durer/work000")
    assert "is not among the words known by looks" in without.text


def test_a_search_for_words_leads_to_works_that_look_so(client: TestClient):
    assert '<a href="/search?looks=red" rel="nofollow">look like “red”</a>' in client.get("/search?words=red").text
    assert "look like “" not in client.get("/search?words=hare").text


def test_looks_and_a_work_are_combined(client: TestClient):
    page = client.get("/search?looks=blue&like=d/durer/work000").text
    assert "Looks like “blue” and your choice" in page
    assert client.get("/api/search?looks=blue&unlike=d/durer/work000").status_code == 200
