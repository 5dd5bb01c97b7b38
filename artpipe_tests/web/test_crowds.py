"""Visitors who hold the web app up: slow bodies, heavy exports, names of other sites."""

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from artpipe.settings import Settings
from artpipe.web.app import create_app
from artpipe.web.config import WebConfig
from artpipe.web.shared_jobs import SharedJobs
from artpipe.web.turns import TooManyJobsError

Part = tuple[bytes, bool]


async def post(app: FastAPI, parts: Callable[[], Awaitable[Part]]) -> tuple[int, dict[str, Any]]:
    """Send a picture whose body arrives as `parts` say, each with whether more follows; status and answer."""
    headers = [(b"content-type", b"image/jpeg"), (b"host", b"localhost")]
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/api/predict",
        "raw_path": b"/api/predict",
        "query_string": b"",
        "headers": headers,
        "client": ("127.0.0.1", 1),
        "server": ("localhost", 80),
        "root_path": "",
    }
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        body, more = await parts()
        return {"type": "http.request", "body": body, "more_body": more}

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent[0]["status"], json.loads(b"".join(one.get("body", b"") for one in sent[1:]))


def stalled(first: bytes = b"\xff\xd8", waits: asyncio.Event | None = None) -> Callable[[], Awaitable[Part]]:
    """A body that begins and never goes on; `waits` is set once its first part was taken and the next is awaited."""
    begun: list[bool] = []

    async def parts() -> Part:
        if begun:
            if waits is not None:
                waits.set()
            await asyncio.Event().wait()
        begun.append(True)
        return first, True

    return parts


def whole(picture: bytes) -> Callable[[], Awaitable[Part]]:
    async def parts() -> Part:
        return picture, False

    return parts


def test_bodies_that_stall_take_no_place_and_end_with_a_reason(web_lake, colour_model, picture_of):
    app = create_app(web_lake, WebConfig(max_pending_uploads=2, upload_grace_s=3.0), encoder=colour_model)

    async def crowd() -> tuple[list[Any], Any]:
        slow = [asyncio.create_task(post(app, stalled())) for _ in range(8)]
        await asyncio.sleep(0)
        honest = await post(app, whole(picture_of((9, 9, 9))))
        return await asyncio.gather(*slow), honest

    slow, honest = asyncio.run(crowd())
    assert honest[0] == 200
    assert {status for status, _ in slow} == {408}
    assert "too slowly" in slow[0][1]["detail"]


def test_a_body_that_arrives_at_a_fair_rate_has_all_the_time_it_needs(web_lake, colour_model, picture_of):
    config = WebConfig(upload_grace_s=1.0, upload_bytes_a_second=10)
    app = create_app(web_lake, config, encoder=colour_model)
    picture = picture_of((9, 9, 9))
    pieces = [picture[:300], picture[300:]]

    async def parts() -> Part:
        if len(pieces) == 1:
            await asyncio.sleep(1.5)  # more than the grace; 300 bytes have earned thirty seconds
        return pieces.pop(0), bool(pieces)

    assert asyncio.run(post(app, parts))[0] == 200


def test_more_bytes_than_may_arrive_at_once_are_refused_and_given_back(web_lake, colour_model, picture_of):
    app = create_app(web_lake, WebConfig(receiving_bytes=10_000, upload_grace_s=3.0), encoder=colour_model)

    async def crowd() -> tuple[Any, Any, Any]:
        waits = asyncio.Event()
        holding = asyncio.create_task(post(app, stalled(b"\xff\xd8" + bytes(9_000), waits)))
        await waits.wait()
        refused = await post(app, whole(b"\xff\xd8" + bytes(2_000)))
        held = await holding
        return refused, held, await post(app, whole(picture_of((9, 9, 9))))

    refused, held, later = asyncio.run(crowd())
    assert (refused[0], held[0], later[0]) == (503, 408, 200)


