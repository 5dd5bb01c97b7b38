import re

import pytest

from artpipe.sample_gallery.plan import SampleGallery, plan_gallery
from artpipe.schema import STYLES, TYPES


@pytest.fixture(scope="module")
def full() -> SampleGallery:
    return plan_gallery()


def test_the_default_gallery_has_900_paintings_by_more_than_80_artists(full: SampleGallery):
    assert len(full.paintings) == 900
    assert len({work.artist.folder for work in full.paintings}) >= 84


def test_even_the_smallest_gallery_has_every_style_and_every_type(small: SampleGallery):
    assert len(small.paintings) == 60
    assert {work.artist.style for work in small.paintings} == set(STYLES)
    assert {work.drawn_type for work in small.paintings} == set(TYPES)


def test_the_default_gallery_spans_several_centuries(full: SampleGallery):
    years = [work.year for work in full.paintings]
    assert min(years) < 1350
    assert max(years) >= 1950


def test_every_work_has_an_address_of_its_own(full: SampleGallery):
    assert len({work.artwork_id for work in full.works}) == len(full.works)
    assert all(re.fullmatch(r"[a-z](/[a-z]+)+/[a-z0-9]+", work.artwork_id) for work in full.works)


def test_a_work_is_made_within_its_artist_s_life(full: SampleGallery):
    assert all(work.artist.born < work.year <= max(work.artist.died, work.artist.born + 19) for work in full.works)


@pytest.mark.parametrize(
    "picture",
    ["detail", "second photograph", "missing", "truncated", "page", "empty", "grey", "cmyk", "palette", "turned"],
)
def test_even_the_smallest_gallery_has_every_kind_of_file(small: SampleGallery, picture: str):
    assert picture in {work.picture for work in small.paintings}


def test_a_detail_names_the_painting_that_it_shows(small: SampleGallery):
    details = [work for work in small.works if work.picture == "detail"]
    assert details
    assert all(work.parent and work.title == f"{work.parent.title} (detail)" for work in details)


def test_some_works_are_no_paintings(small: SampleGallery, full: SampleGallery):
    assert {work.form for work in small.works} > {"painting", "sculpture", "graphics"}
    assert len(full.works) - len(full.paintings) == 30


def test_labels_are_noisy_but_mostly_right(full: SampleGallery):
    as_listed = sum(work.type == work.drawn_type for work in full.paintings) / 900
    in_style = sum(work.drawn_style == work.artist.style for work in full.paintings) / 900
    assert 0.85 < as_listed < 1
    assert 0.8 < in_style < 1


def test_a_work_does_not_depend_on_how_many_others_there_are(full: SampleGallery):
    larger = {work.artwork_id: work for work in plan_gallery(artworks=905).works}
    unchanged = [work for work in full.paintings if larger.get(work.artwork_id) == work]
    assert len(unchanged) > 800


def test_another_seed_is_another_gallery(small: SampleGallery):
    other = plan_gallery(seed=1, artworks=60)
    assert not {artist.name for artist in other.artists} >= {artist.name for artist in small.artists}
    assert [work.title for work in other.works] != [work.title for work in small.works]


def test_too_few_works_are_refused():
    with pytest.raises(ValueError, match="59 works are too few"):
        plan_gallery(artworks=59)
