"""A picture that a gallery sends for many works is none of them, until it sends another one."""

import io
from collections.abc import Generator, Iterable
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from PIL import Image, PngImagePlugin

from artpipe.crawler.outcome import Outcome, Request, RequestCounts, Response
from artpipe.images.checks import image_outcomes
from artpipe.images.fetch import harvest
from artpipe.images.placeholders import MAX_ARTISTS, MAX_TITLES, find_placeholders, title_groups
from artpipe.images.store import ImageStore
from artpipe.images.wanted import HarvestConfig
from artpipe.lake.paths import DataLake
from artpipe_tests.fixtures.drawn_pictures import draw_jpeg

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
STAND_IN = draw_jpeg("other", "Rococo", seed=999)


def wanted(*names: str, titles: dict[str, str] | None = None) -> pl.DataFrame:
    """Works whose artist is the folder of their id, each under a title of its own."""
    works = pl.DataFrame(
        {
            "artwork_id": names,
            "artist_id": [name.rpartition("/")[0] for name in names],
            "artist": "BRANDT, Ada",
            "title": [(titles or {}).get(name, f"{name} in Oil") for name in names],
            "image_url": [f"https://www.wga.hu/art/{name}.jpg" for name in names],
        }
    )
    return works.with_columns(title_groups(works))


def outcomes(works: pl.DataFrame, status: str = "fetched", **same: str | None) -> pl.DataFrame:
    """Rows of `images` that are equal in the columns named."""
    each = {name: [f"{name} of {work}" for work in works["artwork_id"]] for name in ("sha256", "jpeg_sha256")}
    rows = {"artwork_id": works["artwork_id"], "status": status, **each, "perceptual_hash": None} | same
    return pl.DataFrame(rows, schema_overrides={"perceptual_hash": pl.String})


def found(works: pl.DataFrame, **same: str | None) -> list[str]:
    return find_placeholders(works, outcomes(works, **same))["artwork_id"].to_list()


def by(artists: int, each: int = 1) -> pl.DataFrame:
    return wanted(*(f"{'abcdefgh'[artist]}/x/{n}" for artist in range(artists) for n in range(each)))


@pytest.mark.parametrize("column", ["sha256", "jpeg_sha256", "perceptual_hash"])
def test_one_picture_by_more_artists_than_a_workshop_has_is_a_placeholder(column):
    same = {column: "00000000ffffffff"}
    assert found(by(MAX_ARTISTS), **same) == []
    assert len(found(by(MAX_ARTISTS + 1), **same)) == MAX_ARTISTS + 1


def test_one_picture_under_many_unrelated_titles_is_a_placeholder():
    assert found(by(1, MAX_TITLES), sha256="one") == []
    assert len(found(by(1, MAX_TITLES + 1), sha256="one")) == MAX_TITLES + 1


def test_a_painting_may_have_one_picture_for_all_its_details():
    names = [f"b/x/{number}" for number in range(20)]
    titles = {name: f"The Tower (detail {number})" for number, name in enumerate(names)}
    works = wanted(*names, "b/x/whole", titles=titles | {"b/x/whole": "The Tower"})
    assert works["title_group"].unique().to_list() == ["b/x/0"]
    assert found(works, sha256="one") == []


def test_untitled_works_are_not_one_work():
    works = wanted("b/x/1", "b/x/2", titles={"b/x/1": "", "b/x/2": ""})
    assert works["title_group"].to_list() == ["b/x/1", "b/x/2"]


def test_flat_pictures_are_no_placeholder_by_their_hash():
    assert found(by(8), perceptual_hash="8000000000000000") == []


def test_a_picture_that_is_marked_already_is_a_placeholder_for_every_work_that_gets_it():
    works = wanted("a/x/1", "b/x/1")
    marked = outcomes(works.head(1), "placeholder", sha256="one")
    late = outcomes(works.tail(1), sha256="one")
    assert find_placeholders(works, pl.concat([marked, late]))["artwork_id"].to_list() == ["a/x/1", "b/x/1"]


class Gallery:
    """The far end of the wire: the picture of each work, or no change where the request has its validator."""

    def __init__(self, pictures: dict[str, bytes]) -> None:
        self.pictures = pictures

    counts = RequestCounts()

    def get_many(self, requests: Iterable[Request]) -> Generator[tuple[Request, Response]]:
        for request in requests:
            body = self.pictures[request.url.rpartition("/art/")[2].removesuffix(".jpg")]
            etag = str(hash(body))
            is_same = request.etag == etag
            yield request, Response(Outcome.NOT_MODIFIED, 304) if is_same else Response(Outcome.OK, 200, body, etag)


