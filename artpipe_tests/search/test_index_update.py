"""The index follows a table that grows, shrinks and changes, and is built anew where following is not good enough."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from artpipe.lake.paths import DataLake
from artpipe.search import index
from artpipe.search.index import CARD, IndexCard, Trial, open_index, read_card, save_index
from artpipe.search.index_update import update_index
from artpipe.vectors.nearest import HnswGraph, Vector

OPTIONS = {
    "model_id": "m",
    "min_rows": 200,
    "min_bit_rows": 200,
    "min_graph_rows": 200,
    "queries": 30,
    "min_recall": 0.8,
}


def vectors(rows: int, dimension: int = 24, seed: int = 0) -> Vector:
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((20, dimension))
    found = centres[rng.integers(0, 20, rows)] + 0.4 * rng.standard_normal((rows, dimension))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def ids(numbers: np.ndarray) -> list[str]:
    return [f"{number:05}" for number in numbers]


def choose(monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Let the trials be won by one kind, however the clock runs."""

    def chosen(trials: list[Trial], _: float) -> Trial:
        return next(trial for trial in trials if trial.kind == kind)

    monkeypatch.setattr(index, "_chosen", chosen)


@pytest.fixture
def lake(tmp_path: Path) -> DataLake:
    return DataLake(tmp_path / "lake")


def update(lake: DataLake, data: Vector, numbers: np.ndarray, version: str, **changed: object) -> IndexCard:
    return update_index(data, ids(numbers), lake, content_version=version, **{**OPTIONS, **changed})  # pyright: ignore[reportArgumentType]


def assert_finds_its_rows(lake: DataLake, data: Vector, version: str) -> None:
    served = open_index(data, lake, model_id="m", content_version=version)
    assert isinstance(served.nearest, HnswGraph), served.note
    found = np.array([served.nearest.search(row, 1).positions[0] for row in data])
    # Built by several threads, a graph differs from run to run and may miss a row; a wrong key would miss nearly all.
    assert np.mean(found == np.arange(len(data))) >= 0.95


