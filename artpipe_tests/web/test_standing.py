import threading
from datetime import UTC, datetime, timedelta

from fastapi.testclient import TestClient

from artpipe.web.app import create_app
from artpipe.web.standing import NoAnswerError, Standing

FRESH = {"asset": "artworks", "status": "fresh", "why": ""}
STALE = {"asset": "images", "status": "stale", "why": "image_short_side_px 320 -> 400"}


class Clock:
    now = datetime(2026, 3, 4, 12, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def test_a_page_never_waits_for_dagster_and_says_when_it_was_asked(own_lake, colour_model):
    may_answer = threading.Event()
    standing = Standing(lambda: may_answer.wait(30) and [FRESH, STALE], Clock())
    with TestClient(create_app(own_lake, encoder=colour_model, standing=standing)) as client:
        assert "Dagster is being asked" in client.get("/collection").text
        may_answer.set()
        standing.wait()
        page = client.get("/collection").text
    assert "<code>images</code> is stale" in page
    assert "image_short_side_px 320 -&gt; 400" in page
    assert "4 Mar 2026, 12:00 UTC" in page
    assert "<code>artworks</code>" not in page


def test_where_all_is_fresh_that_is_said(own_lake, colour_model):
    standing = Standing(lambda: [FRESH])
    standing.latest()
    standing.wait()
    with TestClient(create_app(own_lake, encoder=colour_model, standing=standing)) as client:
        assert "Nothing: all 1 assets are fresh" in client.get("/collection").text


def test_an_old_answer_is_shown_until_the_new_one_is_there():
    clock, answers = Clock(), iter([[FRESH], [STALE]])
    standing = Standing(lambda: next(answers), clock)
    assert standing.latest() is None
    standing.wait()
    first = standing.latest()
    assert first is not None
    assert first.behind == []
    clock.now += timedelta(minutes=2)
    assert standing.latest() is first
    standing.wait()
    second = standing.latest()
    assert second is not None
    assert (second.behind, second.at) == ([STALE], clock.now)


def test_a_failure_is_told_in_its_own_words_and_asked_again_later():
    def fail():
        raise NoAnswerError("the lake is gone")

    standing = Standing(fail)
    standing.latest()
    standing.wait()
    answer = standing.latest()
    assert answer is not None
    assert answer.problem == "the lake is gone"
