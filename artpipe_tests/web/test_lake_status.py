import sys
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from artpipe.lake.paths import DataLake
from artpipe.web.app import create_app
from artpipe.web.lake_status import LakeStatus, StatusUnavailableError, run_artpipe_status

FRESH = {"asset": "artworks", "status": "fresh", "why": ""}
STALE = {"asset": "images", "status": "stale", "why": "image_short_side_px 320 -> 400"}


class Clock:
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def collection_page(lake: DataLake, colour_model, status: LakeStatus) -> str:
    return TestClient(create_app(lake, encoder=colour_model, status=status)).get("/collection").text


def test_a_page_does_not_wait_for_the_status_and_shows_its_time(web_lake, colour_model):
    may_answer = threading.Event()
    status = LakeStatus(lambda: may_answer.wait(30) and [FRESH, STALE], Clock())
    assert "The status is being read" in collection_page(web_lake, colour_model, status)
    may_answer.set()
    status.wait()
    page = collection_page(web_lake, colour_model, status)
    assert "<code>images</code> is stale" in page
    assert "image_short_side_px 320 -&gt; 400" in page
    assert "4 Mar 2026, 12:00 UTC" in page
    assert "<code>artworks</code>" not in page


def test_the_page_reports_that_every_asset_is_fresh(web_lake, colour_model):
    status = LakeStatus(lambda: [FRESH])
    status.latest()
    status.wait()
    assert "All 1 assets are up to date" in collection_page(web_lake, colour_model, status)


def test_an_old_report_is_shown_until_the_new_one_is_there():
    clock, answers = Clock(), iter([[FRESH], [STALE]])
    status = LakeStatus(lambda: next(answers), clock)
    assert status.latest() is None
    status.wait()
    first = status.latest()
    assert first is not None
    assert first.not_fresh == []
    clock.now += timedelta(minutes=2)
    assert status.latest() is first
    status.wait()
    second = status.latest()
    assert second is not None
    assert (second.not_fresh, second.at) == ([STALE], clock.now)


def test_a_report_is_old_where_the_clock_was_put_back_since():
    clock, answers = Clock(), iter([[FRESH], [STALE]])
    status = LakeStatus(lambda: next(answers), clock)
    status.latest()
    status.wait()
    clock.now -= timedelta(days=900)
    status.latest()
    status.wait()
    report = status.latest()
    assert report is not None
    assert report.not_fresh == [STALE]


def test_a_failure_is_reported_with_its_message():
    def fail():
        raise StatusUnavailableError("the lake is gone")

    status = LakeStatus(fail)
    status.latest()
    status.wait()
    report = status.latest()
    assert report is not None
    assert (report.problem, report.assets) == ("the lake is gone", [])


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo trace >&2; echo 'the lake is gone' >&2; exit 1", "^the lake is gone$"),
        ("exit 3", "exit code 3"),
        ("echo no json", "no answer .JSONDecodeError."),
    ],
)
def test_a_failing_status_command_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
):
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\n{script}\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(StatusUnavailableError, match=message):
        run_artpipe_status()
