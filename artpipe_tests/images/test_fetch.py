"""What a harvest requests, and the one outcome row of every request."""

import io
from collections.abc import Generator, Iterable
from datetime import UTC, datetime, timedelta

import lance
import polars as pl
import pytest
from PIL import Image

from artpipe.crawler.outcome import Outcome, Request, RequestCounts, Response
from artpipe.images.decode import LACKS_END
from artpipe.images.fetch import harvest
from artpipe.images.store import ImageStore
from artpipe.images.wanted import MOVED, HarvestConfig, due
from artpipe.lake.mass_loss import Loss
from artpipe.lake.paths import DataLake
from artpipe.lake.versions import table_versions
from artpipe.schema import ARTWORKS

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WEEK = timedelta(days=7)


def jpeg(shade: int, side_px: int = 60) -> bytes:
    out = io.BytesIO()
    Image.new("L", (side_px, side_px + 20), shade).convert("RGB").save(out, "JPEG")
    return out.getvalue()


def artworks(*names: str, form: str = "painting") -> pl.DataFrame:
    rows = [{"artwork_id": name, "image_url": f"https://www.wga.hu/art/{name}.jpg", "form": form} for name in names]
    return pl.DataFrame(rows, schema=ARTWORKS)


class FakeGallery:
    """The far end of the wire: one response for each artwork; it records the requests."""

    def __init__(self, **answers: Response | BaseException) -> None:
        self.answers = answers
        self.requests: list[Request] = []

    @property
    def counts(self) -> RequestCounts:
        return RequestCounts(requests=len(self.requests))

    def get_many(self, requests: Iterable[Request]) -> Generator[tuple[Request, Response]]:
        for request in requests:
            self.requests.append(request)
            answer = self.answers[request.url.rpartition("/")[2].removesuffix(".jpg")]
            if isinstance(answer, BaseException):
                raise answer
            yield request, answer


def sent(body: bytes, etag: str | None = '"1"') -> Response:
    return Response(Outcome.OK, 200, body, etag)


@pytest.fixture
def store(tmp_path) -> ImageStore:
    return ImageStore(DataLake(tmp_path))


def newest_version(store: ImageStore) -> int:
    return table_versions(store.uri)[-1].number


def run(store: ImageStore, works: pl.DataFrame, gallery: FakeGallery, now: datetime = NOW, **config: object):
    return harvest(works, store, gallery, HarvestConfig(**config), now)


def statuses(store: ImageStore) -> dict[str, str]:
    return dict(store.outcomes().select("artwork_id", "status").iter_rows())


def test_every_outcome_of_a_request_is_a_row(store):
    gallery = FakeGallery(
        good=sent(jpeg(10)),
        gone=Response(Outcome.GONE, 404),
        refused=Response(Outcome.REFUSED, error="robots.txt"),
        large=Response(Outcome.TOO_LARGE),
        failed=Response(Outcome.FAILED, error="timed out"),
        slow=Response(Outcome.TOO_SLOW, error="9 bytes came in 10 s"),
        html=sent(b"<html>moved</html>"),
        half=sent(jpeg(20)[:-150]),
    )
    summary = run(store, artworks(*(f"a/x/{name}" for name in gallery.answers)), gallery)
    assert statuses(store) == {
        "a/x/good": "fetched",
        "a/x/gone": "gone",
        "a/x/refused": "refused",
        "a/x/large": "too_large",
        "a/x/failed": "failed",
        "a/x/slow": "too_slow",
        "a/x/html": "not_an_image",
        "a/x/half": "unreadable",
    }
    assert summary.requested == 8


def test_a_stored_image_is_not_requested_again_until_its_response_is_old(store):
    works = artworks("a/x/good", "a/x/gone")
    gallery = FakeGallery(good=sent(jpeg(10)), gone=Response(Outcome.GONE, 404))
    run(store, works, gallery)
    assert run(store, works, gallery, NOW + WEEK / 2).requested == 0
    assert run(store, works, gallery, NOW + WEEK).requested == 2


def test_a_comment_that_the_source_adds_is_no_other_picture(store):
    picture, works = Image.effect_noise((60, 80), 40).convert("RGB"), artworks("a/x/one")
    keys = []
    for week, comment in enumerate(("", "visit our shop")):
        out = io.BytesIO()
        picture.save(out, "JPEG", comment=comment)
        run(store, works, FakeGallery(one=sent(out.getvalue(), f'"{week}"')), NOW + week * WEEK)
        keys.append(store.outcomes().select("sha256", "jpeg_sha256").row(0))
    assert keys[0][0] != keys[1][0]
    assert keys[0][1] == keys[1][1]


