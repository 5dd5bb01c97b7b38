"""The requests that a gallery receives, and the outcome of each kind of response."""

import base64
import gzip
import random
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from email.utils import formatdate

import pytest

from artpipe.crawler.client import ClientConfig, GalleryClient, GalleryUnreachableError, Outcome, Request, RequestCounts
from artpipe.errors import ArtpipeError

SITE = "https://www.wga.hu"


def test_a_request_goes_to_the_same_path_below_the_base_url(gallery, config, reply):
    gallery.on("/mirror/of/art/a.jpg", reply(200, b"pixels"))
    gallery.on("/mirror/of/cgi-bin/artist.cgi?from=0&letter=-", reply(200, b"list"))
    with GalleryClient(replace(config, base_url=f"{gallery.url}/mirror/of/")) as client:
        assert client.get(f"{SITE}/art/a.jpg").body == b"pixels"
        assert client.get(f"{SITE}/cgi-bin/artist.cgi?from=0&letter=-").body == b"list"


def test_a_path_with_spaces_and_accents_is_quoted(gallery, config, reply):
    gallery.on("/art/d%C3%BCrer/a%20b.jpg", reply(200, b"hare"))
    with GalleryClient(config) as client:
        assert client.get(f"{SITE}/art/dürer/a b.jpg").body == b"hare"


def test_every_request_has_the_user_agent(gallery, config):
    with GalleryClient(config) as client:
        client.get(f"{SITE}/art/a.jpg")
    assert [headers["user-agent"] for headers in gallery.headers] == ["artpipe/0.1.0 (+curator@example.org)"] * 2


def test_a_login_is_sent_to_the_gallery_and_to_no_other_host(gallery, config, reply):
    elsewhere = f"http://localhost:{gallery.server_address[1]}"
    gallery.on("/a.jpg", reply(302, headers={"Location": f"{elsewhere}/b.jpg"}))
    gallery.on("/b.jpg", reply(200, b"pixels"))
    allowing = replace(config, allowed_hosts=("localhost",))
    with GalleryClient(allowing, login=("name", "pass word")) as client:
        assert client.get("/a.jpg").body == b"pixels"
    sent = dict(zip(gallery.seen, [headers.get("authorization") for headers in gallery.headers], strict=True))
    assert sent["/a.jpg"] == "Basic " + base64.b64encode(b"name:pass word").decode()
    assert sent["/b.jpg"] is None


def test_a_connection_is_used_again_even_after_an_error_page(gallery, config, reply):
    gallery.on("/a.jpg", reply(200, b"a" * 300_000))
    with GalleryClient(config) as client:
        for path in ("/a.jpg", "/gone.jpg", "/a.jpg"):
            client.get(path)
    assert len(gallery.connections) == 1


def test_a_whole_body_comes_with_its_validators(gallery, config, reply):
    headers = {"ETag": '"1"', "Last-Modified": "Wed, 01 Jan 2020 00:00:00 GMT"}
    gallery.on("/a.jpg", reply(200, b"x" * 500_000, headers))
    with GalleryClient(config) as client:
        got = client.get("/a.jpg")
        assert client.counts == RequestCounts(requests=2, bodies=1, bytes=500_000)
    assert (got.outcome, got.status, got.tries) == (Outcome.OK, 200, 1)
    assert (got.etag, got.last_modified) == ('"1"', headers["Last-Modified"])
    assert got.body == b"x" * 500_000


def test_an_unchanged_file_is_not_sent_again(gallery, config, reply):
    gallery.on("/a.jpg", reply(304))
    with GalleryClient(config) as client:
        got = client.get("/a.jpg", etag='"1"', last_modified="Wed, 01 Jan 2020 00:00:00 GMT")
        assert client.counts.not_modified == 1
    assert (got.outcome, got.etag, got.body) == (Outcome.NOT_MODIFIED, '"1"', b"")
    assert gallery.headers[-1]["if-none-match"] == '"1"'
    assert gallery.headers[-1]["if-modified-since"] == "Wed, 01 Jan 2020 00:00:00 GMT"


