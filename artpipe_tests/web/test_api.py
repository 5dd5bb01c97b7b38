import io
import multiprocessing
import os
import threading
import time

import lance
import polars as pl
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake
from artpipe.search import Collection
from artpipe.search.collection import NothingEmbeddedError
from artpipe.web.app import create_app
from artpipe.web.catalogue import Catalogue
from artpipe.web.config import WebConfig
from artpipe.web.downloads import SheetDrawer
from artpipe.web.questions import Question


def test_works_are_found_by_words_filters_and_similarity(client: TestClient):
    by_words = client.get("/api/search", params={"words": "hals", "type": "portrait"}).json()
    assert by_words["total"] == 10
    assert {hit["type"] for hit in by_words["hits"]} == {"portrait"}
    similar = client.get("/api/search", params={"like": "d/durer/work005", "size": 2}).json()["hits"]
    assert {hit["artwork_id"] for hit in similar} == {"d/durer/work004", "d/durer/work006"}
    assert similar[0]["similarity"] > 0.99


def test_similarity_and_words_can_be_combined_on_every_page(client: TestClient):
    query = {"like": "d/durer/work005", "words": "moon", "size": 12}
    first, second = (client.get("/api/search", params={**query, "page": page}).json() for page in (1, 2))
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
def test_a_damaged_token_is_refused(client: TestClient, token: str):
    answer = client.get("/api/search", params={"image": token or " "})
    assert answer.status_code == (422 if token else 200)
    if token:
        assert "incomplete" in answer.json()["detail"]


def test_a_work_has_all_its_metadata(client: TestClient):
    response = client.get("/api/artworks/d/durer/work001").json()
    assert (response["title"], response["predicted_style"]) == ("Colour no. 1", "Baroque")
    assert client.get("/api/artworks/d/durer/none").status_code == 404


def test_suggestions_are_artists_titles_and_styles(client: TestClient):
    def suggested(beginning: str) -> list[dict]:
        return client.get("/api/suggest", params={"beginning": beginning}).json()

    assert suggested("dur") == [{"text": "DÜRER, Albrecht", "kind": "artist", "works": 20}]
    assert [one["text"] for one in suggested("cafe")] == ["A Café <at> Night & Day"]
    assert suggested("baro") == [{"text": "Baroque", "kind": "style", "works": 20}]
    assert suggested("x") == []


def ids_of(answer) -> list[str]:
    return [hit["artwork_id"] for hit in answer.json()["hits"]]


def test_hits_exclude_the_works_named_as_examples(client: TestClient):
    def found(**query: list[str]) -> list[str]:
        return ids_of(client.get("/api/search", params={**query, "size": 60}))

    like, unlike = ["d/durer/work005", "d/durer/work009"], ["d/durer/work004"]
    between, away = found(like=like), found(like=like, unlike=unlike)
    assert between[0] == "d/durer/work007"
    assert len(away) == 57
    assert not {*like, *unlike} & set(away)
    assert away.index("d/durer/work003") > between.index("d/durer/work003")


def test_hits_can_be_similar_to_a_picture_and_not_to_a_work(client: TestClient, picture_of):
    sent = client.post("/api/search", params={"size": 60}, files={"picture": ("p", picture_of((100, 30, 200)))})
    away = {"image": sent.json()["image"], "unlike": ids_of(sent)[0], "size": 60}
    turned = client.get("/api/search", params=away)
    assert turned.json()["total"] == 59
    assert ids_of(turned) != ids_of(sent)[1:]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"unlike": "d/durer/work001"}, "needs something to be similar to"),
        ({"like": ["d/durer/work001"], "unlike": ["d/durer/work001"]}, "named with both"),
        ({"like": [f"d/durer/work{i:03}" for i in range(13)]}, "at most 12"),
    ],
)
def test_contradicting_examples_are_refused(client: TestClient, query: dict, message: str):
    answer = client.get("/api/search", params=query)
    assert answer.status_code == 422
    assert message in answer.json()["detail"]