def test_a_failed_image_is_requested_by_the_next_harvest(store):
    works = artworks("a/x/one")
    run(store, works, FakeGallery(one=Response(Outcome.FAILED)))
    summary = run(store, works, FakeGallery(one=sent(jpeg(10))))
    assert (summary.requested, summary.retried) == (1, 1)
    assert store.outcomes()["attempts"].to_list() == [2]


def test_an_image_that_came_too_slowly_is_requested_by_the_next_harvest_and_a_stored_one_stays(store):
    works, slow = artworks("a/x/one", "a/x/two"), Response(Outcome.TOO_SLOW, error="9 bytes came in 10 s")
    run(store, works, FakeGallery(one=sent(jpeg(10)), two=slow))
    summary = run(store, works, FakeGallery(one=slow, two=slow), revalidate_after_days=0)
    assert summary.by_status == {"too_slow": 2}
    assert statuses(store) == {"a/x/one": "fetched", "a/x/two": "too_slow"}
    gallery = FakeGallery(one=sent(jpeg(30)), two=sent(jpeg(20)))
    run(store, works, gallery)
    assert len(gallery.requests) == 2, "both are asked for at once"
    assert statuses(store) == {"a/x/one": "fetched", "a/x/two": "fetched"}
    assert store.outcomes()["error"].to_list() == [None, None]


def test_a_jpeg_that_lacks_its_last_bytes_and_no_pixel_is_stored_and_marked(store):
    picture, works = jpeg(10), artworks("a/x/one")
    run(store, works, FakeGallery(one=sent(picture[:-1])))
    assert (statuses(store), store.outcomes()["error"][0]) == ({"a/x/one": "fetched"}, LACKS_END)
    assert Image.open(io.BytesIO(store.jpegs(["a/x/one"])[0])).convert("RGB").size == (60, 80)
    assert run(store, works, FakeGallery()).requested == 0, "the mark is no failure"
    gallery = FakeGallery(one=Response(Outcome.NOT_MODIFIED, 304))
    run(store, works, gallery, revalidate_after_days=0)
    assert (statuses(store), store.outcomes()["error"][0]) == ({"a/x/one": "unchanged"}, LACKS_END)
    run(store, works, FakeGallery(one=sent(picture)), revalidate_after_days=0)
    assert store.outcomes()["error"][0] is None


def test_a_stored_image_is_requested_conditionally_and_kept_when_unchanged(store):
    works = artworks("a/x/one")
    run(store, works, FakeGallery(one=sent(jpeg(10), '"v1"')))
    before, picture = store.outcomes().row(0, named=True), store.jpegs(["a/x/one"])
    gallery = FakeGallery(one=Response(Outcome.NOT_MODIFIED, 304))
    run(store, works, gallery, NOW + WEEK)
    after = store.outcomes().row(0, named=True)
    assert gallery.requests[0].etag == '"v1"'
    assert after["status"] == "unchanged"
    assert after["fetched_at"] == NOW + WEEK
    assert (after["sha256"], after["etag"]) == (before["sha256"], '"v1"')
    assert store.jpegs(["a/x/one"]) == picture


@pytest.mark.parametrize("answer", ["not modified", "the same bytes"])
def test_a_picture_too_narrow_to_compare_that_an_older_artpipe_stored_leaves_the_collection(store, answer):
    works, picture = artworks("a/x/one", "a/x/two"), jpeg(10)
    same = Response(Outcome.NOT_MODIFIED, 304) if answer == "not modified" else sent(picture)
    run(store, works, FakeGallery(one=sent(picture), two=sent(jpeg(20))))
    store.amend([{"artwork_id": "a/x/one", "width_px": 1, "height_px": 1}])
    for weeks in (1, 2):
        run(store, works, FakeGallery(one=same, two=Response(Outcome.NOT_MODIFIED, 304)), NOW + weeks * WEEK)
        assert statuses(store) == {"a/x/one": "too_narrow", "a/x/two": "unchanged"}
    assert "1 x 1 pixels" in store.outcomes()["error"][0]