@pytest.mark.parametrize("date", ["Tue, 01 Jan 2999 00:00:00 GMT", "no date"])
def test_a_date_that_has_not_come_yet_is_not_taken_for_that_of_the_stored_copy(gallery, config, reply, date):
    gallery.on("/a.jpg", reply(200, b"new"))
    with GalleryClient(config) as client:
        assert client.get("/a.jpg", last_modified=date).body == b"new"
    assert ("if-modified-since" in gallery.headers[-1]) is (date == "no date")


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        (404, Outcome.GONE),
        (410, Outcome.GONE),
        (401, Outcome.REFUSED),
        (403, Outcome.REFUSED),
        (451, Outcome.REFUSED),
        (400, Outcome.FAILED),
        (304, Outcome.FAILED),
        (501, Outcome.FAILED),
    ],
)
def test_a_permanent_failure_is_not_retried(gallery, config, reply, status, outcome):
    gallery.on("/a.jpg", reply(status))
    with GalleryClient(config) as client:
        got = client.get("/a.jpg")
    assert (got.outcome, got.status, got.tries) == (outcome, status, 1)
    assert str(status) in str(got.error)
    assert gallery.requests_of("/a.jpg") == 1


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 520, 524])
def test_a_transient_failure_is_retried(gallery, config, reply, status):
    gallery.on("/a.jpg", reply(status), reply(status), reply(200, b"at last"))
    with GalleryClient(config) as client:
        got = client.get("/a.jpg")
        assert client.counts.retries == 2
    assert (got.outcome, got.body, got.tries) == (Outcome.OK, b"at last", 3)


def test_retries_are_limited_and_their_pauses_grow(gallery, config, reply, fake_time):
    class Late(random.Random):
        def random(self) -> float:
            return 1.0

    gallery.on("/a.jpg", reply(500))
    with GalleryClient(replace(config, backoff_s=0.5), fake_time.clock, fake_time.sleep, Late()) as client:
        got = client.get("/a.jpg")
    assert (got.outcome, got.status, got.tries) == (Outcome.FAILED, 500, 4)
    assert fake_time.slept == [0.5, 1.0, 2.0]


def test_a_truncated_body_is_detected_and_retried(gallery, config, reply, saying):
    cut = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 400)
    gallery.on("/a.jpg", cut, reply(200, b"whole"))
    gallery.on("/b.jpg", cut)
    with GalleryClient(config) as client:
        assert client.get("/a.jpg").body == b"whole"
        never = client.get("/b.jpg")
    assert (never.outcome, never.error, never.tries) == (Outcome.FAILED, "the body ended 600 bytes early", 4)


def test_a_dropped_connection_is_retried(gallery, config, reply, saying):
    gallery.on("/a.jpg", saying(b""), reply(200, b"whole"))
    with GalleryClient(config) as client:
        assert client.get("/a.jpg").body == b"whole"


