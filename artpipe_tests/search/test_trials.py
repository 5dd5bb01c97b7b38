from collections.abc import Sequence

import numpy as np
import pytest

from artpipe.search.trials import measure, noisy, recall, sampled_rows, true_neighbours, tune
from artpipe.vectors.nearest import ExactProduct, Mask, Neighbours, Vector

RNG = np.random.default_rng(7)
ROWS = RNG.standard_normal((500, 32)).astype(np.float32)
VECTORS = ROWS / np.linalg.norm(ROWS, axis=1, keepdims=True)
QUERIES = noisy(VECTORS[:60], seed=0)
TRUTH = true_neighbours(ExactProduct(VECTORS), QUERIES)


class MissesTheBest(ExactProduct):
    """Leaves out the best rows of each query, or of those queries that lie on one side."""

    def __init__(self, missed: int, *, on_one_side: bool = False) -> None:
        super().__init__(VECTORS)
        self.missed, self.on_one_side = missed, on_one_side

    def search_many(self, queries: Vector, k: Sequence[int], allowed: Mask | None = None) -> list[Neighbours]:
        missed = 0 if self.on_one_side and queries[0, 0] > 0 else self.missed
        found = super().search_many(queries, [count + missed for count in k], allowed)
        return [Neighbours(f.positions[missed:], f.similarities[missed:], f.scanned, f.how) for f in found]


def test_recall_is_the_share_of_true_neighbours_that_were_found():
    truth = [np.array([1, 2, 3, 4]), np.array([5, 6, 7, 8])]
    assert recall([np.array([4, 3, 2, 1]), np.array([5, 9])], truth) == 5 / 8
    assert recall([], []) == 0


def test_a_search_that_misses_one_of_ten_has_recall_nine_tenths():
    trial = measure(MissesTheBest(1), QUERIES, TRUTH, {"a": 1})
    assert (trial.recall_at_10, trial.parameters) == (0.9, {"a": 1})
    assert trial.ms_per_query > 0


def test_queries_are_rows_with_noise_and_the_same_for_a_seed():
    near = (QUERIES @ VECTORS.T).max(axis=1)
    np.testing.assert_allclose(np.linalg.norm(QUERIES, axis=1), 1, atol=1e-5)
    assert 0.6 < near.min() < 0.8 < near.max() < 0.97
    np.testing.assert_array_equal(QUERIES, noisy(VECTORS[:60], seed=0))
    assert (noisy(VECTORS[:60], seed=1) != QUERIES).any()
    assert sorted(sampled_rows(3, 200, seed=1)) == [0, 1, 2]
    assert len(set(sampled_rows(500, 200, seed=1))) == 200


@pytest.mark.parametrize(("min_recall", "missed"), [(0.99, 0), (0.8, 2), (0.5, 4)])
def test_the_first_settings_that_leave_half_of_the_misses_to_spare_are_chosen(min_recall: float, missed: int):
    grid = [{"missed": number} for number in (9, 7, 6, 5, 4, 3, 2, 1, 0)]
    enough = max(number for number in range(10) if 1 - number / 10 >= (1 + min_recall) / 2)
    chosen, trials = tune(lambda settings: MissesTheBest(settings["missed"]), grid, QUERIES, TRUTH, min_recall)
    assert enough <= missed
    assert chosen is not None
    assert chosen.parameters == {"missed": enough}
    assert [trial.parameters["missed"] for trial in trials] == [
        n for n in range(9, -1, -1) if n >= enough and n != 8
    ] + [enough]


def test_settings_that_hold_for_the_first_half_of_the_queries_alone_are_not_chosen():
    order = np.argsort(-np.sign(QUERIES[:, 0]), kind="stable")
    order = np.concatenate([order[:20], order[-20:]])
    asked, truth = QUERIES[order], [TRUTH[number] for number in order]
    grid = [{"missed": 5}, {"missed": 0}]
    chosen, trials = tune(lambda settings: MissesTheBest(settings["missed"], on_one_side=True), grid, asked, truth, 0.9)
    assert [(trial.parameters["missed"], trial.recall_at_10) for trial in trials] == [(5, 1), (5, 0.5), (0, 1), (0, 1)]
    assert chosen == trials[-1]
    nothing, _ = tune(lambda settings: MissesTheBest(settings["missed"], on_one_side=True), grid[:1], asked, truth, 0.9)
    assert nothing is None
