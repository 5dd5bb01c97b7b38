"""Several hosts, each asked where its address says and as its source wants; challenges, reservations, local files."""

import socket
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from artpipe.crawler.challenge import reservation
from artpipe.crawler.client import GalleryClient, GalleryUnreachableError, HostPolicy, Outcome, Request
from artpipe.crawler.limits import is_private


def test_without_a_base_url_an_address_is_requested_where_it_says(gallery, config, reply):
    gallery.on("/a.jpg?w=2", reply(200, b"pixels"))
    with GalleryClient(replace(config, base_url=None)) as client:
        assert client.get(f"{gallery.url}/a.jpg?w=2").body == b"pixels"
        assert client.get("/a.jpg").outcome is Outcome.FAILED
        assert (
            client.get("ftp://a.example/a.jpg").error
            == "'ftp://a.example/a.jpg' is not a valid address: it is no http(s) address"
        )


def test_headers_of_a_source_are_sent_to_its_hosts_alone(gallery, config, reply):
    gallery.on("/a.jpg", reply(200, b"a"))
    port = gallery.server_address[1]
    policies = {f"127.0.0.1:{port}": HostPolicy(headers={"Authorization": "Key secret"})}
    with GalleryClient(replace(config, base_url=None, policies=policies)) as client:
        client.get(f"{gallery.url}/a.jpg")
        client.get(f"http://localhost:{port}/a.jpg")
    sent = [headers.get("authorization") for headers in gallery.headers]
    assert sent == ["Key secret", "Key secret", None, None]  # robots.txt and the file of each
    assert "secret" not in repr(policies)


SLOW = HostPolicy(requests_per_s=0.5, headers={"Authorization": "Key secret"})


@pytest.mark.parametrize(
    ("named", "origin", "pace", "is_sent"),
    [
        ("museum.example", "https://museum.example", 0.5, True),
        ("museum.example", "https://Museum.example:443", 0.5, True),
        ("museum.example", "http://museum.example", 0.5, False),
        ("museum.example", "https://museum.example:8443", 0.5, False),
        ("museum.example:8443", "https://museum.example:8443", 0.5, True),
        ("museum.example:8443", "https://museum.example", None, False),
        ("museum.example", "https://other.example", None, False),
        ("museum.example", "https://key@museum.example", 0.5, True),
        ("10.0.0.7:8080", "http://10.0.0.7:8080", 0.5, True),
        ("10.0.0.7", "http://10.0.0.7:8080", 0.5, False),
        ("[::1]:8080", "http://[::1]:8080", 0.5, True),
    ],
)
def test_headers_go_to_the_named_origin_alone_and_the_pace_to_every_port(config, named, origin, pace, is_sent):
    policy = replace(config, base_url=None, policies={named: SLOW}).policy_of(origin)
    assert (policy.requests_per_s, dict(policy.headers)) == (pace, dict(SLOW.headers) if is_sent else {})


def test_another_port_of_a_named_host_is_sent_no_headers(gallery, config, reply):
    gallery.on("/a.jpg", reply(200, b"a"))
    with GalleryClient(replace(config, base_url=None, policies={"127.0.0.1": SLOW})) as client:
        assert client.get(f"{gallery.url}/a.jpg").outcome is Outcome.OK
    assert [headers.get("authorization") for headers in gallery.headers] == [None, None]


def test_a_challenge_is_an_outcome_and_ends_the_requests_to_its_host(gallery, config, reply):
    gallery.on("/a.jpg", reply(403, headers={"cf-mitigated": "challenge"}))
    gallery.on("/b.jpg", reply(200, b"pixels"))
    with GalleryClient(config) as client:
        first, second = client.get("/a.jpg"), client.get("/b.jpg")
    assert first.outcome is second.outcome is Outcome.CHALLENGED
    assert first.error == "127.0.0.1 answers with a challenge page of Cloudflare; nothing more is asked"
    assert gallery.seen == ["/robots.txt", "/a.jpg"]


def test_a_challenge_of_imperva_comes_with_status_200(gallery, config, reply):
    gallery.on("/a.jpg", reply(200, b'<html><script src="/_Incapsula_Resource?x=1"></script></html>'))
    with GalleryClient(config) as client:
        assert client.get("/a.jpg").outcome is Outcome.CHALLENGED


@pytest.mark.parametrize(
    ("headers", "rule"),
    [
        ({"X-Robots-Tag": "noindex, noimageai"}, "X-Robots-Tag: noimageai"),
        ({"X-Robots-Tag": "artpipe: noai"}, "X-Robots-Tag: artpipe: noai"),
        ({"X-Robots-Tag": "otherbot: noai"}, None),
        ({"X-Robots-Tag": "noindex"}, None),
        ({"tdm-reservation": "1"}, "tdm-reservation: 1"),
        ({"tdm-reservation": "0"}, None),
    ],
)
def test_a_reservation_is_read_from_the_headers(headers, rule):
    assert reservation(headers, "artpipe") == rule


