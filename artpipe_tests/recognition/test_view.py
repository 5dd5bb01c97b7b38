"""A part of a photograph is rectified as it is described."""

import numpy as np
import pytest
from PIL import Image, ImageOps

from artpipe.recognition.view import WHOLE, UnusableCropError, View, visible_part
from artpipe_tests.fixtures.paintings import painting
from artpipe_tests.fixtures.photographs import hung


def difference(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures in grey levels, at the size of the first."""
    a, b = (np.asarray(each.convert("RGB").resize(one.size), dtype=float) for each in (one, other))
    return float(np.abs(a - b).mean())


def test_the_whole_picture_is_read_as_stored_ones_are():
    assert WHOLE.of(painting(0), 240).tobytes() == painting(0).tobytes()
    assert WHOLE.of(painting(0), 120).size == (160, 120)


def test_a_box_is_cut_out():
    part = View.of_crop((0.25, 0.5, 0.5, 0.25)).of(painting(0), 240)
    assert part.size == (160, 60)
    assert difference(part, painting(0).crop((80, 120, 240, 180))) < 3


def test_a_painting_seen_from_aside_is_rectified():
    corners = np.float32([[60, 30], [420, 70], [400, 350], [80, 300]])
    pixels = hung(np.asarray(painting(1), np.float32) / 255, corners, (480, 400), np.random.default_rng(0))
    taken = Image.fromarray((pixels * 255).astype(np.uint8))
    seen = View(corners / np.float32([480, 400])).of(taken, 240)
    assert difference(seen, painting(1)) < 8 < difference(taken, painting(1))


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
@pytest.mark.parametrize("shrink", [0, 0.004])
def test_quarter_turns_are_clockwise(quarters: int, shrink: float):
    turned = View(np.clip(WHOLE.corners, shrink, 1 - shrink)).turned(quarters).of(painting(2), 240)
    assert difference(turned, painting(2).rotate(-90 * quarters, expand=True)) < 6


def test_a_mirrored_view_is_mirrored_back_and_told_in_the_photograph_as_it_was_sent():
    photograph = ImageOps.mirror(painting(3))
    assert View(WHOLE.corners, is_mirrored=True).of(photograph, 240).tobytes() == painting(3).tobytes()
    left_half = View.of_crop((0, 0, 0.5, 1))
    assert View(left_half.corners, is_mirrored=True).as_json() == [[1, 0], [0.5, 0], [0.5, 1], [1, 1]]


def test_the_visible_part_of_a_painting_lies_where_the_photograph_shows_it():
    # A photograph of the painting's left half with as much wall to the left of it.
    part = visible_part(np.float32([[-0.5, 0], [0.5, 0], [0.5, 1], [-0.5, 1]]))
    np.testing.assert_allclose(part, [[0.5, 0], [1, 0], [1, 1], [0.5, 1]], atol=1e-5)
    assert visible_part(np.float32([[2, 2], [3, 2], [3, 3], [2, 3]])) is None
    very_much_aside = np.float32([[0.45, 0], [0.55, 0], [1, 1], [0, 1]])
    assert visible_part(very_much_aside) is None, "the painting's upper corners would lie five photographs away"


def test_a_crop_may_be_four_corners():
    corners = [(0.1, 0.1), (0.9, 0.2), (0.8, 0.9), (0.2, 0.8)]
    assert View.of_crop(corners) == View.of_crop([number for corner in corners for number in corner])
    assert View.of_crop(corners) != WHOLE
    assert View.of_crop((0, 0, 1, 1)) == WHOLE


@pytest.mark.parametrize(
    ("crop", "reason"),
    [
        ((0, 0, 1), "is not"),
        ("left", "is not"),
        ((0, 0, float("nan"), 1), "is not"),
        ((0.5, 0, 0.6, 1), "outside"),
        ((10, 10, 100, 100), "outside"),
        ((0, 0, 0, 1), "do not go round"),
        ([(0, 0), (0, 1), (1, 1), (1, 0)], "do not go round"),
    ],
)
def test_what_is_no_part_of_a_picture_is_refused_in_words(crop: object, reason: str):
    with pytest.raises(UnusableCropError, match=reason):
        View.of_crop(crop)
