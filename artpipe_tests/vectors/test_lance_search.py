"""Searches by a table's own index: with deleted and with new rows, filtered, in the order of the collection."""

from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
import pytest

from artpipe.vectors.lance_search import (
    LanceSearch,
    add_to_index,
    build_index,
    drop_index,
    has_index,
    read_rows,
    unindexed_rows,
)
from artpipe.vectors.nearest import ExactProduct, Vector
from artpipe.vectors.row_addresses import RowAddresses

ROWS, NEW, DIMENSION = 14_000, 500, 16
RNG = np.random.default_rng(0)


def clustered(rows: int) -> Vector:
    centres = np.random.default_rng(1).standard_normal((20, DIMENSION))
    found = centres[RNG.integers(0, 20, rows)] + 0.4 * RNG.standard_normal((rows, DIMENSION))
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


VECTORS = clustered(ROWS + NEW)
QUERIES = clustered(12)


def written(first: int, last: int) -> Any:
    numbers = pa.array(VECTORS[first:last].reshape(-1))
    return pa.table(
        {"row": np.arange(first, last), "vector": pa.FixedSizeListArray.from_arrays(numbers, DIMENSION)},
    )


class Table:
    """One version of a table, beside the exact search over the same rows in the order of the collection."""

    def __init__(self, dataset: lance.LanceDataset) -> None:
        self.dataset = dataset
        scanned = dataset.to_table(columns=["row"], with_row_id=True)
        order = np.random.default_rng(2).permutation(scanned.num_rows)  # the collection's order is another one
        self.vectors = VECTORS[scanned["row"].to_numpy()][np.argsort(order)]
        self.addresses = RowAddresses(scanned["_rowid"].to_numpy(), order)
        self.truth = ExactProduct(self.vectors)

    def search(self, **settings: int) -> LanceSearch:
        return LanceSearch(self.dataset, self.addresses, "vector", **settings)


