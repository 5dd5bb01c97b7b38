"""What serves a table: exact and in memory, or by the table's own index, which follows a table that changes."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from artpipe.embedding.table import EmbeddingTable, vectors_version
from artpipe.lake.paths import DataLake
from artpipe.search import Collection, index
from artpipe.search.index import CARD, IndexCard, ServedIndex, open_index, read_card, save_card, update_index
from artpipe.vectors.lance_search import LanceSearch, unindexed_rows
from artpipe.vectors.nearest import ExactProduct, Int8Index, Vector

SMALL = 400
"""Tables of more rows get an index of their own here."""


def vectors(rows: int, seed: int = 0, dimension: int = 16) -> Vector:
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(9).standard_normal((20, dimension))
    found = centres[rng.integers(0, 20, rows)] + 0.4 * rng.standard_normal((rows, dimension))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def write(lake: DataLake, data: Vector, first: int = 0, model_id: str = "m", marked: str = "") -> None:
    """Put works with these vectors into the table, numbered from `first`."""
    ids = [f"{number:05}" for number in range(first, first + len(data))]
    columns = {"artwork_id": ids, "model_id": model_id, "jpeg_sha256": [f"{name}{marked}" for name in ids]}
    EmbeddingTable(lake).upsert(pl.DataFrame({**columns, "vector": data}))


def opened(lake: DataLake, version: int | None = None, **options: Any) -> ServedIndex:
    table = EmbeddingTable(lake)
    rows = table.read(version=version)
    current = version or table.version
    assert current is not None
    content: dict[str, Any] = {"model_id": rows["model_id"][0], "content_version": vectors_version(rows)}
    return open_index(table, current, **content, **options)


def true_share(served: ServedIndex, data: Vector) -> float:
    """How many of some rows find themselves first."""
    rows = np.arange(0, len(data), 7)
    return float(np.mean([served.nearest.search(data[row], 1).positions[0] == row for row in rows]))


@pytest.fixture
def lake(tmp_path: Path) -> DataLake:
    return DataLake(tmp_path / "lake")


@pytest.fixture
def update(lake: DataLake) -> Callable[..., IndexCard]:
    def run(**options: Any) -> IndexCard:
        defaults: dict[str, Any] = {"in_memory_rows": SMALL, "min_recall": 0.9}
        return update_index(lake, **{**defaults, **options})

    return run


def test_a_small_table_is_searched_by_the_exact_product(lake: DataLake):
    write(lake, vectors(300))
    card = update_index(lake)
    assert (card.kind, card.rows, card.dimension, card.recall_at_10, card.wanted_recall) == ("exact", 300, 16, 1, 0.99)
    assert card.why == "300 vectors are searched in memory"
    served = opened(lake)
    assert isinstance(served.nearest, ExactProduct)
    assert (served.card, served.note, served.exact) == (card, "", served.nearest)
    assert read_card(lake) == card


def test_a_larger_table_is_scanned_as_int8_codes(lake: DataLake):
    write(lake, vectors(10_000, dimension=4))
    card = update_index(lake)
    assert (card.kind, card.recall_at_10) == ("int8", 1)
    assert isinstance(opened(lake).nearest, Int8Index)


def test_a_table_beyond_memory_gets_an_index_of_its_own(lake: DataLake, update: Callable[..., IndexCard]):
    data = vectors(1200)
    write(lake, data)
    card = update()
    assert (card.kind, card.rows, card.trained_rows, card.added_rows) == ("ivf_rq", 1200, 1200, 0)
    assert card.why == "trained: there was no index"
    assert 0.9 <= card.recall_at_10 == card.trials[-1].recall_at_10
    served = opened(lake)
    assert isinstance(served.nearest, LanceSearch)
    assert (served.nearest.kind, served.exact.kind, served.note, served.card) == ("ivf_rq", "exact", "", card)
    assert not served.is_exact
    assert true_share(served, data) > 0.9


def test_an_index_that_still_holds_is_left_alone(lake: DataLake, update: Callable[..., IndexCard]):
    write(lake, vectors(500))
    card, version = update(), EmbeddingTable(lake).version
    assert update() == card
    assert EmbeddingTable(lake).version == version


def test_new_and_changed_rows_are_found_at_once_and_added_to_the_index_later(
    lake: DataLake, update: Callable[..., IndexCard]
):
    data = vectors(1040)
    write(lake, data[:1000])
    update()
    data[100:103] = vectors(3, seed=5)
    write(lake, data[1000:], first=1000)
    write(lake, data[100:103], first=100, marked=" anew")
    served = opened(lake)
    assert served.note == 'the table changed since the index was built; materialize "search_index"'
    assert (served.card, served.nearest.kind) == (None, "ivf_rq")
    changed = [*range(1000, 1040), *range(100, 103)]
    assert [served.nearest.search(data[row], 1).positions[0] for row in changed] == changed
    card = update()
    assert (card.why, card.trained_rows, card.added_rows, card.rows) == ("43 rows added", 1000, 43, 1040)
    dataset = EmbeddingTable(lake).dataset()
    assert dataset is not None
    assert unindexed_rows(dataset) == 0
    assert opened(lake).note == ""
    assert true_share(opened(lake), data) > 0.9


def test_a_removed_work_is_never_found(lake: DataLake, update: Callable[..., IndexCard]):
    data = vectors(600)
    write(lake, data)
    update()
    EmbeddingTable(lake).remove(["00007"])
    served = opened(lake)
    similarity = served.nearest.search(data[7], 1).similarities[0]
    assert similarity < 0.999
    card = update()
    assert (card.why, card.rows, card.added_rows) == ("0 rows added", 599, 0)


def test_joining_the_pieces_of_the_table_leaves_the_index_in_use(lake: DataLake, update: Callable[..., IndexCard]):
    data = vectors(600)
    for first in range(0, 600, 50):
        write(lake, data[first : first + 50], first=first)
    update()
    table = EmbeddingTable(lake)
    table.remove(["00003"])
    table.optimize(min_current=timedelta(0))
    dataset = table.dataset()
    assert dataset is not None
    assert len(dataset.get_fragments()) == 1
    assert unindexed_rows(dataset) == 0
    served = opened(lake)
    assert served.nearest.kind == "ivf_rq"
    assert true_share(served, np.delete(data, 3, axis=0)) > 0.9


@pytest.mark.parametrize(
    ("model_id", "rows", "why"),
    [
        ("n", 500, "trained: the vectors are of model n, the index was of m"),
        ("m", 640, "trained: 140 of 500 rows changed since it was trained"),
    ],
)
def test_the_index_is_trained_again(
    lake: DataLake, update: Callable[..., IndexCard], model_id: str, rows: int, why: str
):
    write(lake, vectors(500))
    update()
    first = 0 if model_id != "m" else 500
    write(lake, vectors(rows)[first:], first=first, model_id=model_id)
    if model_id != "m":
        served = opened(lake)
        assert (served.nearest.kind, served.note[:29]) == ("exact", "the index is of model m, the ")
    card = update()
    assert (card.why, card.trained_rows, card.added_rows) == (why, rows, 0)


def test_many_small_additions_add_up_to_another_training(lake: DataLake, update: Callable[..., IndexCard]):
    write(lake, vectors(500))
    update()
    done: list[str] = []
    for first in (500, 560, 620):
        write(lake, vectors(60, seed=first), first=first)
        done.append(update().why)
    assert done == ["60 rows added", "60 rows added", "trained: 180 of 500 rows changed since it was trained"]


def test_settings_that_no_longer_reach_the_recall_lead_to_another_training(
    lake: DataLake, update: Callable[..., IndexCard], monkeypatch: pytest.MonkeyPatch
):
    write(lake, vectors(500))
    update()
    write(lake, vectors(10, seed=3), first=500)
    measured = iter([0.5, 0.99, 0.98])
    monkeypatch.setattr("artpipe.search.trials.recall", lambda *_: next(measured))
    monkeypatch.setattr(index, "GRID", [{"nprobes": 5, "refine_factor": 2}])
    card = update()
    assert (card.why, card.recall_at_10) == ("trained: recall@10 fell below 0.9 after 10 rows were added", 0.98)


def test_a_recall_that_nothing_reaches_leaves_the_search_exact(
    lake: DataLake, update: Callable[..., IndexCard], monkeypatch: pytest.MonkeyPatch
):
    data = vectors(500)
    write(lake, data)
    monkeypatch.setattr("artpipe.search.trials.recall", lambda *_: 0.5)
    card = update()
    assert (card.kind, card.parameters, card.recall_at_10) == ("exact", {}, 1)
    assert card.why == "no setting of the index reached recall@10 0.9; every vector is compared"
    monkeypatch.setattr(index, "IN_MEMORY_ROWS", SMALL)
    served = opened(lake)
    assert isinstance(served.nearest, LanceSearch)
    assert (served.nearest.kind, served.note, served.is_exact) == ("exact", "", True)


def test_another_wanted_recall_chooses_other_settings_without_training(
    lake: DataLake, update: Callable[..., IndexCard]
):
    write(lake, vectors(1000))
    update(min_recall=0.5)
    card = update(min_recall=0.95)
    assert (card.wanted_recall, card.why) == (0.95, "0 rows added")
    assert card.recall_at_10 >= 0.95


def test_a_table_that_fits_into_memory_again_loses_its_index(lake: DataLake, update: Callable[..., IndexCard]):
    write(lake, vectors(500))
    update()
    EmbeddingTable(lake).remove([f"{number:05}" for number in range(200)])
    assert update().kind == "exact"
    assert isinstance(opened(lake).nearest, ExactProduct)


def test_a_large_table_without_an_index_is_searched_exactly_from_disk(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    data = vectors(500)
    write(lake, data)
    save_card(lake, replace(update_index(lake), kind="bit_scan"))
    monkeypatch.setattr(index, "IN_MEMORY_ROWS", SMALL)
    served = opened(lake)
    assert isinstance(served.nearest, LanceSearch)
    assert (served.nearest.kind, served.note) == (
        "exact",
        'the table has no index of its own; materialize "search_index"',
    )
    assert true_share(served, data) == 1


def test_the_past_is_not_searched_by_an_index_of_other_vectors(lake: DataLake, update: Callable[..., IndexCard]):
    data = vectors(500)
    write(lake, data)
    update()
    past = EmbeddingTable(lake).version
    write(lake, vectors(20, seed=3), first=500)
    update()
    served = opened(lake, past, past=datetime(2026, 11, 30, 12, tzinfo=UTC))
    assert (served.nearest.kind, served.note) == ("exact", "opened as of 2026-11-30 12:00 UTC, and searched exactly")
    assert true_share(served, data) == 1


@pytest.mark.parametrize("damage", ["missing", "cut"])
def test_without_a_card_the_search_is_exact_and_says_why(lake: DataLake, damage: str):
    write(lake, vectors(300))
    update_index(lake)
    file = Path(str(lake.index(CARD)))
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(file.read_bytes()[:40])
    served = opened(lake)
    assert isinstance(served.nearest, ExactProduct)
    assert (served.card, served.note) == (None, 'no index was built; materialize "search_index"')
    assert update_index(lake).kind == "exact"


def test_a_card_of_version_0_1_is_read_and_its_graph_removed(lake: DataLake):
    write(lake, vectors(300))
    card = update_index(lake)
    trial = {"kind": "hnsw", "parameters": {}, "recall_at_10": 1.0, "ms_per_query": 1.0, "build_s": 2.0}
    old = {
        "kind": "hnsw",
        "parameters": {"expansion_search": 64},
        "model_id": "m",
        "content_version": card.content_version,
        "rows": 300,
        "dimension": 16,
        "recall_at_10": 0.995,
        "ms_per_query": 0.2,
        "seconds_to_build": 1.0,
        "file": "hnsw-v.usearch",
        "trials": [{**trial, "can_serve": True}],
        "wanted_recall": 0.99,
        "why": "there was no index",
        "rows_at_trials": 300,
        "changed_since_trials": 0,
        "updated_from": None,
        "added": 0,
        "removed": 0,
    }
    path = Path(str(lake.index(CARD)))
    path.write_text(json.dumps(old), encoding="utf-8")
    path.with_name("hnsw-v.usearch").write_bytes(b"graph")
    served = opened(lake)
    assert isinstance(served.nearest, ExactProduct)
    assert (served.card and served.card.recall_at_10, served.note) == (0.995, "")
    assert update_index(lake).kind == "exact"
    assert [file.name for file in path.parent.iterdir()] == [CARD]


def test_a_collection_beyond_memory_answers_as_one_in_memory_does(lake: DataLake, update: Callable[..., IndexCard]):
    data = vectors(900)
    write(lake, data)
    in_memory = Collection.open(lake)
    in_memory.similar("00003")
    update(min_recall=0.99)
    collection = Collection.open(lake)
    for query in ("00003", data[5] + data[6]):
        ours, theirs = (c.similar(query, k=10, exact=True) for c in (collection, in_memory))
        assert ours["artwork_id"].to_list() == theirs["artwork_id"].to_list()
    assert collection.explain("00003").index == "ivf_rq"
    together = collection.similar_many(["00003", "00004"], k=5)
    assert [len(hits) for hits in together] == [5, 5]
    assert collection.novelty("00003").nearest_similarity == pytest.approx(
        in_memory.novelty("00003").nearest_similarity, abs=1e-5
    )


def test_nothing_embedded_is_nothing_to_index(lake: DataLake):
    with pytest.raises(ValueError, match=r'nothing is embedded in .*; materialize "embeddings"'):
        update_index(lake)


def test_a_collection_beyond_memory_reads_what_it_shows_from_the_table(
    lake: DataLake, update: Callable[..., IndexCard], monkeypatch: pytest.MonkeyPatch
):
    write(lake, vectors(500))
    titles = pl.DataFrame({"artwork_id": ["00003", "00007"], "title": ["A Smile", "Young Hare"], "location": "Vienna"})
    EmbeddingTable(lake).update_metadata(titles)
    update()
    in_memory = Collection.open(lake)
    expected = in_memory.similar("00004", exact=True), in_memory.get("00007")
    monkeypatch.setattr("artpipe.search.snapshot.IN_MEMORY_ROWS", SMALL)
    collection = Collection.open(lake)
    monkeypatch.setattr(EmbeddingTable, "vectors", lambda *_: pytest.fail("all vectors were read"))
    hits = collection.similar("00004", exact=True)
    assert hits["artwork_id"].to_list() == expected[0]["artwork_id"].to_list()
    assert hits.drop("similarity").equals(expected[0].drop("similarity"))
    assert collection.get("00007") == expected[1]
    assert (collection.get("00007")["title"], collection.get("00007")["location"]) == ("Young Hare", "Vienna")
    assert [one.text for one in collection.suggest("young")] == []
    assert "works" not in vars(collection.snapshot)
