import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from artpipe.search import bit_scan
from artpipe.search.bit_scan import BitScan
from artpipe.vectors import nearest
from artpipe.vectors.nearest import ByteScan, ExactProduct, Mask, Vector

BITS = "bit scan"
BYTES = "byte scan"


def unit(rows: np.ndarray) -> Vector:
    return (rows / np.linalg.norm(rows, axis=-1, keepdims=True)).astype(np.float32)


RNG = np.random.default_rng(0)
CENTRES = RNG.standard_normal((200, 64)) + 0.5 * np.abs(RNG.standard_normal(64))
cluster_of = RNG.integers(0, 200, 20_000)
VECTORS = unit(CENTRES[cluster_of] + 0.6 * RNG.standard_normal((20_000, 64)))
"""Clusters around one direction, as the pooled features of a network lie."""
ASKED = np.arange(0, 20_000, 500)
QUERIES = unit(VECTORS[ASKED] + 0.05 * RNG.standard_normal((40, 64)))
STRANGERS = unit(RNG.standard_normal((40, 64)))
SCAN = BitScan(VECTORS)


def share_found(scan: BitScan, queries: Vector, k: int = 10, allowed: list[Mask] | None = None) -> float:
    exact = ExactProduct(scan.vectors)
    shares: list[float] = []
    for number, query in enumerate(queries):
        mask = allowed[number] if allowed else None
        found, true = scan.search(query, k, mask).positions, exact.search(query, k, mask).positions
        shares.append(len(np.intersect1d(found, true)) / len(true))
    return float(np.mean(shares))


@pytest.mark.parametrize("k", [1, 10, 30])
def test_nearly_all_neighbours_are_found_by_their_bits(k: int):
    assert share_found(SCAN, QUERIES, k) >= 0.99
    assert all(SCAN.search(query, k).how.startswith(BITS) for query in QUERIES)


def test_what_is_found_has_its_exact_similarity_and_comes_best_first():
    for query in QUERIES:
        found = SCAN.search(query, 10)
        np.testing.assert_allclose(found.similarities, VECTORS[found.positions] @ query, atol=1e-6)
        assert (np.diff(found.similarities) <= 0).all()
        assert found.scanned == len(VECTORS)


def test_every_row_finds_itself_though_rounding_may_take_its_similarity_beyond_one():
    assert (np.vecdot(VECTORS, VECTORS) > 1).any()
    assert all(SCAN.search(VECTORS[row], 1).similarities[0] >= 1 - 1e-6 for row in range(3000))


@pytest.mark.parametrize("share", [0.005, 0.02, 0.1, 0.3])
def test_of_rows_as_far_as_the_bound_one_in_160_lies_beyond_it(share: float):
    aside = np.random.default_rng(4).standard_normal(VECTORS.shape)
    aside = unit(aside - np.vecdot(aside, VECTORS)[:, None] * VECTORS)
    queries = unit(np.cos(np.pi * share) * VECTORS + np.sin(np.pi * share) * aside)
    differing = np.count_nonzero((queries @ SCAN._normals.T > 0) != (VECTORS @ SCAN._normals.T > 0), axis=1)
    assert np.mean(-differing < SCAN._least_shared(float(np.cos(np.pi * share)))) < 1.3 / 160


def test_the_bits_in_which_two_differ_tell_the_angle_between_them():
    counts = np.array([-SCAN._shared(query) for query in QUERIES])
    expected = SCAN.bits * np.arccos(np.clip(QUERIES @ VECTORS.T, -1, 1)) / np.pi
    off = counts - expected
    assert abs(off.mean()) < 1
    assert off.std() <= 0.5 * np.sqrt(SCAN.bits)


def test_queries_unlike_the_table_are_answered_as_well():
    assert share_found(SCAN, STRANGERS) >= 0.99


FILTERS: dict[str, Callable[[int], Mask]] = {
    "all but its own cluster": lambda own: cluster_of != own,
    "half of the clusters, not its own": lambda own: cluster_of % 2 != own % 2,
    "a tenth of the clusters, not its own": lambda own: cluster_of % 10 == (own + 1) % 10,
    "its own cluster and another": lambda own: np.isin(cluster_of, [own, (own + 1) % 200]),
}


@pytest.mark.parametrize("keeps", FILTERS.values(), ids=FILTERS)
def test_a_filter_that_goes_by_what_the_vectors_are_like_costs_no_neighbours(keeps: Callable[[int], Mask]):
    allowed = [keeps(own) for own in cluster_of[ASKED]]
    assert share_found(SCAN, QUERIES, allowed=allowed) >= 0.99
    for query, mask in zip(QUERIES, allowed, strict=True):
        assert mask[SCAN.search(query, 10, mask).positions].all()


