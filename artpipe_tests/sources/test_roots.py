"""The catalogue and the artist list as they are kept in the lake."""

import json

import pytest
from upath import UPath

from artpipe.catalog.site import CATALOG_PATH, CATALOG_URL
from artpipe.crawler.client import GalleryClient, GalleryUnreachableError
from artpipe.errors import ArtpipeError
from artpipe.sources.roots import refresh_root


class NotWantedError(ArtpipeError):
    pass


def is_catalog(data: bytes) -> None:
    if not data.startswith(b"AUTHOR"):
        raise NotWantedError("not a catalogue")


@pytest.fixture
def file(tmp_path) -> UPath:
    return UPath(tmp_path / "raw" / "catalog")


def test_a_root_is_kept_byte_for_byte_with_its_story(gallery, config, reply, file):
    gallery.on(CATALOG_PATH, reply(200, b"AUTHOR\xe9", {"ETag": '"1"'}))
    with GalleryClient(config) as client:
        found, changed = refresh_root(client, CATALOG_URL, file, is_catalog)
    assert changed
    assert file.read_bytes() == b"AUTHOR\xe9"
    assert json.loads((file.parent / "catalog.json").read_text())["etag"] == found.etag == '"1"'
    assert found.url == CATALOG_URL


def test_an_unchanged_root_is_asked_for_conditionally_and_not_sent_again(gallery, config, reply, file):
    gallery.on(CATALOG_PATH, reply(200, b"AUTHOR", {"ETag": '"1"'}), reply(304))
    with GalleryClient(config) as client:
        first, _ = refresh_root(client, CATALOG_URL, file, is_catalog)
        again, changed = refresh_root(client, CATALOG_URL, file, is_catalog)
        assert client.counts.not_modified == 1
    assert not changed
    assert again == first


def test_a_page_that_is_no_catalogue_leaves_the_held_one_as_it_was(gallery, config, reply, file):
    gallery.on(CATALOG_PATH, reply(200, b"AUTHOR", {"ETag": '"1"'}), reply(200, b"<html>Sorry</html>"))
    with GalleryClient(config) as client:
        refresh_root(client, CATALOG_URL, file, is_catalog)
        with pytest.raises(NotWantedError):
            refresh_root(client, CATALOG_URL, file, is_catalog)
    assert file.read_bytes() == b"AUTHOR"


def test_a_copy_that_does_not_match_its_story_is_fetched_anew(gallery, config, reply, file):
    gallery.on(CATALOG_PATH, reply(200, b"AUTHOR", {"ETag": '"1"'}))
    with GalleryClient(config) as client:
        refresh_root(client, CATALOG_URL, file, is_catalog)
        file.write_bytes(b"AUT")
        _, changed = refresh_root(client, CATALOG_URL, file, is_catalog)
    assert changed
    assert file.read_bytes() == b"AUTHOR"


def test_a_gallery_without_a_catalogue_says_so(gallery, config, reply, file):
    gallery.on(CATALOG_PATH, reply(404))
    with GalleryClient(config) as client, pytest.raises(GalleryUnreachableError, match="ARTPIPE_GALLERY"):
        refresh_root(client, CATALOG_URL, file, is_catalog)
    assert not file.exists()
