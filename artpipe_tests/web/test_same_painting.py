"""Whether a visitor's picture shows a painting of the collection, from the upload to the page and the API."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from fastapi.testclient import TestClient

from artpipe.lake.paths import DataLake
from artpipe.web.app import create_app
from artpipe.web.catalogue import Catalogue
from artpipe.web.comparisons import ComparisonFailedError, Comparisons
from artpipe.web.config import WebConfig
from artpipe.web.tokens import Verdict
from artpipe_tests.fixtures.paintings import jpeg_of, painting
from artpipe_tests.fixtures.photographs import photograph


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory, described_works_written) -> DataLake:
    lake = DataLake(tmp_path_factory.mktemp("comparing") / "lake")
    described_works_written(lake, 6)
    return lake


@pytest.fixture(scope="module")
def comparing(described: DataLake, colour_model_class) -> TestClient:
    return TestClient(create_app(described, encoder=colour_model_class()), follow_redirects=True)


def sent_by_a_script(client: TestClient, jpeg: bytes) -> str:
    """The token of the results."""
    answer = client.post("/search", files={"picture": ("p", jpeg)}, headers={"Accept": "application/json"})
    assert answer.status_code == 200
    return answer.json()["token"]


def test_a_matched_painting_is_named_on_the_page_and_in_the_api(comparing: TestClient, blots):
    sent = comparing.post("/api/search", files={"picture": ("p", blots(0))}).json()
    assert sent["same_painting"]["artwork_id"] == "d/durer/work000"
    assert 0.9 < sent["same_painting"]["certainty"] < 1
    page = comparing.get("/search", params={"image": sent["image"]}).text
    assert "In the collection" in page
    assert '<a href="/works/d/durer/work000">A Café &lt;at&gt; Night &amp; Day</a>' in page


def test_a_painting_outside_the_collection_is_reported_as_not_found(comparing: TestClient, blots):
    sent = comparing.post("/api/search", files={"picture": ("p", blots(99))}).json()
    verdict = sent["same_painting"]
    assert (verdict["artwork_id"], verdict["certainty"], verdict["labels"]) == (None, 0.0, {})
    page = comparing.get("/search", params={"image": sent["image"]}).text
    assert "We did not find this painting in the collection" in page


def test_without_local_features_only_the_collection_page_mentions_it(client: TestClient, blots):
    sent = client.post("/api/search", files={"picture": ("p", blots(0))}).json()
    assert sent["same_painting"] is None
    page = client.get("/search", params={"image": sent["image"]}).text
    assert 'class="verdict' not in page
    assert "ARTPIPE_SAME_PAINTING" not in page
    assert "ARTPIPE_SAME_PAINTING" in client.get("/collection").text


def test_beside_other_servers_a_script_gets_results_with_the_verdict(
    described: DataLake, colour_model, paused_comparisons: threading.Event, blots
):
    app = create_app(described, WebConfig(has_replicas=True), encoder=colour_model)
    with TestClient(app) as client, ThreadPoolExecutor(1) as visitor:
        sent = visitor.submit(sent_by_a_script, client, blots(1))
        with pytest.raises(TimeoutError):
            sent.result(1.5)  # many times what the results alone take
        paused_comparisons.set()
        page = client.get("/search", params={"image": sent.result(60)}).text
    assert "In the collection" in page


def test_a_script_gets_results_before_the_verdict(comparing: TestClient, paused_comparisons: threading.Event, blots):
    token = sent_by_a_script(comparing, blots(1))
    page = comparing.get("/search", params={"image": token}).text
    assert "Looks like your picture" in page
    assert f'role="status" data-comparing="{token}"' in page
    assert "Comparing your picture" in page
    assert comparing.get("/api/search", params={"image": token}).json()["same_painting"] is None
    paused_comparisons.set()
    response = comparing.get("/search/verdict", params={"image": token})
    assert response.headers["cache-control"] == "no-store"
    assert "In the collection" in response.json()["html"]
    assert '<a href="/works/d/durer/work001">' in response.json()["html"]
    decided = response.json()["token"]
    assert decided != token
    for image in (token, decided):
        page = comparing.get("/search", params={"image": image}).text
        assert "In the collection" in page
        assert "data-comparing" not in page
        assert f"image={decided}" in page  # links lead on with what is known by now
        assert f"image={token}" not in page


def test_a_form_without_a_script_waits_for_the_verdict(comparing: TestClient, blots):
    page = comparing.post("/search", files={"picture": ("p", blots(99))}, headers={"Accept": "text/html"})
    assert "We did not find this painting in the collection" in page.text
    assert "data-comparing" not in page.text


@pytest.mark.usefixtures("paused_comparisons")
def test_a_verdict_of_another_server_is_not_waited_for(
    described: DataLake, comparing: TestClient, colour_model_class, blots
):
    token = sent_by_a_script(comparing, blots(2))
    elsewhere = TestClient(create_app(described, encoder=colour_model_class()))
    page = elsewhere.get("/search", params={"image": token}).text
    assert "did not finish" in page
    assert "data-comparing" not in page
    response = elsewhere.get("/search/verdict", params={"image": token}).json()
    assert response["token"] == token
    assert "did not finish" in response["html"]


def test_a_verdict_is_requested_with_a_token(comparing: TestClient):
    assert comparing.get("/search/verdict").status_code == 422
    assert comparing.get("/search/verdict", params={"image": "AAAA"}).status_code == 422


@pytest.mark.usefixtures("paused_comparisons")
def test_queued_comparisons_count_towards_the_upload_limit(described: DataLake, colour_model_class, blots):
    busy = TestClient(create_app(described, WebConfig(max_pending_uploads=2), encoder=colour_model_class()))
    for seed in (3, 4):
        sent_by_a_script(busy, blots(seed))
    answer = busy.post("/search", files={"picture": ("p", blots(5))}, headers={"Accept": "application/json"})
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "5"


class Works:
    """Something to compare with."""


def test_a_picture_is_compared_once_per_collection_version():
    comparisons, works, compared = Comparisons(), Works(), []

    def verdict_on(collection: Works, answer: Verdict) -> Verdict | None:
        comparisons.begin("token", collection, lambda: compared.append(answer) or answer)
        return asyncio.run(comparisons.verdict("token"))

    assert verdict_on(works, Verdict(None)) == verdict_on(works, Verdict("not asked")) == Verdict(None)
    assert verdict_on(Works(), Verdict("new")) == Verdict("new")  # a later state of the collection may hold it
    assert compared == [Verdict(None), Verdict("new")]
    comparisons.close()


def test_old_comparisons_are_forgotten():
    comparisons, works = Comparisons(max_remembered=2), Works()
    for token in ("a", "b", "c"):
        comparisons.begin(token, works, lambda: Verdict("w", 0.9))
    assert not comparisons.is_known("a")
    with pytest.raises(ComparisonFailedError):
        comparisons.result("a")
    assert asyncio.run(comparisons.verdict("c")) == comparisons.result("c") == Verdict("w", 0.9)
    comparisons.close()


def test_a_visitor_who_leaves_does_not_end_a_comparison_that_others_wait_for():
    comparisons, works, may_go_on = Comparisons(), Works(), threading.Event()
    comparisons.begin("first", works, lambda: may_go_on.wait(30) and None)
    comparisons.begin("token", works, lambda: Verdict("w", 0.9))

    async def leave_and_stay() -> Verdict | None:
        leaving = asyncio.create_task(comparisons.verdict("token"))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.wait([leaving])
        assert leaving.cancelled()
        may_go_on.set()
        return await comparisons.verdict("token")

    assert asyncio.run(leave_and_stay()) == Verdict("w", 0.9)
    comparisons.close()


def test_a_failed_comparison_is_reported_and_repeated_on_the_next_upload(
    comparing: TestClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, blots
):
    with monkeypatch.context() as failing:
        failing.setattr(Catalogue, "same_painting", lambda *_: 1 / 0)
        token = sent_by_a_script(comparing, blots(4))
        response = comparing.get("/search/verdict", params={"image": token}).json()
        assert "did not finish" in response["html"]
        assert response["token"] == token
        assert "could not be compared" in caplog.text
        sent = comparing.post("/api/search", files={"picture": ("p", blots(4))})
        assert (sent.status_code, sent.json()["same_painting"]) == (200, None)
        page = comparing.post("/search", files={"picture": ("p", blots(4))}, headers={"Accept": "text/html"}).text
        assert "did not finish" in page
        assert "data-comparing" not in page
    token = sent_by_a_script(comparing, blots(4))
    assert "In the collection" in comparing.get("/search/verdict", params={"image": token}).json()["html"]


def test_waiting_for_a_verdict_takes_no_second_upload_slot(
    described: DataLake, colour_model_class, paused_comparisons: threading.Event, blots
):
    app = create_app(described, WebConfig(max_pending_uploads=2), encoder=colour_model_class())
    client = TestClient(app)
    with ThreadPoolExecutor() as pool:
        waits = pool.submit(client.post, "/api/search", files={"picture": ("p", blots(5))})
        while not app.state.web.comparisons.unfinished():
            time.sleep(0.01)
        sent_by_a_script(client, blots(3))
        paused_comparisons.set()
        assert waits.result(60).json()["same_painting"]["artwork_id"] is not None


def framed(seed: int, treatment: str = "framed, wall 20 % wider") -> bytes:
    return jpeg_of(photograph(painting(seed), treatment, seed))


def test_a_recognised_work_is_the_first_hit_with_its_labels_and_its_place(comparing: TestClient):
    sent = comparing.post("/api/search", files={"picture": ("p", framed(4))}).json()
    verdict, first = sent["same_painting"], sent["hits"][0]
    assert verdict["artwork_id"] == first["artwork_id"]
    assert verdict["labels"] == {task: first[task] for task in ("style", "period", "type")}
    (left, top), _, (right, bottom), _ = sent["corners"]
    assert 0.05 < left < 0.3 < 0.7 < right < 0.95
    assert 0.05 < top < 0.3 < 0.7 < bottom < 0.95
    page = comparing.get("/search", params={"image": sent["image"]}).text
    assert "In the catalogue: " + ", ".join(first[task] for task in ("style", "period", "type")) in page
    assert "Only the painting in your picture was compared" in page
    assert "mirrored" not in page


def test_a_mirrored_picture_is_said_to_be_mirrored(comparing: TestClient):
    sent = comparing.post("/api/search", files={"picture": ("p", framed(4, "mirrored"))}).json()
    assert sent["same_painting"]["is_mirrored"]
    assert "Your picture shows it mirrored" in comparing.get("/search", params={"image": sent["image"]}).text


@pytest.mark.parametrize("path", ["/api/predict", "/api/search"])
def test_a_visitor_s_crop_is_taken_as_it_is(comparing: TestClient, path: str):
    picture = {"picture": ("p", framed(99))}
    answers = [
        comparing.post(path, params={"crop": crop}, files=picture).json()["corners"]
        for crop in ("0.25,0.5,0.5,0.25", "0.25,0.5,0.75,0.5,0.75,0.75,0.25,0.75")
    ]
    assert answers == [[[0.25, 0.5], [0.75, 0.5], [0.75, 0.75], [0.25, 0.75]]] * 2


@pytest.mark.parametrize("crop", ["left", "0,0,2,2", "0.1,0.1"])
def test_a_crop_that_is_none_is_refused_in_words(comparing: TestClient, crop: str):
    answer = comparing.post("/api/predict", params={"crop": crop}, files={"picture": ("p", framed(1))})
    assert answer.status_code == 422
    assert "crop" in answer.json()["detail"]


def test_a_verdict_that_comes_later_says_whether_the_results_were_of_something_else(
    comparing: TestClient, paused_comparisons: threading.Event
):
    other, same = (sent_by_a_script(comparing, jpeg) for jpeg in (framed(3, "mirrored"), jpeg_of(painting(98))))
    paused_comparisons.set()
    verdicts = [comparing.get("/search/verdict", params={"image": token}).json() for token in (other, same)]
    assert [verdict["is_other_view"] for verdict in verdicts] == [True, False]
