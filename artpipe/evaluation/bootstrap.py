"""Confidence intervals of means by the bootstrap over works: whole works are resampled, since their images correlate.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), percentile interval.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

RESAMPLES = 1000
Interval = tuple[float, float]


def resampled_means(
    values: "NDArray[np.floating]", works: "NDArray[Any]", seed: int = 0, resamples: int = RESAMPLES
) -> "NDArray[np.float64]":
    """The means of several figures in each bootstrap resample; all figures share the resamples.

    Args:
        values: (N, M) float, a figure a column; NaN where a row has none.
        works: (N,) the work of each row, any sortable type.
        seed: of the resampling.
        resamples: number of resamples R.

    Returns:
        (R, M); NaN where no row of a resample has the figure.
    """
    names, work_of = np.unique(works, return_inverse=True)
    has_value = ~np.isnan(values)
    columns = (*np.nan_to_num(values).T, *has_value.T.astype(np.float64))
    by_work = np.stack([np.bincount(work_of, column, len(names)) for column in columns], axis=1)
    rng = np.random.default_rng(seed)
    uniform = np.full(len(names), 1 / max(len(names), 1))
    figures = values.shape[1]
    means = np.full((resamples, figures), np.nan)
    for i in range(resamples if len(names) else 0):  # one at a time: memory does not grow with the number of works
        drawn = rng.multinomial(len(names), uniform) @ by_work
        sums, rows = drawn[:figures], drawn[figures:]
        np.divide(sums, rows, out=means[i], where=rows > 0)
    return means


def percentile_interval(resampled: "NDArray[np.floating]") -> Interval | None:
    """95 % percentile interval of the values of one figure, NaN ignored; None where all are NaN."""
    measured = resampled[~np.isnan(resampled)]
    if not len(measured):
        return None
    low, high = np.quantile(measured, (0.025, 0.975))
    return float(low), float(high)


def intervals_of_means(
    values: "NDArray[np.floating]", works: "NDArray[Any]", seed: int = 0, resamples: int = RESAMPLES
) -> list[Interval | None]:
    """95 % intervals of the means of M figures, arguments as in `resampled_means`; None where no row has a figure."""
    return [percentile_interval(column) for column in resampled_means(values, works, seed, resamples).T]


def interval_of_mean(
    values: "NDArray[np.bool_] | NDArray[np.floating]", works: "NDArray[Any]", seed: int = 0
) -> Interval:
    """95 % interval of the mean of one figure (N,) that each of at least one row has."""
    (interval,) = intervals_of_means(values.astype(np.float64)[:, None], works, seed)
    if interval is None:
        raise ValueError("there is no interval of the mean of no rows")
    return interval
