"""Which assets may run now, as a refresh and as the automation ask it."""

from dataclasses import replace
from datetime import UTC, datetime

from artpipe.orchestration.next_assets import (
    AssetStatus,
    ancestors,
    for_automation,
    for_refresh,
    next_assets,
    occasion,
    still_requested,
)

CHAIN = {"root": (), "clean": ("root",), "images": ("clean",), "table": ("clean", "images"), "report": ("table",)}
EVERYTHING = set(CHAIN)
BELOW_ROOT = EVERYTHING - {"root"}


def statuses(**status: str) -> dict[str, AssetStatus]:
    """A graph whose assets are fresh unless stated otherwise."""
    return {
        name: AssetStatus(name, status.get(name, "fresh"), upstream=above)  # pyright: ignore[reportArgumentType]
        for name, above in CHAIN.items()
    }


def changed(now: dict[str, AssetStatus], name: str, **fields: object) -> dict[str, AssetStatus]:
    return now | {name: replace(now[name], **fields)}


def test_a_refresh_asks_roots_although_they_are_fresh():
    assert next_assets(for_refresh(statuses()), EVERYTHING) == {"root"}
    assert next_assets(for_refresh(statuses()), BELOW_ROOT) == set()


def test_a_stale_asset_waits_for_what_may_change_above_it():
    now = for_refresh(statuses(clean="stale", table="stale"))
    assert next_assets(now, EVERYTHING) == {"root"}
    assert next_assets(now, BELOW_ROOT) == {"clean"}
    assert next_assets(now, BELOW_ROOT - {"clean"}) == {"table"}, "what ran already is not waited for"


def test_what_is_missing_all_the_way_down_runs_at_once():
    assert next_assets(statuses(**dict.fromkeys(CHAIN, "missing")), EVERYTHING) == EVERYTHING


def test_a_missing_asset_below_a_stale_one_comes_in_the_same_run():
    assert next_assets(statuses(table="stale", report="missing"), BELOW_ROOT) == {"table", "report"}


def test_a_missing_asset_waits_until_none_of_its_inputs_may_change():
    now = statuses(clean="missing", images="stale", table="missing")
    assert next_assets(now, BELOW_ROOT) == {"clean"}, "`clean` runs, and `images` does not yet"


def test_a_missing_asset_waits_for_a_fresh_one_that_may_yet_change():
    now = for_refresh(statuses(report="missing"))
    assert next_assets(now, EVERYTHING) == {"root"}
    assert next_assets(now, BELOW_ROOT) == {"report"}


def test_only_what_is_selected_runs():
    assert next_assets(statuses(clean="stale", report="stale"), {"report"}) == {"report"}


def test_what_the_gallery_must_be_asked_runs_although_it_is_fresh():
    now = changed(statuses(), "images", due="3 answers are older than 6 days")
    assert next_assets(now, EVERYTHING) == {"images"}


def test_force_runs_everything_selected_at_once():
    assert next_assets(statuses(), EVERYTHING, force=True) == EVERYTHING


def test_a_step_makes_all_of_its_assets_however_many_are_stale():
    now = changed(statuses(clean="stale"), "clean", step="cleaning")
    now |= {"set_aside": AssetStatus("set_aside", upstream=("root",), step="cleaning")}
    assert next_assets(now, {*EVERYTHING, "set_aside"}) == {"clean", "set_aside"}


def test_ancestors_are_found_however_far_up():
    assert ancestors(statuses(), "report") == {"root", "clean", "images", "table"}


def test_nothing_runs_below_a_check_that_failed_or_did_not_run():
    now = changed(statuses(images="stale"), "clean", failed_checks=("rows_are_unique",))
    assert next_assets(now, EVERYTHING) == {"clean"}
    assert next_assets(now, {"images"}) == set(), "nor where the checked asset is not selected"
    assert next_assets(changed(now, "clean", failed_checks=(), skipped_checks=("x",)), {"images"}) == set()


def test_nothing_runs_while_it_or_what_is_above_it_is_being_made():
    assert next_assets(changed(statuses(clean="stale"), "clean", in_progress=True), EVERYTHING) == set()
    assert next_assets(changed(statuses(images="missing"), "clean", in_progress=True), EVERYTHING) == set()


def test_nothing_runs_below_what_is_held_up():
    held = changed(statuses(clean="missing", images="missing"), "clean", hold="it was requested for this already")
    assert next_assets(held, EVERYTHING) == set()


def test_the_automation_leaves_fresh_roots_to_the_schedule_and_makes_others_at_once():
    assert next_assets(for_automation(statuses(), {}, None), EVERYTHING) == set()
    missing = statuses(**dict.fromkeys(CHAIN, "missing"))
    assert next_assets(for_automation(missing, {}, None), EVERYTHING) == EVERYTHING
    cut_off = statuses(root="stale", table="stale")
    assert next_assets(for_automation(cut_off, {}, None), EVERYTHING) == {"root"}
    requested = still_requested(cut_off, {}, {"root"})
    assert next_assets(for_automation(cut_off, requested, None), EVERYTHING) == set(), "once; then the schedule asks it"


