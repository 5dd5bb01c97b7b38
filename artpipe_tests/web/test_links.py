"""Addresses of the catalogue, which may hold anything, as links of a page."""

import pytest

from artpipe.web.links import host_of, safe_url


@pytest.mark.parametrize("url", ["https://www.wga.hu/html/a.html", "http://127.0.0.1:8000/x", "HTTP://[::1]/x"])
def test_a_web_address_is_linked(url: str):
    assert safe_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["http://[::1", "https://[", "http://", "https:///html/a.html", "javascript:alert(1)", "//wga.hu/a", "", None],
)
def test_nothing_else_is_linked_and_nothing_breaks_the_page(url: str | None):
    assert safe_url(url) is None


def test_a_link_names_its_host():
    assert host_of("https://www.wga.hu/html/a.html") == "wga.hu"
