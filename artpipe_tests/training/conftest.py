"""Drawn pictures that a network can learn in seconds."""

import hashlib
import io
from collections.abc import Generator, Sequence

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from artpipe.catalog.schema import SPLITS
from artpipe.lake import DataLake

COLOURS = {"portrait": (200, 60, 40), "landscape": (40, 160, 80), "other": (60, 60, 190)}
STYLES = ("Baroque", "Rococo")


class Drawn:
    """An image store in memory; it counts what it is asked for."""

    def __init__(self) -> None:
        self.held: dict[str, bytes] = {}
        self.asked = 0

    def jpegs(self, artwork_ids: Sequence[str]) -> list[bytes]:
        self.asked += len(artwork_ids)
        return [self.held[artwork_id] for artwork_id in artwork_ids]


def draw_jpeg(kind: str, style: str, seed: int) -> bytes:
    """Noise around a colour that tells the type; stripes tell the style."""
    noise = np.random.default_rng(seed).normal(0, 25, (48, 40, 3))
    picture = np.clip(np.array(COLOURS[kind]) + noise, 0, 255)
    if style == STYLES[1]:
        picture[::6] *= 0.3
    out = io.BytesIO()
    Image.fromarray(picture.astype(np.uint8)).save(out, "JPEG", quality=90)
    return out.getvalue()


def draw_gallery(count: int, validation_every: int | None = 4) -> tuple[pl.DataFrame, Drawn]:
    """`count` works of three types and two styles; the period is unknown of all."""
    store, rows = Drawn(), []
    for number in range(count):
        kind, style = list(COLOURS)[number % 3], STYLES[number // 3 % 2]
        jpeg = draw_jpeg(kind, style, number)
        name = f"d/drawn/{number:03d}"
        store.held[name] = jpeg
        split = "validation" if validation_every and number // 6 % validation_every == 0 else "train"
        rows.append((name, name, "d/drawn", split, style, None, kind, hashlib.sha256(jpeg).hexdigest()))
    return pl.DataFrame(rows, schema=SPLITS, orient="row"), store


@pytest.fixture(autouse=True)
def two_threads() -> Generator[None]:
    """Tests of several workers share the cores."""
    usual = torch.get_num_threads()
    torch.set_num_threads(min(2, usual))
    yield
    torch.set_num_threads(usual)


@pytest.fixture
def lake(tmp_path) -> DataLake:
    return DataLake(tmp_path / "lake")


@pytest.fixture
def draw():
    """`draw(count, validation_every=4) -> (training set, image store)`."""
    return draw_gallery


@pytest.fixture
def jpeg():
    """`jpeg(kind, style, seed) -> bytes`."""
    return draw_jpeg
