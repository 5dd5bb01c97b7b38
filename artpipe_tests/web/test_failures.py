"""What a visitor reads when there is no answer."""

import re

import pytest
from fastapi.testclient import TestClient

from artpipe.web.app import create_app
from artpipe.web.config import WebConfig

INTERNAL = re.compile(r"\b(str|string|tuple|int|pydantic|query|regex|pattern|input|Internal Server Error|Traceback)\b")


def words_of(page: str) -> str:
    found = re.search(r'<section class="message">(.*?)</section>', page, re.DOTALL)
    assert found
    return re.sub(r"<form.*</form>", "", found[1], flags=re.DOTALL)


@pytest.mark.parametrize(
    ("address", "status", "message"),
    [
        ("/nowhere", 404, "There is no page at this address."),
        ("/search?page=0", 422, "Page begins at 1."),
        ("/search?page=99999999", 422, "Page ends at 10,000."),
        ("/search?page=two", 422, "Page must be a whole number."),
        ("/search?year_from=soon", 422, "Year from is no year; write one like 1600 or 500 BC."),
        ("/search?year_from=1700&year_to=500+BC", 422, "The years end before they begin: from 1700 to 500 BC"),
        (f"/search?words={'a' * 201}", 422, "Words: at most 200 characters can be used; shorten it."),
        (f"/search?style={'a' * 201}", 422, "Style: at most 200 characters can be used; shorten it."),
        ("/search?" + "style=a&" * 41, 422, "Style: at most 40 values can be used; remove some."),
        ("/images/d/durer/work001.jpg?w=0", 422, "W begins at 1."),
    ],
)
def test_what_cannot_be_shown_is_said_in_plain_words(client: TestClient, address: str, status: int, message: str):
    answer = client.get(address)
    assert answer.status_code == status
    assert message in answer.text
    assert not INTERNAL.search(words_of(answer.text))
    if status == 422:
        of_api = client.get(address, headers={"accept": "application/json"}).json()["detail"]
        assert message[1:] in (of_api if isinstance(of_api, str) else of_api[0]["msg"])


def test_an_address_that_takes_no_such_request_says_so(client: TestClient):
    answer = client.post("/artists")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert "This address cannot be used in this way" in answer.text


@pytest.mark.parametrize(("accept", "kind"), [("text/html", "text/html"), ("application/json", "application/json")])
def test_a_mistake_of_ours_is_a_page_that_shows_nothing_of_it(
    own_lake, colour_model, monkeypatch: pytest.MonkeyPatch, accept: str, kind: str
):
    app = create_app(own_lake, encoder=colour_model)

    def fail(*_: object) -> None:
        raise RuntimeError("a secret of the machine room")

    monkeypatch.setattr(app.state.web.catalogue, "sample", fail)
    answer = TestClient(app, raise_server_exceptions=False).get("/", headers={"accept": accept})
    assert answer.status_code == 500
    assert answer.headers["content-type"].startswith(kind)
    assert "he page could not be made; the fault is ours and was noted. Try again later." in answer.text
    assert "secret" not in answer.text
    assert "script-src 'self'" in answer.headers["content-security-policy"]


def test_a_busy_server_says_when_to_come_back(own_lake, colour_model):
    client = TestClient(create_app(own_lake, WebConfig(max_pending_exports=-1), encoder=colour_model))
    answer = client.get("/api/search/hits.csv")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
