from types import SimpleNamespace

import numpy as np
import pytest

from artpipe.search import trials
from artpipe.search.trials import found_by, measured, median_ms, recall, sampled_queries
from artpipe.vectors.nearest import ExactProduct, Mask, Neighbours, Vector

RNG = np.random.default_rng(0)
ROWS = RNG.standard_normal((500, 32)).astype(np.float32)
VECTORS = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)


class MissesTheBest(ExactProduct):
    kind = "misses_the_best"

    def search(self, query: Vector, k: int, allowed: Mask | None = None) -> Neighbours:
        found = super().search(query, k + 1, allowed)
        return Neighbours(found.positions[1:], found.similarities[1:], found.scanned, found.how)


def test_recall_is_the_share_of_true_neighbours_that_were_found():
    truth = [np.array([1, 2, 3, 4]), np.array([5, 6, 7, 8])]
    assert recall([np.array([4, 3, 2, 1]), np.array([5, 9])], truth) == 5 / 8
    assert recall([], []) == 0


def test_a_way_that_misses_one_of_ten_is_told_so():
    asked = sampled_queries(VECTORS, 50, seed=0)
    trial = measured(MissesTheBest(VECTORS), asked, found_by(ExactProduct(VECTORS), asked), {"a": 1}, 2.0)
    assert (trial.kind, trial.recall_at_10, trial.parameters, trial.build_s) == ("misses_the_best", 0.9, {"a": 1}, 2.0)
    assert trial.ms_per_query > 0
    assert trial.can_serve


def test_queries_are_rows_with_noise_and_the_same_for_a_seed():
    asked = sampled_queries(VECTORS, 200, seed=1)
    np.testing.assert_allclose(np.linalg.norm(asked, axis=1), 1, atol=1e-5)
    near = (asked @ VECTORS.T).max(axis=1)
    assert 0.6 < near.min() < 0.8 < near.max() < 0.97
    np.testing.assert_array_equal(asked, sampled_queries(VECTORS, 200, seed=1))
    assert (asked != sampled_queries(VECTORS, 200, seed=2)).any()
    assert len(sampled_queries(VECTORS[:3], 200, seed=1)) == 3
    assert len(sampled_queries(VECTORS[:0], 200, seed=1)) == 0


def test_every_query_is_timed_after_one_that_is_not(monkeypatch: pytest.MonkeyPatch):
    clock, asked = [0.0], list[float]()

    def ask(query: Vector) -> None:
        clock[0] += 5.0 if not asked else 0.001 * len(asked)
        asked.append(float(query[0]))

    monkeypatch.setattr(trials, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    assert median_ms(ask, VECTORS[:7]) == pytest.approx(4.0)
    assert asked == [VECTORS[0, 0], *VECTORS[:7, 0]]
