import pytest
from fastapi.testclient import TestClient


@pytest.mark.parametrize("address", ["/", "/nowhere", "/static/artpipe.css", "/api/healthz", "/images/none.jpg"])
def test_every_response_has_the_security_headers(client: TestClient, address: str):
    headers = client.get(address).headers
    assert "script-src 'self'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "same-origin"


@pytest.mark.parametrize(
    ("headers", "media_type"), [({}, "text/html"), ({"accept": "application/json"}, "application/json")]
)
def test_an_error_is_a_page_for_people_and_json_for_scripts(client: TestClient, headers: dict, media_type: str):
    answer = client.get("/nowhere", headers=headers)
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith(media_type)
    assert "here is no page at this address." in answer.text