def test_the_same_bytes_sent_again_are_unchanged_and_others_are_fetched(store):
    works = artworks("a/x/same", "a/x/other")
    run(store, works, FakeGallery(same=sent(jpeg(10)), other=sent(jpeg(20))))
    run(store, works, FakeGallery(same=sent(jpeg(10)), other=sent(jpeg(200))), NOW + WEEK)
    assert statuses(store) == {"a/x/same": "unchanged", "a/x/other": "fetched"}


def test_another_size_is_downloaded_only_where_the_original_is_large_enough(store):
    works = artworks("a/x/large", "a/x/small")
    gallery = FakeGallery(large=sent(jpeg(10, 200)), small=sent(jpeg(20, 50)))
    run(store, works, gallery, short_side_px=100)
    again = due(works, store.outcomes(), HarvestConfig(short_side_px=150), NOW)
    assert again["artwork_id"].to_list() == ["a/x/large"]
    # A conditional request would be answered with "not modified", and the wanted size would never come.
    gallery = FakeGallery(large=sent(jpeg(10, 200)))
    run(store, works, gallery, short_side_px=150)
    assert [request.etag for request in gallery.requests] == [None]
    assert Image.open(io.BytesIO(store.jpegs(["a/x/large"])[0])).size == (150, 165)


def test_an_image_at_another_address_is_requested_without_a_condition_and_until_it_comes(store):
    works = artworks("a/x/work")
    moved = works.with_columns(image_url=pl.lit("https://elsewhere.example/new.jpg"))
    run(store, works, FakeGallery(work=sent(jpeg(10))))
    assert due(works, store.outcomes(), HarvestConfig(), NOW).is_empty()
    assert due(moved, store.outcomes(), HarvestConfig(), NOW)["why"].to_list() == [MOVED]
    failing, answering = FakeGallery(new=Response(Outcome.FAILED)), FakeGallery(new=sent(jpeg(200)))
    run(store, moved, failing)
    assert statuses(store) == {"a/x/work": "fetched"}
    run(store, moved, answering)
    assert [request.etag for gallery in (failing, answering) for request in gallery.requests] == [None, None]
    assert due(moved, store.outcomes(), HarvestConfig(), NOW).is_empty()
    assert store.outcomes()["requested_url"].to_list() == ["https://elsewhere.example/new.jpg"]


MOVED_TO = {
    "gone": Response(Outcome.GONE, 404),
    "refused": Response(Outcome.REFUSED, 403),
    "too large": Response(Outcome.TOO_LARGE, 200),
    "a page": sent(b"<html>moved</html>", '"page"'),
    "half a picture": sent(jpeg(200)[:-150]),
    "too narrow": sent(jpeg(200, 1)),
}


@pytest.mark.parametrize("answer", MOVED_TO.values(), ids=MOVED_TO)
def test_a_new_address_without_a_picture_is_never_asked_with_the_validators_of_the_old_one(store, answer):
    works = artworks("a/x/work")
    moved = works.with_columns(image_url=pl.lit("https://elsewhere.example/new.jpg"))
    dated = Response(Outcome.OK, 200, jpeg(10), '"1"', "Wed, 21 Oct 2020 07:28:00 GMT")
    run(store, works, FakeGallery(work=dated))
    picture = store.jpegs(["a/x/work"])
    run(store, moved, FakeGallery(new=answer))
    assert store.outcomes()["requested_url"].to_list() == ["https://elsewhere.example/new.jpg"]
    later = FakeGallery(new=sent(jpeg(10)))
    run(store, moved, later, NOW + WEEK)
    assert [(request.etag, request.last_modified) for request in later.requests] == [(None, None)]
    # The very bytes of the stored picture are that picture again, now with the validators of the new address.
    assert (statuses(store), store.jpegs(["a/x/work"])) == ({"a/x/work": "unchanged"}, picture)
    assert store.outcomes()["etag"].to_list() == ['"1"']


def test_a_lost_image_whose_new_address_fails_is_asked_there_without_a_condition(store):
    works = artworks("a/x/work")
    moved = works.with_columns(image_url=pl.lit("https://elsewhere.example/new.jpg"))
    run(store, works, FakeGallery(work=sent(jpeg(10))))
    run(store, works, FakeGallery(work=Response(Outcome.GONE, 404)), NOW + WEEK)
    run(store, moved, FakeGallery(new=Response(Outcome.FAILED)), NOW + WEEK)
    later = FakeGallery(new=sent(jpeg(200)))
    run(store, moved, later, NOW + WEEK)
    assert ([request.etag for request in later.requests], statuses(store)) == ([None], {"a/x/work": "fetched"})


