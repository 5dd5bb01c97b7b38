"""Approximate neighbours against exact ones."""

import numpy as np
import pytest

from artpipe.vectors import grouped, partitions
from artpipe.vectors.grouped import nearest_in_other_groups
from artpipe.vectors.partitions import Partitions


@pytest.fixture(scope="module")
def clustered() -> np.ndarray:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(30, 24))[rng.integers(0, 30, 6000)] + 1.2 * rng.normal(size=(6000, 24))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def recall(found: np.ndarray, true: np.ndarray) -> float:
    shares = [len(set(some) & set(others)) / len(others) for some, others in zip(found, true, strict=True)]
    return float(np.mean(shares))


@pytest.fixture
def small_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(partitions, "PARTITION_ROWS", 128)


@pytest.mark.usefixtures("small_partitions")
def test_nearly_all_neighbours_of_other_groups_are_found_best_first(clustered, monkeypatch):
    groups = [str(n % 1500) for n in range(6000)]
    queries = np.arange(0, 6000, 7)
    true, similar = nearest_in_other_groups(clustered, groups, queries, 10)
    monkeypatch.setattr(grouped, "EXACT_PRODUCTS", 1000)
    found, near = nearest_in_other_groups(clustered, groups, queries, 10)
    assert not np.array_equal(found, true), "this is not the exact search"
    assert recall(found, true) > 0.9
    assert (np.diff(near, axis=1) <= 0).all()
    assert near == pytest.approx(np.vecdot(clustered[found], clustered[queries][:, None]), abs=1e-5)
    assert (found % 1500 != queries[:, None] % 1500).all()
    assert (near <= similar + 1e-6).all()


@pytest.mark.usefixtures("small_partitions")
def test_rows_among_which_neighbours_are_sought_keep_their_numbers(clustered, monkeypatch):
    monkeypatch.setattr(grouped, "EXACT_PRODUCTS", 1000)
    odd = np.arange(1, 6000, 2)
    found, _ = nearest_in_other_groups(clustered, [str(n) for n in range(6000)], np.array([0, 2]), 5, odd)
    assert (found % 2 == 1).all()


@pytest.mark.usefixtures("small_partitions")
def test_equal_vectors_are_each_other_s_neighbours():
    """All of them are nearest to one centre, and the other partitions are empty."""
    equal = np.full((1000, 4), 0.5, np.float32)
    own = np.arange(1000)
    found, similar = Partitions(equal, own).nearest(equal, own, 5)
    assert similar == pytest.approx(1.0)
    assert (found != own[:, None]).all()


def test_fewer_rows_than_neighbours_are_padded():
    rows = np.eye(3, dtype=np.float32)
    found, similar = Partitions(rows, np.arange(3)).nearest(rows[:1], np.array([0]), 5)
    assert sorted(found[0, :2]) == [1, 2]
    assert np.isfinite(similar[0]).sum() == 2
