"""The painting in a photograph is found, and a painting that fills the picture stays whole."""

import numpy as np
import pytest
from PIL import Image

from artpipe.recognition.picture_finder import find_picture
from artpipe_tests.fixtures.paintings import painting
from artpipe_tests.fixtures.photographs import TREATMENTS, photograph

SURROUNDED = (
    "framed, wall 20 % wider",
    "framed, on a far wall",
    "unframed, on a wall",
    "from aside, wall around",
    "turned 5 degrees on a wall",
    "passe-partout in a frame",
    "white margins",
    "black margins",
    "mount with colour chart",
)


def place_of(treatment: str, seed: int) -> np.ndarray:
    """Where the painting is in a photograph: where a white and a black one differ."""
    white, black = (
        np.asarray(photograph(Image.new("RGB", (320, 240), colour), treatment, seed), dtype=float)
        for colour in ("white", "black")
    )
    return np.abs(white - black).max(axis=2) > 60


def overlap(corners: np.ndarray, place: np.ndarray) -> float:
    """Intersection over union of a quadrilateral and the place of a painting."""
    import cv2

    found = np.zeros(place.shape, np.uint8)
    cv2.fillConvexPoly(found, np.rint(corners * place.shape[::-1]).astype(np.int32), 1)
    return float((place & (found > 0)).sum() / (place | (found > 0)).sum())


@pytest.mark.parametrize("treatment", SURROUNDED)
def test_a_painting_is_found_whatever_is_around_it(treatment: str):
    overlaps = []
    for seed in range(4):
        found = find_picture(np.asarray(photograph(painting(seed), treatment, seed)))
        overlaps.append(0 if found is None else overlap(found, place_of(treatment, seed)))
    assert sorted(overlaps)[1] > 0.85, overlaps


def test_something_oval_keeps_its_bounding_box():
    found = find_picture(np.asarray(photograph(painting(1), "oval frame on a wall", 3)))
    assert found is not None
    left, top = found.min(axis=0)
    right, bottom = found.max(axis=0)
    np.testing.assert_allclose(found, [[left, top], [right, top], [right, bottom], [left, bottom]], atol=1e-5)


@pytest.mark.parametrize("treatment", [name for name in TREATMENTS if name.startswith(("plain", "rotated", "JPEG"))])
def test_a_painting_that_fills_the_picture_stays_whole(treatment: str):
    assert [find_picture(np.asarray(photograph(painting(seed), treatment, seed))) for seed in range(6)] == [None] * 6


def lit_figure(seed: int) -> np.ndarray:
    """A dark even ground with a glow in it, as in a portrait by candlelight."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:300, 0:240] / 300
    glow = np.exp(-((x - 0.4) ** 2 + (y - 0.5) ** 2) / rng.uniform(0.02, 0.08))
    pixels = 0.12 + glow[..., None] * np.array([0.7, 0.5, 0.3]) + rng.normal(0, 0.01, (300, 240, 3))
    return (np.clip(pixels, 0, 1) * 255).astype(np.uint8)


def test_a_glow_on_a_dark_ground_is_no_picture_on_a_wall():
    assert [find_picture(lit_figure(seed)) for seed in range(4)] == [None] * 4


def test_a_window_within_a_painting_is_no_picture_on_a_wall():
    pixels = np.asarray(painting(5)).copy()
    pixels[60:180, 200:280] = 240
    assert find_picture(pixels) is None


@pytest.mark.parametrize("size", [(24, 24), (24, 400), (900, 30)])
@pytest.mark.parametrize("colour", ["white", "black", "tan"])
def test_nothing_is_found_in_a_plain_colour(size: tuple[int, int], colour: str):
    assert find_picture(np.asarray(Image.new("RGB", size, colour))) is None