def test_a_graph_follows_newcomers_leavers_and_changed_vectors(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    choose(monkeypatch, "hnsw")
    data = vectors(1300)
    first = update(lake, data[:1200], np.arange(1200), "v1")
    assert (first.why, first.updated_from) == ("there was no index", None)
    monkeypatch.setattr(index, "build_graph", None)  # nothing below may build
    numbers = np.r_[5:900, 905:1250]
    now = data.copy()
    now[100:103] = vectors(3, seed=9)
    card = update(lake, now[numbers], numbers, "v2")
    assert (card.updated_from, card.added, card.removed) == ("v1", 53, 13)
    assert card.why == "brought up to date: 53 vectors added, 13 removed"
    assert (card.rows, card.rows_at_trials, card.changed_since_trials) == (1240, 1200, 53)
    assert card.recall_at_10 >= 0.8
    assert read_card(lake) == card
    assert_finds_its_rows(lake, now[numbers], "v2")
    again = update(lake, data[:1300], np.arange(1300), "v3")
    assert (again.updated_from, again.rows) == ("v2", 1300)
    assert_finds_its_rows(lake, data[:1300], "v3")


def test_an_index_that_still_holds_is_left_alone(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    choose(monkeypatch, "hnsw")
    data = vectors(400)
    card = update(lake, data, np.arange(400), "v1")
    before = Path(str(lake.index(CARD))).stat().st_mtime_ns
    assert update(lake, data, np.arange(400), "v1") == card
    assert Path(str(lake.index(CARD))).stat().st_mtime_ns == before


def test_only_the_graph_in_use_is_kept(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    choose(monkeypatch, "hnsw")
    data = vectors(401)
    update(lake, data[:400], np.arange(400), "v1")
    update(lake, data, np.arange(401), "v2")
    names = sorted(path.name for path in lake.index(CARD).parent.iterdir())
    assert names == [CARD, "hnsw-v2.keys", "hnsw-v2.usearch"]


def test_a_graph_whose_recall_has_fallen_is_built_anew(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    choose(monkeypatch, "hnsw")
    data = vectors(401)
    update(lake, data[:400], np.arange(400), "v1")
    monkeypatch.setattr("artpipe.search.trials.recall", lambda *_: 0.79)
    card = update(lake, data, np.arange(401), "v2")
    assert card.why == "after 1 added and 0 removed vectors the graph's recall was 0.7900"
    assert (card.updated_from, card.rows_at_trials, card.changed_since_trials) == (None, 401, 0)


REASONS = {
    "another model": ({"model_id": "n"}, 400, "the vectors are of model n, the index was of m"),
    "another wanted recall": ({"min_recall": 0.9}, 400, "the wanted recall is 0.9 now, it was 0.8"),
    "a quarter more": ({}, 501, "the table has 501 rows, the trials were made with 400"),
    "a quarter less": ({}, 299, "the table has 299 rows, the trials were made with 400"),
}


@pytest.mark.parametrize("kind", ["hnsw", "bit_scan", "byte_scan"])
@pytest.mark.parametrize(("changed", "rows", "why"), REASONS.values(), ids=REASONS)
def test_the_trials_are_made_anew(
    lake: DataLake, monkeypatch: pytest.MonkeyPatch, changed: dict[str, object], rows: int, why: str, kind: str
):
    choose(monkeypatch, kind)
    data = vectors(501)
    update(lake, data[:400], np.arange(400), "v1")
    card = update(lake, data[:rows], np.arange(rows), "v2", **changed)
    assert (card.why, card.updated_from, card.rows_at_trials) == (why, None, rows)


def test_many_small_changes_add_up_to_new_trials(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    choose(monkeypatch, "hnsw")
    data = vectors(400)
    update(lake, data, np.arange(400), "v0")
    for turn in range(1, 3):
        data[40 * turn : 40 * turn + 40] = vectors(40, seed=turn)
        assert update(lake, data, np.arange(400), f"v{turn}").changed_since_trials == 40 * turn
    data[200:240] = vectors(40, seed=3)
    assert update(lake, data, np.arange(400), "v3").why == "120 vectors changed since the trials were made with 400"


@pytest.mark.parametrize("kind", ["exact", "byte_scan", "bit_scan"])
def test_a_scan_follows_without_trials(lake: DataLake, monkeypatch: pytest.MonkeyPatch, kind: str):
    choose(monkeypatch, kind)
    data = vectors(440)
    first = update(lake, data[:400], np.arange(400), "v1")
    monkeypatch.setattr("artpipe.search.index_update.build_index", None)  # a trial would call it
    card = update(lake, data, np.arange(440), "v2")
    assert (card.rows, card.content_version, card.updated_from) == (440, "v2", "v1")
    assert (card.trials, card.kind) == (first.trials, kind)
    served = open_index(data, lake, model_id="m", content_version="v2")
    assert (served.nearest.kind, served.note) == (kind, "")


def test_a_table_that_becomes_large_enough_is_tried(lake: DataLake):
    data = vectors(210)
    assert len(update(lake, data[:190], np.arange(190), "v1").trials) == 1
    card = update(lake, data, np.arange(210), "v2")
    assert (card.why, len(card.trials)) == ("the table has reached 200 rows", 4)


def test_a_table_that_was_never_tried_by_its_bits_is_tried_anew(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    choose(monkeypatch, "byte_scan")
    data = vectors(400)
    update(lake, data, np.arange(400), "v1", min_bit_rows=401)
    assert update(lake, data, np.arange(400), "v1", min_bit_rows=401).why == "there was no index"
    card = update(lake, data, np.arange(400), "v1", min_bit_rows=400)
    assert card.why == "a scan of bits has not been tried for 400 rows"
    assert update(lake, data, np.arange(400), "v1", min_bit_rows=400) == card


def test_a_scan_of_other_bits_is_tried_anew(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    choose(monkeypatch, "bit_scan")
    data = vectors(400)
    card = update(lake, data, np.arange(400), "v1")
    save_index(lake, replace(card, parameters={"bits": 512}))
    card = update(lake, data, np.arange(400), "v1")
    assert (card.why, card.parameters) == ("the scan of bits was of another version", {"bits": 1024})


@pytest.mark.parametrize("damage", ["graph", "keys"])
def test_a_damaged_graph_is_built_anew(lake: DataLake, monkeypatch: pytest.MonkeyPatch, damage: str):
    choose(monkeypatch, "hnsw")
    data = vectors(401)
    update(lake, data[:400], np.arange(400), "v1")
    Path(str(lake.index("hnsw-v1.usearch" if damage == "graph" else "hnsw-v1.keys"))).write_bytes(b"cut")
    assert "hnsw-v1.usearch could not be read" in update(lake, data, np.arange(401), "v2").why
    assert_finds_its_rows(lake, data, "v2")


def test_an_update_killed_before_the_card_is_written_is_made_again(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    choose(monkeypatch, "hnsw")
    data = vectors(401)
    update(lake, data[:400], np.arange(400), "v1")
    write_whole = index.write_whole

    def killed(path: Path, content: bytes) -> None:
        if path.name == CARD:
            raise KeyboardInterrupt
        write_whole(path, content)  # pyright: ignore[reportArgumentType]

    with monkeypatch.context() as patched:
        patched.setattr(index, "write_whole", killed)
        with pytest.raises(KeyboardInterrupt):
            update(lake, data, np.arange(401), "v2")
    assert_finds_its_rows(lake, data[:400], "v1")
    assert update(lake, data, np.arange(401), "v2").updated_from == "v1"
    assert_finds_its_rows(lake, data, "v2")