def test_new_addresses_whose_loss_is_refused_stay_new(store):
    works = artworks(*(f"a/x/{number}" for number in range(4)))
    moved = works.with_columns(image_url=pl.col("image_url").str.replace("www.wga.hu", "elsewhere.example"))
    run(store, works, FakeGallery(**{str(number): sent(jpeg(10 * number)) for number in range(4)}))
    gone = FakeGallery(**{str(number): Response(Outcome.GONE, 404) for number in range(4)})
    harvest(moved, store, gone, HarvestConfig(), NOW, allows=lambda loss: loss.lost == 0)
    assert set(store.outcomes()["etag"]) == {'"1"'}
    assert due(works, store.outcomes(), HarvestConfig(), NOW)["is_moved"].to_list() == [False] * 4
    run(store, moved, gone, NOW)
    assert [request.etag for request in gone.requests] == [None] * 8


def test_an_interrupted_harvest_keeps_its_rows_and_requests_the_rest(store):
    works = artworks("a/x/1", "a/x/2", "a/x/3")
    with pytest.raises(KeyboardInterrupt):
        run(store, works, FakeGallery(**{"1": sent(jpeg(10)), "2": KeyboardInterrupt(), "3": sent(jpeg(30))}))
    gallery = FakeGallery(**{"1": sent(jpeg(10)), "2": sent(jpeg(20)), "3": sent(jpeg(30))})
    run(store, works, gallery)
    assert statuses(store) == dict.fromkeys(("a/x/1", "a/x/2", "a/x/3"), "fetched")


SPOILT = {
    "gone": (Response(Outcome.GONE, 404), "gone"),
    "refused": (Response(Outcome.REFUSED, error="robots.txt"), "refused"),
    "too large": (Response(Outcome.TOO_LARGE, 200), "too_large"),
    "replaced by a page": (sent(b"<html>moved</html>", '"page"'), "not_an_image"),
}


@pytest.mark.parametrize(("answer", "status"), SPOILT.values(), ids=SPOILT)
def test_an_image_unreadable_at_the_source_leaves_the_collection_and_its_bytes_stay(store, answer, status):
    works = artworks("a/x/one")
    run(store, works, FakeGallery(one=sent(jpeg(10), '"v1"')))
    picture = store.jpegs(["a/x/one"])
    run(store, works, FakeGallery(one=answer), NOW + WEEK)
    assert statuses(store) == {"a/x/one": status}
    assert store.jpegs(["a/x/one"]) == picture
    # The ETag is still that of the kept bytes: "not modified" then means that they are current again.
    back = FakeGallery(one=Response(Outcome.NOT_MODIFIED, 304))
    run(store, works, back, NOW + 2 * WEEK)
    assert back.requests[0].etag == '"v1"'
    assert statuses(store) == {"a/x/one": "unchanged"}
    assert store.outcomes()["error"].to_list() == [None]


def test_a_stored_image_stays_when_its_request_fails_and_is_requested_again(store):
    works = artworks("a/x/one")
    run(store, works, FakeGallery(one=sent(jpeg(10))))
    picture = store.jpegs(["a/x/one"])
    summary = run(store, works, FakeGallery(one=Response(Outcome.FAILED, error="timed out", tries=4)), NOW + WEEK)
    row = store.outcomes().row(0, named=True)
    assert dict(summary.by_status) == {"failed": 1}
    assert (row["status"], row["error"], row["fetched_at"]) == ("fetched", "timed out (tries: 4)", NOW)
    assert store.jpegs(["a/x/one"]) == picture
    assert run(store, works, FakeGallery(one=Response(Outcome.NOT_MODIFIED)), NOW + WEEK).requested == 1


def test_a_duplicate_artwork_is_requested_and_stored_once(store):
    works = artworks("a/x/one", "a/x/one")
    assert run(store, works, FakeGallery(one=sent(jpeg(10)))).requested == 1
    assert store.outcomes().height == 1


