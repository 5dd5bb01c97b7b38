"""The painting in a photograph is found, and a painting that fills the picture stays whole."""

import cv2
import numpy as np
import pytest
from PIL import Image

from artpipe.recognition.picture_finder import find_picture
from artpipe_tests.fixtures.paintings import painting
from artpipe_tests.fixtures.photographs import SURROUNDED, TREATMENTS, photograph, place_in_photograph


def overlap(corners: np.ndarray, place: np.ndarray) -> float:
    """Intersection over union of a quadrilateral and the place of a painting."""
    found = np.zeros(place.shape, np.uint8)
    cv2.fillConvexPoly(found, np.rint(corners * place.shape[::-1]).astype(np.int32), 1)
    return float((place & (found > 0)).sum() / (place | (found > 0)).sum())


@pytest.mark.parametrize("treatment", [name for name in SURROUNDED if "oval" not in name])
def test_a_painting_is_found_whatever_is_around_it(treatment: str):
    overlaps = []
    for seed in range(4):
        found = find_picture(np.asarray(photograph(painting(seed), treatment, seed)))
        overlaps.append(0 if found is None else overlap(found, place_in_photograph((320, 240), treatment, seed)))
    assert sorted(overlaps)[1] > 0.85, overlaps


def found_place(picture: Image.Image, treatment: str, seed: int) -> float:
    """How well the place of a picture is found in its photograph."""
    corners = find_picture(np.asarray(photograph(picture, treatment, seed)))
    return 0 if corners is None else overlap(corners, place_in_photograph(picture.size, treatment, seed))


def with_band(seed: int, rows: slice, colour: int) -> Image.Image:
    pixels = np.asarray(painting(seed)).copy()
    pixels[rows] = colour
    return Image.fromarray(pixels)


def test_of_something_oval_a_part_without_its_frame_is_looked_at():
    place = place_in_photograph((320, 240), "oval frame on a wall", 3)
    found = find_picture(np.asarray(photograph(painting(1), "oval frame on a wall", 3)))
    assert found is not None
    inside = np.zeros(place.shape, np.uint8)
    cv2.fillConvexPoly(inside, np.rint(found * place.shape[::-1]).astype(np.int32), 1)
    assert place[inside > 0].mean() > 0.97
    assert (inside > 0).sum() > 0.5 * place.sum()


def test_an_oval_picture_that_takes_nearly_all_of_it_stays_whole():
    y, x = np.mgrid[0:240, 0:320]
    oval = np.hypot((x - 160) / 158, (y - 120) / 118) < 1
    assert find_picture(np.where(oval[..., None], np.asarray(painting(1)), 250).astype(np.uint8)) is None


@pytest.mark.parametrize("treatment", ["framed, wall 20 % wider", "unframed, on a wall"])
def test_an_even_sky_is_not_taken_for_a_part_of_the_frame(treatment: str):
    assert min(found_place(with_band(seed, slice(0, 50), 150), treatment, seed) for seed in range(3)) > 0.85


def test_a_passe_partout_is_as_wide_where_the_painting_is_as_light_as_it():
    wall = np.full((440, 520, 3), 120, np.uint8)
    wall[50:390, 50:470] = 40  # a frame, and a passe-partout in it
    wall[62:378, 62:458] = 235
    wall[100:340, 100:420] = np.asarray(painting(2))
    wall[300:340, 100:300] = 235
    found = find_picture(wall)
    assert found is not None
    np.testing.assert_allclose(found * (520, 440), [[100, 100], [420, 100], [420, 340], [100, 340]], atol=10)


def test_a_picture_of_which_a_part_is_as_light_as_the_wall_keeps_its_corners():
    wall = np.full((400, 480, 3), 200, np.uint8)
    wall[80:320, 80:400] = np.asarray(painting(2))
    wall[80:140, 300:400] = 200
    found = find_picture(wall)
    assert found is not None
    np.testing.assert_allclose(found * (480, 400), [[80, 80], [400, 80], [400, 320], [80, 320]], atol=8)


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