def test_all_hits_can_be_exported_as_a_table(client: TestClient):
    query = {"words": "moon", "type": "portrait", "page": 2}
    sent = client.get("/api/search/hits.csv", params=query)
    assert sent.headers["content-disposition"] == 'attachment; filename="hits.csv"'
    table = pl.read_csv(io.BytesIO(sent.content))
    typed = pl.read_parquet(io.BytesIO(client.get("/api/search/hits.parquet", params=query).content))
    assert table["artwork_id"].to_list() == typed["artwork_id"].to_list()
    assert table.height == 10
    assert set(table["artist"]) == {"MOON, Invented"}
    similar = client.get("/api/search/hits.csv", params={"like": "d/durer/work001"})
    assert pl.read_csv(io.BytesIO(similar.content))["similarity"].is_sorted(descending=True)


def test_a_table_for_spreadsheets_holds_no_formula(own_lake: DataLake, colour_model):
    table = EmbeddingTable(own_lake)
    first = table.read().with_columns(vector=table.vectors()[1]).head(1)
    table.upsert(first.with_columns(title=pl.lit("=1+1"), location=pl.lit("@cmd")))
    with TestClient(create_app(own_lake, encoder=colour_model)) as client:
        sent = pl.read_csv(io.BytesIO(client.get("/api/search/hits.csv").content))
        typed = pl.read_parquet(io.BytesIO(client.get("/api/search/hits.parquet").content))
    assert ("'=1+1", "'@cmd") in sent.select("title", "location").rows()
    assert ("=1+1", "@cmd") in typed.select("title", "location").rows()


def test_the_pictures_of_a_page_can_be_exported_as_a_contact_sheet(client: TestClient):
    few, many = (client.get("/api/search/sheet.jpg", params={"like": "d/durer/work001", "size": n}) for n in (2, 12))
    assert few.headers["content-type"] == "image/jpeg"
    sizes = [Image.open(io.BytesIO(sheet.content)).size for sheet in (few, many)]
    assert sizes[0][0] < sizes[1][0]
    assert sizes[0][1] < sizes[1][1]


def test_sheets_are_drawn_in_a_process_that_stands_back_and_is_replaced_when_it_dies(web_lake, colour_model):
    catalogue, drawer = Catalogue(Collection.open(web_lake, encoder=colour_model)), SheetDrawer(1)

    def started_by_drawing() -> set[multiprocessing.process.BaseProcess]:
        before = set(multiprocessing.active_children())
        assert drawer.draw(catalogue, catalogue.search(Question(), size=2), "Two works").startswith(b"\xff\xd8")
        started = set(multiprocessing.active_children()) - before
        # The decoders of another test's app may start meanwhile; they stand back from nobody.
        stood_back = min(19, os.getpriority(os.PRIO_PROCESS, 0) + 10)
        return {process for process in started if os.getpriority(os.PRIO_PROCESS, process.pid or 0) == stood_back}

    (drawing,) = started_by_drawing()
    assert started_by_drawing() == set()
    drawing.kill()
    drawing.join()
    (another,) = started_by_drawing()
    drawer.close()
    another.join()


def test_misspelt_words_are_matched_loosely_with_a_note(client: TestClient):
    exact, nearly, some = (
        client.get("/api/search", params={"words": words}).json() for words in ("Dürer", "durrer", "durer qwertyuiop")
    )
    assert (exact["total"], exact["word_match"], exact["note"]) == (20, "all", "")
    assert (nearly["total"], nearly["word_match"], nearly["note"]) == (
        20,
        "fuzzy",
        "every word, or one spelt nearly so",
    )
    assert (some["total"], some["word_match"]) == (20, "some")
    assert some["note"].startswith("some of the words")
    assert sum(nearly["facets"]["style"].values()) == 20


