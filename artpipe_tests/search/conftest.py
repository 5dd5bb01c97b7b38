"""A small lake with invented works, and a model that embeds the mean colour of a picture."""

import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from artpipe.embedding.predictions import Predictions
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake, write_whole

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


class ColourModel:
    """Embeds a picture as its mean colour, and predicts the Renaissance for red ones."""

    def __init__(self, model_id: str = MODEL) -> None:
        self.model_id = model_id
        styles = ["Renaissance", "Baroque", "Rococo", "Realism"]
        self.labels = {"style": styles, "period": ["1450-1550"], "type": ["study", "genre"]}

    def encode(self, pictures: Sequence[Image.Image]) -> Predictions:
        means = np.array([np.asarray(picture).mean((0, 1)) for picture in pictures])
        red = means[:, 0] / 255
        style = np.stack([red, (1 - red) * 0.6, (1 - red) * 0.3, (1 - red) * 0.1], axis=1)
        ones = np.ones((len(pictures), 1))
        chances = {"style": style, "period": ones, "type": np.concatenate([ones * 0.25, ones * 0.75], axis=1)}
        vectors = (means / np.linalg.norm(means, axis=1, keepdims=True)).astype(np.float32)
        return Predictions(vectors, {task: values.astype(np.float32) for task, values in chances.items()})


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
    return ColourModel()


@pytest.fixture
def picture_of() -> Callable[[tuple[int, int, int]], bytes]:
    return picture


@pytest.fixture
def refill() -> Callable[[DataLake, str], None]:
    return fill
