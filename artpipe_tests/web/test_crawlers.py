"""What search engines read."""

from xml.etree import ElementTree as ET

import pytest
from fastapi.testclient import TestClient
from protego import Protego

from artpipe.web import crawlers


def addresses(client: TestClient, path: str) -> list[str]:
    answer = client.get(path)
    assert answer.headers["content-type"] == "application/xml"
    return [one.text or "" for one in ET.fromstring(answer.content).iter() if one.tag.endswith("}loc")]  # noqa: S314


def test_robots_txt_opens_works_and_closes_what_is_made_on_demand(client: TestClient):
    rules = Protego.parse(client.get("/robots.txt").text)
    for path, is_open in (
        ("/", True),
        ("/works/d/durer/work001", True),
        ("/images/d/durer/work001.jpg", True),
        ("/search?words=moon", False),
        ("/api/search/hits.csv", False),
        ("/originals/d/durer/work001", False),
        ("/map", True),
        ("/map/selection.csv?corners=x", False),
        ("/map/selection/similar?corners=x", False),
    ):
        assert rules.can_fetch(f"http://testserver{path}", "anybot") is is_open
    assert list(rules.sitemaps) == ["http://testserver/sitemap.xml"]


@pytest.mark.parametrize("size", [25_000, 20, 7])
def test_the_sitemap_has_every_page_once(client: TestClient, monkeypatch: pytest.MonkeyPatch, size: int):
    monkeypatch.setattr(crawlers, "ADDRESSES_PER_FILE", size)
    files = addresses(client, "/sitemap.xml")
    pages = [page for file in files for page in addresses(client, file)]
    assert len(files) == -(-67 // size)
    assert len(pages) == len(set(pages)) == 4 + 3 + 60
    assert {"http://testserver/", "http://testserver/artists/d/durer", "http://testserver/works/m/moon/work059"} <= {
        *pages
    }
    assert client.get(pages[-1]).status_code == 200
    missing = [str(len(files) + 1), "0", "-1", "01", "99999", "x", "9" * 5000]
    assert {client.get(f"/sitemap-{number}.xml").status_code for number in missing} == {404}


def test_addresses_behind_a_proxy_with_tls_begin_with_https(client: TestClient):
    sent = client.get("/sitemap.xml", headers={"x-forwarded-proto": "https"}).text
    assert "<loc>https://testserver/" in sent
    odd = client.get("/robots.txt", headers={"x-forwarded-proto": "javascript"}).text
    assert "Sitemap: http://testserver/sitemap.xml" in odd


def test_links_to_what_is_made_on_demand_are_not_to_be_followed(client: TestClient):
    page = client.get("/search?words=moon").text
    downloads = [tag for tag in page.split("<a ") if "/api/search/" in tag.split(">")[0]]
    assert len(downloads) == 3
    assert all('rel="nofollow"' in tag.split(">")[0] for tag in downloads)