def test_images_decoded_before_an_interrupt_are_stored(store):
    works = artworks("a/x/1", "a/x/2", "a/x/3")
    with pytest.raises(KeyboardInterrupt):
        run(store, works, FakeGallery(**{"1": sent(jpeg(10)), "2": sent(jpeg(20)), "3": KeyboardInterrupt()}))
    assert statuses(store) == {"a/x/1": "fetched", "a/x/2": "fetched"}


def test_a_harvest_without_due_images_writes_nothing(store):
    works = artworks("a/x/one")
    run(store, works, FakeGallery(one=sent(jpeg(10))))
    version = newest_version(store)
    run(store, works, FakeGallery())
    assert newest_version(store) == version


def changes(summary) -> dict[str, list[str]]:
    return {name: found.examples for name, found in summary.changes.items() if found.count}


def test_an_unwanted_image_is_withdrawn_without_a_request_and_returns_without_a_body(store):
    both, one = artworks("a/x/one", "a/x/two"), artworks("a/x/one")
    run(store, both, FakeGallery(one=sent(jpeg(10)), two=sent(jpeg(20), '"v2"')))
    picture, asked_at = store.jpegs(["a/x/two"]), NOW + timedelta(days=1)
    summary = run(store, one, FakeGallery(), asked_at)
    assert (changes(summary), summary.withdrawn, summary.requested) == ({"withdrawn": ["a/x/two"]}, 1, 0)
    assert statuses(store) == {"a/x/one": "fetched", "a/x/two": "withdrawn"}
    back = FakeGallery(two=Response(Outcome.NOT_MODIFIED, 304))
    summary = run(store, both, back, asked_at)
    assert [request.etag for request in back.requests] == ['"v2"']
    assert (changes(summary), summary.not_modified, summary.decoded) == ({"back": ["a/x/two"]}, 1, 0)
    assert statuses(store)["a/x/two"] == "unchanged"
    assert store.outcomes()["error"].to_list() == [None, None]
    assert store.jpegs(["a/x/two"]) == picture


def test_an_image_withdrawn_before_any_response_is_requested_again(store):
    run(store, artworks("a/x/one"), FakeGallery(one=Response(Outcome.GONE, 404)))
    run(store, artworks(), FakeGallery())
    summary = run(store, artworks("a/x/one"), FakeGallery(one=sent(jpeg(10))))
    assert (statuses(store), changes(summary)) == ({"a/x/one": "fetched"}, {"new": ["a/x/one"]})


def test_a_withdrawn_image_is_not_requested_and_withdrawn_only_once(store):
    run(store, artworks("a/x/one"), FakeGallery(one=sent(jpeg(10))))
    assert run(store, artworks(), FakeGallery()).withdrawn == 1
    again = run(store, artworks(), FakeGallery(), NOW + 9 * WEEK)
    assert (again.withdrawn, again.requested) == (0, 0)


def test_the_summary_counts_outcomes_and_changes(store):
    names = ("same", "other", "lost", "spoilt", "asked", "bytes")
    works = artworks(*(f"a/x/{name}" for name in names))
    first = run(store, works, FakeGallery(**{name: sent(jpeg(shade)) for shade, name in enumerate(names)}))
    assert (first.changes["new"].count, first.decoded, first.not_modified) == (6, 6, 0)
    answers = {
        "same": Response(Outcome.NOT_MODIFIED, 304),
        "other": sent(jpeg(200)),
        "lost": Response(Outcome.GONE, 404),
        "spoilt": sent(b"<html>moved</html>"),
        "asked": Response(Outcome.FAILED),
        "bytes": sent(jpeg(5)),
    }
    second = run(store, works, FakeGallery(**answers), NOW + WEEK)
    assert changes(second) == {"replaced": ["a/x/other"], "gone": ["a/x/lost", "a/x/spoilt"]}
    assert (second.decoded, second.not_modified) == (2, 1)
    third = run(
        store, works, FakeGallery(**answers | {"lost": sent(jpeg(99)), "other": sent(jpeg(200))}), NOW + 2 * WEEK
    )
    assert changes(third) == {"back": ["a/x/lost"]}
    assert "1 back" in str(third)


def test_the_summary_tells_why_images_did_not_come_the_most_frequent_reason_first(store):
    moved = {f"m{n}": Response(Outcome.REFUSED, error=f"http://a/{n}.jpg redirects to http://b/{n}.jpg") for n in "123"}
    late = {"late": Response(Outcome.FAILED, error="timed out", tries=1)}
    works = artworks(*(f"a/x/{name}" for name in (*late, *moved)))
    summary = run(store, works, FakeGallery(**late, **moved))
    assert summary.errors_text().split("\n") == [
        "harvest: 3 did not come, such as: a/x/m1: http://a/1.jpg redirects to http://b/1.jpg",
        "harvest: 1 did not come, such as: a/x/late: timed out (tries: 1)",
    ]


