"""A small lake with invented works."""

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake, write_whole
from artpipe_tests.fixtures.colour_model import ColourModel

MODEL = "3fa9"
WORKS = pl.DataFrame(
    {
        "artwork_id": ["d/durer/hare", "d/durer/hare_d", "h/hals/smile", "h/hals/night", "m/moon/lake"],
        "artist_id": ["d/durer", "d/durer", "h/hals", "h/hals", "m/moon"],
        "artist": ["DÜRER, Albrecht", "DÜRER, Albrecht", "HALS, Example", "HALS, Example", "MOON, Invented"],
        "title": ["Young Hare", "Young Hare (detail)", "A Smile", "At Night", "The Lake"],
        "year_from": [1502, 1502, 1620, None, 1880],
        "year_to": [1502, 1502, 1630, None, 1885],
        "style": ["Renaissance", "Renaissance", "Baroque", "Baroque", None],
        "type": ["study", "study", "portrait", "genre", "landscape"],
        "school": ["German", "German", "Dutch", "Dutch", "French"],
        "work_id": ["w1", "w1", "w2", "w3", "w4"],
        "colour": [(200, 30, 30), (190, 40, 35), (180, 90, 40), (20, 30, 120), (40, 160, 200)],
    },
    schema_overrides={"colour": pl.Object},
)


def picture(colour: tuple[int, int, int]) -> bytes:
    packed = io.BytesIO()
    Image.new("RGB", (64, 48), colour).save(packed, "JPEG", quality=95)
    return packed.getvalue()


def fill(lake: DataLake, model_id: str = MODEL) -> None:
    colours = WORKS["colour"].to_list()
    vectors = np.array(colours, dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    rows = WORKS.drop("colour").with_columns(
        model_id=pl.lit(model_id),
        jpeg_sha256=pl.col("artwork_id"),
        predicted_style=pl.lit("Baroque"),
        predicted_style_probability=pl.lit(0.5),
        vector=vectors,
    )
    EmbeddingTable(lake).upsert(rows)
    images = pl.DataFrame(
        {
            "artwork_id": WORKS["artwork_id"],
            "status": "fetched",
            "jpeg": [picture(tuple(c)) for c in colours],
            "short_side_px": 48,
        }
    )
    lake.connect().create_table("images", data=images.to_arrow(), exist_ok=True)
    write_whole(lake.served_model, json.dumps({"model_id": model_id}).encode())


@pytest.fixture
def lake(tmp_path: Path) -> DataLake:
    lake = DataLake(tmp_path / "lake")
    fill(lake)
    return lake


@pytest.fixture
def empty_lake(tmp_path: Path) -> DataLake:
    lake = DataLake(tmp_path / "empty")
    lake.ensure_writable()
    return lake


@pytest.fixture
def colour_model() -> ColourModel:
    return ColourModel(MODEL)


@pytest.fixture
def picture_of() -> Callable[[tuple[int, int, int]], bytes]:
    return picture


@pytest.fixture
def refill() -> Callable[[DataLake, str], None]:
    return fill
