import numkong
import numpy as np
import pytest

from artpipe.vectors import batch, nearest
from artpipe.vectors.batch import search_each
from artpipe.vectors.nearest import ByteScan, ExactProduct, Vector


def unit(rows: np.ndarray) -> Vector:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


RNG = np.random.default_rng(0)
SPIKY = unit(np.abs(RNG.standard_normal((6000, 40))) ** 4 + 0.01)
GAUSSIAN = unit(RNG.standard_normal((6000, 40)))


@pytest.mark.parametrize("kind", [ExactProduct, ByteScan])
@pytest.mark.parametrize("vectors", [GAUSSIAN, SPIKY, GAUSSIAN[:300]], ids=["gaussian", "spiky", "few rows"])
@pytest.mark.parametrize("share", [None, 0.0, 0.001, 0.03, 0.1, 0.5, 0.99, 1.0])
def test_a_batch_finds_what_each_query_finds_alone(
    kind: type[ExactProduct | ByteScan], vectors: Vector, share: float | None
):
    allowed = None if share is None else RNG.random(len(vectors)) < share
    queries = unit(vectors[:30] + 0.1 * RNG.standard_normal((30, 40)))
    depths = [1 + number % 12 for number in range(30)]
    answers = search_each(kind(vectors), queries, depths, allowed)
    for query, k, found in zip(queries, depths, answers, strict=True):
        alone = ExactProduct(vectors).search(query, k, allowed)
        assert found.positions.tolist() == alone.positions.tolist()
        np.testing.assert_allclose(found.similarities, alone.similarities, atol=1e-6)


@pytest.mark.parametrize("rows", [640, 641, 703, 5999])
@pytest.mark.parametrize("kept", [None, slice(0, 300), slice(-300, None), slice(1, None, 2)])
def test_rows_at_the_end_of_parts_and_groups_are_found(monkeypatch: pytest.MonkeyPatch, rows: int, kept: slice | None):
    monkeypatch.setattr(nearest, "_ROWS_WORTH_A_THREAD", 100)
    monkeypatch.setattr(nearest, "cpu_count", lambda: 3)
    vectors, allowed = GAUSSIAN[:rows], None
    if kept is not None:
        allowed = np.zeros(rows, dtype=bool)
        allowed[kept] = True
    queries = unit(vectors[-40:] + 0.1 * RNG.standard_normal((40, 40)))
    for query, found in zip(queries, search_each(ByteScan(vectors), queries, [4] * 40, allowed), strict=True):
        assert found.positions.tolist() == ExactProduct(vectors).search(query, 4, allowed).positions.tolist()


def test_a_filter_that_leaves_one_stretch_of_the_table_is_answered_too():
    allowed = np.zeros(len(GAUSSIAN), dtype=bool)
    allowed[1000:5500] = True
    found = search_each(ByteScan(GAUSSIAN), GAUSSIAN[:4], [10] * 4, allowed)
    for query, answer in zip(GAUSSIAN[:4], found, strict=True):
        assert answer.positions.tolist() == ExactProduct(GAUSSIAN).search(query, 10, allowed).positions.tolist()


def test_more_than_pass_the_filter_are_asked_for_and_all_that_pass_come_back():
    allowed = np.zeros(len(GAUSSIAN), dtype=bool)
    allowed[::9] = True
    found = search_each(ByteScan(GAUSSIAN), GAUSSIAN[:3], [5000] * 3, allowed)
    assert [sorted(answer.positions) for answer in found] == [np.flatnonzero(allowed).tolist()] * 3


def test_the_first_of_equally_near_rows_comes_first_in_a_batch():
    equal = np.repeat(GAUSSIAN[:2], 3000, axis=0)
    found = search_each(ByteScan(equal), GAUSSIAN[:2], [3, 3])
    assert [answer.positions.tolist() for answer in found] == [[0, 1, 2], [3000, 3001, 3002]]


def test_a_batch_larger_than_one_product_is_answered_in_parts(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batch, "_LARGEST_PRODUCT_BYTES", 1)
    monkeypatch.setattr(batch, "_FEWEST_QUERIES", 7)
    found = search_each(ByteScan(GAUSSIAN), GAUSSIAN[:50], [1] * 50)
    assert [answer.positions.tolist() for answer in found] == [[row] for row in range(50)]


def test_a_batch_reads_the_vectors_once_for_all(monkeypatch: pytest.MonkeyPatch):
    read: list[tuple[int, int]] = []
    multiply = numkong.dots_packed

    def noted(codes: np.ndarray, packed: object, *, out: object, start_row: int, end_row: int) -> None:
        read.append((start_row, end_row))
        multiply(codes, packed, out=out, start_row=start_row, end_row=end_row)  # pyright: ignore[reportArgumentType, reportCallIssue]

    monkeypatch.setattr(numkong, "dots_packed", noted)
    search_each(ByteScan(GAUSSIAN), GAUSSIAN[:50], [10] * 50)
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
    answers = search_each(ByteScan(vectors), queries, [10] * 60)
    assert max(gathered, default=0) <= len(vectors) // 8
    for query, found in zip(queries, answers, strict=True):
        np.testing.assert_allclose(found.similarities, np.sort(vectors @ query)[::-1][:10], atol=1e-6)


def test_a_query_of_no_direction_is_answered_without_a_warning():
    queries = np.stack([GAUSSIAN[3], np.zeros(40, dtype=np.float32)])
    found = search_each(ByteScan(GAUSSIAN), queries, [5, 5])
    assert found[0].positions[0] == 3
    assert found[1].positions.tolist() == [0, 1, 2, 3, 4]
