"""Which way up a photograph is held, by what the backbone sees in it in each of its four positions.

A linear classifier tells how far a view is turned, and what it says of all four views is summed: a photograph that lies
on its left side also looks upright after one turn, upside down after two, and so on. `painting_fit.py` fits it for the
asset `painting_detector`, the served model applies it, and `photographs.py` turns by it.

Source: Gidaris et al., arXiv:1803.07728 (the rotation of a picture as its label).
"""

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float32]

POSITIONS = 4
TURNED_SHARE = 0.02
"""The share of upright held-out works that is turned."""
_SMALLEST_MARGIN = 0.05
_SURELY_UPRIGHT = 0.5
"""A photograph that by itself looks upright by so much more than turned is not looked at in the other positions: of 500
works of the recorded gallery that served for no fit, 64 % are spared that, and of those shown on a side or upside down
0.4 % fewer are turned upright."""


def fit_positions(works: Scores, held_out: Scores) -> Scores:
    """Fit the classifier by ridge regression.

    Args:
        works: features of upright works after 0 to 3 quarter turns, float32 (N, 4, F).
        held_out: those of works that the model did not learn from, float32 (M, 4, F).

    Returns:
        float32 (F + 1, 4), weights and bias of each position, scaled so that a photograph is turned where a sum of
        scores is 1 above that of the photograph as it is.
    """
    rows = works.reshape(-1, works.shape[2]).astype(np.float64)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0) + 1e-6
    rows = (rows - mean) / deviation
    targets = np.tile(np.eye(POSITIONS) - 1 / POSITIONS, (len(works), 1))
    # The dual form: there are about as many pictures as features.
    ridge = rows @ rows.T + rows.shape[1] * np.eye(len(rows))
    weights = rows.T @ np.linalg.solve(ridge, targets) / deviation[:, None]
    fitted = np.concatenate([weights, -(mean @ weights)[None]]).astype(np.float32)
    margins = margin_over_upright(upright_scores(position_scores(fitted, held_out)))
    return fitted / np.float32(max(_SMALLEST_MARGIN, float(np.quantile(margins, 1 - TURNED_SHARE))))


def position_scores(weights: Scores, features: Scores) -> Scores:
    """How much each view looks turned by 0 to 3 quarters, float32 (..., 4), from features (..., F)."""
    return (features @ weights[:-1] + weights[-1]).astype(np.float32)


def may_be_turned(scores: Scores) -> NDArray[np.bool_]:
    """Whether it is worthwhile to look at each photograph in the other positions, (N,), from the scores as it is."""
    return scores[:, 0] < scores[:, 1:].max(axis=1) + np.float32(_SURELY_UPRIGHT)


def upright_scores(scores: Scores) -> Scores:
    """How much each of the four views of a photograph looks upright, (N, 4).

    Args:
        scores: (N, 4, 4), of each view, after 0 to 3 quarter turns of the photograph, as `position_scores` gives them.
    """
    views = np.arange(POSITIONS)
    # Where view v is upright, view u is turned by u - v.
    return np.stack([scores[:, views, (views - view) % POSITIONS].sum(axis=1) for view in views], axis=1)


def margin_over_upright(upright: Scores) -> Scores:
    """How much more upright the best of the other views looks than the photograph as it is, (N,)."""
    return upright[:, 1:].max(axis=1) - upright[:, 0]
