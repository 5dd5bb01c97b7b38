"""Several rankings of the same works as one, by reciprocal ranks: scores of different kinds need not be comparable.

Source: Cormack, Clarke and Buettcher, Reciprocal Rank Fusion outperforms Condorcet, SIGIR 2009.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from artpipe.vectors.nearest import Positions

RANK_CONSTANT = 60
"""Of the paper: how little the first ranks count more than the next."""
FUSED_RANKS = 1000
"""So many of the best of each ranking are fused."""


def fuse(rankings: Sequence[Positions]) -> tuple[Positions, NDArray[np.float32]]:
    """The rows of all rankings, best first, and the sum of their reciprocal ranks; of equals the lower row first."""
    rows = np.unique(np.concatenate(rankings))
    scores = np.zeros(len(rows))
    for ranking in rankings:
        scores[np.searchsorted(rows, ranking)] += 1 / (RANK_CONSTANT + 1 + np.arange(len(ranking)))
    order = np.argsort(-scores, kind="stable")
    return rows[order], scores[order].astype(np.float32)
