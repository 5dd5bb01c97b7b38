"""A machine whose clock is a year ahead, or a year behind what the lake's records say: neither costs any work."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from artpipe_tests.orchestration.test_change_matrix import ROOTS, a_title_corrected, assert_whole, one_image_replaced

YEAR = timedelta(days=366)
NO_WORK = {"images_fetched": 0, "images_embedded": 0, "rows_updated": 0}


def test_a_year_later_pictures_are_asked_for_again_and_nothing_else_is_done(upkeep):
    with time_machine.travel(datetime.now(UTC) + YEAR):
        assert upkeep.needing_a_run() == {"images"}
        report = upkeep.refresh()
        assert set(report.ran) == {*ROOTS, "images"}
        assert {name: report.work[name] for name in NO_WORK} == NO_WORK
        assert upkeep.needing_a_run() == set()


@pytest.mark.parametrize("jump", [YEAR, -YEAR], ids=["ahead", "behind"])
def test_changes_are_followed_while_the_clock_is_wrong_and_when_it_is_right_again(upkeep, jump):
    with time_machine.travel(datetime.now(UTC) + jump):
        wrong = a_title_corrected(upkeep)
        report = upkeep.refresh()
        assert report.work["rows_updated"] == 1
        assert report.work["images_embedded"] == 0
        wrong(report)
        assert upkeep.needing_a_run() == set()
    assert upkeep.needing_a_run() == {"images"}  # pictures asked for in a past year, or in the future
    one_image_replaced(upkeep)
    report = upkeep.refresh()
    assert report.work["images_fetched"] == report.work["images_embedded"] == 1
    assert_whole(upkeep)
    assert upkeep.needing_a_run() == set()
