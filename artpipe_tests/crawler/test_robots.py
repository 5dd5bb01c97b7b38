"""robots.txt is requested once and obeyed; an unreadable one forbids everything."""

from dataclasses import replace

import pytest

from artpipe.crawler.client import GalleryClient, Outcome, Request
from artpipe.crawler.outcome import Response
from artpipe.crawler.robots import MAX_CRAWL_DELAY_S, robots_rules

RULES = b"User-agent: *\nDisallow: /support/\nDisallow: /cgi-bin/search.cgi\nAllow: /\n"


def rules_in(text: str, product: str = "artpipe"):
    return robots_rules("http://h/robots.txt", Response(Outcome.OK, 200, text.encode()), product)


def test_a_disallowed_path_is_refused_without_a_request(gallery, config, reply):
    gallery.on("/robots.txt", reply(200, RULES))
    gallery.on("/support/a.html", reply(200, b"secret"))
    with GalleryClient(config) as client:
        got = client.get("https://www.wga.hu/support/a.html")
    assert (got.outcome, got.status, got.body) == (Outcome.REFUSED, None, b"")
    assert "robots.txt does not allow artpipe" in str(got.error)
    assert gallery.requests_of("/support/a.html") == 0


def test_robots_txt_is_requested_once_and_only_when_needed(gallery, config, reply):
    gallery.on("/robots.txt", reply(200, RULES))
    with GalleryClient(config) as client:
        assert gallery.seen == []
        list(client.get_many(Request(f"/{n}.jpg") for n in range(20)))
    assert gallery.requests_of("/robots.txt") == 1
    assert gallery.seen[0] == "/robots.txt"


def test_robots_txt_is_requested_again_after_a_day(gallery, config, reply, fake_time):
    gallery.on("/robots.txt", reply(200, b""), reply(200, b"User-agent: *\nDisallow: /\n"))
    gallery.on("/a.jpg", reply(200, b"a"))
    with GalleryClient(config, fake_time.clock, fake_time.sleep) as client:
        assert client.get("/a.jpg").outcome is Outcome.OK
        fake_time.now += 23 * 3600
        assert client.get("/a.jpg").outcome is Outcome.OK
        fake_time.now += 2 * 3600
        assert client.get("/a.jpg").outcome is Outcome.REFUSED


def test_a_mirror_below_a_path_is_matched_by_the_whole_path(gallery, config, reply):
    gallery.on("/robots.txt", reply(200, b"User-agent: *\nDisallow: /mirror/private/\n"))
    gallery.on("/mirror/a.jpg", reply(200, b"a"))
    with GalleryClient(replace(config, base_url=f"{gallery.url}/mirror")) as client:
        assert client.get("/private/a.jpg").outcome is Outcome.REFUSED
        assert client.get("/a.jpg").outcome is Outcome.OK


def test_a_redirect_does_not_lead_around_the_rules(gallery, config, reply):
    gallery.on("/robots.txt", reply(200, RULES))
    gallery.on("/a.jpg", reply(302, headers={"Location": "/support/a.jpg"}))
    with GalleryClient(config) as client:
        assert client.get("/a.jpg").outcome is Outcome.REFUSED
    assert gallery.requests_of("/support/a.jpg") == 0


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_no_rules_allow_everything(gallery, config, reply, status):
    gallery.on("/robots.txt", reply(status))
    gallery.on("/a.jpg", reply(200, b"a"))
    with GalleryClient(config) as client:
        assert client.get("/a.jpg").outcome is Outcome.OK


@pytest.mark.parametrize("status", [429, 500, 503])
def test_rules_that_cannot_be_read_forbid_everything(gallery, config, reply, status):
    gallery.on("/robots.txt", reply(status))
    gallery.on("/a.jpg", reply(200, b"a"))
    with GalleryClient(config) as client:
        got = [client.get("/a.jpg") for _ in range(3)]
    assert {response.outcome for response in got} == {Outcome.FAILED}
    assert "robots.txt could not be read, so nothing may be requested of its host" in str(got[0].error)
    assert (gallery.requests_of("/robots.txt"), gallery.requests_of("/a.jpg")) == (4, 0)


def test_an_unreadable_robots_txt_is_requested_again_after_a_minute(gallery, config, reply, fake_time):
    gallery.on("/robots.txt", *[reply(500)] * 4, reply(200, RULES))
    gallery.on("/a.jpg", reply(200, b"a"))
    with GalleryClient(config, fake_time.clock, fake_time.sleep) as client:
        assert client.get("/a.jpg").outcome is Outcome.FAILED
        fake_time.now += 61
        assert client.get("/a.jpg").outcome is Outcome.OK


def test_a_crawl_delay_spaces_requests_even_on_loopback(gallery, config, reply, fake_time):
    gallery.on("/robots.txt", reply(200, b"User-agent: *\nCrawl-delay: 3\n"))
    with GalleryClient(config, fake_time.clock, fake_time.sleep) as client:
        for _ in range(3):
            client.get("/a.jpg")
    assert fake_time.slept == [3.0, 3.0, 3.0]


def test_a_crawl_delay_never_makes_us_faster(gallery, config, reply, fake_time, monkeypatch):
    monkeypatch.setattr("artpipe.crawler.client.is_loopback", lambda _host: False)
    gallery.on("/robots.txt", reply(200, b"User-agent: *\nCrawl-delay: 0.1\n"))
    with GalleryClient(replace(config, requests_per_s=1), fake_time.clock, fake_time.sleep) as client:
        client.get("/a.jpg")
        client.get("/a.jpg")
    assert fake_time.slept == [1.0, 1.0]


def test_an_absurd_crawl_delay_is_cut():
    assert rules_in("User-agent: *\nCrawl-delay: 86400").crawl_delay_s == MAX_CRAWL_DELAY_S
    assert rules_in("User-agent: *\nCrawl-delay: -5").crawl_delay_s == 0
    assert rules_in("User-agent: *\nCrawl-delay: soon").crawl_delay_s == 0


def test_rules_for_our_user_agent_override_those_for_all():
    text = "User-agent: *\nAllow: /\n\nUser-agent: artpipe\nDisallow: /art/\n\nUser-agent: example\nDisallow: /html/\n"
    assert rules_in(text).refusal("http://h/art/a.jpg")
    assert rules_in(text).refusal("http://h/html/a.html") is None


def test_a_page_in_place_of_the_rules_allows_everything():
    assert rules_in("<html><body>Welcome to the gallery</body></html>").refusal("http://h/a.jpg") is None


def test_rules_saved_by_a_windows_editor_are_read():
    assert rules_in("\ufeffUser-agent: *\r\nDisallow: /art/\r\n").refusal("http://h/art/a.jpg")
