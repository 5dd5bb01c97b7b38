"""Addresses of the catalogue, which may hold anything, as links of a page."""

from urllib.parse import unquote

import polars as pl
import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.web.app import create_app
from artpipe.web.config import WebConfig
from artpipe.web.links import ServedLinks, host_of, in_address, of_address, safe_url
from artpipe_tests.fixtures.colour_model import ColourModel


@pytest.mark.parametrize("url", ["https://www.wga.hu/html/a.html", "http://127.0.0.1:8000/x", "HTTP://[::1]/x"])
def test_a_web_address_is_linked(url: str):
    assert safe_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "https://[", "http://", "https:///html/a.html", "javascript:alert(1)", "//wga.hu/a", "", None],
)
def test_nothing_else_is_linked_and_nothing_breaks_the_page(url: str | None):
    assert safe_url(url) is None


def test_a_link_names_its_host():
    assert host_of("https://www.wga.hu/html/a.html") == "wga.hu"


@given(st.text("./~%a", max_size=12))
def test_every_id_has_an_address_of_its_own_without_segments_that_browsers_take_away(name: str):
    address = in_address(name)
    assert not {".", ".."} & set(unquote(address).split("/"))
    assert of_address(unquote(address)) == name


@pytest.mark.parametrize("name", [".", "..", "a/../b", "../x", "~.", "tate:.."])
def test_the_pages_and_the_picture_of_an_id_of_dots_open(own_lake: DataLake, colour_model: ColourModel, name: str):
    table = EmbeddingTable(own_lake)
    row = table.read().with_columns(vector=table.vectors()[1]).head(1)
    table.upsert(row.with_columns(artwork_id=pl.lit(name), artist_id=pl.lit(name), title=pl.lit("Dots")))
    images = own_lake.connect().open_table("images")
    stored = pl.DataFrame(images.to_arrow()).head(1)
    images.add(stored.with_columns(artwork_id=pl.lit(name)).to_arrow())
    links = ServedLinks()
    picture = links.image({"artwork_id": name, "jpeg_sha256": ""}, 160)
    with TestClient(create_app(own_lake, WebConfig(), encoder=colour_model)) as client:
        for link in (links.work(name), links.artist(name)):
            assert "Dots" in client.get(link).text
        assert client.get(picture).headers["content-type"] == "image/jpeg"
        assert client.get(f"/api/artworks/{in_address(name)}").json()["artwork_id"] == name