@pytest.fixture(scope="module")
def indexed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rows in three fragments, the first of which needs every kind of container of a Roaring bitmap."""
    folder = tmp_path_factory.mktemp("lance") / "table.lance"
    dataset = lance.write_dataset(written(0, ROWS), folder, max_rows_per_file=6000)
    build_index(dataset, "vector")
    return folder


@pytest.fixture(scope="module")
def behind(indexed: Path) -> Table:
    """The same table after some rows were deleted and others written, which the index does not know."""
    dataset = lance.dataset(indexed)
    dataset.delete("row % 10 = 3")
    return Table(lance.write_dataset(written(ROWS, ROWS + NEW), indexed, mode="append"))


@pytest.mark.parametrize("share", [None, 0.0, 0.0005, 0.05, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("settings", [{}, {"nprobes": 1000, "refine_factor": 32}], ids=["exact", "index"])
def test_the_nearest_rows_that_pass_the_filter_are_found(behind: Table, settings: dict[str, int], share: float | None):
    allowed = None if share is None else RNG.random(len(behind.vectors)) < share
    search = behind.search(**settings)
    counts = [1 + number % 11 for number in range(len(QUERIES))]
    for query, k, found in zip(QUERIES, counts, search.search_many(QUERIES, counts, allowed), strict=True):
        true = behind.truth.search(query, k, allowed)
        assert found.positions.tolist() == true.positions.tolist()
        np.testing.assert_allclose(found.similarities, true.similarities, atol=1e-5)
        assert search.search(query, k, allowed).positions.tolist() == true.positions.tolist()


def test_a_filter_that_leaves_one_stretch_of_the_table_is_answered_whatever_is_probed(behind: Table):
    allowed = np.zeros(len(behind.vectors), dtype=bool)
    allowed[100:130] = True
    found = behind.search(nprobes=1, refine_factor=1).search(QUERIES[0], 30, allowed)
    assert sorted(found.positions.tolist()) == list(range(100, 130))


def test_a_filter_that_leaves_only_rows_far_from_the_query_is_answered(behind: Table):
    search = behind.search(nprobes=1000, refine_factor=8)
    for query in QUERIES:
        similarities = behind.vectors @ query
        allowed = similarities < np.quantile(similarities, 0.3)
        found = search.search_many(np.stack([query, QUERIES[0]]), [3, 10], allowed)
        true = behind.truth.search_many(np.stack([query, QUERIES[0]]), [3, 10], allowed)
        for one, best in zip(found, true, strict=True):
            assert allowed[one.positions].all()
            # Thousands of rows are nearly as far away: which of them are found is up to the codes.
            np.testing.assert_allclose(one.similarities, best.similarities, atol=0.01)


@pytest.mark.parametrize("room", [0, 1 << 20], ids=["read by Lance", "in memory"])
def test_rows_that_the_index_does_not_know_are_found(behind: Table, monkeypatch: pytest.MonkeyPatch, room: int):
    monkeypatch.setattr("artpipe.vectors.lance_search._NEWEST_BYTES", room)
    every = read_rows(behind.dataset, behind.addresses, range(len(behind.vectors)), ["row"])
    new = np.flatnonzero(every["row"].to_numpy() >= ROWS)
    search = behind.search(nprobes=1, refine_factor=1)
    found = search.search_many(behind.vectors[new], [1] * len(new))
    assert [one.positions[0] for one in found] == new.tolist()
    allowed = np.ones(len(behind.vectors), dtype=bool)
    allowed[new[0]] = False
    assert new[0] not in search.search(behind.vectors[new[0]], 5, allowed).positions


def test_two_filters_that_leave_as_many_rows_are_answered_each_by_its_own(behind: Table):
    search = behind.search(nprobes=2, refine_factor=2)
    for first in (0, 5000, 0):
        allowed = np.zeros(len(behind.vectors), dtype=bool)
        allowed[first : first + 200] = True
        true = behind.truth.search(QUERIES[0], 10, allowed).positions.tolist()
        assert search.search(QUERIES[0], 10, allowed).positions.tolist() == true


def test_an_index_finds_most_neighbours_with_few_probes(indexed: Path):
    table = Table(lance.dataset(indexed))
    found = table.search(nprobes=2, refine_factor=2).search_many(QUERIES, [10] * len(QUERIES))
    truth = table.truth.search_many(QUERIES, [10] * len(QUERIES))
    shared = [len(np.intersect1d(a.positions, b.positions)) for a, b in zip(found, truth, strict=True)]
    assert np.mean(shared) > 9


def test_vectors_are_read_in_the_order_of_the_collection(behind: Table):
    positions = [7, len(behind.vectors) - 1, 0, 7]
    np.testing.assert_array_equal(behind.search().vectors_at(positions), behind.vectors[positions])
    assert behind.search().dimension == DIMENSION


def test_an_approximate_search_names_its_exact_one(behind: Table):
    search = behind.search(nprobes=2, refine_factor=1)
    assert (search.kind, search.exact.kind, search.exact.exact) == ("ivf_rq", "exact", search.exact)


def test_new_rows_are_added_to_the_index_and_an_index_is_dropped(tmp_path: Path):
    dataset = lance.write_dataset(written(0, 1000), tmp_path / "t.lance")
    assert (has_index(dataset), unindexed_rows(dataset)) == (False, 1000)
    drop_index(dataset)
    build_index(dataset, "vector")
    assert (has_index(dataset), unindexed_rows(dataset)) == (True, 0)
    dataset = lance.write_dataset(written(1000, 1200), tmp_path / "t.lance", mode="append")
    assert unindexed_rows(dataset) == 200
    add_to_index(dataset)
    assert unindexed_rows(dataset) == 0
    assert Table(dataset).search(nprobes=1000, refine_factor=8).search(VECTORS[1100], 1).similarities[0] > 0.999
    drop_index(dataset)
    assert not has_index(dataset)
