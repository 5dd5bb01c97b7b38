"""Addresses of the gallery and the ids in them."""

import pytest

from artpipe.catalog.site import ARTIST_LIST_URL, CATALOG_URL, artist_id_of, artwork_id_of, image_url_of


def test_an_artwork_is_named_by_its_path():
    assert artwork_id_of("https://www.wga.hu/html/a/aachen/allegory.html") == "a/aachen/allegory"
    assert artwork_id_of(" http://mirror.example/html/m/michel/3ceiling/1/04.html ") == "m/michel/3ceiling/1/04"


def test_an_image_lies_beside_its_page_at_the_original_site():
    page = "https://mirror.example/html/a/aachen/allegory.html"
    assert image_url_of(page) == "https://www.wga.hu/art/a/aachen/allegory.jpg"


def test_a_doubled_dot_before_html_is_a_slip():
    assert artwork_id_of("https://www.wga.hu/html/m/monnoyer/flowers..html") == "m/monnoyer/flowers"
    assert image_url_of("https://www.wga.hu/html/m/monnoyer/flowers..html").endswith("/m/monnoyer/flowers.jpg")


@pytest.mark.parametrize(
    "url",
    [
        "",
        "-",
        "https://www.wga.hu/",
        "https://www.wga.hu/html/a/aachen/index.html",
        "https://www.wga.hu/html/a/aachen/",
        "https://www.wga.hu/art/a/aachen/allegory.jpg",
        "https://www.wga.hu/html/a/aachen/.html",
    ],
)
def test_what_is_no_page_of_an_artwork_is_refused(url):
    with pytest.raises(ValueError, match="not the page of an artwork"):
        artwork_id_of(url)


@pytest.mark.parametrize(
    ("url", "artist_id"),
    [
        ("https://www.wga.hu/html/a/aachen/index.html", "a/aachen"),
        ("https://www.wga.hu/html/z/zurn/michael/index.html", "z/zurn/michael"),
        ("https://www.wga.hu/html/a/aachen/", "a/aachen"),
        ("https://www.wga.hu/htmlf/fern/index.html", "f/fern"),
        ("https://www.wga.hu/html/hholm/index.html", "h/holm"),
    ],
)
def test_an_artist_is_named_by_its_folder(url, artist_id):
    assert artist_id_of(url) == artist_id


@pytest.mark.parametrize("url", ["", "https://www.wga.hu/html/a/aachen/allegory.html", "https://www.wga.hu/html/"])
def test_what_is_no_folder_of_an_artist_is_refused(url):
    with pytest.raises(ValueError, match="artist"):
        artist_id_of(url)


def test_the_roots_are_addresses_of_the_original_site():
    assert CATALOG_URL == "https://www.wga.hu/database/download/data_txt.zip"
    assert ARTIST_LIST_URL.startswith("https://www.wga.hu/cgi-bin/artist.cgi?Profession=any&")
