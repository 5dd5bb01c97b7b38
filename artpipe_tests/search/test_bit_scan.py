import numpy as np
import pytest

from artpipe.search import nearest
from artpipe.search.bit_scan import BitScan
from artpipe.search.nearest import ExactProduct, Mask, Vector


def unit(rows: np.ndarray) -> Vector:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


def clustered(rows: int, dimension: int, seed: int = 0) -> Vector:
    """Sixty clusters around one direction, as the pooled features of a network lie."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((60, dimension)) + np.abs(rng.standard_normal(dimension))
    return unit(centres[rng.integers(0, 60, rows)] + 0.5 * rng.standard_normal((rows, dimension)))


VECTORS = clustered(6000, 48)
QUERIES = unit(VECTORS[::200] + 0.05 * np.random.default_rng(1).standard_normal((30, 48)))


def share_found(scan: BitScan, k: int = 10, allowed: Mask | None = None) -> float:
    exact = ExactProduct(scan.vectors)
    shared = [
        len(np.intersect1d(scan.search(query, k, allowed).positions, exact.search(query, k, allowed).positions)) / k
        for query in QUERIES
    ]
    return float(np.mean(shared))


def test_nearly_all_neighbours_are_found_by_comparing_a_fiftieth_of_the_rows_in_full():
    assert share_found(BitScan(VECTORS, 120)) >= 0.97


def test_the_more_rows_are_compared_the_more_neighbours_are_found():
    few, some, many = (share_found(BitScan(VECTORS, compared)) for compared in (10, 40, 160))
    assert few < some < many


def test_what_is_found_has_its_exact_similarity_and_comes_best_first():
    for query in QUERIES:
        found = BitScan(VECTORS, 60).search(query, 10)
        np.testing.assert_allclose(found.similarities, VECTORS[found.positions] @ query, atol=1e-6)
        assert (np.diff(found.similarities) <= 0).all()
        assert found.scanned == len(VECTORS)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.03, 0.1, 0.5, 0.99, 1.0])
def test_a_filter_of_any_selectivity_is_kept_to_and_misses_no_more(share: float):
    allowed = np.random.default_rng(2).random(len(VECTORS)) < share
    scan = BitScan(VECTORS, 120)
    for query in QUERIES:
        found = scan.search(query, 10, allowed).positions
        assert allowed[found].all()
        assert len(found) == min(10, allowed.sum())
    if allowed.sum() >= 10:
        assert share_found(scan, allowed=allowed) >= 0.97


@pytest.mark.parametrize("kept", [slice(0, 700), slice(5000, 6000), slice(0, None, 9)], ids=["first", "last", "ninth"])
def test_a_filter_of_any_pattern_is_kept_to(kept: slice):
    allowed = np.zeros(len(VECTORS), dtype=bool)
    allowed[kept] = True
    assert all(allowed[BitScan(VECTORS, 120).search(query, 10, allowed).positions].all() for query in QUERIES)
    assert share_found(BitScan(VECTORS, 120), allowed=allowed) >= 0.97


@pytest.mark.parametrize("k", [40, 200, 6000, 9000])
def test_a_deep_search_finds_as_many(k: int):
    scan = BitScan(VECTORS, 120)
    found = scan.search(QUERIES[0], k).positions
    assert len(np.unique(found)) == len(found) == min(k, len(VECTORS))
    assert share_found(scan, min(k, len(VECTORS))) >= 0.97


def test_rows_that_the_bits_do_not_tell_apart_are_all_compared():
    alike = unit(np.ones((6000, 48)) + 0.05 * np.random.default_rng(3).standard_normal((6000, 48)))
    alike[:3000] = alike[0]
    found = BitScan(alike, 20).search(alike[0], 5)
    assert found.positions.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("dimension", "bits"), [(1, 512), (3, 512), (500, 512), (512, 512), (577, 584), (1280, 1280)])
def test_vectors_of_any_length_get_bits_enough(dimension: int, bits: int):
    vectors = clustered(700, dimension)
    scan = BitScan(vectors, 20)
    assert (scan.bits, scan.codes.shape) == (bits, (700, bits // 8))
    assert scan.search(vectors[5], 1).similarities[0] == pytest.approx(1.0, abs=1e-6)


def test_the_same_table_gets_the_same_bits_each_time():
    np.testing.assert_array_equal(BitScan(VECTORS, 20).codes, BitScan(VECTORS, 20).codes)


def test_a_scan_shared_by_threads_finds_the_same(monkeypatch: pytest.MonkeyPatch):
    alone = [BitScan(VECTORS, 60).search(query, 10).positions.tolist() for query in QUERIES]
    monkeypatch.setattr(nearest, "_ROWS_WORTH_A_THREAD", 700)
    monkeypatch.setattr(nearest, "cpu_count", lambda: 3)
    assert [BitScan(VECTORS, 60).search(query, 10).positions.tolist() for query in QUERIES] == alone
