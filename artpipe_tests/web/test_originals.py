"""The gallery's own pictures, passed on to visitors who zoom."""

import asyncio
import os
from dataclasses import replace
from typing import Any

import polars as pl
import pytest
from fastapi.testclient import TestClient

from artpipe.crawler.client import GalleryClient
from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.settings import Settings
from artpipe.web.app import create_app
from artpipe.web.originals import Originals, OriginalUnavailableError, client_of_visitors

WORK = "d/durer/work001"
SITE = "https://gallery.example"


@pytest.fixture
def sender(config) -> Any:
    with GalleryClient(replace(config, max_tries=1)) as client:
        yield client


@pytest.fixture
def visitor(own_lake: DataLake, colour_model, sender) -> TestClient:
    table = EmbeddingTable(own_lake)
    rows = table.read().with_columns(vector=table.vectors()[1])
    names = pl.col("artwork_id").str.replace_all("/", "-")
    table.upsert(rows.with_columns(image_url=pl.lit(f"{SITE}/art/") + names + pl.lit(".jpg")))
    return TestClient(create_app(own_lake, encoder=colour_model, gallery=sender))


def test_an_original_is_requested_once_and_passed_on(visitor: TestClient, gallery, reply, picture_of):
    original = picture_of((9, 9, 9), (900, 700))
    gallery.on("/art/d-durer-work001.jpg", reply(200, original))
    for _ in range(2):
        answer = visitor.get(f"/originals/{WORK}")
        assert (answer.status_code, answer.content) == (200, original)
        assert answer.headers["content-type"] == "image/jpeg"
    assert gallery.requests_of("/art/d-durer-work001.jpg") == 1
    assert visitor.get(f"/originals/{WORK}", headers={"if-none-match": answer.headers["etag"]}).status_code == 304


def test_a_page_says_where_the_original_comes_from(visitor: TestClient, client: TestClient):
    page = visitor.get(f"/works/{WORK}").text
    assert f'href="/originals/{WORK}"' in page
    assert "Zoom to load the original from gallery.example." in page
    without = client.get(f"/works/{WORK}").text
    assert "/originals/" not in without
    assert "This copy may be smaller than the original on gallery.example." in without
    assert client.get(f"/originals/{WORK}").status_code == 404


def test_only_works_of_the_catalogue_have_an_original(visitor: TestClient, gallery):
    for address in ("/originals/nobody/nothing", "/originals/https://other.example/a.jpg", "/originals/../art/a.jpg"):
        assert visitor.get(address).status_code == 404
    assert gallery.seen == []


@pytest.mark.parametrize(
    ("status", "body", "answered"), [(404, b"gone", 404), (500, b"oops", 502), (200, b"<html>not found</html>", 502)]
)
def test_what_the_gallery_does_not_send_is_not_asked_for_again(
    visitor: TestClient, gallery, reply, status: int, body: bytes, answered: int
):
    gallery.on("/art/d-durer-work001.jpg", reply(status, body))
    for _ in range(2):
        answer = visitor.get(f"/originals/{WORK}", headers={"accept": "application/json"})
        assert answer.status_code == answered
        assert answer.json()["detail"] == "gallery.example does not send the original of this work at present."
    assert gallery.requests_of("/art/d-durer-work001.jpg") == 1


def test_robots_txt_of_the_gallery_is_obeyed(visitor: TestClient, gallery, reply, picture_of):
    gallery.on("/robots.txt", reply(200, b"User-agent: *\nDisallow: /art/"))
    gallery.on("/art/d-durer-work001.jpg", reply(200, picture_of((9, 9, 9))))
    assert visitor.get(f"/originals/{WORK}").status_code == 502
    assert gallery.seen == ["/robots.txt"]


def test_a_failure_is_forgotten_after_a_while(own_lake: DataLake, gallery, reply, sender, picture_of):
    now = [0.0]
    originals = Originals(sender, own_lake, 10**6, clock=lambda: now[0])
    work = {"image_url": f"{SITE}/a.jpg"}
    gallery.on("/a.jpg", reply(503), reply(200, picture_of((9, 9, 9))))
    for at in (1.0, 2.0):
        now[0] = at
        with pytest.raises(OriginalUnavailableError):
            asyncio.run(originals.of(work))
    now[0] = 3600.0
    assert asyncio.run(originals.of(work)).media_type == "image/jpeg"
    originals.close()


def test_the_files_stay_below_the_limit_and_what_was_asked_for_last_stays(
    own_lake: DataLake, gallery, reply, sender, picture_of
):
    picture = picture_of((9, 9, 9))
    for name in "abc":
        gallery.on(f"/{name}.jpg", reply(200, picture))
    folder = own_lake.cache("originals")

    def ask(name: str) -> None:
        # A new one each time, as after a restart: nothing is kept in memory.
        originals = Originals(sender, own_lake, 2 * len(picture))
        asyncio.run(originals.of({"image_url": f"{SITE}/{name}.jpg"}))
        originals.close()

    for name in "ab":
        ask(name)
        for file in folder.iterdir():
            os.utime(file, ns=(file.stat().st_atime_ns, file.stat().st_mtime_ns - 10**9))
    ask("a")
    ask("c")
    assert len(list(folder.iterdir())) == 2
    ask("a")
    assert gallery.requests_of("/a.jpg") == 1
    ask("b")
    assert gallery.requests_of("/b.jpg") == 2


def test_visitors_ask_the_gallery_slowly_and_only_where_the_settings_say_so():
    assert client_of_visitors(Settings(gallery="https://gallery.example")) is None
    assert client_of_visitors(Settings(web_originals="proxy")) is None, "the sample gallery has no originals"
    settings = Settings(gallery="https://me:secret@gallery.example/x", web_originals="proxy", requests_per_s=50)
    sent = client_of_visitors(settings)
    assert sent is not None
    assert sent.config.base_url == "https://gallery.example/x"
    assert (sent.config.requests_per_s, sent.config.concurrency) == (1.0, 1)
