"""Clients take turns, and what costs seconds holds no thread that a page needs."""

import asyncio
import threading
from collections.abc import Callable

import httpx
import pytest

from artpipe.web.app import create_app
from artpipe.web.config import WebConfig
from artpipe.web.map_sheets import Sheets
from artpipe.web.turns import TooManyJobsError, Turns

MORE_THAN_THREADS = 60
"""Starlette answers pages from 40 threads."""


@pytest.fixture
def go_on() -> threading.Event:
    return threading.Event()


def test_clients_take_turns_also_with_several_threads(go_on: threading.Event):
    turns, begun = Turns[bool]("things", max_pending=8, threads=2), list[str]()

    def job(name: str) -> Callable[[], bool]:
        return lambda: (begun.append(name), go_on.wait(60))[-1]

    jobs = [turns.submit(job("greedy"), "greedy") for _ in range(8)] + [turns.submit(job("honest"), "honest")]
    assert (turns.unfinished(), turns.unfinished("greedy"), turns.unfinished("nobody")) == (9, 8, 0)
    go_on.set()
    for one in jobs:
        one.result(60)
    assert begun.index("honest") <= 2
    assert turns.unfinished() == 0
    turns.close()


def test_one_thread_is_left_for_others_while_a_long_job_is_done(go_on: threading.Event):
    turns = Turns[bool]("things", max_pending=8, threads=2)
    greedy = [turns.submit(lambda: go_on.wait(60), "greedy") for _ in range(8)]
    assert turns.submit(lambda: True, "honest").result(30)
    assert not any(one.done() for one in greedy)
    go_on.set()
    assert all(one.result(60) for one in greedy)
    assert turns.unfinished() == 0
    turns.close()


def test_a_job_whose_client_left_is_not_begun(go_on: threading.Event):
    turns, done = Turns[None]("things", max_pending=2), list[str]()
    first = turns.submit(lambda: go_on.wait(60) and None)
    left = turns.submit(lambda: done.append("left"))
    assert left.cancel()
    last = turns.submit(lambda: done.append("last"))
    with pytest.raises(TooManyJobsError):
        turns.submit(lambda: None)
    go_on.set()
    first.result(60)
    last.result(60)
    assert done == ["last"]
    turns.close()


def from_address(app: object, address: str) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, client=(address, 1))  # pyright: ignore[reportArgumentType]
    return httpx.AsyncClient(transport=transport, base_url="http://localhost", timeout=60)


def test_pages_do_not_wait_for_sheets_of_the_map_that_are_being_made(
    web_lake, colour_model, monkeypatch: pytest.MonkeyPatch, go_on: threading.Event
):
    make = Sheets.get
    monkeypatch.setattr(Sheets, "kept", lambda *_: None)
    monkeypatch.setattr(Sheets, "get", lambda self, name: go_on.wait(60) and make(self, name))
    app = create_app(web_lake, encoder=colour_model)
    (name,) = app.state.web.map()[1].names

    async def visit() -> int:
        async with from_address(app, "192.0.2.1") as client:
            sheets = [asyncio.create_task(client.get(f"/map/sheets/{name}.webp")) for _ in range(MORE_THAN_THREADS)]
            await asyncio.sleep(0.2)
            page = await asyncio.wait_for(client.get("/"), 30)
            go_on.set()
            assert {one.status_code for one in await asyncio.gather(*sheets)} == {200}
        return page.status_code

    assert asyncio.run(visit()) == 200


class SlowDecoding:
    """Decodes when it may go on."""

    count = 2

    def __init__(self, go_on: threading.Event) -> None:
        self.go_on = go_on
        self.begun: list[bytes] = []

    def decode(self, data: bytes) -> bytes:
        self.begun.append(data)
        self.go_on.wait(60)
        return data


def test_pictures_that_are_decoded_hold_up_neither_pages_nor_those_of_others(
    web_lake, colour_model, picture_of, go_on: threading.Event
):
    config = WebConfig(max_pending_uploads=100, max_pending_uploads_of_client=MORE_THAN_THREADS)
    app = create_app(web_lake, config, encoder=colour_model)
    slow = app.state.web.decoding = SlowDecoding(go_on)
    picture, greedy = picture_of((9, 9, 9)), picture_of((1, 2, 3))
    as_jpeg = {"content-type": "image/jpeg"}

    async def visit() -> list[int]:
        async with from_address(app, "192.0.2.1") as many, from_address(app, "192.0.2.2") as one:
            sent = [many.post("/api/predict", content=greedy, headers=as_jpeg) for _ in range(MORE_THAN_THREADS)]
            waiting = [asyncio.create_task(each) for each in sent]
            while app.state.web.decoded.unfinished("192.0.2.1") < MORE_THAN_THREADS:
                await asyncio.sleep(0.01)
            refused = await many.post("/api/predict", content=greedy, headers=as_jpeg)
            honest = asyncio.create_task(one.post("/api/predict", content=picture, headers=as_jpeg))
            while not app.state.web.decoded.unfinished("192.0.2.2"):
                await asyncio.sleep(0.01)
            page = await asyncio.wait_for(one.get("/"), 30)
            go_on.set()
            await asyncio.gather(*waiting)
            return [refused.status_code, (await honest).status_code, page.status_code]

    assert asyncio.run(visit()) == [503, 200, 200]
    assert slow.begun.index(picture) <= 2
