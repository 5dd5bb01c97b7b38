import pytest
from fastapi.testclient import TestClient

from artpipe.web.app import create_app
from artpipe.web.config import WebConfig
from artpipe.web.guard import RateLimit
from artpipe.web.serve import is_loopback, serve


@pytest.mark.parametrize("address", ["/", "/nowhere", "/static/artpipe.css", "/api/healthz", "/images/none.jpg"])
def test_every_answer_carries_the_security_headers(client: TestClient, address: str):
    headers = client.get(address).headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"


def test_a_client_that_asks_too_often_waits_while_another_does_not():
    now = [0.0]
    limit = RateLimit(lambda *_: None, per_minute=60, clock=lambda: now[0])
    passed = [limit.wait_s("a") for _ in range(16)]
    assert passed[:15] == [0] * 15
    assert passed[15] >= 1
    assert limit.wait_s("b") == 0
    now[0] = 1.0
    assert limit.wait_s("a") == 0
    assert limit.wait_s("a") >= 1


def test_clients_without_end_do_not_fill_the_memory():
    limit = RateLimit(lambda *_: None, per_minute=60, clock=lambda: 0.0)
    for number in range(10_500):
        limit.wait_s(str(number))
    assert len(limit._left) == 10_000


def test_the_limit_spares_pictures_and_says_when_to_come_again(own_lake, colour_model):
    app = create_app(own_lake, WebConfig(requests_per_minute=8), encoder=colour_model)
    with TestClient(app) as client:
        for _ in range(5):
            assert client.get("/images/d/durer/work001.jpg").status_code == 200
        assert [client.get("/").status_code for _ in range(3)] == [200, 200, 429]
        refused = client.get("/api/search")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert "too many requests" in refused.json()["detail"]
        told_to_a_script = client.get("/", headers={"Accept": "application/json"})
        assert "too many requests" in told_to_a_script.json()["detail"]
        assert client.get("/search/verdict").status_code == 422  # a page asks by itself, and is not counted


def test_pictures_beyond_those_that_may_wait_are_asked_to_come_again(own_lake, colour_model, picture_of):
    with TestClient(create_app(own_lake, WebConfig(waiting_uploads=0), encoder=colour_model)) as client:
        answer = client.post("/api/predict", files={"picture": ("p", picture_of((1, 2, 3)))})
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("host", "expected"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("museum.example", False)],  # noqa: S104
)
def test_loopback_is_told_from_wider_addresses(host: str, expected: bool):
    assert is_loopback(host) is expected


def test_a_server_leaves_each_visitor_one_thread_of_the_linear_algebra(own_lake, monkeypatch: pytest.MonkeyPatch):
    import uvicorn
    from threadpoolctl import threadpool_info

    threads: list[int] = []

    def run(_: uvicorn.Server, sockets: list) -> None:
        threads.extend(pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas")
        sockets[0].close()

    monkeypatch.setattr(uvicorn.Server, "run", run)
    serve(own_lake, WebConfig(), host="127.0.0.1", port=0, device="cpu", tell=lambda _: None)
    assert set(threads) == {1}