def test_a_visitor_who_leaves_makes_no_traceback(web_lake, colour_model):
    app = create_app(web_lake, encoder=colour_model)

    async def leave() -> tuple[int, Any]:
        sent: list[Any] = []
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/api/predict",
            "query_string": b"",
            "headers": [(b"content-type", b"image/jpeg")],
        }

        async def receive() -> dict[str, Any]:
            return {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(message)

        await app(scope, receive, send)
        return sent[0]["status"], sent

    assert asyncio.run(leave())[0] == 400


def test_exports_are_made_one_at_a_time_once_each_and_not_without_end():
    exports, made, go_on = SharedJobs("exports", max_pending=1), list[str](), threading.Event()

    def make(name: str) -> bytes:
        go_on.wait(60)
        made.append(name)
        return name.encode()

    async def ask() -> list[Any]:
        asked = [asyncio.create_task(exports.get(name, lambda n=name: make(n))) for name in ("a", "a", "b")]
        await asyncio.sleep(0)
        with pytest.raises(TooManyJobsError):
            await exports.get("c", lambda: make("c"))
        go_on.set()
        return await asyncio.gather(*asked)

    assert asyncio.run(ask()) == [b"a", b"a", b"b"]
    assert made == ["a", "b"]
    assert asyncio.run(exports.get("a", lambda: make("a"))) == b"a"
    assert made == ["a", "b"]
    exports.close()


def test_who_asks_for_many_exports_waits_behind_those_who_ask_for_one():
    exports, made, go_on = SharedJobs("exports", max_pending=3), list[str](), threading.Event()

    def make(name: str) -> bytes:
        go_on.wait(60)
        made.append(name)
        return b""

    async def ask() -> None:
        names = [("greedy", f"g{n}") for n in range(4)] + [("honest", "h"), ("other", "o")]
        asked = [asyncio.create_task(exports.get(name, lambda n=name: make(n), who)) for who, name in names]
        await asyncio.sleep(0)
        with pytest.raises(TooManyJobsError):
            await exports.get("g4", lambda: make("g4"), "greedy")
        go_on.set()
        await asyncio.gather(*asked)

    asyncio.run(ask())
    assert made.index("h") <= 2
    assert made.index("o") <= 3
    assert made[-1] == "g3"
    exports.close()


def test_exports_are_kept_up_to_a_limit_on_their_bytes_and_a_larger_one_is_not():
    exports, made = SharedJobs("exports", max_pending=1, kept_bytes=100), list[str]()

    def make(name: str, size: int) -> bytes:
        made.append(name)
        return bytes(size)

    def ask(name: str, size: int) -> None:
        assert len(asyncio.run(exports.get(name, lambda: make(name, size)))) == size

    ask("a", 60)
    ask("large", 101)
    ask("a", 60)
    ask("large", 101)
    assert made == ["a", "large", "large"], "a larger one is made each time, and drives out no other"
    ask("b", 40)
    ask("a", 60)
    ask("c", 30)
    assert made[3:] == ["b", "c"], "both had room"
    ask("a", 60)
    ask("b", 40)
    assert made[5:] == ["b"], "that which was asked for the longest ago went"
    exports.close()


def test_what_is_made_for_somebody_who_left_is_held_to_the_limit_too():
    exports, made, go_on = SharedJobs("exports", max_pending=1, kept_bytes=100), list[str](), threading.Event()

    def make() -> bytes:
        go_on.wait(60)
        made.append("large")
        return bytes(101)

    async def leave() -> None:
        asked = asyncio.create_task(exports.get("large", make))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        go_on.set()
        await exports.get("next", lambda: b"made after it")

    asyncio.run(leave())
    asyncio.run(exports.get("large", make))
    assert made == ["large", "large"]
    exports.close()


def test_an_export_that_failed_is_tried_again():
    exports = SharedJobs("exports", max_pending=1)

    def fail() -> bytes:
        raise OSError("no room")

    class PanicException(BaseException):
        """What Lance and Polars raise where their Rust code panics."""

    def panic() -> bytes:
        raise PanicException

    with pytest.raises(OSError, match="no room"):
        asyncio.run(exports.get("a", fail))
    with pytest.raises(PanicException):
        asyncio.run(exports.get("a", panic))
    assert asyncio.run(exports.get("a", lambda: b"made")) == b"made"
    exports.close()


def test_too_many_exports_are_told_to_come_back(web_lake, colour_model):
    client = TestClient(create_app(web_lake, WebConfig(max_pending_exports=-1), encoder=colour_model))
    answer = client.get("/api/search/hits.csv")
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("bound_to", "named", "asked", "status"),
    [
        ("127.0.0.1", "", "localhost:8500", 200),
        ("127.0.0.1", "", "[::1]:8500", 200),
        ("127.0.0.1", "", "evil.example", 400),
        ("192.0.2.1", "", "museum.example", 200),
        ("192.0.2.1", "*.museum.example, localhost", "art.museum.example", 200),
        ("192.0.2.1", "*.museum.example, localhost", "evil.example", 400),
    ],
)
def test_only_the_names_of_the_app_are_answered(
    web_lake, colour_model, bound_to: str, named: str, asked: str, status: int
):
    config = WebConfig.from_settings(Settings(web_hosts=named), bound_to)
    client = TestClient(create_app(web_lake, config, encoder=colour_model))
    assert client.get("/api/healthz", headers={"host": asked}).status_code == status
    page = client.get("/", headers={"host": asked})
    assert page.status_code == status
    assert page.headers["x-content-type-options"] == "nosniff"
    if status == 400:
        assert "ARTPIPE_WEB_HOSTS" in page.text
        assert "ARTPIPE_WEB_HOSTS" in client.get("/api/healthz", headers={"host": asked}).json()["detail"]


def test_metrics_can_be_switched_off(web_lake, colour_model):
    config = WebConfig.from_settings(Settings(web_metrics=False), "127.0.0.1")
    client = TestClient(create_app(web_lake, config, encoder=colour_model), base_url="http://localhost")
    assert client.get("/api/metrics").status_code == 404
    assert client.get("/api/healthz").status_code == 200
