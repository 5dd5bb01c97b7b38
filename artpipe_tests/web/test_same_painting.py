"""Whether a visitor's picture shows a painting of the collection, from the upload to the page and the API."""

import io

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake import DataLake
from artpipe.search.feature_index import build_feature_index
from artpipe.web.app import create_app


def blots(seed: int) -> bytes:
    """A picture with points of its own."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(Image.fromarray(rng.integers(0, 255, (n, n * 4 // 3, 3), dtype=np.uint8)).resize((320, 240)))
        for n in (6, 15, 40)
    ]
    out = io.BytesIO()
    mixed = 0.5 * layers[0] + 0.3 * layers[1] + 0.2 * layers[2]
    Image.fromarray(mixed.astype(np.uint8)).save(out, "JPEG", quality=92)
    return out.getvalue()


@pytest.fixture(scope="module")
def comparing(tmp_path_factory: pytest.TempPathFactory, works_written, colour_model_class) -> TestClient:
    lake = DataLake(tmp_path_factory.mktemp("comparing") / "lake")
    works_written(lake, 6)
    ids = EmbeddingTable(lake).read(["artwork_id"])["artwork_id"].to_list()
    jpegs = [blots(n) for n in range(len(ids))]
    stored = pl.DataFrame({"artwork_id": ids, "jpeg": jpegs, "status": "fetched", "short_side_px": 240})
    lake.connect().create_table("images", data=stored.to_arrow(), mode="overwrite")
    build_feature_index(lake, photographs=16)
    return TestClient(create_app(lake, encoder=colour_model_class()), follow_redirects=True)


def test_a_painting_that_is_held_is_named_on_the_page_and_in_the_api(comparing: TestClient):
    sent = comparing.post("/api/search", files={"picture": ("p", blots(0))}).json()
    assert sent["same_painting"]["artwork_id"] == "d/durer/work000"
    assert 0.9 < sent["same_painting"]["certainty"] < 1
    page = comparing.get("/search", params={"image": sent["image"]}).text
    assert "In the collection" in page
    assert '<a href="/works/d/durer/work000">A Café &lt;at&gt; Night &amp; Day</a>' in page


def test_a_painting_that_is_not_held_is_said_not_to_be(comparing: TestClient):
    sent = comparing.post("/api/search", files={"picture": ("p", blots(99))}).json()
    assert sent["same_painting"] == {"artwork_id": None, "certainty": 0.0}
    page = comparing.get("/search", params={"image": sent["image"]}).text
    assert "was not found in the collection" in page


def test_where_pictures_are_not_described_only_the_glance_page_says_so(client: TestClient):
    sent = client.post("/api/search", files={"picture": ("p", blots(0))}).json()
    assert sent["same_painting"] is None
    page = client.get("/search", params={"image": sent["image"]}).text
    assert 'class="verdict' not in page
    assert "ARTPIPE_SAME_PAINTING" not in page
    assert "ARTPIPE_SAME_PAINTING" in client.get("/collection").text
