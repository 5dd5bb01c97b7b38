import pytest
from fastapi.testclient import TestClient
from prometheus_client.parser import text_string_to_metric_families

from artpipe.lake import DataLake
from artpipe.web.app import create_app
from artpipe.web.config import WebConfig


def test_works_are_found_by_words_filters_and_likeness(client: TestClient):
    by_words = client.get("/api/search", params={"words": "hals", "type": "portrait"}).json()
    assert by_words["total"] == 10
    assert {hit["type"] for hit in by_words["hits"]} == {"portrait"}
    alike = client.get("/api/search", params={"like": "d/durer/work005", "size": 2}).json()["hits"]
    assert {hit["artwork_id"] for hit in alike} == {"d/durer/work004", "d/durer/work006"}
    assert alike[0]["similarity"] > 0.99


def test_likeness_and_words_go_together_page_by_page(client: TestClient):
    asked = {"like": "d/durer/work005", "words": "moon", "size": 12}
    first, second = (client.get("/api/search", params={**asked, "page": page}).json() for page in (1, 2))
    assert (first["total"], first["pages"]) == (20, 2)
    ids = [hit["artwork_id"] for hit in first["hits"] + second["hits"]]
    assert len(set(ids)) == 20
    assert all(one.startswith("m/moon/") for one in ids)
    similarities = [hit["similarity"] for hit in first["hits"] + second["hits"]]
    assert similarities == sorted(similarities, reverse=True)


def test_a_picture_s_token_finds_what_the_picture_found(client: TestClient, picture_of):
    sent = client.post("/api/search", files={"picture": ("p", picture_of((100, 30, 200)))}).json()
    again = client.get("/api/search", params={"image": sent["image"]}).json()
    assert [hit["artwork_id"] for hit in again["hits"]] == [hit["artwork_id"] for hit in sent["hits"]]
    assert again["predictions"]["style"][0]["label"] == sent["predictions"]["style"][0]["label"]


@pytest.mark.parametrize("token", ["", "x", "AAAA", "A" * 400, "%%%", "ä" * 40])
def test_a_damaged_token_is_a_clear_refusal(client: TestClient, token: str):
    answer = client.get("/api/search", params={"image": token or " "})
    assert answer.status_code == (422 if token else 200)
    if token:
        assert "incomplete" in answer.json()["detail"]


def test_a_work_tells_everything_known_of_it(client: TestClient):
    told = client.get("/api/artworks/d/durer/work001").json()
    assert (told["title"], told["predicted_style"]) == ("Colour no. 1", "Baroque")
    assert client.get("/api/artworks/d/durer/none").status_code == 404


def test_somebody_who_types_is_shown_artists_and_titles(client: TestClient):
    assert "DÜRER, Albrecht" in client.get("/api/suggest", params={"beginning": "dur"}).json()
    assert client.get("/api/suggest", params={"beginning": "cafe"}).json() == ["A Café <at> Night & Day"]
    assert client.get("/api/suggest", params={"beginning": "x"}).json() == []


def test_a_prediction_says_how_sure_it_is_and_how_far_the_picture_is_from_the_collection(
    web_lake: DataLake, colour_model, picture_of
):
    with TestClient(create_app(web_lake, WebConfig(abstain_below=0.8), encoder=colour_model)) as client:
        told = client.post("/api/predict", files={"picture": ("p", picture_of((228, 60, 97)))}).json()
        assert told["is_sure"] == {"style": True, "period": True, "type": False}
        assert told["likeness"]["nearest_similarity"] > 0.99
        assert told["likeness"]["is_unlike_collection"] is None, "nothing was measured in this lake"
        again = client.get("/api/search", params={"image": told["image"]}).json()
        assert again["is_sure"] == told["is_sure"]
        assert again["likeness"]["nearest_similarity"] == pytest.approx(
            told["likeness"]["nearest_similarity"], abs=0.01
        )
        assert client.get("/api/search").json()["likeness"] is None


def test_health_says_what_is_served(client: TestClient):
    told = client.get("/api/healthz").json()
    assert (told["status"], told["works"], told["model_id"]) == ("ok", 60, "3fa9c0de")


def test_metrics_count_requests_by_route_and_never_by_address(client: TestClient):
    def counted() -> float:
        families = text_string_to_metric_families(client.get("/api/metrics").text)
        samples = [sample for family in families for sample in family.samples]
        assert not any("work002" in str(sample.labels) for sample in samples)
        wanted = {"route": "/works/{artwork_id:path}", "status": "200"}
        return sum(one.value for one in samples if one.name == "artpipe_requests_total" and one.labels == wanted)

    before = counted()
    client.get("/works/d/durer/work002")
    assert counted() == before + 1


def test_errors_of_the_api_are_json(client: TestClient):
    for address in ("/api/nowhere", "/api/search?page=0", "/api/artworks/none"):
        answer = client.get(address)
        assert answer.status_code in (404, 422)
        assert "detail" in answer.json()
