import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artpipe.vectors import nearest
from artpipe.vectors.nearest import ByteScan, ExactProduct, HnswGraph, Vector, build_graph, in_parts


def unit(rows: np.ndarray) -> Vector:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def gaussian(rows: int, dimension: int, seed: int = 0) -> Vector:
    return unit(np.random.default_rng(seed).standard_normal((rows, dimension)))


def brute_force(vectors: Vector, query: Vector, k: int, allowed: np.ndarray | None = None) -> list[int]:
    similarities = vectors.astype(np.float64) @ query
    if allowed is not None:
        similarities[~allowed] = -np.inf
        k = min(k, int(allowed.sum()))
    return np.argsort(-similarities, kind="stable")[:k].tolist()


VECTORS = gaussian(3000, 48)
QUERIES = gaussian(20, 48, seed=1)


@pytest.mark.parametrize("kind", [ExactProduct, ByteScan])
@pytest.mark.parametrize("k", [1, 10, 40, 3000, 5000])
def test_the_exact_ways_find_just_what_brute_force_finds(kind: type[ExactProduct | ByteScan], k: int):
    for query in QUERIES[:5]:
        found = kind(VECTORS).search(query, k)
        assert found.positions.tolist() == brute_force(VECTORS, query, k)
        np.testing.assert_allclose(found.similarities, VECTORS[found.positions] @ query, atol=1e-6)


@pytest.mark.parametrize("kind", [ExactProduct, ByteScan])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.02, 0.1, 0.3, 0.5, 0.9, 0.99, 1.0])
def test_a_filter_of_any_selectivity_leaves_the_answer_exact(kind: type[ExactProduct | ByteScan], share: float):
    allowed = np.random.default_rng(2).random(len(VECTORS)) < share
    for query in QUERIES:
        assert kind(VECTORS).search(query, 10, allowed).positions.tolist() == brute_force(VECTORS, query, 10, allowed)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 64, 200]), st.floats(0.0, 0.5))
def test_the_byte_scan_is_exact_for_clustered_and_skewed_vectors(seed: int, dimension: int, spread: float):
    rng = np.random.default_rng(seed)
    centres = np.abs(rng.standard_normal((5, dimension))) ** 3
    vectors = unit(centres[rng.integers(0, 5, 1500)] + spread * rng.standard_normal((1500, dimension)) + 1e-3)
    query = vectors[7]
    found = ByteScan(vectors).search(query, 10).similarities
    np.testing.assert_allclose(found, np.sort(vectors @ query)[::-1][:10], atol=1e-6)


def test_the_first_of_equally_near_rows_comes_first():
    vectors = np.repeat(gaussian(2, 16), 400, axis=0)
    assert ByteScan(vectors).search(vectors[0], 3).positions.tolist() == [0, 1, 2]


@pytest.mark.parametrize("stretch", [slice(0, 200), slice(700, 1900), slice(2990, 3000)])
@pytest.mark.parametrize("k", [1, 10, 30, 1500])
def test_a_filter_that_leaves_one_stretch_of_the_table_leaves_the_answer_exact(stretch: slice, k: int):
    allowed = np.zeros(len(VECTORS), dtype=bool)
    allowed[stretch] = True
    for query in QUERIES[:5]:
        assert ByteScan(VECTORS).search(query, k, allowed).positions.tolist() == brute_force(VECTORS, query, k, allowed)


def test_a_scan_shared_by_threads_finds_the_same(monkeypatch: pytest.MonkeyPatch):
    alone = [ByteScan(VECTORS).search(query, 10) for query in QUERIES]
    monkeypatch.setattr(nearest, "_ROWS_WORTH_A_THREAD", 700)
    monkeypatch.setattr(nearest, "cpu_count", lambda: 3)
    for query, found in zip(QUERIES, alone, strict=True):
        assert ByteScan(VECTORS).search(query, 10).positions.tolist() == found.positions.tolist()


