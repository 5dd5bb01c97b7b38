import threading
from concurrent.futures import ThreadPoolExecutor

import numkong
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from artpipe.vectors import nearest, threads
from artpipe.vectors.nearest import ExactProduct, Int8Index, Vector


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


@pytest.mark.parametrize("kind", [ExactProduct, Int8Index])
@pytest.mark.parametrize("k", [1, 10, 40, 3000, 5000])
def test_the_exact_ways_find_just_what_brute_force_finds(kind: type[ExactProduct | Int8Index], k: int):
    for query in QUERIES[:5]:
        found = kind(VECTORS).search(query, k)
        assert found.positions.tolist() == brute_force(VECTORS, query, k)
        np.testing.assert_allclose(found.similarities, VECTORS[found.positions] @ query, atol=1e-6)


@pytest.mark.parametrize("kind", [ExactProduct, Int8Index])
@pytest.mark.parametrize("share", [0.001, 0.01, 0.02, 0.1, 0.3, 0.5, 0.9, 0.99, 1.0])
def test_a_filter_of_any_selectivity_leaves_the_answer_exact(kind: type[ExactProduct | Int8Index], share: float):
    allowed = np.random.default_rng(2).random(len(VECTORS)) < share
    for query in QUERIES:
        assert kind(VECTORS).search(query, 10, allowed).positions.tolist() == brute_force(VECTORS, query, 10, allowed)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([3, 64, 200]), st.floats(0.0, 0.5))
def test_the_int8_scan_is_exact_for_clustered_and_skewed_vectors(seed: int, dimension: int, spread: float):
    rng = np.random.default_rng(seed)
    centres = np.abs(rng.standard_normal((5, dimension))) ** 3
    vectors = unit(centres[rng.integers(0, 5, 1500)] + spread * rng.standard_normal((1500, dimension)) + 1e-3)
    query = vectors[7]
    found = Int8Index(vectors).search(query, 10).similarities
    np.testing.assert_allclose(found, np.sort(vectors @ query)[::-1][:10], atol=1e-6)


def test_the_first_of_equally_near_rows_comes_first():
    vectors = np.repeat(gaussian(2, 16), 400, axis=0)
    assert Int8Index(vectors).search(vectors[0], 3).positions.tolist() == [0, 1, 2]


@pytest.mark.parametrize("stretch", [slice(0, 200), slice(700, 1900), slice(2990, 3000)])
@pytest.mark.parametrize("k", [1, 10, 30, 1500])
def test_a_filter_that_leaves_one_stretch_of_the_table_leaves_the_answer_exact(stretch: slice, k: int):
    allowed = np.zeros(len(VECTORS), dtype=bool)
    allowed[stretch] = True
    for query in QUERIES[:5]:
        assert Int8Index(VECTORS).search(query, k, allowed).positions.tolist() == brute_force(
            VECTORS, query, k, allowed
        )


def test_a_scan_shared_by_threads_finds_the_same(monkeypatch: pytest.MonkeyPatch):
    alone = [Int8Index(VECTORS).search(query, 10) for query in QUERIES]
    monkeypatch.setattr(threads, "_ROWS_WORTH_A_THREAD", 700)
    monkeypatch.setattr(threads, "cpu_count", lambda: 3)
    for query, found in zip(QUERIES, alone, strict=True):
        assert Int8Index(VECTORS).search(query, 10).positions.tolist() == found.positions.tolist()