def test_another_stored_size_is_not_a_change_at_the_source(store):
    works = artworks("a/x/one")
    run(store, works, FakeGallery(one=sent(jpeg(10, 200))), short_side_px=100)
    summary = run(store, works, FakeGallery(one=sent(jpeg(10, 200))), short_side_px=150)
    assert changes(summary) == {"resized": ["a/x/one"]}


def test_a_summary_names_a_few_of_many(store):
    names = [str(number) for number in range(15)]
    summary = run(store, artworks(*(f"a/x/{n}" for n in names)), FakeGallery(**{n: sent(jpeg(9)) for n in names}))
    assert (summary.changes["new"].count, len(summary.changes["new"].examples)) == (15, 10)


def test_not_modified_responses_are_one_commit(store):
    names = [str(number) for number in range(40)]
    works = artworks(*(f"a/x/{name}" for name in names))
    run(store, works, FakeGallery(**{name: sent(jpeg(9)) for name in names}))
    before = newest_version(store)
    run(store, works, FakeGallery(**dict.fromkeys(names, Response(Outcome.NOT_MODIFIED, 304))), NOW + WEEK)
    assert newest_version(store) == before + 1
    assert store.outcomes()["fetched_at"].unique().to_list() == [NOW + WEEK]
    assert store.outcomes()["etag"].unique().to_list() == ['"1"']


def refusing(_: Loss) -> bool:
    return False


NAMES = ("a", "b", "c", "d")


@pytest.fixture
def stored(store) -> pl.DataFrame:
    """Four artworks whose images are stored."""
    works = artworks(*(f"a/x/{name}" for name in NAMES))
    run(store, works, FakeGallery(**{name: sent(jpeg(shade)) for shade, name in enumerate(NAMES)}))
    return works


def try_again(store: ImageStore, works: pl.DataFrame, **answers: Response):
    return harvest(works, store, FakeGallery(**answers), HarvestConfig(), NOW + WEEK, allows=refusing)


def test_images_that_may_not_be_lost_stay_stored_and_are_requested_again_at_once(store, stored):
    pictures = store.jpegs(stored["artwork_id"].to_list())
    page, gone = sent(b"<html>log in</html>"), Response(Outcome.GONE, 404, error="the gallery answered 404")
    refused = Response(Outcome.REFUSED, error="robots.txt")
    summary = try_again(store, stored, a=page, b=gone, c=refused, d=Response(Outcome.NOT_MODIFIED, 304))
    assert summary.refused is not None
    assert (summary.refused.lost, summary.refused.held) == (3, 4)
    assert changes(summary) == {}
    rows = store.outcomes()
    assert rows["status"].to_list() == ["fetched", "fetched", "fetched", "unchanged"]
    assert rows["error"].to_list()[1:] == ["gone: the gallery answered 404", "refused: robots.txt", None]
    assert store.jpegs(stored["artwork_id"].to_list()) == pictures
    again = due(stored, rows, HarvestConfig(), NOW + WEEK)
    assert again["artwork_id"].to_list() == ["a/x/a", "a/x/b", "a/x/c"]
    assert again["etag"].to_list() == ['"1"'] * 3, "and conditionally"


def test_one_picture_in_place_of_several_is_a_loss_and_another_one_for_each_is_not(store, stored):
    before = dict(zip(NAMES, store.jpegs(stored["artwork_id"].to_list()), strict=True))
    placeholder = sent(jpeg(250))
    summary = try_again(store, stored, a=placeholder, b=sent(jpeg(120)), c=placeholder, d=placeholder)
    assert summary.refused is not None
    assert (summary.refused.lost, summary.refused.held) == (3, 4)
    assert changes(summary) == {"replaced": ["a/x/b"]}
    after = dict(zip(NAMES, store.jpegs(stored["artwork_id"].to_list()), strict=True))
    assert [name for name in NAMES if after[name] != before[name]] == ["b"]


