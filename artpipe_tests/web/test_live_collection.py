import json
import shutil
import threading
from pathlib import Path

import polars as pl
import pytest
from fastapi.testclient import TestClient

from artpipe.embedding.table import EmbeddingTable
from artpipe.lake.paths import DataLake, write_whole
from artpipe.orchestration.lineage import Lineage, Origin
from artpipe.search.collection import NothingEmbeddedError
from artpipe.web.app import create_app
from artpipe.web.live_collection import LiveCollection


def test_a_new_version_replaces_the_previous_one_as_a_whole(own_lake, colour_model):
    live = LiveCollection(own_lake, encoder=colour_model)
    previous, _ = live.now
    assert not live.update()
    EmbeddingTable(own_lake).remove(["d/durer/work000", "d/durer/work001"])
    assert live.update()
    current, _ = live.now
    assert (len(previous), len(current)) == (12, 10)
    assert len(previous.neighbours("d/durer/work000", 3)) == 3


def test_an_index_that_is_built_after_its_table_is_served_as_well(own_lake, colour_model):
    live = LiveCollection(own_lake, encoder=colour_model)
    previous, _ = live.now
    lineage = Lineage(own_lake)
    lineage.begin("search_index", Origin("1", {}))
    lineage.complete("search_index", "v1")
    assert live.update()
    assert live.now[0] is not previous
    assert not live.update()


def test_a_table_that_another_model_is_filling_is_not_served(own_lake, colour_model):
    live = LiveCollection(own_lake, encoder=colour_model)
    serving = live.now
    table = EmbeddingTable(own_lake)
    rows = table.read().with_columns(vector=table.vectors()[1])
    table.upsert(rows.head(6).with_columns(model_id=pl.lit("other")))
    assert not live.update()
    assert live.now is serving


def test_requests_during_updates_are_answered_from_one_version_or_the_other(own_lake, colour_model):
    app = create_app(own_lake, encoder=colour_model)
    client = TestClient(app)  # without the app's lifespan, nothing but this test updates
    table = EmbeddingTable(own_lake)
    rows = table.read().with_columns(vector=table.vectors()[1])
    removed = ["d/durer/work000", "d/durer/work001", "d/durer/work002"]
    changes = [(9, lambda: table.remove(removed)), (12, lambda: table.upsert(rows))] * 2
    answers: list[tuple[int, set[str]]] = []
    is_answered, is_done = threading.Event(), threading.Event()

    def search() -> None:
        while not is_done.is_set():
            answer = client.get("/api/search").json()
            answers.append((answer["total"], {hit["artwork_id"] for hit in answer["hits"]}))
            is_answered.set()

    requests = threading.Thread(target=search, daemon=True)
    requests.start()
    try:
        for expected, change in changes:
            change()
            assert app.state.web.live.update()
            for _ in range(2):  # the first answer may have begun before the update
                is_answered.clear()
                assert is_answered.wait(30)
            assert answers[-1][0] == expected
    finally:
        is_done.set()
        requests.join(30)
    assert not requests.is_alive()
    assert {total for total, _ in answers} == {9, 12}
    assert all(len(ids) == total for total, ids in answers)
    assert all(ids.isdisjoint(removed) for total, ids in answers if total == 9)


def test_without_embeddings_the_error_names_the_next_step(tmp_path: Path):
    lake = DataLake(tmp_path / "empty")
    lake.ensure_writable()
    with pytest.raises(NothingEmbeddedError, match="artpipe demo"):
        create_app(lake)


def test_without_a_map_the_other_pages_work_and_the_map_names_the_next_step(own_lake, colour_model):
    own_lake.table("art_map").unlink()
    shutil.rmtree(str(own_lake.root / "reports"))
    with TestClient(create_app(own_lake, encoder=colour_model)) as client:
        assert client.get("/works/d/durer/work001").status_code == 200
        assert "12 works are not on the map yet" in client.get("/collection").text
        answer = client.get("/map")
        assert answer.status_code == 404
        assert "materialize" in answer.text


def test_a_token_of_an_earlier_model_requests_a_new_upload(own_lake, colour_model, picture_of, works_written):
    with TestClient(create_app(own_lake, encoder=colour_model)) as client:
        sent = client.post("/api/predict", files={"picture": ("p", picture_of((1, 2, 3)))}).json()
    works_written(own_lake, 12, "another!")
    write_whole(own_lake.served_model, json.dumps({"model_id": "another!"}).encode())
    colour_model.model_id = "another!"
    with TestClient(create_app(own_lake, encoder=colour_model)) as client:
        answer = client.get("/search", params={"image": sent["image"]})
        assert answer.status_code == 422
        assert "upload the picture again" in answer.text
