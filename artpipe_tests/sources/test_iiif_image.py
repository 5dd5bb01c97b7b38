"""How an image service is asked for a picture, and what is read of one."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from artpipe.sources.iiif_image import ImageService, image_address, read_service
from artpipe_tests.fixtures.iiif_files import service

BASE = "https://iiif.example/image/pears"


def asked(*args, **more) -> str:
    """The size and the quality of the address."""
    return image_address(BASE, *args, **{"short_side_px": 320, **more}).removeprefix(f"{BASE}/full/")


@pytest.mark.parametrize(
    ("version", "quality"), [(1, "native.jpg"), (2, "default.jpg"), (3, "default.jpg"), (None, "default.jpg")]
)
def test_each_version_is_asked_for_its_own_quality(version, quality):
    assert asked(version, 6000, 4000) == f"480,/0/{quality}"


def test_a_picture_is_asked_for_just_large_enough_upright_or_not():
    assert asked(3, 4000, 6000) == "320,/0/default.jpg"
    assert asked(3, 4001, 3000) == f"{math.ceil(4001 * 320 / 3000)},/0/default.jpg"


@pytest.mark.parametrize("version", [1, 2, 3])
def test_a_picture_no_larger_than_the_lake_stores_is_asked_for_by_its_own_width(version):
    assert asked(version, 300, 200).startswith("300,/")


def test_the_limits_of_a_service_are_kept():
    assert asked(3, 6000, 4000, max_width=300) == "300,/0/default.jpg"
    assert asked(3, 4000, 6000, max_width=300) == "200,/0/default.jpg"  # maxWidth limits the height too
    assert asked(2, 6000, 4000, max_area=60_000) == "300,/0/default.jpg"
    assert asked(2, None, None, max_width=200) == "!200,200/0/default.jpg"


def test_a_picture_of_unknown_size_is_fitted_into_a_square():
    assert asked(2, None, None) == "!640,640/0/default.jpg"


@pytest.mark.parametrize(("version", "size"), [(2, "600,"), (3, "600,400")])
def test_the_smallest_size_that_is_ready_and_large_enough_is_asked_for(version, size):
    ready = [(150, 100), (600, 400), (1200, 800)]
    assert asked(version, 6000, 4000, sizes=ready) == f"{size}/0/default.jpg"
    assert asked(3, 6000, 4000, sizes=ready, max_width=200) == "150,100/0/default.jpg"
    assert asked(3, 6000, 4000, sizes=ready, short_side_px=2000) == "1200,800/0/default.jpg"


def test_a_slash_at_the_end_of_the_base_is_not_doubled():
    assert image_address(f"{BASE}/", 3, 10, 10, short_side_px=320) == f"{BASE}/full/10,/0/default.jpg"


@given(
    width=st.integers(1, 100_000),
    height=st.integers(1, 100_000),
    short=st.integers(32, 4096),
    most=st.none() | st.integers(1, 10_000),
    area=st.none() | st.integers(1, 10**8),
)
def test_no_picture_is_enlarged_too_small_or_beyond_a_limit(width, height, short, most, area):
    size = re.search(
        r"/full/(\d+),/",
        image_address(BASE, 3, width, height, short_side_px=short, max_width=most, max_area=area),
    )
    got = int(size[1])
    assert 1 <= got <= width
    limit, largest = most or 10**9, area or 10**18
    keeps_limits = max(got, got * height / width) <= limit and got * got * height <= largest * width
    is_large_enough = got == width or got * min(width, height) >= short * width
    if not is_large_enough:  # only where a pixel more would break a limit
        more = got + 1
        assert max(more, more * height / width) > limit or more * more * height > largest * width
    elif got > 1:  # and never a pixel more than that
        assert got == width <= width * short / min(width, height) or (got - 1) * min(width, height) < short * width
    assert keeps_limits or got == 1


@pytest.mark.parametrize("version", [1, 2, 3])
@pytest.mark.parametrize("level", [0, 1, 2])
def test_version_and_level_are_read_from_every_form_of_a_service(version, level):
    found = read_service(service(BASE, level, version, width=3000, height=2000))
    assert (found.version, found.level, found.width_px, found.height_px) == (version, level, 3000, 2000)


def test_the_limits_of_version_2_stand_in_its_profile():
    profile = ["http://iiif.io/api/image/2/level2.json", {"maxWidth": 900, "maxHeight": 700, "maxArea": 500_000}]
    found = read_service({"@id": BASE, "profile": profile})
    assert (found.version, found.level, found.max_width_px, found.max_area_px) == (2, 2, 700, 500_000)


@pytest.mark.parametrize(
    ("found", "is_tiles_only"),
    [
        ({"tiles": [{"width": 512}]}, True),
        ({"tiles": [{"width": 512}], "sizes": [{"width": 300, "height": 200}]}, False),
        ({}, False),
    ],
)
def test_level_0_with_tiles_and_no_size_has_no_whole_picture(found, is_tiles_only):
    assert read_service(service(level=0, **found)).is_tiles_only is is_tiles_only


def test_a_service_that_says_nothing_of_itself_is_one_of_version_2():
    assert read_service({"@id": BASE}) == ImageService(BASE, 2)


@pytest.mark.parametrize(
    "other",
    [
        None,
        "https://iiif.example/image/pears",
        {"id": BASE, "type": "SearchService2"},
        {"@id": BASE, "profile": "http://iiif.io/api/auth/1/login"},
        {"type": "ImageService3"},
    ],
)
def test_what_is_no_image_service_is_none(other):
    assert read_service(other) is None