def test_a_reserved_picture_is_an_outcome_of_its_own_that_a_setting_can_ignore(gallery, config, reply):
    gallery.on("/a.jpg", reply(200, b"pixels", {"X-Robots-Tag": "noai"}))
    for obeys, outcome, body in ((True, Outcome.RESERVED, b""), (False, Outcome.OK, b"pixels")):
        with GalleryClient(replace(config, obeys_reservations=obeys)) as client:
            answer = client.get("/a.jpg")
            assert (answer.outcome, answer.body) == (outcome, body)


@pytest.mark.parametrize("header", [{"X-Robots-Tag": "noai"}, {"tdm-reservation": "1"}])
def test_a_header_of_the_whole_site_reserves_its_pictures_and_not_its_robots_txt(gallery, config, reply, header):
    gallery.on("/robots.txt", reply(200, b"User-agent: *\nDisallow: /secret/\n", header))
    gallery.on("/a.jpg", reply(200, b"pixels", header))
    gallery.on("/b.jpg", reply(200, b"pixels"))
    with GalleryClient(config) as client:
        found = [client.get(path).outcome for path in ("/a.jpg", "/b.jpg", "/secret/c.jpg")]
    assert found == [Outcome.RESERVED, Outcome.OK, Outcome.REFUSED]


CHALLENGES = {
    "Cloudflare": (403, b"", {"cf-mitigated": "challenge"}),
    "Imperva": (200, b'<html><script src="/_Incapsula_Resource?x=1"></script></html>', {}),
}


@pytest.mark.parametrize("answer", CHALLENGES.values(), ids=CHALLENGES)
def test_a_challenge_in_place_of_robots_txt_ends_the_requests_to_its_host(gallery, config, reply, answer):
    gallery.on("/robots.txt", reply(*answer))
    gallery.on("/a.jpg", reply(200, b"pixels"))
    with GalleryClient(config) as client:
        assert [client.get("/a.jpg").outcome for _ in range(2)] == [Outcome.CHALLENGED] * 2
    assert gallery.seen == ["/robots.txt"]


@pytest.mark.parametrize(
    ("host", "private"),
    [
        ("localhost", True),
        ("10.0.0.7", True),
        ("169.254.169.254", True),
        ("::1", True),
        ("intranet", True),
        ("127.0.0.\u00ad1", True),
        *(
            (host, True)
            for host in ("127.1", "127.0.1", "0177.0.0.1", "0x7f.1", "2130706433", "127.0.0.1.", "10.0.0.7.")
        ),
        *((host, True) for host in ("127\u30020\u30020\u30021", "\uff11\uff12\uff17.0.0.1", "[::1]", "224.0.0.1")),
        *(
            (host, True)
            for host in ("64:ff9b::7f00:1", "::ffff:127.0.0.1", "::7f00:1", "2002:a00:7::1", "fe80::1%eth0")
        ),
        *((host, True) for host in ("localhost.", "LOCALHOST", "a.localhost", "router.local", "Router.Local.")),
        *((host, True) for host in ("metadata.google.internal", "nas.lan", "box.home.arpa")),
        *(
            (host, False)
            for host in ("64:ff9b::808:808", "2606:4700::1111", "[2606:4700::1111]", "8.8.8.8.", "8.8.2056")
        ),
        *((host, False) for host in ("local.example", "internal.example.")),
        ("media.tate.org.uk", False),
        ("151.101.1.69", False),
    ],
)
def test_private_hosts_are_told_by_their_name(host, private):
    assert is_private(host) is private


def test_a_public_catalogue_does_not_lead_into_a_private_network(gallery, config, reply):
    gallery.on("/a.jpg", reply(200, b"pixels"))
    public = replace(config, base_url=None, reaches_private=False)
    with GalleryClient(public) as client:
        refused = client.get(f"{gallery.url}/a.jpg")
    assert (refused.outcome, gallery.seen) == (Outcome.REFUSED, [])
    assert "image_hosts" in (refused.error or "")
    named = replace(public, allowed_hosts=(f"127.0.0.1:{gallery.server_address[1]}",))
    with GalleryClient(named) as client:
        assert client.get(f"{gallery.url}/a.jpg").outcome is Outcome.OK