@pytest.fixture
def store(lake: DataLake) -> ImageStore:
    return ImageStore(lake)


def refreshed(store: ImageStore, pictures: dict[str, bytes], weeks: int):
    """A harvest of everything, weeks after the first."""
    return harvest(wanted(*pictures), store, Gallery(pictures), HarvestConfig(), NOW + weeks * WEEK)


def statuses(store: ImageStore) -> dict[str, str]:
    return dict(store.outcomes().select("artwork_id", "status").iter_rows())


def drawn(artists: int = 6) -> dict[str, bytes]:
    return {name: draw_jpeg("portrait", "Baroque", seed) for seed, name in enumerate(by(artists)["artwork_id"])}


def test_a_placeholder_for_a_day_leaves_no_trace(store):
    pictures = drawn()
    refreshed(store, pictures, 0)
    columns = ["artwork_id", "sha256", "jpeg_sha256", "perceptual_hash"]
    before = store.outcomes().select(columns)
    summary = refreshed(store, dict.fromkeys(pictures, STAND_IN), 1)
    assert set(statuses(store).values()) == {"placeholder"}
    assert summary.changes["placeholder"].count == 6
    assert "6 artworks by 6 artists" in store.outcomes()["error"][0]
    summary = refreshed(store, pictures, 2)
    assert set(statuses(store).values()) == {"fetched"}
    assert summary.changes["back"].count == 6
    assert store.outcomes().select(columns).equals(before)
    assert store.outcomes()["error"].to_list() == [None] * 6


def test_a_placeholder_stays_one_when_all_others_got_their_picture(store):
    pictures = drawn()
    refreshed(store, dict.fromkeys(pictures, STAND_IN), 0)
    last = {name: STAND_IN if name == "c/x/0" else picture for name, picture in pictures.items()}
    for week in (1, 2):  # the second time the gallery answers that nothing changed
        refreshed(store, last, week)
        assert [name for name, status in statuses(store).items() if status == "placeholder"] == ["c/x/0"]
    assert "6 artworks by 6 artists" in store.outcomes().filter(artwork_id="c/x/0")["error"][0]


def test_a_placeholder_in_other_bytes_is_recognised(store):
    def in_bytes(number: int) -> bytes:
        out, text = io.BytesIO(), PngImagePlugin.PngInfo()
        text.add_text("work", str(number))
        Image.open(io.BytesIO(STAND_IN)).save(out, "PNG", pnginfo=text)
        return out.getvalue()

    refreshed(store, {name: in_bytes(number) for number, name in enumerate(drawn())}, 0)
    assert store.outcomes()["sha256"].n_unique() == 6
    assert set(statuses(store).values()) == {"placeholder"}


def test_a_placeholder_of_a_work_that_left_and_came_back_is_still_one(store):
    pictures = drawn()
    refreshed(store, dict.fromkeys(pictures, STAND_IN), 0)
    pictures["c/x/0"] = STAND_IN
    refreshed(store, {name: picture for name, picture in pictures.items() if name != "c/x/0"}, 1)
    refreshed(store, pictures, 2)
    assert [name for name, status in statuses(store).items() if status == "placeholder"] == ["c/x/0"]


def test_a_failed_request_leaves_a_placeholder_what_it_is(store):
    pictures = drawn()
    refreshed(store, dict.fromkeys(pictures, STAND_IN), 0)

    class Down(Gallery):
        def get_many(self, requests):
            return ((request, Response(Outcome.FAILED, error="timed out")) for request in requests)

    harvest(wanted(*pictures), store, Down({}), HarvestConfig(), NOW + WEEK)
    assert set(statuses(store).values()) == {"placeholder"}
    assert "6 artworks by 6 artists" in store.outcomes()["error"][0]


def test_the_check_names_the_placeholders(store):
    pictures = drawn()
    refreshed(store, dict.fromkeys(pictures, STAND_IN), 0)
    results = {result.check_name: result for result in image_outcomes(store.outcomes())}
    assert not results["no_image_is_a_placeholder"].passed
    assert results["no_image_is_a_placeholder"].metadata["found"].value == 6
    assert not results["most_images_are_stored"].passed
    refreshed(store, pictures, 1)
    assert all(result.passed for result in image_outcomes(store.outcomes()))
