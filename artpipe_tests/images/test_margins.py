"""Margins are found where they are certain, and nowhere else."""

import numpy as np
import pytest
from numpy.typing import NDArray

from artpipe.images.margins import find_margins

HEIGHT, WIDTH = 120, 160
WHITE, BLACK, PAPER = (252, 252, 252), (4, 4, 4), (225, 214, 190)


@pytest.fixture
def painting() -> NDArray[np.uint8]:
    rng = np.random.default_rng(3)
    coarse = rng.uniform(40, 200, (12, 16, 3))
    return np.clip(np.kron(coarse, np.ones((10, 10, 1))) + rng.normal(0, 6, (HEIGHT, WIDTH, 3)), 0, 255).astype(
        np.uint8
    )


def within(picture: NDArray[np.uint8], colour: tuple[int, int, int], *widths: int) -> NDArray[np.uint8]:
    """A picture with margins of a colour at its left, top, right and lower side."""
    left, top, right, bottom = widths
    shape = (picture.shape[0] + top + bottom, picture.shape[1] + left + right, 3)
    page = np.full(shape, colour) + np.random.default_rng(0).normal(0, 1.5, shape)
    page[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    return np.clip(page, 0, 255).astype(np.uint8)


def found(pixels: NDArray[np.uint8]) -> list[int]:
    """Left, top, width and height of what is found, in pixels."""
    box = find_margins(pixels)
    assert box is not None
    height, width = pixels.shape[:2]
    return [round(box.x * width), round(box.y * height), round(box.width * width), round(box.height * height)]


@pytest.mark.parametrize("colour", [WHITE, BLACK, PAPER])
@pytest.mark.parametrize("widths", [(20, 15, 20, 40), (0, 30, 0, 30), (25, 0, 0, 0)])
def test_margins_of_one_colour_are_found_on_any_side(painting, colour, widths):
    assert found(within(painting, colour, *widths)) == [*widths[:2], WIDTH, HEIGHT]


def test_a_caption_and_a_colour_bar_belong_to_the_margin(painting):
    page = within(painting, WHITE, 10, 10, 10, 50)
    page[HEIGHT + 30 : HEIGHT + 40, 30:90:3] = 0
    page[HEIGHT + 45 : HEIGHT + 52, 20:50] = (200, 30, 30)
    assert found(page) == [10, 10, WIDTH, HEIGHT]


def test_a_picture_without_margins_stays_whole(painting):
    assert find_margins(painting) is None


def test_a_coloured_band_on_one_side_alone_may_be_painted(painting):
    grey = (150, 145, 140)
    assert find_margins(within(painting, grey, 0, 30, 0, 0)) is None
    assert found(within(painting, grey, 0, 30, 0, 30)) == [0, 30, WIDTH, HEIGHT]


def test_a_sliver_is_left_where_it_is(painting):
    assert find_margins(within(painting, WHITE, 2, 0, 0, 0)) is None


def test_a_sky_above_an_uneven_horizon_is_no_margin(painting):
    sky = within(painting, (150, 180, 220), 0, 60, 0, 0)
    for x in range(WIDTH):  # the horizon rises and falls
        sky[60 : 60 + round(20 + 15 * np.sin(x / 12)), x] = (150, 180, 220)
    assert find_margins(sky) is None


def test_the_dark_ground_of_a_portrait_is_no_margin(painting):
    portrait = np.full((160, 120, 3), 12, np.uint8)
    y, x = np.mgrid[0:160, 0:120]
    head = ((x - 60) / 35) ** 2 + ((y - 80) / 50) ** 2 < 1
    portrait[head] = painting[:160, :120].repeat(2, axis=0)[:160][head]
    assert find_margins(portrait) is None


def test_one_colour_is_no_margin():
    assert find_margins(np.full((60, 60, 3), 255, np.uint8)) is None
