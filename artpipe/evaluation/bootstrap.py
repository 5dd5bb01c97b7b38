"""How far a figure might be off by the chance of which works were measured: the bootstrap over works."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 1000
Interval = tuple[float, float]


def intervals_of_means(
    values: "NDArray[np.floating]", work_of: "NDArray[np.integer]", seed: int = 0, resamples: int = RESAMPLES
) -> list[Interval | None]:
    """95 % intervals of the means of several figures when whole works are drawn again with replacement.

    All figures are measured on the same draws, so that many cost little more than one.

    Args:
        values: (N, M) float, a figure a column; NaN where a row has none.
        work_of: (N,) number of each row's work, 0 to W - 1.
        seed: of the draws.
        resamples: how many draws.

    Returns:
        M intervals; None where no row has a figure.
    Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), percentile interval.
    """
    has = ~np.isnan(values)
    works = int(work_of.max()) + 1 if len(work_of) else 0
    columns = (*np.nan_to_num(values).T, *has.T.astype(np.float64))
    by_work = np.stack([np.bincount(work_of, column, works) for column in columns], axis=1) if works else None
    if by_work is None:
        return [None] * values.shape[1]
    rng = np.random.default_rng(seed)
    even = np.full(works, 1 / works)
    means = np.empty((resamples, values.shape[1]))
    for i in range(resamples):  # one draw at a time: memory does not grow with the number of works
        sums, rows = np.split(rng.multinomial(works, even) @ by_work, 2)
        means[i] = np.divide(sums, rows, out=np.full_like(sums, np.nan), where=rows > 0)
    found: list[Interval | None] = []
    for column in means.T:
        measured = column[~np.isnan(column)]
        low, high = np.quantile(measured, (0.025, 0.975)) if len(measured) else (0, 0)
        found.append((float(low), float(high)) if len(measured) else None)
    return found


def interval_of_mean(
    values: "NDArray[np.bool_] | NDArray[np.floating]",
    work_of: "NDArray[np.integer]",
    seed: int = 0,
    resamples: int = RESAMPLES,
) -> Interval:
    """The same for one figure that each of at least one row has."""
    (interval,) = intervals_of_means(values.astype(np.float64)[:, None], work_of, seed, resamples)
    if interval is None:
        raise ValueError("an interval of no rows at all was asked for")
    return interval