def test_a_placeholder_is_found_behind_more_new_pictures_than_are_held_in_memory(
    store, stored, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("artpipe.images.fetch.BATCH_ROWS", 1)
    placeholder = sent(jpeg(250))
    summary = try_again(store, stored, a=placeholder, b=sent(jpeg(120)), c=placeholder, d=placeholder)
    assert summary.refused is not None
    assert summary.refused.lost == 2, "all but the first, which was written before the second came"


def test_a_long_harvest_joins_small_fragments_before_it_ends(store, monkeypatch: pytest.MonkeyPatch):
    """Each commit names all fragments: thousands of small ones would take more room than the images."""
    monkeypatch.setattr("artpipe.images.fetch.BATCH_ROWS", 1)
    monkeypatch.setattr("artpipe.images.fetch.COMMITS_TO_COMPACT", 10)
    answers = {f"n{number:02}": sent(jpeg(number * 8)) for number in range(25)}
    cut = FakeGallery(**answers, z=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        harvest(artworks(*(f"a/x/{name}" for name in cut.answers)), store, cut, HarvestConfig(), NOW)
    assert store.outcomes().height == 25
    assert len(lance.dataset(store.uri).get_fragments()) < 15


def test_the_more_images_are_stored_the_more_are_committed_at_once(store, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("artpipe.images.fetch.BATCH_ROWS", 1)
    store.upsert([{"artwork_id": f"h/{n}", "status": "gone", "attempts": 1, "fetched_at": NOW} for n in range(640)])
    answers = {f"n{number:02}": sent(jpeg(number * 8)) for number in range(25)}
    cut = FakeGallery(**answers, z=KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        harvest(artworks(*(f"a/x/{name}" for name in cut.answers)), store, cut, HarvestConfig(), NOW)
    assert store.outcomes().height == 665
    assert len(lance.dataset(store.uri).get_fragments()) == 1 + 3, "of ten, ten and five"


def test_what_may_be_lost_is_lost_and_so_is_the_picture_that_one_placeholder_replaces(store, stored):
    placeholder, gone = sent(jpeg(250)), Response(Outcome.GONE, 404)
    seen: list[Loss] = []
    answers = {"a": placeholder, "b": placeholder, "c": gone, "d": sent(jpeg(120))}
    harvest(
        stored, store, FakeGallery(**answers), HarvestConfig(), NOW + WEEK, allows=lambda loss: not seen.append(loss)
    )
    assert [(loss.lost, loss.held) for loss in seen] == [(3, 4)]
    assert list(statuses(store).values()) == ["fetched", "fetched", "gone", "fetched"]
    assert store.outcomes()["sha256"].n_unique() == 3


def test_a_refused_harvest_stores_what_is_new(store, stored):
    works = pl.concat([stored, artworks("a/x/new")])
    gone = dict.fromkeys(NAMES, Response(Outcome.GONE, 404))
    summary = try_again(store, works, **gone, new=sent(jpeg(33)))
    assert changes(summary) == {"new": ["a/x/new"]}
    assert summary.refused is not None
    assert summary.refused.held == 4


def test_a_refused_harvest_does_not_believe_that_other_artworks_have_no_image_either(store, stored):
    gone = Response(Outcome.GONE, 404)
    works = pl.concat([stored, artworks("a/x/lost")])
    run(store, works, FakeGallery(lost=gone), NOW)
    works = pl.concat([works, artworks("a/x/new")])
    for came in (sent(jpeg(250)), gone):
        try_again(store, works, **dict.fromkeys([*NAMES, "lost", "new"], came))
    assert statuses(store) == {
        **dict.fromkeys(stored["artwork_id"], "fetched"),
        "a/x/lost": "gone",
        "a/x/new": "failed",
    }
    assert due(works, store.outcomes(), HarvestConfig(), NOW + WEEK).height == 6


def test_an_interrupted_harvest_gives_no_image_up_and_keeps_new_pictures(store, stored):
    answers = {"a": Response(Outcome.GONE, 404), "b": sent(jpeg(120)), "c": KeyboardInterrupt(), "d": sent(jpeg(3))}
    with pytest.raises(KeyboardInterrupt):
        run(store, stored, FakeGallery(**answers), NOW + WEEK)
    assert list(statuses(store).values()) == ["fetched"] * 4
    assert due(stored, store.outcomes(), HarvestConfig(), NOW + WEEK)["artwork_id"].to_list() == [
        "a/x/a",
        "a/x/c",
        "a/x/d",
    ]
