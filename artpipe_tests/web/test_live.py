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
from artpipe.web.live import LiveCatalogue, WarmingModel


def test_a_new_version_takes_the_place_of_the_old_one_whole(own_lake, colour_model):
    live = LiveCatalogue(own_lake, encoder=colour_model)
    before, _ = live.now
    assert not live.look()
    EmbeddingTable(own_lake).remove(["d/durer/work000", "d/durer/work001"])
    assert live.look()
    after, _ = live.now
    assert (len(before), len(after)) == (12, 10)
    assert len(before.neighbours("d/durer/work000", 3)) == 3


def test_an_index_that_is_made_later_than_its_table_is_taken_up_as_well(own_lake, colour_model):
    live = LiveCatalogue(own_lake, encoder=colour_model)
    before, _ = live.now
    lineage = Lineage(own_lake)
    lineage.begin("search_index", Origin("1", {}))
    lineage.complete("search_index", "v1")
    assert live.look()
    assert live.now[0] is not before
    assert not live.look()


def test_a_table_that_is_being_filled_by_another_model_is_left_alone(own_lake, colour_model):
    live = LiveCatalogue(own_lake, encoder=colour_model)
    table = EmbeddingTable(own_lake)
    ids, vectors = table.vectors()
    rows = table.read().with_columns(vector=vectors)
    table.upsert(rows.head(6).with_columns(model_id=pl.lit("other")))
    assert not live.look()
    assert len(live.now[0]) == len(ids)


def test_requests_while_versions_change_are_answered_from_one_or_the_other(own_lake, colour_model):
    app = create_app(own_lake, encoder=colour_model)
    table = EmbeddingTable(own_lake)
    rows = table.read().with_columns(vector=table.vectors()[1])
    with TestClient(app) as client:
        live = app.state.web.live
        counts: list[int] = []
        done = threading.Event()

        def ask() -> None:
            while not done.is_set():
                counts.append(client.get("/api/search").json()["total"])

        asking = threading.Thread(target=ask)
        asking.start()
        for _ in range(3):
            table.remove(["d/durer/work000", "d/durer/work001", "d/durer/work002"])
            live.look()
            table.upsert(rows)
            live.look()
        done.set()
        asking.join()
    assert set(counts) <= {9, 12}
    assert counts


def test_the_model_is_loaded_once_and_its_failure_told_to_each_who_asks(colour_model):
    loaded: list[int] = []
    model = WarmingModel(lambda: loaded.append(1) or colour_model, "m")
    assert not model.is_ready
    assert model.labels == colour_model.labels
    assert model.labels
    assert (model.is_ready, loaded) == (True, [1])

    def fail():
        raise NothingEmbeddedError("no model")

    broken = WarmingModel(fail, "m")
    for _ in range(2):
        with pytest.raises(NothingEmbeddedError):
            broken.loaded()


def test_without_anything_embedded_there_is_no_app_but_a_next_step(tmp_path: Path):
    lake = DataLake(tmp_path / "empty")
    lake.ensure_writable()
    with pytest.raises(NothingEmbeddedError, match="artpipe demo"):
        create_app(lake)


def test_without_a_map_the_pages_work_and_the_map_says_what_to_do(own_lake, colour_model):
    own_lake.table("art_map").unlink()
    shutil.rmtree(str(own_lake.root / "reports"))
    with TestClient(create_app(own_lake, encoder=colour_model)) as client:
        assert client.get("/works/d/durer/work001").status_code == 200
        assert "have no place on the map yet" in client.get("/collection").text
        answer = client.get("/map")
        assert answer.status_code == 404
        assert "materialize" in answer.text


def test_a_picture_s_address_of_an_earlier_model_says_so(own_lake, colour_model, picture_of, works_written):
    with TestClient(create_app(own_lake, encoder=colour_model)) as client:
        sent = client.post("/api/predict", files={"picture": ("p", picture_of((1, 2, 3)))}).json()
    works_written(own_lake, 12, "another!")
    write_whole(own_lake.served_model, json.dumps({"model_id": "another!"}).encode())
    colour_model.model_id = "another!"
    with TestClient(create_app(own_lake, encoder=colour_model)) as client:
        answer = client.get("/search", params={"image": sent["image"]})
        assert answer.status_code == 422
        assert "choose the picture once more" in answer.text


def test_pictures_that_wait_together_are_looked_at_together_and_each_gets_its_own_answer(colour_model, picture_of):
    entered, go_on = threading.Event(), threading.Event()
    sizes: list[int] = []

    class SlowModel:
        model_id, labels = "m", colour_model.labels

        def encode(self, jpegs):
            sizes.append(len(jpegs))
            if len(sizes) == 1:
                entered.set()
                go_on.wait(10)
            if b"bad" in jpegs:
                raise ValueError("a bad picture")
            return colour_model.encode(jpegs)

    model = WarmingModel(SlowModel, "m")
    answers: dict[int, object] = {}

    def ask(number: int, jpeg: bytes) -> None:
        try:
            answers[number] = model.encode([jpeg]).vectors[0]
        except ValueError as error:
            answers[number] = str(error)

    pictures = [picture_of(colour) for colour in ((200, 1, 1), (1, 200, 1), (1, 1, 200))] + [b"bad"]
    asking = [threading.Thread(target=ask, args=(i, jpeg)) for i, jpeg in enumerate(pictures)]
    asking[0].start()
    assert entered.wait(10)
    for one in asking[1:]:
        one.start()
    while len(model._waiting) < 3:
        pass
    go_on.set()
    for one in asking:
        one.join()
    assert sizes[:2] == [1, 3]
    assert [int(answers[i].argmax()) for i in range(3)] == [0, 1, 2]
    assert answers[3] == "a bad picture"
