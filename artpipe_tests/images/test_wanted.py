"""Which images are wanted, which are due and why, and which are withdrawn."""

from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from artpipe.images.store import ImageStore
from artpipe.images.wanted import (
    AGE,
    BACK,
    FAILED,
    FORCED,
    FUTURE,
    MOST,
    NEVER,
    SIZE,
    HarvestConfig,
    UnknownFormError,
    count_due,
    due,
    wanted_artworks,
    withdraw,
)
from artpipe.lake.paths import DataLake
from artpipe.lake.versions import table_versions
from artpipe.schema import ARTWORKS

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def artworks(*names: str, form: str = "painting") -> pl.DataFrame:
    rows = [{"artwork_id": name, "image_url": f"https://www.wga.hu/art/{name}.jpg", "form": form} for name in names]
    return pl.DataFrame(rows, schema=ARTWORKS)


@pytest.fixture
def store(tmp_path) -> ImageStore:
    return ImageStore(DataLake(tmp_path))


def newest_version(store: ImageStore) -> int:
    return table_versions(store.uri)[-1].number


def row(name: str, status: str = "fetched", **changed: object) -> dict[str, object]:
    stored = {
        "jpeg": b"jpeg", "sha256": "s", "etag": "e", "width_px": 900, "height_px": 700, "short_side_px": 320
    }  # fmt: skip
    return {"artwork_id": name, "status": status, "attempts": 1, "fetched_at": NOW, **stored, **changed}


def test_only_wanted_forms_are_downloaded():
    works = pl.concat([artworks("a/x/1"), artworks("a/x/2", form="graphics"), artworks("a/x/3", form="sculpture")])
    assert wanted_artworks(works)["artwork_id"].to_list() == ["a/x/1"]
    both = wanted_artworks(works, ("painting", "graphics"))
    assert sorted(both["artwork_id"]) == ["a/x/1", "a/x/2"]


def test_a_sample_stays_when_the_catalogue_grows_a_little():
    names = [f"a/x/{number}" for number in range(200)]
    before = set(wanted_artworks(artworks(*names), max_artworks=50)["artwork_id"])
    after = set(wanted_artworks(artworks(*names, "a/x/new"), max_artworks=50)["artwork_id"])
    assert len(before) == len(after) == 50
    assert len(before & after) >= 49


def test_due_images_are_counted_by_reason(store):
    store.upsert([
        row("fresh"),
        row("failed", "failed", jpeg=None),
        row("withdrawn", "withdrawn"),
        row("small", short_side_px=200),
        row("old", fetched_at=NOW - timedelta(days=6)),
        row("gone long ago", "gone", fetched_at=NOW - timedelta(days=6)),
        row("not wanted", fetched_at=NOW - timedelta(days=60)),
    ])  # fmt: skip
    wanted = artworks("fresh", "failed", "withdrawn", "small", "old", "gone long ago", "new")
    counted = count_due(wanted, store.outcomes(), HarvestConfig(), NOW)
    assert counted == {NEVER: 1, FAILED: 1, BACK: 1, SIZE: 1, AGE: 2}
    assert due(wanted, store.outcomes(), HarvestConfig(), NOW).height == 6


def test_a_stored_image_whose_last_request_failed_is_requested_again_whatever_its_date(store):
    store.upsert([row("one", error="the gallery answered 404"), row("two")])
    assert count_due(artworks("one", "two"), store.outcomes(), HarvestConfig(), NOW) == {FAILED: 1}


def test_where_most_artworks_had_no_image_all_of_those_are_requested_again(store):
    store.upsert([row("one", "refused"), row("two", "gone"), row("three")])
    assert count_due(artworks("one", "two", "three"), store.outcomes(), HarvestConfig(), NOW) == {MOST: 2}
    assert count_due(artworks("one", "three"), store.outcomes(), HarvestConfig(), NOW) == {}


def test_a_weekly_harvest_revalidates_the_images_of_the_previous_week(store):
    store.upsert([row("one", fetched_at=NOW - timedelta(days=7) + timedelta(hours=3))])
    assert count_due(artworks("one"), store.outcomes(), HarvestConfig(), NOW) == {AGE: 1}


def test_an_answer_dated_in_the_future_is_asked_for_again(store):
    later = NOW + timedelta(days=900)
    store.upsert([row("one", fetched_at=later), row("gone", "gone", fetched_at=later), row("now")])
    assert count_due(artworks("one", "gone", "now"), store.outcomes(), HarvestConfig(), NOW) == {FUTURE: 2}


def test_withdrawing_keeps_bytes_validators_and_the_time_of_the_last_response(store):
    store.upsert([row("kept"), row("out"), row("gone", "gone")])
    assert withdraw(store, ["kept", "never asked"], NOW + timedelta(days=1)) == ["gone", "out"]
    rows = store.outcomes().filter(pl.col("artwork_id") == "out").to_dicts()
    assert rows[0]["status"] == "withdrawn"
    assert rows[0]["error"] == "not among the wanted artworks since 2026-03-02"
    assert (rows[0]["etag"], rows[0]["sha256"], rows[0]["fetched_at"]) == ("e", "s", NOW)
    assert store.jpegs(["out"]) == [b"jpeg"]


def test_withdrawing_nothing_new_writes_nothing(store):
    assert withdraw(store, [], NOW) == []
    store.upsert([row("kept"), row("out")])
    withdraw(store, ["kept"], NOW)
    version = newest_version(store)
    assert withdraw(store, ["kept"], NOW) == []
    assert newest_version(store) == version


def test_a_form_that_no_work_has_is_refused_and_withdraws_nothing():
    works = pl.concat([artworks("a/x/1", "a/x/2"), artworks("a/x/3", form="graphics")])
    with pytest.raises(UnknownFormError, match=r"has the form 'paintings'; .*: `painting` \(2\), `graphics` \(1\)\."):
        wanted_artworks(works, ("paintings", "graphics"))
    assert wanted_artworks(works.clear(), ("painting",)).is_empty()


def test_without_forms_every_work_is_wanted_that_has_a_picture_and_the_right_to_it():
    works = pl.concat([artworks("a"), artworks("b", "c", "d", "e", form="relief")]).with_columns(
        form=pl.when(pl.col("artwork_id") != "b").then("form"),
        image_url=pl.when(pl.col("artwork_id") != "c").then("image_url"),
        is_allowed=pl.Series([None, True, True, False, True]),
    )
    assert wanted_artworks(works, None)["artwork_id"].to_list() == ["a", "b", "e"]
    assert wanted_artworks(works, ("relief",))["artwork_id"].to_list() == ["e"]


def test_what_is_not_stored_is_asked_for_at_once_where_a_person_wants_it(store: ImageStore):
    wanted = artworks(*(f"a/x/{number}" for number in range(5)))
    stored = [row(f"a/x/{number}", requested_url=f"https://www.wga.hu/art/a/x/{number}.jpg") for number in range(3)]
    lost = [row("a/x/3", "gone", jpeg=None, sha256=None), row("a/x/4", "unreadable", jpeg=None, sha256=None)]
    store.upsert([*stored, *lost])
    now = NOW + timedelta(days=1)
    assert due(wanted, store.outcomes(), HarvestConfig(), now).is_empty()
    asked = due(wanted, store.outcomes(), HarvestConfig(asks_missing=True), now)
    assert dict(asked.select("artwork_id", "why").iter_rows()) == {"a/x/3": FORCED, "a/x/4": FORCED}
