"""Alerts: what they hold, that they arrive, and that one which cannot arrive stops nothing."""

import logging
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from artpipe.orchestration.alerts import Alert, Trouble, Watch, deliver, overdue
from artpipe.orchestration.automation import troubles
from artpipe.orchestration.next_assets import AssetStatus
from artpipe.settings import Settings

ALERT = Alert("run_failed", "run 12 failed; look at it.", "data_lake/sample", "1234", ("images", "splits"))
LOG = logging.getLogger("artpipe.test")


def test_a_webhook_is_posted_the_documented_json(fake_webhook):
    assert deliver(ALERT, fake_webhook.url, LOG)
    assert fake_webhook.alerts == [
        {
            "event": "run_failed",
            "text": "run 12 failed; look at it.",
            "lake": "data_lake/sample",
            "run_id": "1234",
            "assets": ["images", "splits"],
        }
    ]


def test_without_a_webhook_an_alert_is_logged(caplog: pytest.LogCaptureFixture):
    assert deliver(ALERT, None, LOG)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [("WARNING", ALERT.text)]


def test_a_webhook_that_refuses_stops_nothing_and_its_secret_is_not_logged(
    fake_webhook, caplog: pytest.LogCaptureFixture
):
    fake_webhook.status = 403
    assert not deliver(ALERT, fake_webhook.url, LOG)
    assert "the webhook at 127.0.0.1 did not take the alert (HTTP 403)" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize("url", ["http://127.0.0.1:9/secret", "http://secret@:x/secret"])
def test_a_webhook_that_cannot_be_reached_stops_nothing_and_its_secret_is_not_logged(
    url: str, caplog: pytest.LogCaptureFixture
):
    assert not deliver(ALERT, url, LOG)
    assert ALERT.text in caplog.text
    assert "did not take the alert" in caplog.text
    assert "secret" not in caplog.text


STALE = Trouble("works", "stale", patience_s=100)
OLD = Trouble("catalog", "older than 8 days", patience_s=0)


def test_a_trouble_is_reported_when_it_has_lasted_and_then_not_again():
    late, watch = overdue([STALE], Watch(), now=0)
    assert late == []
    late, watch = overdue([STALE], Watch.from_json(watch.to_json()), now=99)
    assert late == []
    late, watch = overdue([STALE], Watch.from_json(watch.to_json()), now=100)
    assert late == [STALE]
    late, _ = overdue([STALE], Watch.from_json(watch.to_json()), now=500)
    assert late == []


def test_a_trouble_that_comes_back_is_reported_again():
    _, watch = overdue([OLD], Watch(), now=0)
    _, watch = overdue([], watch, now=1)
    late, _ = overdue([OLD], watch, now=2)
    assert late == [OLD]


def test_a_trouble_first_seen_in_the_future_is_reported_once_it_has_lasted_from_now_on():
    _, watch = overdue([STALE], Watch({STALE.name: 9_000_000_000}), now=1000)
    late, _ = overdue([STALE], watch, now=1100)
    assert late == [STALE]


def test_an_asset_that_is_dated_in_the_future_is_not_taken_for_a_new_one():
    ahead = AssetStatus("catalog", made_at=datetime(2999, 1, 1, tzinfo=UTC), is_from_future=True)
    found = troubles({"catalog": ahead}, {"catalog"}, Settings(), now=1_800_000_000)
    assert [trouble.name.partition(":")[0] for trouble in found] == ["catalog is dated in the future"]
    assert troubles({"catalog": replace(ahead, is_from_future=False)}, {"catalog"}, Settings(), now=0) == []


def test_a_trouble_beside_one_that_was_reported_is_reported_alone():
    _, watch = overdue([OLD], Watch(), now=0)
    late, _ = overdue([OLD, STALE], Watch({**watch.since, STALE.name: 0}, watch.reported), now=200)
    assert late == [STALE]


@pytest.mark.parametrize("cursor", [None, "", "none of ours", "[]", '{"since": 3}'])
def test_a_memory_that_cannot_be_read_is_an_empty_one(cursor: str | None):
    assert Watch.from_json(cursor) == Watch()