@pytest.mark.parametrize(("rows", "parts_a_thread", "step"), [(1, 1, 1), (699, 1, 1), (3000, 8, 64), (2999, 3, 700)])
def test_every_row_is_in_one_part_however_many_threads_take_them(
    monkeypatch: pytest.MonkeyPatch, rows: int, parts_a_thread: int, step: int
):
    monkeypatch.setattr(nearest, "_ROWS_WORTH_A_THREAD", 700)
    monkeypatch.setattr(nearest, "cpu_count", lambda: 3)
    seen = np.zeros(rows, dtype=int)

    def count(part: slice) -> None:
        seen[part] += 1

    parts = in_parts(rows, count, parts_a_thread, step)
    assert (seen == 1).all()
    assert [part.start for part in parts] == [0, *(part.stop for part in parts[:-1])]
    assert all(part.start % step == 0 for part in parts)


def test_a_query_does_not_wait_for_threads_that_are_busy_with_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nearest, "_ROWS_WORTH_A_THREAD", 700)
    monkeypatch.setattr(nearest, "cpu_count", lambda: 3)
    answered = threading.Event()
    with ThreadPoolExecutor(1) as busy:
        monkeypatch.setattr(nearest, "_helpers", lambda: busy)
        was_answered = busy.submit(answered.wait, 20)
        found = ByteScan(VECTORS).search(QUERIES[0], 10).positions.tolist()
        answered.set()
        assert was_answered.result()
    assert found == brute_force(VECTORS, QUERIES[0], 10)


@pytest.mark.parametrize("fails_here", [True, False])
def test_a_failure_of_any_part_is_told_and_ends_the_work(monkeypatch: pytest.MonkeyPatch, fails_here: bool):
    monkeypatch.setattr(nearest, "_ROWS_WORTH_A_THREAD", 10)
    monkeypatch.setattr(nearest, "cpu_count", lambda: 2)
    here, both_at_work, told = threading.get_ident(), threading.Barrier(2), threading.Event()
    done: list[slice] = []

    def work(part: slice) -> None:
        is_here = threading.get_ident() == here
        if len(done) < 2:
            done.append(part)
            both_at_work.wait(10)
        else:
            done.append(part)
        if is_here == fails_here:
            raise ArithmeticError("failed")
        if fails_here:
            told.wait(10)  # the helper is still at its first part when the failure is told

    with ThreadPoolExecutor(1) as helper:
        monkeypatch.setattr(nearest, "_helpers", lambda: helper)
        with pytest.raises(ArithmeticError, match="failed"):
            in_parts(1000, work, parts_a_thread=50)
        told.set()
    assert len(done) == (2 if fails_here else 100)


def test_one_row_of_a_single_large_number_leaves_the_others_exact():
    vectors = VECTORS.copy()
    vectors[5] = np.eye(48)[0]
    for query in (*QUERIES[:5], vectors[5]):
        assert ByteScan(vectors).search(query, 10).positions.tolist() == brute_force(vectors, query, 10)


def test_a_filter_that_nothing_passes_finds_nothing():
    nothing = np.zeros(len(VECTORS), dtype=bool)
    for exact in (ExactProduct(VECTORS), ByteScan(VECTORS)):
        assert exact.search(QUERIES[0], 5, nothing).positions.tolist() == []


def test_the_graph_finds_most_neighbours_with_their_exact_similarities():
    vectors = gaussian(2000, 16)
    graph = build_graph(vectors)
    graph.expansion_search = 128
    served = HnswGraph(vectors, graph)
    found = [served.search(query, 10) for query in gaussian(20, 16, seed=3)]
    truth = [brute_force(vectors, query, 10) for query in gaussian(20, 16, seed=3)]
    assert np.mean([len(set(a.positions.tolist()) & set(b)) / 10 for a, b in zip(found, truth, strict=True)]) > 0.95
    for answer, query in zip(found, gaussian(20, 16, seed=3), strict=True):
        np.testing.assert_allclose(answer.similarities, vectors[answer.positions] @ query, atol=1e-6)


def test_the_graph_answers_filtered_and_long_queries_exactly():
    vectors = gaussian(2000, 16)
    graph = build_graph(vectors)
    graph.expansion_search = 32
    served = HnswGraph(vectors, graph)
    allowed = np.random.default_rng(0).random(2000) < 0.2
    query = gaussian(1, 16, seed=3)[0]
    assert served.search(query, 10, allowed).positions.tolist() == brute_force(vectors, query, 10, allowed)
    assert served.search(query, 200).positions.tolist() == brute_force(vectors, query, 200)
