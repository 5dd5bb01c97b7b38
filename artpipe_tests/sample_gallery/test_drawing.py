import io
import random
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from artpipe.images.fingerprint import perceptual_hash
from artpipe.sample_gallery.canvas import FINER, Canvas
from artpipe.sample_gallery.drawing import SHORT_SIDE_PX, draw, picture_of
from artpipe.sample_gallery.palettes import MANNERS
from artpipe.sample_gallery.plan import SampleGallery, Work
from artpipe.sample_gallery.scenes.backdrops import BACKDROPS
from artpipe.sample_gallery.scenes.compositions import COMPOSITIONS
from artpipe.sample_gallery.scenes.people import FASHIONS, WEAR
from artpipe.schema import STYLES, TYPES

BLACK, WHITE = (0, 0, 0), (255, 255, 255)


def first(gallery: SampleGallery, picture: str) -> Work:
    return next(work for work in gallery.paintings if work.picture == picture)


def opened(work: Work) -> Image.Image:
    data = draw(work)
    assert data
    return Image.open(io.BytesIO(data))


def bits_between(left: Image.Image, right: Image.Image) -> int:
    return (int(perceptual_hash(left), 16) ^ int(perceptual_hash(right), 16)).bit_count()


def test_a_work_is_drawn_the_same_every_time_and_differently_by_another_seed(small: SampleGallery):
    work = first(small, "drawn")
    assert draw(work) == draw(work)
    assert draw(work) != draw(replace(work, seed=1))


def test_every_name_in_the_tables_of_styles_can_be_drawn():
    assert set(MANNERS) == set(FASHIONS) == set(STYLES)
    assert set(COMPOSITIONS) == set(TYPES)
    assert {manner.backdrop for manner in MANNERS.values()} <= set(BACKDROPS)
    assert {hat for hats in FASHIONS.values() for hat in hats} <= set(WEAR)


def test_a_part_is_placed_scaled_and_mirrored_by_its_canvas():
    c = Canvas((100, 100), MANNERS["Realism"], random.Random(0), "Realism")
    c.box(0, 0, 1, 1, WHITE)
    c.at(0.5, 0.5, 0.2, -1).shape("0,0 100,0 100,100 0,100", BLACK)
    c.at(0.5, 0.2, 0.1).shape("|0,-100 50,100", BLACK)
    dark = ~np.asarray(c.image.reduce(FINER).convert("L"), bool)
    rows, columns = np.nonzero(dark)
    lower, upper = rows > 40, rows < 40
    assert (columns[lower].min(), columns[lower].max(), rows.max()) == (30, 49, 69)
    assert columns[upper].mean() == pytest.approx(49.5, abs=1)


@pytest.mark.parametrize("style", STYLES)
def test_every_style_paints_with_its_own_colours(small: SampleGallery, style: str):
    work = replace(first(small, "drawn"), drawn_type="portrait", year=1600)
    here = np.asarray(picture_of(replace(work, drawn_style=style)), np.float32).mean(axis=(0, 1))
    there = np.asarray(picture_of(replace(work, drawn_style=STYLES[STYLES.index(style) - 1])), np.float32)
    assert np.abs(here - there.mean(axis=(0, 1))).max() > 4


@pytest.mark.parametrize("kind", TYPES)
def test_every_type_is_composed_and_has_a_short_side_of_300_px(small: SampleGallery, kind: str):
    picture = picture_of(replace(first(small, "drawn"), drawn_type=kind))
    assert picture.mode == "RGB"
    assert min(picture.size) == SHORT_SIDE_PX
    assert np.asarray(picture.convert("L"), np.float32).std() > 5


def test_a_landscape_is_wide_and_a_portrait_is_tall(small: SampleGallery):
    work = replace(first(small, "drawn"), year=1700)
    wide, tall = (picture_of(replace(work, drawn_type=kind)) for kind in ("landscape", "portrait"))
    assert wide.width > wide.height
    assert tall.height > tall.width


def test_old_varnish_is_yellow(small: SampleGallery):
    work = replace(first(small, "drawn"), drawn_style="Neoclassicism", drawn_type="study")

    def yellow(year: int) -> float:
        red, _, blue = np.asarray(picture_of(replace(work, year=year)), np.float32).mean(axis=(0, 1))
        return float(red - blue)

    assert yellow(1400) > yellow(1945) + 10


def test_a_second_photograph_looks_like_the_painting_and_is_another_file(small: SampleGallery):
    again = first(small, "second photograph")
    assert again.parent
    assert draw(again) != draw(again.parent)
    assert bits_between(picture_of(again), picture_of(again.parent)) <= 10


def test_two_works_of_one_kind_look_different(small: SampleGallery):
    work = first(small, "drawn")
    others = [picture_of(replace(work, slug=f"other{i}", drawn_type="portrait")) for i in range(4)]
    assert all(bits_between(others[0], other) > 4 for other in others[1:])


def test_unusual_files_are_valid(small: SampleGallery):
    assert opened(first(small, "grey")).mode == "L"
    assert opened(first(small, "cmyk")).mode == "CMYK"
    assert opened(first(small, "palette")).mode == "P"
    turned = opened(first(small, "turned"))
    assert turned.getexif()[0x0112] == 6
    assert turned.size == picture_of(first(small, "turned")).size[::-1]


def test_spoiled_files_are_spoiled(small: SampleGallery):
    assert draw(first(small, "missing")) is None
    assert draw(first(small, "empty")) == b""
    assert (draw(first(small, "page")) or b"").startswith(b"<!DOCTYPE html>")
    with pytest.raises(OSError, match="truncated"):
        opened(first(small, "truncated")).load()