@pytest.fixture
def public_names(monkeypatch: pytest.MonkeyPatch) -> None:
    """All names of `example` lead to this machine."""
    look_up = socket.getaddrinfo

    def local(host: str, *args: Any, **kwargs: Any) -> Any:
        return look_up("127.0.0.1" if host.endswith(".example") else host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", local)


@pytest.mark.usefixtures("public_names")
def test_a_public_name_that_leads_to_a_private_address_is_not_requested(gallery, config, reply):
    gallery.on("/a.jpg", reply(200, b"pixels"))
    named = f"museum.example:{gallery.server_address[1]}"
    public = replace(config, base_url=None, reaches_private=False)
    with GalleryClient(public) as client:
        refused = client.get(f"http://{named}/a.jpg")
    assert (refused.outcome, gallery.seen) == (Outcome.REFUSED, [])
    assert "museum.example leads to 127.0.0.1" in (refused.error or "")
    for trusting in (replace(public, allowed_hosts=(named,)), replace(public, reaches_private=True)):
        with GalleryClient(trusting) as client:
            assert client.get(f"http://{named}/a.jpg").outcome is Outcome.OK


@pytest.mark.usefixtures("public_names")
def test_a_redirect_to_another_public_name_does_not_lead_to_a_private_address(gallery, config, reply):
    port = gallery.server_address[1]
    gallery.on("/a.jpg", reply(302, headers={"Location": f"http://other.example:{port}/b.jpg"}))
    gallery.on("/c.jpg", reply(302, headers={"Location": f"http://museum.example:{port}/d.jpg"}))
    gallery.on("/d.jpg", reply(200, b"pixels"))
    with GalleryClient(replace(config, base_url=None)) as client:
        refused = client.get(f"http://museum.example:{port}/a.jpg")
        own = client.get(f"http://museum.example:{port}/c.jpg")
    assert (refused.outcome, own.outcome) == (Outcome.REFUSED, Outcome.OK)
    assert gallery.seen == ["/robots.txt", "/a.jpg", "/c.jpg", "/d.jpg"]


@pytest.mark.parametrize("reaches_private", [True, False])
@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("http://a:b/", "its port is no number from 0 to 65535"),
        ("http://a.example:99999/", "its port is no number from 0 to 65535"),
        (r"http://127.0.0.1:{port}\@x.example/a.jpg", "it has a backslash before its path"),
        ("http://127.0.0.1:{port}\t/a.jpg", "it has a control character"),
        ("http://127.0.0.1:{port}/a\n.jpg", "it has a control character"),
        ("http://127%2e0%2e0%2e1:{port}/a.jpg", "its host has a %"),
        ("http://[::1/a.jpg", "Invalid IPv6 URL"),
    ],
)
def test_an_address_whose_host_can_be_read_in_two_ways_is_not_requested(gallery, config, reaches_private, address, why):
    address = address.replace("{port}", str(gallery.server_address[1]))
    with GalleryClient(replace(config, base_url=None, reaches_private=reaches_private)) as client:
        answer = client.get(address)
        with pytest.raises(GalleryUnreachableError, match="is not a valid address"):
            client.require(address)
    assert (answer.outcome, answer.error) == (Outcome.FAILED, f"{address!r} is not a valid address: {why}")
    assert gallery.seen == []


@pytest.mark.parametrize(
    "target", [r"http://127.0.0.1:{port}\@x.example/b.jpg", "http://a:b/", "http://127%2e1:{port}/b.jpg"]
)
def test_a_redirect_to_such_an_address_is_not_followed(gallery, config, reply, target):
    port = str(gallery.server_address[1])
    gallery.on("/a.jpg", reply(302, headers={"Location": target.replace("{port}", port)}))
    with GalleryClient(replace(config, base_url=None, allowed_hosts=("x.example", "127.1", "a"))) as client:
        assert client.get(f"{gallery.url}/a.jpg").outcome is Outcome.REFUSED
    assert gallery.seen == ["/robots.txt", "/a.jpg"]


def test_a_path_may_have_a_backslash(gallery, config, reply):
    gallery.on("/a%5Cb.jpg", reply(200, b"pixels"))
    with GalleryClient(replace(config, base_url=None)) as client:
        assert client.get(rf"{gallery.url}/a\b.jpg").body == b"pixels"


def test_a_file_is_read_as_it_would_be_requested(config, tmp_path: Path):
    picture, outside = tmp_path / "works" / "a b.jpg", tmp_path / "secret.jpg"
    picture.parent.mkdir()
    picture.write_bytes(b"pixels")
    outside.write_bytes(b"other")
    (tmp_path / "works" / "link.jpg").symlink_to(outside)
    with GalleryClient(replace(config, base_url=None, local_folders=(picture.parent,))) as client:
        first = client.get(f"{picture.as_uri()}#1")
        assert (first.outcome, first.body) == (Outcome.OK, b"pixels")
        assert client.get(picture.as_uri(), etag=first.etag).outcome is Outcome.NOT_MODIFIED
        picture.write_bytes(b"other pixels")
        assert client.get(picture.as_uri(), etag=first.etag).body == b"other pixels"
        assert client.get(outside.as_uri()).outcome is Outcome.REFUSED
        assert client.get((tmp_path / "works" / "link.jpg").as_uri()).outcome is Outcome.REFUSED
        assert client.get((tmp_path / "works" / "none.jpg").as_uri()).outcome is Outcome.GONE
        (answer,) = client.get_many([Request(picture.as_uri(), key="k")])
        assert (answer[0].key, answer[1].body) == ("k", b"other pixels")


def test_a_gallery_on_the_web_reads_no_file_of_this_machine(config, tmp_path: Path):
    (tmp_path / "a.jpg").write_bytes(b"pixels")
    with GalleryClient(config) as client:
        assert client.get((tmp_path / "a.jpg").as_uri()).outcome is Outcome.REFUSED