def test_the_rows_that_share_most_bits_are_not_enough(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(bit_scan, "_DEVIATIONS", -10.0)  # what lies within the bound is not looked at
    allowed = [FILTERS["all but its own cluster"](own) for own in cluster_of[ASKED]]
    assert share_found(SCAN, QUERIES, allowed=allowed) < 0.97


@pytest.mark.parametrize("share", [0.0, 0.0002, 0.02, 0.03, 0.1, 0.5, 0.99, 1.0])
def test_a_filter_of_any_selectivity_is_kept_to_and_costs_no_neighbours(share: float):
    allowed = RNG.random(len(VECTORS)) < share
    for query in QUERIES:
        found = SCAN.search(query, 10, allowed).positions
        assert allowed[found].all()
        assert len(np.unique(found)) == len(found) == min(10, allowed.sum())
    if allowed.any():
        assert share_found(SCAN, QUERIES, allowed=[allowed] * len(QUERIES)) >= 0.99


@pytest.mark.parametrize(
    "kept", [slice(0, 700), slice(19_000, None), slice(0, None, 9)], ids=["first", "last", "ninth"]
)
def test_a_filter_of_any_pattern_is_kept_to(kept: slice):
    allowed = np.zeros(len(VECTORS), dtype=bool)
    allowed[kept] = True
    assert all(allowed[SCAN.search(query, 10, allowed).positions].all() for query in QUERIES)
    assert share_found(SCAN, QUERIES, allowed=[allowed] * len(QUERIES)) >= 0.99


def test_a_page_goes_on_where_the_page_before_ended():
    for query in (*QUERIES, *STRANGERS):
        first, both = SCAN.search(query, 10).positions, SCAN.search(query, 20).positions
        assert len(np.intersect1d(first, both[:10])) >= 9
        assert len(np.intersect1d(first, both[10:])) <= 1


@pytest.mark.parametrize("k", [200, 20_000, 30_000])
def test_a_deep_search_is_answered_exactly(k: int):
    found = SCAN.search(QUERIES[0], k)
    assert not found.how.startswith(BITS)
    assert found.positions.tolist() == ExactProduct(VECTORS).search(QUERIES[0], k).positions.tolist()


def test_rows_without_structure_are_answered_exactly():
    vectors = unit(RNG.standard_normal((8000, 256)))
    query = unit(RNG.standard_normal(256))
    found = BitScan(vectors).search(query, 10)
    assert found.how.startswith(BYTES)
    assert found.positions.tolist() == ExactProduct(vectors).search(query, 10).positions.tolist()


def test_rows_that_are_all_alike_are_answered_exactly():
    alike = unit(np.ones((8000, 48)) + 0.05 * np.random.default_rng(3).standard_normal((8000, 48)))
    alike[:3000] = alike[0]
    assert BitScan(alike).search(alike[0], 5).positions.tolist() == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(("dimension", "bits"), [(1, 1024), (3, 1024), (1000, 1024), (1024, 1024), (1025, 1032)])
def test_vectors_of_any_length_get_bits_enough(dimension: int, bits: int):
    vectors = unit(RNG.standard_normal((700, dimension)) + 0.1)
    scan = BitScan(vectors)
    assert (scan.bits, scan.codes.shape) == (bits, (700, bits // 8))
    assert scan.search(vectors[5], 1).similarities[0] == pytest.approx(1.0, abs=1e-6)


def test_the_same_table_gets_the_same_bits_each_time():
    np.testing.assert_array_equal(BitScan(VECTORS[:1000]).codes, SCAN.codes[:1000])


def test_directions_are_orthogonal_by_as_many_as_there_can_be():
    turn = SCAN._normals[64:128]
    np.testing.assert_allclose(turn @ turn.T, np.eye(64), atol=1e-5)


def test_a_scan_shared_by_threads_finds_the_same(monkeypatch: pytest.MonkeyPatch):
    alone = [SCAN.search(query, 10).positions.tolist() for query in QUERIES]
    monkeypatch.setattr(nearest, "_ROWS_WORTH_A_THREAD", 700)
    monkeypatch.setattr(nearest, "cpu_count", lambda: 3)
    assert [SCAN.search(query, 10).positions.tolist() for query in QUERIES] == alone


def test_what_several_first_queries_need_is_made_once(monkeypatch: pytest.MonkeyPatch):
    made, together = [], threading.Barrier(4)

    class Counted(ByteScan):
        def __init__(self, vectors: Vector) -> None:
            made.append(1)
            super().__init__(vectors)

    monkeypatch.setattr(nearest, "ByteScan", Counted)
    scan = BitScan(VECTORS)

    def ask(query: Vector) -> list[int]:
        together.wait(10)
        return scan.search(query, 200).positions.tolist()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, [QUERIES[0]] * 4))
    assert len(made) == 1
    assert found == [found[0]] * 4
