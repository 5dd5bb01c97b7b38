"""The catalogue and the artist list as they are kept in the lake."""

import hashlib
import json
import os

import pytest
from upath import UPath

from artpipe.catalog.artists import check_artist_list
from artpipe.catalog.parse import NotACatalogError, check_catalog
from artpipe.crawler.client import ClientConfig, GalleryClient, GalleryUnreachableError
from artpipe.sample_gallery.server import serving
from artpipe.sources.download import (
    DownloadedFile,
    content_files,
    content_sha256,
    copy_file,
    download_file,
    download_files,
    metadata_file,
)
from artpipe.sources.wga import ARTIST_LIST_URL, CATALOG_URL

PATH = "/database/download/data_txt.zip"
HEADER = "AUTHOR;BORN-DIED;TITLE;DATE;TECHNIQUE;LOCATION;URL;FORM;TYPE;SCHOOL;TIMEFRAME\n"
CATALOG = (HEADER + "ÖRN;-;Pears;-;-;-;-;-;-;-;-\n").encode("cp1252")
OTHER = CATALOG.replace(b"Pears", b"Plums")


@pytest.fixture
def file(tmp_path) -> UPath:
    return UPath(tmp_path / "raw" / "catalog")


@pytest.fixture
def download(config, file):
    """`download() -> (metadata, has changed, times not modified)`."""

    def run() -> tuple[DownloadedFile, bool, int]:
        with GalleryClient(config) as client:
            return *download_file(client, CATALOG_URL, file, check_catalog), client.counts.not_modified

    return run


def test_a_file_is_kept_byte_for_byte_with_its_metadata(gallery, reply, file, download):
    gallery.on(PATH, reply(200, CATALOG, {"ETag": '"1"'}))
    found, has_changed, _ = download()
    assert has_changed
    assert file.read_bytes() == CATALOG
    assert json.loads((file.parent / "catalog.json").read_text())["etag"] == found.etag == '"1"'
    assert found.url == CATALOG_URL


def test_an_unchanged_file_is_requested_conditionally_and_not_sent_again(gallery, reply, download):
    gallery.on(PATH, reply(200, CATALOG, {"ETag": '"1"'}), reply(304))
    first = download()[0]
    assert download() == (first, False, 1)
    assert gallery.headers[-1]["if-none-match"] == '"1"'


def test_a_file_of_another_address_is_requested_without_a_condition(gallery, reply, config, file):
    gallery.on("/2024.txt", reply(200, CATALOG, {"ETag": '"1"', "Last-Modified": "Wed, 21 Oct 2020 07:28:00 GMT"}))
    gallery.on("/2025.txt", reply(200, OTHER, {"ETag": '"1"'}), reply(304))
    old, new = (f"{gallery.url}/{year}.txt" for year in (2024, 2025))
    with GalleryClient(config) as client:
        download_file(client, old, file, check_catalog)
        assert download_file(client, new, file, check_catalog)[1]
        sent = gallery.headers[-1]
        assert not {"if-none-match", "if-modified-since"} & sent.keys()
        assert (file.read_bytes(), download_file(client, new, file, check_catalog)[1]) == (OTHER, False)


def test_of_many_files_one_of_another_address_is_requested_without_a_condition(gallery, reply, config, file):
    gallery.on("/2024.txt", reply(200, CATALOG, {"ETag": '"1"'}))
    gallery.on("/2025.txt", reply(404), reply(200, OTHER, {"ETag": '"1"'}))
    old, new = (f"{gallery.url}/{year}.txt" for year in (2024, 2025))

    def contents(url: str) -> list[bytes | None]:
        with GalleryClient(config) as client:
            return [one.content for one in download_files(client, [url], lambda _: file, lambda body, _: body)]

    assert [contents(url) for url in (old, new, new)] == [[CATALOG], [None], [OTHER]]
    assert "if-none-match" not in gallery.headers[-1]


def test_a_changed_file_replaces_the_stored_one(gallery, reply, file, download):
    gallery.on(PATH, reply(200, CATALOG, {"ETag": '"1"'}), reply(200, OTHER, {"ETag": '"2"'}))
    download()
    assert (download()[1], file.read_bytes()) == (True, OTHER)