def test_a_query_does_not_wait_for_threads_that_are_busy_with_others(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(threads, "_ROWS_WORTH_A_THREAD", 700)
    monkeypatch.setattr(threads, "cpu_count", lambda: 3)
    answered = threading.Event()
    with ThreadPoolExecutor(1) as busy:
        monkeypatch.setattr(threads, "_pool", lambda: busy)
        was_answered = busy.submit(answered.wait, 20)
        found = Int8Index(VECTORS).search(QUERIES[0], 10).positions.tolist()
        answered.set()
        assert was_answered.result()
    assert found == brute_force(VECTORS, QUERIES[0], 10)


def test_one_row_of_a_single_large_number_leaves_the_others_exact():
    vectors = VECTORS.copy()
    vectors[5] = np.eye(48)[0]
    for query in (*QUERIES[:5], vectors[5]):
        assert Int8Index(vectors).search(query, 10).positions.tolist() == brute_force(vectors, query, 10)


def test_a_filter_that_nothing_passes_finds_nothing():
    nothing = np.zeros(len(VECTORS), dtype=bool)
    for exact in (ExactProduct(VECTORS), Int8Index(VECTORS)):
        assert exact.search(QUERIES[0], 5, nothing).positions.tolist() == []


RNG = np.random.default_rng(0)
SPIKY = unit(np.abs(RNG.standard_normal((6000, 40))) ** 4 + 0.01)
GAUSSIAN = unit(RNG.standard_normal((6000, 40)))


@pytest.mark.parametrize("kind", [ExactProduct, Int8Index])
@pytest.mark.parametrize("vectors", [GAUSSIAN, SPIKY, GAUSSIAN[:300]], ids=["gaussian", "spiky", "few rows"])
@pytest.mark.parametrize("share", [None, 0.0, 0.001, 0.03, 0.1, 0.5, 0.99, 1.0])
def test_a_batch_finds_what_each_query_finds_alone(
    kind: type[ExactProduct | Int8Index], vectors: Vector, share: float | None
):
    allowed = None if share is None else RNG.random(len(vectors)) < share
    queries = unit(vectors[:30] + 0.1 * RNG.standard_normal((30, 40)))
    depths = [1 + number % 12 for number in range(30)]
    answers = kind(vectors).search_many(queries, depths, allowed)
    for query, k, found in zip(queries, depths, answers, strict=True):
        alone = ExactProduct(vectors).search(query, k, allowed)
        assert found.positions.tolist() == alone.positions.tolist()
        np.testing.assert_allclose(found.similarities, alone.similarities, atol=1e-6)


@pytest.mark.parametrize("rows", [640, 641, 703, 5999])
@pytest.mark.parametrize("kept", [None, slice(0, 300), slice(-300, None), slice(1, None, 2)])
def test_rows_at_the_end_of_parts_and_groups_are_found(monkeypatch: pytest.MonkeyPatch, rows: int, kept: slice | None):
    monkeypatch.setattr(threads, "_ROWS_WORTH_A_THREAD", 100)
    monkeypatch.setattr(threads, "cpu_count", lambda: 3)
    vectors, allowed = GAUSSIAN[:rows], None
    if kept is not None:
        allowed = np.zeros(rows, dtype=bool)
        allowed[kept] = True
    queries = unit(vectors[-40:] + 0.1 * RNG.standard_normal((40, 40)))
    for query, found in zip(queries, Int8Index(vectors).search_many(queries, [4] * 40, allowed), strict=True):
        assert found.positions.tolist() == ExactProduct(vectors).search(query, 4, allowed).positions.tolist()


def test_a_filter_that_leaves_one_stretch_of_the_table_is_answered_too():
    allowed = np.zeros(len(GAUSSIAN), dtype=bool)
    allowed[1000:5500] = True
    found = Int8Index(GAUSSIAN).search_many(GAUSSIAN[:4], [10] * 4, allowed)
    for query, answer in zip(GAUSSIAN[:4], found, strict=True):
        assert answer.positions.tolist() == ExactProduct(GAUSSIAN).search(query, 10, allowed).positions.tolist()


def test_more_than_pass_the_filter_are_asked_for_and_all_that_pass_come_back():
    allowed = np.zeros(len(GAUSSIAN), dtype=bool)
    allowed[::9] = True
    found = Int8Index(GAUSSIAN).search_many(GAUSSIAN[:3], [5000] * 3, allowed)
    assert [sorted(answer.positions) for answer in found] == [np.flatnonzero(allowed).tolist()] * 3


def test_the_first_of_equally_near_rows_comes_first_in_a_batch():
    equal = np.repeat(GAUSSIAN[:2], 3000, axis=0)
    found = Int8Index(equal).search_many(GAUSSIAN[:2], [3, 3])
    assert [answer.positions.tolist() for answer in found] == [[0, 1, 2], [3000, 3001, 3002]]


def test_a_batch_larger_than_one_product_is_answered_in_parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(nearest, "_LARGEST_PRODUCT_BYTES", 1)
    monkeypatch.setattr(nearest, "_FEWEST_QUERIES", 7)
    found = Int8Index(GAUSSIAN).search_many(GAUSSIAN[:50], [1] * 50)
    assert [answer.positions.tolist() for answer in found] == [[row] for row in range(50)]


def test_a_batch_reads_the_vectors_once_for_all(monkeypatch: pytest.MonkeyPatch):
    read: list[tuple[int, int]] = []
    multiply = numkong.dots_packed

    def noted(codes: np.ndarray, packed: object, *, out: object, start_row: int, end_row: int) -> None:
        read.append((start_row, end_row))
        multiply(codes, packed, out=out, start_row=start_row, end_row=end_row)  # pyright: ignore[reportArgumentType, reportCallIssue]

    monkeypatch.setattr(numkong, "dots_packed", noted)
    Int8Index(GAUSSIAN).search_many(GAUSSIAN[:50], [10] * 50)
    ends = [last for _, last in sorted(read)]
    assert [first for first, _ in sorted(read)] == [0, *ends[:-1]]
    assert ends[-1] == len(GAUSSIAN)


@pytest.mark.parametrize("noise", [0.0, 0.02, 0.3])
def test_vectors_that_are_much_alike_are_not_gathered_for_all_queries_at_once(
    monkeypatch: pytest.MonkeyPatch, noise: float
):
    vectors = unit(1 + noise * RNG.standard_normal((6000, 40)))
    gathered: list[int] = []
    vecdot = np.vecdot

    def noted(rows: np.ndarray, query: np.ndarray) -> np.ndarray:
        gathered.append(len(rows))
        return vecdot(rows, query)

    monkeypatch.setattr(np, "vecdot", noted)
    queries = vectors[:60]
    answers = Int8Index(vectors).search_many(queries, [10] * 60)
    assert max(gathered, default=0) <= len(vectors) // 8
    for query, found in zip(queries, answers, strict=True):
        np.testing.assert_allclose(found.similarities, np.sort(vectors @ query)[::-1][:10], atol=1e-6)


def test_a_query_of_no_direction_is_answered_without_a_warning():
    queries = np.stack([GAUSSIAN[3], np.zeros(40, dtype=np.float32)])
    found = Int8Index(GAUSSIAN).search_many(queries, [5, 5])
    assert found[0].positions[0] == 3
    assert found[1].positions.tolist() == [0, 1, 2, 3, 4]
