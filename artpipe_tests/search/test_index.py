from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from artpipe.lake.paths import DataLake
from artpipe.search import index, trials
from artpipe.search.bit_scan import BitScan
from artpipe.search.index import (
    CARD,
    _chosen,
    build_index,
    graph_file,
    open_index,
    read_card,
    row_keys,
    save_index,
)
from artpipe.search.trials import Trial
from artpipe.vectors.nearest import ByteScan, ExactProduct, HnswGraph, Vector, build_graph


def vectors(rows: int, dimension: int = 24, seed: int = 0) -> Vector:
    """Twenty tight clusters: easy for a graph."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((20, dimension))
    found = centres[rng.integers(0, 20, rows)] + 0.4 * rng.standard_normal((rows, dimension))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


def without_structure(rows: int, dimension: int) -> Vector:
    data = np.random.default_rng(0).standard_normal((rows, dimension)).astype(np.float32)
    return data / np.linalg.norm(data, axis=1, keepdims=True)


def ids(rows: int) -> list[str]:
    return [f"{n:05}" for n in range(rows)]


@pytest.fixture
def lake(tmp_path: Path) -> DataLake:
    return DataLake(tmp_path / "lake")


def serve_hnsw(lake: DataLake, data: Vector) -> None:
    """Build an index in which the graph is chosen, however the clock runs."""
    card = build_index(
        data, ids(len(data)), lake, model_id="m", content_version="v", min_rows=100, min_graph_rows=100, queries=40
    )
    parameters = next(trial.parameters for trial in card.trials if trial.kind == "hnsw")
    keys = row_keys(ids(len(data)), data)
    card = replace(card, kind="hnsw", file=graph_file("v"), parameters=parameters)
    save_index(lake, card, build_graph(data, keys), keys)


def test_a_small_table_is_searched_exactly_without_further_trials(lake: DataLake):
    card = build_index(vectors(300), ids(300), lake, model_id="m", content_version="v")
    assert (card.kind, card.rows, card.dimension, card.recall_at_10, card.file) == ("exact", 300, 24, 1.0, None)
    assert [trial.kind for trial in card.trials] == ["exact"]


def test_a_larger_table_gets_the_fastest_way_that_finds_the_neighbours(lake: DataLake):
    card = build_index(
        vectors(3000),
        ids(3000),
        lake,
        model_id="m",
        content_version="v",
        min_rows=1000,
        min_graph_rows=1000,
        queries=60,
    )
    assert [trial.kind for trial in card.trials] == ["exact", "byte_scan", "hnsw"]
    good_enough = [trial for trial in card.trials if trial.recall_at_10 >= 0.99]
    assert card.ms_per_query == min(trial.ms_per_query for trial in good_enough)
    assert card.recall_at_10 >= 0.99
    assert read_card(lake) == card


def test_a_table_that_is_scanned_in_no_time_is_not_given_a_graph(lake: DataLake):
    options = {"model_id": "m", "content_version": "v", "min_rows": 100, "queries": 20}
    card = build_index(vectors(999), ids(999), lake, min_graph_rows=1000, **options)  # pyright: ignore[reportArgumentType]
    assert [trial.kind for trial in card.trials] == ["exact", "byte_scan"]


@pytest.mark.parametrize("kind", ["bit_scan", "hnsw"])
def test_the_fastest_way_that_finds_enough_is_chosen(kind: str):
    exact, scan = Trial("exact", {}, 1.0, 9.0, 0.0), Trial("byte_scan", {}, 1.0, 3.0, 0.0)
    enough, too_few = Trial(kind, {}, 0.99, 1.0, 0.0), Trial(kind, {}, 0.9899, 1.0, 0.0)
    assert _chosen([exact, scan, enough], 0.99) == enough
    assert _chosen([exact, scan, too_few], 0.99) == scan
    assert _chosen([exact, scan, replace(enough, ms_per_query=3.5)], 0.99) == scan
    assert _chosen([exact, scan, replace(enough, can_serve=False)], 0.99) == scan
    assert _chosen([], 0.99) is None


def test_a_graph_explores_until_half_of_the_allowed_misses_are_to_spare(
    lake: DataLake, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(index, "_EXPANSIONS", (28, 40, 400, 800))
    monkeypatch.setattr(trials, "median_ms", lambda *_: 1.0)  # whatever the clock says, no exact search is sooner
    options = {"model_id": "m", "content_version": "v", "min_rows": 100, "min_graph_rows": 100, "queries": 40}
    card = build_index(without_structure(3000, 128), ids(3000), lake, **options)  # pyright: ignore[reportArgumentType]
    assert card.trials[-1].parameters["expansion_search"] in (400, 800)


def test_a_very_large_table_is_tried_by_its_bits_too(lake: DataLake):
    options = {"model_id": "m", "content_version": "v", "min_rows": 100, "queries": 40}
    card = build_index(vectors(3000), ids(3000), lake, min_bit_rows=3000, **options)  # pyright: ignore[reportArgumentType]
    assert [trial.kind for trial in card.trials] == ["exact", "byte_scan", "bit_scan"]
    assert card.trials[-1].parameters == {"bits": 1024}
    card = build_index(vectors(2999), ids(2999), lake, min_bit_rows=3000, **options)  # pyright: ignore[reportArgumentType]
    assert [trial.kind for trial in card.trials] == ["exact", "byte_scan"]


def test_a_scan_of_bits_is_opened_as_its_card_says(lake: DataLake):
    data = vectors(3000)
    card = build_index(data, ids(3000), lake, model_id="m", content_version="v", min_rows=100, queries=40)
    card = replace(card, kind="bit_scan", parameters={"bits": 1024})
    save_index(lake, card)
    served = open_index(data, lake, model_id="m", content_version="v")
    assert isinstance(served.nearest, BitScan)
    assert (served.card, served.note) == (card, "")
    assert served.nearest.search(data[3], 1).positions.tolist() == [3]
    assert isinstance(served.exact, ByteScan)
    save_index(lake, replace(card, parameters={"bits": 512}))
    served = open_index(data, lake, model_id="m", content_version="v")
    assert isinstance(served.nearest, ExactProduct)
    assert served.note == 'the index bit_scan cannot be read; materialize "search_index"'


def test_lancedb_is_measured_but_never_chosen(lake: DataLake):
    options = {"model_id": "m", "content_version": "v", "min_rows": 100, "queries": 20}
    card = build_index(vectors(600), ids(600), lake, compare_lancedb=True, **options)  # pyright: ignore[reportArgumentType]
    compared = {trial.kind: trial for trial in card.trials if not trial.can_serve}
    assert set(compared) == {"lancedb_ivf_rq", "lancedb_ivf_hnsw_sq"}
    assert all(0 < trial.recall_at_10 <= 1 for trial in compared.values())
    assert card.kind in ("exact", "byte_scan", "hnsw")


def test_an_index_is_opened_for_the_vectors_it_was_built_of(lake: DataLake):
    data = vectors(1500)
    serve_hnsw(lake, data)
    served = open_index(data, lake, model_id="m", content_version="v")
    assert isinstance(served.nearest, HnswGraph)
    assert served.note == ""
    assert served.nearest.search(data[3], 1).positions.tolist() == [3]


@pytest.mark.parametrize(
    ("model_id", "content_version", "note"), [("other", "v", "of model m"), ("m", "other", "the table changed")]
)
def test_a_stale_index_is_refused_and_says_why(lake: DataLake, model_id: str, content_version: str, note: str):
    data = vectors(1500)
    serve_hnsw(lake, data)
    served = open_index(data, lake, model_id=model_id, content_version=content_version)
    assert isinstance(served.nearest, ExactProduct)
    assert served.card is None
    assert note in served.note
    assert 'materialize "search_index"' in served.note


@pytest.mark.parametrize("damage", ["missing", "cut", "keys", "card"])
def test_a_damaged_index_is_refused_and_the_search_stays_exact(lake: DataLake, damage: str):
    data = vectors(1500)
    serve_hnsw(lake, data)
    file = Path(str(lake.index("hnsw-v.usearch")))
    if damage == "missing":
        file.unlink()
    elif damage == "keys":
        file.with_suffix(".keys").unlink()
    elif damage == "cut":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    else:
        Path(str(lake.index(CARD))).write_text("{", encoding="utf-8")
    served = open_index(data, lake, model_id="m", content_version="v")
    assert isinstance(served.nearest, ExactProduct)
    assert 'materialize "search_index"' in served.note


def test_a_large_table_without_an_index_is_scanned_exactly(lake: DataLake):
    data = vectors(10_000, dimension=4)
    served = open_index(data, lake, model_id="m", content_version="v")
    assert isinstance(served.nearest, ByteScan)
    assert "no index was built" in served.note


def test_only_the_graph_in_use_is_kept(lake: DataLake):
    data = vectors(1500)
    serve_hnsw(lake, data)
    build_index(data[:200], ids(200), lake, model_id="m", content_version="w")
    assert [path.name for path in lake.index(CARD).parent.iterdir()] == [CARD]


def test_a_row_keeps_its_key_while_others_come_and_go_and_loses_it_with_its_vector():
    data, names = vectors(50), ids(50)
    keys = row_keys(names, data)
    assert len(set(keys.tolist())) == 50
    np.testing.assert_array_equal(row_keys(names[7:], np.ascontiguousarray(data[7:])), keys[7:])
    changed = data.copy()
    changed[3] = data[4]
    assert (row_keys(names, changed) != keys).nonzero()[0].tolist() == [3]
    assert row_keys(["another"], data[:1])[0] != keys[0]


def test_ids_and_vectors_must_agree(lake: DataLake):
    with pytest.raises(ValueError, match="3 vectors for 2 ids"):
        build_index(vectors(3), ids(2), lake, model_id="m", content_version="v")