def test_the_automation_requests_an_asset_once_for_one_occasion():
    now = statuses(clean="stale")
    requested = still_requested(now, {}, {"clean"})
    assert next_assets(for_automation(now, requested, None), EVERYTHING) == set()
    for other in (
        changed(now, "root", data_version="2"),
        changed(now, "root", record_id=7),
        changed(now, "clean", code_version="2"),
        changed(now, "clean", status="missing"),
        changed(now, "clean", observed=("labels 2",)),
        changed(now, "clean", status="fresh", skipped_checks=("rows_are_unique",)),
    ):
        assert next_assets(for_automation(other, requested, None), EVERYTHING) == {"clean"}, other
    failed_run = changed(now, "clean", skipped_checks=("rows_are_unique",))
    assert next_assets(for_automation(failed_run, requested, None), EVERYTHING) == set(), "nor did its checks"
    assert still_requested(statuses(), requested, set()) == {}, "what is fresh again may become stale again"


def test_a_run_that_failed_is_not_requested_again_for_what_it_left_stale():
    fresh = statuses(table="fresh", clean="missing")
    for before in (
        changed(fresh, "clean", status="fresh", due="the re-scrape asked the roots since"),
        changed(fresh, "clean", status="fresh", skipped_checks=("rows_are_unique",)),
        fresh,
    ):
        requested = still_requested(before, {}, {"clean"})
        failed = changed(before, "clean", status="stale", skipped_checks=("rows_are_unique",))
        assert next_assets(for_automation(failed, requested, None), EVERYTHING) == set(), before
        after = changed(failed, "root", data_version="2")
        assert next_assets(for_automation(after, requested, None), EVERYTHING) == {"clean"}


def test_a_step_that_failed_is_not_requested_again_for_the_other_assets_that_it_makes():
    now = changed(statuses(clean="missing"), "clean", step="cleaning")
    now |= {"set_aside": AssetStatus("set_aside", upstream=("root",), step="cleaning")}
    requested = still_requested(now, {}, next_assets(now, set(now)))
    failed = changed(now, "set_aside", status="stale")
    assert (
        next_assets(for_automation(failed, requested | still_requested(failed, requested, set()), None), set(now))
        == set()
    )


def test_a_request_is_remembered_while_its_asset_needs_to_run_or_is_being_made_and_no_longer():
    now = statuses(clean="stale", table="stale")
    requested = {"clean": "before", "images": "before"}
    assert still_requested(now, requested, {"table"}) == {"clean": "before", "table": occasion(now, now["table"])}
    busy = changed(now, "images", in_progress=True)
    assert still_requested(busy, requested, set()) == requested


def test_an_occasion_names_the_roots_and_nothing_else_that_was_told_anew():
    now = changed(changed(statuses(table="stale"), "root", record_id=3), "clean", record_id=4)
    assert occasion(now, now["table"]) == "stale; ; clean ; images ; root #3"
    due = changed(now, "images", due="the re-scrape asked")
    assert occasion(due, due["images"]) == "fresh, the re-scrape asked; ; clean ; root #3"


def test_what_was_made_at_that_very_time_is_not_older():
    made_at = datetime(2026, 1, 1, tzinfo=UTC)
    made = AssetStatus("images", made_at=made_at)
    assert not made.is_older_than(made_at.timestamp())
    assert made.is_older_than(made_at.timestamp() + 1)
    assert not made.is_older_than(None)
    assert not AssetStatus("images").is_older_than(made_at.timestamp())


def test_the_automation_does_not_check_again_what_failed_on_the_same_version():
    failed = changed(statuses(), "clean", failed_checks=("rows_are_unique",))
    assert next_assets(for_automation(failed, {}, None), EVERYTHING) == set()
    assert next_assets(for_refresh(failed), BELOW_ROOT) == {"clean"}, "a refresh does, since a person asks"


def test_what_asks_the_source_is_due_once_after_a_rescrape():
    made_at = datetime(2026, 1, 1, tzinfo=UTC)
    now = changed(statuses(), "images", asks_source=True, made_at=made_at)
    rescraped = made_at.timestamp() + 1
    seen = for_automation(now, {}, rescraped)
    assert next_assets(seen, EVERYTHING) == {"images"}
    requested = {"images": occasion(seen, seen["images"])}
    assert next_assets(for_automation(now, requested, rescraped), EVERYTHING) == set()
    assert next_assets(for_automation(now, {}, made_at.timestamp() - 1), EVERYTHING) == set()


def test_an_asset_that_is_dated_in_the_future_is_older_than_any_re_scrape():
    ahead = AssetStatus("images", made_at=datetime(2999, 1, 1, tzinfo=UTC), is_from_future=True)
    assert ahead.is_older_than(1_800_000_000)
    assert not replace(ahead, is_from_future=False).is_older_than(1_800_000_000)
    assert not ahead.is_older_than(None)


def test_what_asks_the_source_and_failed_a_check_is_asked_again_after_the_next_rescrape():
    made_at = datetime(2026, 1, 1, tzinfo=UTC)
    failed = changed(statuses(), "images", asks_source=True, made_at=made_at, failed_checks=("rows_are_unique",))
    rescraped = made_at.timestamp() + 1
    seen = for_automation(failed, {}, rescraped)
    assert next_assets(seen, EVERYTHING) == {"images"}
    requested = still_requested(seen, {}, {"images"})
    assert next_assets(for_automation(failed, requested, rescraped), EVERYTHING) == set(), "once"
    assert next_assets(for_automation(failed, {}, made_at.timestamp() - 1), EVERYTHING) == set(), "nor before"