def test_an_error_page_does_not_replace_the_stored_catalogue(gallery, reply, file, download):
    gallery.on(PATH, reply(200, CATALOG, {"ETag": '"1"'}), reply(200, b"<html>Sorry</html>"))
    download()
    with pytest.raises(NotACatalogError):
        download()
    assert file.read_bytes() == CATALOG


def test_a_copy_that_does_not_match_its_metadata_is_downloaded_again(gallery, reply, file, download):
    gallery.on(PATH, reply(200, CATALOG, {"ETag": '"1"'}))
    download()
    file.write_bytes(b"AUT")
    assert download()[1]
    assert file.read_bytes() == CATALOG


def test_a_gallery_without_a_catalogue_is_an_error_with_the_next_step(gallery, reply, file, download):
    gallery.on(PATH, reply(404))
    with pytest.raises(GalleryUnreachableError, match="ARTPIPE_GALLERY"):
        download()
    assert not file.exists()


def test_the_sample_gallery_serves_both_files_at_the_addresses_of_the_real_site(small_site, tmp_path):
    with serving(small_site) as server, GalleryClient(ClientConfig(server.url)) as client:
        for name, url, check in (("c", CATALOG_URL, check_catalog), ("a", ARTIST_LIST_URL, check_artist_list)):
            found, _ = download_file(client, url, UPath(tmp_path / name), check)
            assert found.size_bytes == (tmp_path / name).stat().st_size > 1000


def test_a_file_here_is_read_again_only_where_its_size_or_time_changed_or_its_copy_is_damaged(tmp_path):
    source, file = UPath(tmp_path / "works.csv"), UPath(tmp_path / "raw" / "works.csv")
    source.write_bytes(CATALOG)
    read: list[bytes] = []

    def copied() -> bool:
        read.clear()
        copy_file(source, file, read.append)
        assert file.read_bytes() == source.read_bytes()
        return bool(read)

    assert [copied(), copied()] == [True, False]
    source.write_bytes(OTHER)
    os.utime(source, (1, 1))
    assert [copied(), copied()] == [True, False]
    file.write_bytes(b"torn")
    assert [copied(), copied()] == [True, False]
    metadata_file(file).write_bytes(b"torn")
    assert [copied(), copied()] == [True, False]


def test_what_stands_beside_a_file_is_its_metadata_and_other_json_is_content(tmp_path):
    beside = ("b.csv.json", "a.json.json", ".unfinished.json", "b.csv.broken-20260101T000000")
    for name in ("b.csv", "a.json", "api/answers.jsonl", "state.json", *beside):
        file = UPath(tmp_path / "raw" / name)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    folder = UPath(tmp_path / "raw")
    found = [file.relative_to(folder).as_posix() for file in content_files(folder)]
    assert found == ["a.json", "api/answers.jsonl", "b.csv", "state.json"]


def test_of_a_large_file_only_the_beginning_is_looked_at_and_all_is_kept(gallery, reply, config, tmp_path):
    body = CATALOG * 50_000
    gallery.on("/works.csv", reply(200, body))
    (tmp_path / "works.csv").write_bytes(body)
    looked_at: list[bytes] = []
    with GalleryClient(config) as client:
        download_file(client, "/works.csv", UPath(tmp_path / "web"), looked_at.append, checked_bytes=100)
    copy_file(UPath(tmp_path / "works.csv"), UPath(tmp_path / "copy"), looked_at.append, checked_bytes=100)
    assert looked_at == [body[:100]] * 2
    assert (tmp_path / "web").read_bytes() == (tmp_path / "copy").read_bytes() == body
    assert content_sha256(UPath(tmp_path / "copy")) == hashlib.sha256(body).hexdigest()


def test_a_large_file_is_hashed_once_until_it_changes(tmp_path, monkeypatch):
    file = UPath(tmp_path / "works.csv")
    hashed: list[str] = []
    digest = hashlib.file_digest
    monkeypatch.setattr(hashlib, "file_digest", lambda opened, name: [hashed.append(name), digest(opened, name)][1])
    for content in (CATALOG * 50_000, OTHER * 50_000):
        file.write_bytes(content)
        os.utime(file, (len(hashed), len(hashed)))
        assert [content_sha256(file) for _ in range(3)] == [hashlib.sha256(content).hexdigest()] * 3
    assert len(hashed) == 2
