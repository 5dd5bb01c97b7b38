"""Which way up a photograph is held, from features that say it noisily."""

import numpy as np
import pytest

from artpipe.search.positions import TURNED_SHARE, fit_positions, margin_over_upright, position_scores, upright_scores


def views(count: int, noise: float, seed: int) -> np.ndarray:
    """Features (N, 4, 12): four that say the position, of another scale, and eight that say nothing."""
    rng = np.random.default_rng(seed)
    says = 100 * np.eye(4)[None] + rng.normal(0, 100 * noise, (count, 4, 4)) + 500
    return np.concatenate([says, rng.normal(0, 1, (count, 4, 8))], axis=2).astype(np.float32)


@pytest.fixture(scope="module")
def weights() -> np.ndarray:
    return fit_positions(views(300, 0.5, 0), views(200, 0.5, 1))


def judged(weights: np.ndarray, quarters: int) -> tuple[np.ndarray, np.ndarray]:
    """Whether each of some photographs that lie by some quarters is turned, and the view that looks most upright."""
    lying = np.roll(views(500, 0.5, 2), -quarters, axis=1)
    upright = upright_scores(position_scores(weights, lying))
    return margin_over_upright(upright) > 1, upright.argmax(axis=1)


@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_what_lies_is_put_upright(weights: np.ndarray, quarters: int):
    is_turned, best = judged(weights, quarters)
    assert np.mean(is_turned & (best == (4 - quarters) % 4)) > 0.8


def test_of_upright_works_no_more_are_turned_than_were_of_those_held_out(weights: np.ndarray):
    assert judged(weights, 0)[0].mean() < 3 * TURNED_SHARE


def test_features_that_say_nothing_turn_nothing():
    rng = np.random.default_rng(3)
    works, held_out, new = (rng.normal(0, 1, (200, 4, 12)).astype(np.float32) for _ in range(3))
    upright = upright_scores(position_scores(fit_positions(works, held_out), new))
    assert np.mean(margin_over_upright(upright) > 1) < 0.1
