import hashlib

import pytest
from fastapi.testclient import TestClient

FILES = ["/images/d/durer/work001.jpg", "/map/points.bin", "/map/works.json", "/map/picture.png"]


@pytest.mark.parametrize("address", FILES)
def test_a_matching_etag_is_answered_with_not_modified(client: TestClient, address: str):
    first = client.get(address)
    assert first.status_code == 200
    again = client.get(address, headers={"if-none-match": f'"other", W/{first.headers["etag"]}'})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(address, headers={"if-none-match": '"other"'}).content == first.content


def test_each_file_has_an_etag_of_its_own(client: TestClient):
    addresses = [*FILES, "/images/d/durer/work002.jpg"]
    assert len({client.get(address).headers["etag"] for address in addresses}) == len(addresses)


def test_a_picture_named_by_its_content_is_cached_for_good_and_another_name_is_not(client: TestClient):
    picture = client.get("/images/d/durer/work001.jpg")
    assert picture.headers["content-type"] == "image/jpeg"
    digest = hashlib.sha256(picture.content).hexdigest()[:8]
    by_content, stale = (
        client.get("/images/d/durer/work001.jpg", params={"v": v}).headers["cache-control"] for v in (digest, "0" * 8)
    )
    assert "immutable" in by_content
    assert "immutable" not in stale


def test_a_picture_outside_the_collection_is_not_found(client: TestClient):
    for name in ("nobody/none", "../../../etc/passwd", "..%2f..%2fetc%2fpasswd"):
        assert client.get(f"/images/{name}.jpg").status_code == 404
