"""A machine whose clock is a year ahead, or a year behind what the lake's records say: neither costs any work."""

from datetime import UTC, datetime, timedelta

import pytest
import time_machine

from artpipe_tests.orchestration.test_change_matrix import ROOTS, a_title_corrected, assert_whole, one_image_replaced

YEAR = timedelta(days=366)
WORK = ("images_fetched", "images_embedded", "rows_updated")


@pytest.mark.parametrize("jump", [YEAR, -YEAR], ids=["ahead", "behind"])
def test_a_wrong_clock_costs_requests_alone_and_changes_are_followed_by_it_and_when_it_is_right_again(upkeep, jump):
    with time_machine.travel(datetime.now(UTC) + jump):
        assert upkeep.needing_a_run() == {"images"}, "pictures asked for in a past year, or in the future"
        found = a_title_corrected(upkeep)
        report = upkeep.refresh()
        assert {name: report.work[name] for name in WORK} == {**dict.fromkeys(WORK, 0), "rows_updated": 1}
        assert {"images", *ROOTS} <= set(report.ran)
        found(report)
        assert upkeep.needing_a_run() == set()
    assert upkeep.needing_a_run() == {"images"}
    one_image_replaced(upkeep)
    report = upkeep.refresh()
    assert (report.work["images_fetched"], report.work["images_embedded"]) == (1, 2), "by the model and its refit"
    assert_whole(upkeep)
    assert upkeep.needing_a_run() == set()
