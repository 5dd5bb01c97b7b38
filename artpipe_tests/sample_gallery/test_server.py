import hashlib
import http.client
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import requests

from artpipe.errors import ArtpipeError, PortTakenError
from artpipe.sample_gallery.server import SampleServer, serve, serving


@pytest.fixture
def site(tmp_path: Path) -> Path:
    files = {
        "art/m/moranti/a.jpg": b"picture",
        "cgi-bin/artist.html": b"<html>artists</html>",
        "robots.txt": b"User-agent: *",
    }
    for name, data in files.items():
        path = tmp_path / "site" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    (tmp_path / "secret.txt").write_text("not of the gallery")
    return tmp_path / "site"


@pytest.fixture
def server(site: Path) -> Iterator[SampleServer]:
    with serving(site) as found:
        yield found


PICTURE = "/art/m/moranti/a.jpg"


def test_a_picture_comes_with_a_strong_etag_of_its_content(server: SampleServer):
    answer = requests.get(server.url + PICTURE, timeout=5)
    assert (answer.status_code, answer.content, answer.headers["Content-Type"]) == (200, b"picture", "image/jpeg")
    assert answer.headers["ETag"] == f'"{hashlib.sha256(b"picture").hexdigest()[:20]}"'


def test_an_unchanged_picture_is_not_sent_again(server: SampleServer):
    first = requests.get(server.url + PICTURE, timeout=5)
    for headers in (
        {"If-None-Match": first.headers["ETag"]},
        {"If-None-Match": f'"other", W/{first.headers["ETag"]}'},
        {"If-Modified-Since": first.headers["Last-Modified"]},
    ):
        again = requests.get(server.url + PICTURE, headers=headers, timeout=5)
        assert (again.status_code, again.content) == (304, b"")


def test_a_changed_picture_is_sent_again(server: SampleServer, site: Path):
    etag = requests.get(server.url + PICTURE, timeout=5).headers["ETag"]
    (site / PICTURE.lstrip("/")).write_bytes(b"repainted")
    again = requests.get(server.url + PICTURE, headers={"If-None-Match": etag}, timeout=5)
    assert (again.status_code, again.content) == (200, b"repainted")


def test_the_artist_list_lies_where_the_real_site_has_it(server: SampleServer):
    answer = requests.get(server.url + "/cgi-bin/artist.cgi?Profession=any&from=0", timeout=5)
    assert (answer.status_code, answer.content) == (200, b"<html>artists</html>")
    assert answer.headers["Content-Type"].startswith("text/html")


@pytest.mark.parametrize("path", ["/art/m/moranti/none.jpg", "/art", "/../secret.txt", "/%2e%2e/secret.txt", "/%00"])
def test_a_path_outside_the_gallery_is_not_found(server: SampleServer, path: str):
    connection = http.client.HTTPConnection(str(urlsplit(server.url).netloc), timeout=5)
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()


def test_head_sends_the_headers_alone(server: SampleServer):
    answer = requests.head(server.url + PICTURE, timeout=5)
    assert (answer.status_code, answer.headers["Content-Length"], answer.content) == (200, "7", b"")


def test_a_connection_serves_many_requests(server: SampleServer):
    connection = http.client.HTTPConnection(str(urlsplit(server.url).netloc), timeout=5)
    connection.connect()
    socket = connection.sock
    for path in (PICTURE, "/none", PICTURE):
        connection.request("GET", path)
        connection.getresponse().read()
        assert connection.sock is socket
    connection.close()


def test_every_request_is_counted(server: SampleServer):
    requests.get(server.url + PICTURE, timeout=5)
    requests.head(server.url + "/none", timeout=5)
    assert server.requests == [("GET", PICTURE, 200), ("HEAD", "/none", 404)]


def test_a_port_that_is_taken_is_named(server: SampleServer, site: Path):
    port = urlsplit(server.url).port or 0
    with pytest.raises(PortTakenError, match=f"127.0.0.1:{port}") as caught, serve(site, port=port):
        pass
    assert isinstance(caught.value, ArtpipeError)


def test_serving_ends_with_the_block(site: Path):
    with serve(site) as url:
        assert requests.get(url + PICTURE, timeout=5).status_code == 200
    with pytest.raises(requests.ConnectionError):
        requests.get(url + PICTURE, timeout=5)
