"""Behind a reverse proxy: whose limits a request counts for, and what a proxy on this machine must not open."""

import pytest
from fastapi.testclient import TestClient
from starlette.requests import Request

from artpipe.errors import BadSettingError
from artpipe.settings import read_settings
from artpipe.web.app import create_app
from artpipe.web.app_state import client_of
from artpipe.web.config import WebConfig


@pytest.mark.parametrize(
    ("trusted", "sender", "forwarded", "client"),
    [
        ((), "127.0.0.1", "192.0.2.7", "127.0.0.1"),
        (("127.0.0.1",), "127.0.0.1", "192.0.2.7", "192.0.2.7"),
        (("127.0.0.1",), "127.0.0.1", "10.9.9.9, 192.0.2.7", "192.0.2.7"),
        (("127.0.0.1", "10.0.0.0/8"), "127.0.0.1", "192.0.2.7, 10.1.2.3", "192.0.2.7"),
        (("10.0.0.0/8",), "192.0.2.9", "192.0.2.7", "192.0.2.9"),
        (("::1",), "::1", "2001:db8::1:2:3", "2001:db8::/64"),
        (("127.0.0.1",), "127.0.0.1", "no address", "no address"),
    ],
)
def test_a_visitor_is_who_a_trusted_proxy_names(
    web_lake, colour_model, trusted: tuple[str, ...], sender: str, forwarded: str, client: str
):
    app = create_app(web_lake, WebConfig(trusted_proxies=trusted), encoder=colour_model)

    @app.get("/who")
    def who(request: Request) -> str:
        return client_of(request)

    visitor = TestClient(app, client=(sender, 1))
    assert visitor.get("/who", headers={"x-forwarded-for": forwarded}).json() == client


def test_neighbours_in_one_ipv6_network_share_their_limits():
    def from_host(host: str) -> str:
        return client_of(Request({"type": "http", "client": (host, 1)}))

    assert from_host("2001:db8:1:2::3") == from_host("2001:db8:1:2:ffff::9") != from_host("2001:db8:1:3::3")
    assert from_host("fe80::1%eth0") == "fe80::/64"
    assert from_host("192.0.2.1") != from_host("192.0.2.2")


@pytest.mark.parametrize("given", ["*", "0.0.0.0/0", "::/0", "proxy.museum.example", "10.0.0.1/8"])
def test_proxies_are_named_by_their_addresses(monkeypatch: pytest.MonkeyPatch, given: str):
    monkeypatch.setenv("ARTPIPE_WEB_TRUSTED_PROXIES", f"127.0.0.1, {given}")
    with pytest.raises(BadSettingError, match="ARTPIPE_WEB_TRUSTED_PROXIES"):
        read_settings()


def test_links_have_the_scheme_and_the_name_that_the_visitor_used(web_lake, colour_model):
    app = create_app(web_lake, WebConfig(trusted_proxies=("127.0.0.1",), root_path="/art"), encoder=colour_model)
    proxy = TestClient(app, client=("127.0.0.1", 1), base_url="http://museum.example")
    sent = proxy.get("/art/sitemap.xml", headers={"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.7"}).text
    assert "<loc>https://museum.example/art/sitemap-1.xml</loc>" in sent
