"""A small lake of coloured pictures with a map, a model that embeds the mean colour, and the app over them."""

import io
import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from artpipe.embedding.mapping import update_map
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.parquet import write_table
from artpipe.lake.paths import DataLake, write_whole
from artpipe.recognition.feature_index import build_feature_index
from artpipe.search.text import build_text_index
from artpipe.web.app import create_app
from artpipe.web.catalogue import Catalogue
from artpipe.web.config import WebConfig
from artpipe.web.tokens import Verdict
from artpipe_tests.fixtures.colour_model import MODEL, ColourModel
from artpipe_tests.fixtures.paintings import jpeg_of, painting

ARTISTS = [("d/durer", "DÜRER, Albrecht"), ("h/hals", "HALS, Frans the Invented"), ("m/moon", "MOON, Invented")]


def picture(colour: tuple[int, int, int], size: tuple[int, int] = (64, 48), kind: str = "JPEG", **options) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", size, colour).save(packed, kind, **options)
    return packed.getvalue()


def colour_of(i: int, count: int) -> tuple[int, int, int]:
    angle = i / count * 6.28
    return tuple(int(128 + 100 * np.cos(angle + shift)) for shift in (0, 2.09, 4.19))


def write_works(lake: DataLake, count: int, model_id: str = MODEL) -> None:
    """Fill a lake with works of all colours, its pictures and its map."""
    colours = [colour_of(i, count) for i in range(count)]
    who = [ARTISTS[i * len(ARTISTS) // count] for i in range(count)]
    ids = [f"{artist_id}/work{i:03}" for i, (artist_id, _) in enumerate(who)]
    vectors = np.array(colours, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = pl.DataFrame(
        {
            "artwork_id": ids,
            "artist_id": [artist_id for artist_id, _ in who],
            "artist": [name for _, name in who],
            "title": [f"Colour no. {i}" if i else "A Café <at> Night & Day" for i in range(count)],
            "date_text": [f"c. {1500 + i}" for i in range(count)],
            "year_from": [1500 + i for i in range(count)],
            "year_to": [1502 + i for i in range(count)],
            "style": [["Northern Renaissance", "Baroque", "Rococo"][i % 3] for i in range(count)],
            "period": ["1450-1550"] * count,
            "type": [["portrait", "landscape"][i % 2] for i in range(count)],
            "school": ["German"] * count,
            "technique": [["Oil on canvas", "Oil on copper, 12 x 9 cm"][i % 4 == 1] for i in range(count)],
            "location": [["Musée du Louvre, Paris", "Museo del Prado, Madrid"][i % 3 == 1] for i in range(count)],
            "page_url": [
                f"https://gallery.example/{one}.html" if i else "javascript:alert(1)" for i, one in enumerate(ids)
            ],
            "work_id": [ids[i - 1] if i == count - 1 else one for i, one in enumerate(ids)],
            "model_id": model_id,
            "predicted_style": "Baroque",
            "predicted_style_probability": 0.5,
        }
    )
    jpegs = [picture(colour) for colour in colours]
    rows = rows.with_columns(jpeg_sha256=pl.col("artwork_id"), vector=vectors)
    EmbeddingTable(lake).upsert(rows)
    build_text_index(lake)
    stored = pl.DataFrame({"artwork_id": ids, "jpeg": jpegs, "status": "fetched", "short_side_px": 48})
    lake.connect().create_table("images", data=stored.to_arrow(), mode="overwrite")
    write_whole(lake.served_model, json.dumps({"model_id": model_id}).encode())
    embedded = EmbeddingTable(lake)
    write_table(lake.table("art_map"), update_map(embedded.read(), embedded.vectors()[1], None).table)


def write_described_works(lake: DataLake, count: int) -> None:
    """The same with pictures that have local features, and the index of those."""
    write_works(lake, count)
    ids = EmbeddingTable(lake).read(["artwork_id"])["artwork_id"].to_list()
    jpegs = [jpeg_of(painting(n)) for n in range(len(ids))]
    stored = pl.DataFrame({"artwork_id": ids, "jpeg": jpegs, "status": "fetched", "short_side_px": 240})
    lake.connect().create_table("images", data=stored.to_arrow(), mode="overwrite")
    build_feature_index(lake, queries=16)


@contextmanager
def pause_comparisons() -> Iterator[threading.Event]:
    """Comparisons wait until the event is set."""
    may_compare = threading.Event()
    compare = Catalogue.same_painting

    def wait_and_compare(self: Catalogue, picture: Image.Image) -> Verdict | None:
        assert may_compare.wait(60)
        return compare(self, picture)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Catalogue, "same_painting", wait_and_compare)
        yield may_compare
        may_compare.set()


@pytest.fixture
def paused_comparisons() -> Iterator[threading.Event]:
    with pause_comparisons() as may_compare:
        yield may_compare


def fill(lake: DataLake, count: int = 60) -> None:
    write_works(lake, count)
    changes = pl.DataFrame(
        {
            "changed_at": [datetime(2026, 3, 4, tzinfo=UTC)],
            "artwork_id": ["d/durer/work001"],
            "change": ["changed"],
            "column": ["title"],
            "before": ["Colour"],
            "after": ["Colour no. 1"],
        }
    )
    write_table(lake.table("catalog_changes"), changes)
    scores = {"n": 40, "at_1": 0.8, "at_1_interval": [0.7, 0.9], "at_3": 0.95, "macro_f1": 0.75, "majority_floor": 0.2}
    report = {"model_id": MODEL, "rows": {"test": 40}, "splits": {"test": {"classification": {"style": scores}}}}
    write_whole(lake.evaluation_report, json.dumps(report).encode())
    write_whole(lake.report("map/art_map.png"), picture((250, 250, 250), kind="PNG"))


@pytest.fixture(scope="session")
def web_lake(tmp_path_factory: pytest.TempPathFactory) -> DataLake:
    lake = DataLake(tmp_path_factory.mktemp("web") / "lake")
    fill(lake)
    return lake


@pytest.fixture(scope="session")
def client(web_lake: DataLake) -> Iterator[TestClient]:
    config = WebConfig(upload_bytes=300_000, decode_seconds=20)
    with TestClient(create_app(web_lake, config, encoder=ColourModel()), follow_redirects=False) as client:
        yield client


@pytest.fixture(scope="session")
def twelve_works(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twelve") / "lake"
    fill(DataLake(folder), 12)
    return folder


@pytest.fixture
def own_lake(twelve_works: Path, tmp_path: Path) -> DataLake:
    """A lake of twelve works that a test may change."""
    return DataLake(shutil.copytree(twelve_works, tmp_path / "lake"))


@pytest.fixture
def picture_of() -> Callable[..., bytes]:
    return picture


@pytest.fixture(scope="session")
def works_written() -> Callable[..., None]:
    return write_works


@pytest.fixture(scope="session")
def described_works_written() -> Callable[..., None]:
    return write_described_works


@pytest.fixture(scope="session", name="blots")
def blots_with() -> Callable[[int], bytes]:
    """A picture with local features, by its seed."""
    return lambda seed: jpeg_of(painting(seed))


@pytest.fixture
def colour_model() -> ColourModel:
    return ColourModel()


@pytest.fixture(scope="session")
def colour_model_class() -> type[ColourModel]:
    return ColourModel