def test_misspelt_words_are_answered_with_what_they_may_mean(client: TestClient):
    meant = client.get("/api/search", params={"words": "albrekt durrer"}).json()["did_you_mean"]
    assert meant[0] == {"text": "DÜRER, Albrecht", "kind": "artist", "works": 20}
    assert client.get("/api/search", params={"words": "dürer"}).json()["did_you_mean"] == []
    assert client.get("/api/search").json()["did_you_mean"] == []


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("/api/search?stile=Baroque", "there is no parameter `stile` here; did you mean 'style'?"),
        ("/api/search/hits.csv?lyke=x", "there is no parameter `lyke` here; did you mean 'like'?"),
        ("/api/suggest?q=du", "there is no parameter `q` here; it takes `beginning`."),
        ("/api/artworks/d/durer/work001?full=1", "there is no parameter `full` here; it takes none."),
    ],
)
def test_a_parameter_that_is_not_known_is_refused_with_the_closest_one(client: TestClient, address: str, message: str):
    answer = client.get(address)
    assert (answer.status_code, answer.json()["detail"]) == (422, message)


def test_an_upload_with_a_parameter_that_is_not_known_is_refused(client: TestClient, picture_of):
    sent = client.post("/api/search?stlye=Rococo", files={"picture": ("p", picture_of((9, 9, 9)))})
    assert (sent.status_code, sent.json()["detail"]) == (
        422,
        "there is no parameter `stlye` here; did you mean 'style'?",
    )
    assert client.get("/search?utm_source=letter").status_code == 200, "pages keep working for links of others"


@pytest.mark.parametrize(
    ("address", "query"),
    [
        ("/search", {"words": "moon", "type": "portrait"}),
        ("/search", {"words": "moon", "like": "d/durer/work005"}),
        ("/api/search", {"words": "moon", "page": 2}),
        ("/api/search/hits.csv", {"words": "moon"}),
    ],
)
def test_a_request_with_words_costs_one_full_text_query(
    client: TestClient, monkeypatch: pytest.MonkeyPatch, address: str, query: dict
):
    client.get(address, params={**query, "words": "colour"})
    queries: list[object] = []
    scanner = lance.LanceDataset.scanner

    def counted(*args: object, **options: object) -> object:
        queries.append(options["full_text_query"])
        return scanner(*args, **options)

    monkeypatch.setattr(lance.LanceDataset, "scanner", counted)
    assert client.get(address, params=query).status_code == 200
    assert len(queries) == 1


def test_a_prediction_has_its_probability_and_novelty(web_lake: DataLake, colour_model, picture_of):
    with TestClient(create_app(web_lake, WebConfig(abstain_below=0.8), encoder=colour_model)) as client:
        response = client.post("/api/predict", files={"picture": ("p", picture_of((228, 60, 97)))}).json()
        assert response["is_sure"] == {"style": True, "period": True, "type": False}
        assert response["novelty"]["nearest_similarity"] > 0.99
        assert response["novelty"]["is_out_of_distribution"] is None, "nothing was measured in this lake"
        again = client.get("/api/search", params={"image": response["image"]}).json()
        assert again["is_sure"] == response["is_sure"]
        assert again["novelty"]["nearest_similarity"] == pytest.approx(
            response["novelty"]["nearest_similarity"], abs=0.01
        )
        assert client.get("/api/search").json()["novelty"] is None


def test_health_has_the_served_version(client: TestClient):
    response = client.get("/api/healthz").json()
    assert (response["status"], response["works"], response["model_id"]) == ("ok", 60, "3fa9c0de")


def test_a_server_is_ready_once_its_model_is_loaded_or_cannot_be(twelve_works, monkeypatch: pytest.MonkeyPatch):
    may_load = threading.Event()

    def load(_: object) -> None:
        assert may_load.wait(60)
        raise NothingEmbeddedError("there is no model")

    monkeypatch.setattr("artpipe.models.checkpoint.load_model", load)
    with TestClient(create_app(DataLake(twelve_works))) as client:
        waiting = client.get("/api/readyz")
        assert (waiting.status_code, waiting.headers["retry-after"]) == (503, "5")
        assert client.get("/api/healthz").status_code == 200
        may_load.set()
        while client.get("/api/readyz").status_code == 503:
            time.sleep(0.01)
        assert client.get("/api/readyz").json()["is_model_ready"] is False, "pages are served all the same"


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