def test_a_body_that_stalls_ends_in_a_failure(gallery, config, saying):
    gallery.on("/a.jpg", saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nxxx", stall=True))
    with GalleryClient(replace(config, read_timeout_s=0.1, max_tries=2)) as client:
        got = client.get("/a.jpg")
    assert (got.outcome, got.error, got.tries) == (Outcome.FAILED, "nothing was received for 0.1 s", 2)


def test_a_body_that_trickles_in_for_too_long_ends_in_a_failure(gallery, config, reply):
    def trickle(handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not gallery.ended.wait(0.02):
            handler.wfile.write(b"x")

    gallery.on("/a.jpg", reply(write=trickle))
    with GalleryClient(replace(config, read_timeout_s=5, total_timeout_s=0.2, max_tries=1)) as client:
        got = client.get("/a.jpg")
    assert (got.outcome, got.error) == (Outcome.FAILED, "the response was not complete within 0.2 s")


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found"])
def test_a_body_below_the_least_rate_is_given_up_after_one_try_and_others_come_meanwhile(
    gallery, config, reply, status
):
    def trickle(handler) -> None:
        handler.wfile.write(f"HTTP/1.1 {status}\r\nContent-Length: 1000\r\n\r\n".encode())
        while not gallery.ended.wait(0.02):
            handler.wfile.write(b"x")

    gallery.on("/slow.jpg", reply(write=trickle))
    gallery.on("/quick.jpg", reply(200, b"whole"))
    with GalleryClient(replace(config, rate_from_s=0.2, concurrency=2)) as client:
        paths = ["/slow.jpg", *["/quick.jpg"] * 20]
        got = list(client.get_many(Request(path, key=path) for path in paths))
    assert [request.key for request, _ in got] == [*["/quick.jpg"] * 20, "/slow.jpg"]
    slow = got[-1][1]
    if status == "404 Not Found":
        assert slow.outcome is Outcome.GONE, "its status is all that is asked of it"
    else:
        assert slow.outcome is Outcome.TOO_SLOW
        assert re.fullmatch(r"\d+ bytes of the body came in 0 s, less than 1,000 a second", str(slow.error))
    assert gallery.requests_of("/slow.jpg") == 1


def test_headers_that_trickle_in_are_cut_off(gallery, config, reply):
    def trickle(handler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n")
        while not gallery.ended.wait(0.02):
            handler.wfile.write(b"X-More: x\r\n" if handler.path == "/lines.jpg" else b"x")

    with GalleryClient(replace(config, read_timeout_s=0.3)) as client:
        for path in ("/lines.jpg", "/one_line.jpg"):
            gallery.on(path, reply(write=trickle))
            got = client.get(path)
            assert (got.outcome, got.tries) == (Outcome.TOO_SLOW, 1)
            assert got.error == "its headers were not complete within 0.3 s"
        gallery.on("/whole.jpg", reply(200, b"whole"))
        assert client.get("/whole.jpg").body == b"whole"


def test_a_body_announced_as_too_large_is_not_read(gallery, config, saying):
    gallery.on("/a.jpg", saying(b"HTTP/1.1 200 OK\r\nContent-Length: 60000000\r\n\r\n", stall=True))
    with GalleryClient(config) as client:
        got = client.get("/a.jpg")
    assert (got.outcome, got.tries) == (Outcome.TOO_LARGE, 1)
    assert "60,000,000 bytes" in str(got.error)


def test_a_body_of_unknown_length_is_read_up_to_the_ceiling(gallery, config, saying):
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"
    gallery.on("/a.jpg", saying(head + b"x" * 101))
    gallery.on("/b.jpg", saying(head + b"x" * 100))
    with GalleryClient(config) as client:
        assert client.get("/a.jpg", max_body_bytes=100).outcome is Outcome.TOO_LARGE
        assert client.get("/b.jpg", max_body_bytes=100).body == b"x" * 100


def test_a_large_body_goes_to_a_file_and_a_second_try_begins_it_anew(gallery, config, reply, saying, tmp_path):
    body = bytes(range(256)) * 4_000
    gallery.on(
        "/works.csv", saying(b"HTTP/1.1 200 OK\r\nContent-Length: 1024000\r\n\r\n" + body[:500_000]), reply(200, body)
    )
    with (tmp_path / "body").open("w+b") as file, GalleryClient(config) as client:
        got = client.get("/works.csv", into=file)
        file.seek(0)
        assert file.read() == body
    assert (got.outcome, got.tries, client.counts.bytes) == (Outcome.OK, 2, len(body))
    assert body.startswith(got.body)
    assert len(got.body) < len(body) / 2


def test_a_compressed_body_is_measured_unpacked(gallery, config, reply):
    packed = gzip.compress(bytes(1_000_000))
    gallery.on("/a.html", reply(200, packed, {"Content-Encoding": "gzip"}))
    with GalleryClient(config) as client:
        assert client.get("/a.html", max_body_bytes=10_000).outcome is Outcome.TOO_LARGE
        assert client.get("/a.html").body == bytes(1_000_000)


@pytest.mark.parametrize(
    "header", [lambda: "20", lambda: formatdate(time.time() + 20.5, usegmt=True)], ids=["seconds", "date"]
)
def test_retry_after_delays_the_retry_for_its_duration(gallery, config, reply, fake_time, header):
    gallery.on("/a.jpg", reply(503, headers={"Retry-After": header()}), reply(200, b"rested"))
    with GalleryClient(config, fake_time.clock, fake_time.sleep) as client:
        assert client.get("/a.jpg").body == b"rested"
    assert sum(fake_time.slept) == pytest.approx(20, abs=3)


def test_retry_after_delays_every_request_to_the_host(gallery, config, reply, fake_time):
    gallery.on("/a.jpg", reply(429, headers={"Retry-After": "60"}))
    gallery.on("/b.jpg", reply(200, b"b"))
    with GalleryClient(replace(config, max_tries=1), fake_time.clock, fake_time.sleep) as client:
        assert client.get("/a.jpg").outcome is Outcome.FAILED
        assert client.get("/b.jpg").outcome is Outcome.OK
    assert fake_time.slept == [60.0]


def test_a_retry_after_above_the_ceiling_fails_every_request_to_the_host(gallery, config, reply, fake_time):
    gallery.on("/a.jpg", reply(503, headers={"Retry-After": "3600"}))
    gallery.on("/b.jpg", reply(200, b"b"))
    with GalleryClient(config, fake_time.clock, fake_time.sleep) as client:
        first, second = client.get("/a.jpg"), client.get("/b.jpg")
    assert (first.outcome, first.tries, second.outcome) == (Outcome.FAILED, 1, Outcome.FAILED)
    for got in (first, second):
        assert "3,600 s (Retry-After), longer than the 120 s" in str(got.error)
    assert (fake_time.slept, gallery.requests_of("/b.jpg")) == ([], 0)


def test_a_redirect_on_the_same_host_is_followed(gallery, config, reply):
    gallery.on("/a.jpg", reply(301, b"moved", {"Location": "/moved/a.jpg"}))
    gallery.on("/moved/a.jpg", reply(200, b"pixels"))
    with GalleryClient(config) as client:
        assert client.get("/a.jpg").body == b"pixels"


def test_a_redirect_to_another_host_is_refused_unless_allowed(gallery, config, reply):
    elsewhere = gallery.url.replace("127.0.0.1", "localhost")
    gallery.on("/a.jpg", reply(302, headers={"Location": f"{elsewhere}/b.jpg"}))
    gallery.on("/b.jpg", reply(200, b"pixels"))
    with GalleryClient(config) as client:
        refused = client.get("/a.jpg")
    assert (refused.outcome, refused.status, gallery.requests_of("/b.jpg")) == (Outcome.REFUSED, 302, 0)
    assert f"{elsewhere}/b.jpg" in str(refused.error)
    assert "ARTPIPE_ALLOWED_HOSTS" in str(refused.error)
    for allowed in ("localhost", elsewhere.removeprefix("http://")):
        with GalleryClient(replace(config, allowed_hosts=(allowed,))) as client:
            assert client.get("/a.jpg").body == b"pixels"


@pytest.mark.parametrize("target", ["http://127.0.0.1:1/b.jpg", "file:///etc/hostname", "http://[bad"])
def test_a_redirect_to_another_port_or_scheme_is_refused(gallery, config, reply, target):
    gallery.on("/a.jpg", reply(302, headers={"Location": target}))
    with GalleryClient(config) as client:
        assert client.get("/a.jpg").outcome is Outcome.REFUSED


def test_http_and_https_of_one_name_are_one_host():
    here = "http://gallery.example/a.jpg"
    with GalleryClient(ClientConfig("http://gallery.example")) as client:
        assert client._followed(here, "https://gallery.example/a.jpg") == "https://gallery.example/a.jpg"
        assert client._followed(here, "http://gallery.example:8080/a.jpg") is None
        assert client._followed(here, "https://www.gallery.example/a.jpg") is None


@pytest.mark.parametrize(("target", "is_followed"), [("upload.museum.example", True), ("127.0.0.1", False)])
def test_pictures_of_sources_are_redirected_to_any_public_host(target, is_followed):
    here, there = "https://museum.example/a.jpg", f"https://{target}/a.jpg"
    with GalleryClient(ClientConfig(None)) as client:
        assert client._followed(here, there) == (there if is_followed else None)


def test_a_redirect_loop_ends(gallery, config, reply):
    gallery.on("/a.jpg", reply(302, headers={"Location": "/a.jpg"}))
    with GalleryClient(config) as client:
        got = client.get("/a.jpg")
    assert (got.outcome, gallery.requests_of("/a.jpg")) == (Outcome.FAILED, 6)
    assert "more than 5 redirects" in str(got.error)


@pytest.mark.parametrize("url", ["http://[bad/a.jpg", "https://www.wga.hu/a\r\nX: y.jpg", "", "?"])
def test_an_odd_address_is_an_outcome_not_an_exception(config, url):
    with GalleryClient(config) as client:
        assert client.get(url).outcome in (Outcome.FAILED, Outcome.GONE)


def test_a_validator_that_cannot_be_sent_is_an_outcome_not_an_exception(gallery, config, reply):
    gallery.on("/a.jpg", reply(200, b"a"))
    with GalleryClient(config) as client:
        got = client.get("/a.jpg", etag="one\r\nX-Smuggled: two")
    assert got.outcome is Outcome.FAILED
    assert not any("x-smuggled" in headers for headers in gallery.headers)


def test_loopback_is_not_rate_limited(config, fake_time):
    with GalleryClient(replace(config, requests_per_s=0.01), fake_time.clock, fake_time.sleep) as client:
        for _ in range(3):
            client.get("/a.jpg")
    assert fake_time.slept == []


def test_requests_to_other_hosts_keep_the_rate_limit(config, fake_time, monkeypatch):
    monkeypatch.setattr("artpipe.crawler.client.is_loopback", lambda _host: False)
    with GalleryClient(replace(config, requests_per_s=4), fake_time.clock, fake_time.sleep) as client:
        for _ in range(3):
            client.get("/a.jpg")
    # robots.txt is the first of four requests.
    assert fake_time.slept == [0.25, 0.25, 0.25]


def test_concurrent_requests_never_exceed_the_limit(gallery, config, reply):
    under_way, peak, lock = 0, 0, threading.Lock()
    full = threading.Event()

    def wait_for_company(handler) -> None:
        nonlocal under_way, peak
        with lock:
            under_way += 1
            peak = max(peak, under_way)
            if under_way == 3:
                full.set()
        full.wait(5)
        time.sleep(0.01)
        with lock:
            under_way -= 1
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")

    for n in range(30):
        gallery.on(f"/{n}.jpg", reply(write=wait_for_company))
    with GalleryClient(replace(config, concurrency=3)) as client:
        got = list(client.get_many(Request(f"/{n}.jpg", key=n) for n in range(30)))
    assert peak == 3
    assert sorted(request.key for request, _ in got) == list(range(30))
    assert {response.body for _, response in got} == {b"ok"}


def test_requests_are_taken_only_as_responses_are_consumed(config):
    taken = 0

    def endless() -> Iterator[Request]:
        nonlocal taken
        while True:
            taken += 1
            yield Request("/a.jpg")

    with GalleryClient(replace(config, concurrency=2)) as client:
        responses = client.get_many(endless())
        next(responses)
        settle(lambda: taken)
        assert taken <= 1 + 2 * 4
        responses.close()
    assert gallery_threads() == []


def test_closing_early_abandons_requests_that_hang(gallery, config, reply, saying):
    gallery.on("/quick.jpg", reply(200, b"quick"))
    gallery.on("/slow.jpg", saying(b"", stall=True))
    with GalleryClient(replace(config, concurrency=2)) as client:
        responses = client.get_many([Request("/quick.jpg"), *[Request("/slow.jpg")] * 9])
        assert next(responses)[1].body == b"quick"
        responses.close()
        # The server still holds its side open, so that only abandoning has ended the threads.
        assert gallery_threads() == []


def test_an_interrupt_at_the_consumer_leaves_no_thread_behind(gallery, config, reply, saying):
    gallery.on("/quick.jpg", reply(200, b"quick"))
    gallery.on("/slow.jpg", saying(b"", stall=True))

    def consume(client: GalleryClient) -> None:
        for _ in client.get_many([Request("/quick.jpg"), *[Request("/slow.jpg")] * 9]):
            raise KeyboardInterrupt

    with GalleryClient(config) as client, pytest.raises(KeyboardInterrupt):
        consume(client)
    settle(lambda: len(gallery_threads()))
    assert gallery_threads() == []


def test_an_error_in_the_source_of_requests_reaches_the_consumer(config):
    def broken() -> Iterator[Request]:
        yield Request("/a.jpg")
        raise LookupError("no more rows")

    with GalleryClient(config) as client, pytest.raises(LookupError, match="no more rows"):
        list(client.get_many(broken()))
    assert gallery_threads() == []


def test_no_requests_give_no_responses(gallery, config):
    with GalleryClient(config) as client:
        assert list(client.get_many([])) == []
    assert gallery.seen == []


def test_require_returns_the_response(gallery, config, reply):
    gallery.on("/list", reply(200, b"artists"))
    with GalleryClient(config) as client:
        assert client.require(f"{SITE}/list").body == b"artists"


def test_an_unreachable_gallery_is_an_error_with_the_next_step():
    with (
        GalleryClient(ClientConfig("http://127.0.0.1:9", backoff_s=0.001)) as client,
        pytest.raises(GalleryUnreachableError) as caught,
    ):
        client.require(f"{SITE}/database/download/data_txt.zip")
    message = str(caught.value)
    assert message.startswith("http://127.0.0.1:9/database/download/data_txt.zip could not be read")
    assert "connection refused" in message
    assert message.endswith("check ARTPIPE_GALLERY and your network, then try again.")
    assert isinstance(caught.value, ArtpipeError)


def test_a_missing_catalogue_and_an_unreachable_site_have_different_errors(config):
    with GalleryClient(config) as client, pytest.raises(GalleryUnreachableError, match=r"404.*laid out like wga\.hu"):
        client.require(f"{SITE}/database/download/data_txt.zip")


@pytest.mark.parametrize(
    "wrong",
    [
        {"base_url": "ftp://x"},
        {"base_url": "sample"},
        {"user_agent": "artpipe\r\nX: y"},
        {"user_agent": " "},
        {"concurrency": 0},
        {"requests_per_s": 0.0},
        {"max_tries": 0},
    ],
)
def test_a_config_that_cannot_work_is_refused(config, wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        replace(config, **wrong)


def gallery_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("gallery-")]


def settle(value) -> None:
    """Wait until a number stops changing."""
    before, still = value(), 0
    while still < 10:
        time.sleep(0.01)
        now = value()
        before, still = now, still + 1 if now == before else 0


@pytest.mark.parametrize("path", ["/z/café.jpg", "/z/%e4.jpg", "/z/ä b.jpg"])
def test_a_redirect_in_raw_utf8_is_followed_to_the_address_it_names(path: str):
    with GalleryClient(ClientConfig("http://gallery.example")) as client:
        as_received = path.encode().decode("latin-1")
        assert client._followed("http://gallery.example/a.jpg", as_received) == f"http://gallery.example{path}"
        assert client._followed("http://gallery.example/a.jpg", "/z/\xe4.jpg") == "http://gallery.example/z/ä.jpg"
