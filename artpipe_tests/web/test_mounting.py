"""The site below a path, and `HEAD`."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

import pytest
from fastapi.testclient import TestClient

from artpipe.errors import BadSettingError
from artpipe.settings import Settings, read_settings
from artpipe.web.app import create_app
from artpipe.web.app_state import HERE
from artpipe.web.config import WebConfig

PAGES = [
    "/",
    "/search?words=moon",
    "/search?like=d/durer/work001",
    "/works/d/durer/work001",
    "/artists",
    "/map",
    "/api",
]


@pytest.fixture(scope="module", params=["with the path", "without it"])
def below(request: pytest.FixtureRequest, web_lake, colour_model_class) -> Iterator[TestClient]:
    """A browser behind a proxy that passes the path `/art` on, or does not."""
    app = create_app(web_lake, WebConfig(root_path="/art"), encoder=colour_model_class())

    async def proxy(scope, receive, send) -> None:
        if scope["type"] == "http":
            assert scope["path"].startswith("/art/"), f"{scope['path']} leads out of the site"
            if request.param == "without it":
                scope = {**scope, "path": scope["path"].removeprefix("/art")}
        await app(scope, receive, send)

    with TestClient(proxy, follow_redirects=False) as client:
        yield client


@pytest.mark.parametrize("page", PAGES)
def test_every_address_of_a_page_stays_below_the_path(below: TestClient, page: str):
    answer = below.get(f"/art{page}")
    assert answer.status_code == 200
    attributes = r'(?:href|src|action|data-(?:points|works|stored|library|original))="([^"#]+)'
    own = {one.replace("&amp;", "&") for one in re.findall(attributes, answer.text) if "://" not in one}
    assert own
    assert {one for one in own if not urljoin(f"/art{page}", one).startswith("/art/")} == set()
    for one in sorted(own, key=len)[:12]:
        assert below.get(urljoin(f"/art{page}", one)).status_code in (200, 404, 405), one
    assert 'data-root="/art"' in answer.text


def test_no_template_has_an_address_of_its_own():
    found = {
        (template.name, address)
        for template in (HERE / "templates").glob("*.html")
        for address in re.findall(r'(?:href|src|action)="(/[^"]*)"', template.read_text(encoding="utf-8"))
    }
    assert found == set(), "addresses come from `links`, which know the path"


def test_uploads_and_errors_stay_below_the_path(below: TestClient, picture_of):
    sent = below.post("/art/search", files={"picture": ("p.jpg", picture_of((228, 77, 78)))})
    assert sent.headers["location"].startswith("/art/search?image=")
    assert below.get("/art/static/artpipe.css").status_code == 200
    assert below.get("/art/api/nowhere").json()["detail"] == "there is no page at this address."
    assert below.get("/art/openapi.json").json()["servers"] == [{"url": "/art"}]


@pytest.mark.parametrize("address", [*PAGES, "/static/artpipe.css", "/images/d/durer/work001.jpg", "/api/search"])
def test_head_is_answered_as_get_without_the_body(client: TestClient, address: str):
    asked, sent = client.head(address), client.get(address)
    assert (asked.status_code, asked.content) == (200, b"")
    own = ("content-type", "content-length", "etag", "cache-control")
    if "/api/" not in address:  # its answer says how long it took
        assert [asked.headers.get(name) for name in own] == [sent.headers.get(name) for name in own]


def test_head_of_a_missing_page_is_404(client: TestClient):
    assert client.head("/nowhere").status_code == 404


@pytest.mark.parametrize(("given", "path"), [("/art/", "/art"), ("", ""), ("/", ""), ("/a/b-c", "/a/b-c")])
def test_the_path_may_end_in_a_slash(given: str, path: str):
    assert Settings(web_root_path=given).web_root_path == path


@pytest.mark.parametrize("given", ["art", "/a b", "https://museum.example/art", '/"><script>', "/map", "/works/art"])
def test_what_is_no_path_is_refused(monkeypatch: pytest.MonkeyPatch, given: str):
    monkeypatch.setenv("ARTPIPE_WEB_ROOT_PATH", given)
    with pytest.raises(BadSettingError, match="write one like `/art`"):
        read_settings()
