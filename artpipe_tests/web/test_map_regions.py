import numpy as np
import polars as pl
import pytest

from artpipe.tasks import WGA_TASKS
from artpipe.web.map_data import map_data
from artpipe.web.map_pages import map_context
from artpipe.web.map_regions import find_regions, subject_words, within
from artpipe.web.map_selection import read_corners


def islands(*groups: dict[str, object], size: int = 60) -> pl.DataFrame:
    """Works on islands that are far from each other, each with labels of its own."""
    generator = np.random.default_rng(0)
    tables = []
    for number, labels in enumerate(groups):
        x, y = generator.normal((20 * np.cos(number), 20 * np.sin(number)), 1.0, (size, 2)).T
        plain = {"style": None, "type": None, "artist": None, "title": None} | labels
        columns = {name: value if isinstance(value, list) else [value] * size for name, value in plain.items()}
        tables.append(pl.DataFrame({"x": x, "y": y, **columns}, schema_overrides=dict.fromkeys(plain, pl.String)))
    return pl.concat(tables)


def wide(works: pl.DataFrame) -> dict[str, float]:
    return {one.name: round(one.distinctions[0].share, 2) for one in find_regions(works, WGA_TASKS) if one.level == 0}


def test_a_region_is_named_after_what_distinguishes_it_not_after_what_is_frequent():
    religious = {"type": "religious"}
    works = islands(
        {**religious, "title": ["Annunciation"] * 45 + ["Tower"] * 15},
        {**religious, "style": "Baroque"},
        {"type": ["still-life"] * 48 + ["religious"] * 12},
        {**religious, "artist": "CANALETTO"},
    )
    assert wide(works) == {"annunciation": 0.75, "Baroque": 1.0, "still-life": 0.8, "CANALETTO": 1.0}


def test_a_map_without_differences_has_no_names():
    assert wide(islands({"type": "portrait"}, {"type": "portrait"}, {"type": "portrait"})) == {}
    assert find_regions(islands({"type": "portrait"}, size=5), WGA_TASKS) == []


def test_two_regions_have_two_names_where_something_else_tells_them_apart():
    works = islands(
        {"type": "portrait", "style": "Baroque"},
        {"type": "portrait", "style": "Rococo"},
        *({"type": "landscape"} for _ in range(4)),
        size=80,
    )
    assert set(wide(works)) in ({"portrait", "Baroque", "landscape"}, {"portrait", "Rococo", "landscape"})


def test_the_outline_of_a_region_holds_the_works_that_are_counted():
    works = islands({"type": "portrait"}, {"type": "landscape"})
    for region in find_regions(works, WGA_TASKS):
        inside = within(works.select("x", "y").to_numpy(), region.corners)
        assert int(inside.sum()) == region.works
        assert works.filter(pl.Series(inside))["type"].unique().to_list() == [region.name]


def test_within_follows_a_concave_outline():
    corners = np.array([(0, 0), (4, 0), (4, 4), (2, 1), (0, 4)], dtype=np.float64)
    places = np.array([(2, 0.5), (2, 3), (0.5, 3), (3.7, 3), (5, 1)])
    assert within(places, corners).tolist() == [True, False, True, True, False]


@pytest.mark.parametrize(
    ("title", "words"),
    [
        ("The Madonna with a Lute (detail)", {"madonna", "lute"}),
        (None, set()),
        ("Café after Rain", {"cafe", "rain"}),
        ("Still-Life with Lemons", {"lemons"}),
    ],
)
def test_subject_words_say_what_a_title_names(title: str | None, words: set[str]):
    assert subject_words(title, {"still", "life"}) == words


def test_the_title_of_a_region_says_what_else_holds_for_most_of_it():
    works = islands(
        {"type": "portrait", "style": "Baroque"}, {"type": "landscape"}, {"artist": "HALS", "type": "genre"}
    )
    titles = {one.title for one in find_regions(works, WGA_TASKS) if one.level == 0}
    assert "landscape" in titles
    assert titles & {"portrait · Baroque", "Baroque · portrait"}
    assert titles & {"HALS", "genre"}


def test_the_page_has_the_place_and_the_address_of_every_region():
    works = islands({"type": "portrait"}, {"type": "landscape"}).with_row_index("artwork_id")
    works = works.with_columns(pl.col("artwork_id").cast(pl.String), period=pl.lit(None, pl.String))
    regions = map_context(map_data(works, WGA_TASKS), [])["regions"]
    assert {one["title"] for one in regions} == {"portrait", "landscape"}
    for one in regions:
        inside = within(works.select("x", "y").to_numpy(), read_corners(one["corners"]))
        assert abs(int(inside.sum()) - one["works"]) <= 1
        assert 0 <= one["top"] + one["width"] // 4 < one["y"] + one["width"] < 2 * 65535
