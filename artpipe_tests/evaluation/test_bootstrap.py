"""Intervals resample whole works, and all figures share the resamples."""

import numpy as np

from artpipe.evaluation.bootstrap import interval_of_mean, intervals_of_means


def test_each_figure_has_the_interval_that_it_has_alone():
    rng = np.random.default_rng(0)
    values, works = rng.random((50, 2)), rng.integers(0, 20, 50)
    alone = [interval_of_mean(values[:, column], works) for column in (0, 1)]
    assert np.allclose(intervals_of_means(values, works), alone)


def test_rows_without_a_figure_do_not_count_and_a_figure_without_rows_has_no_interval():
    values = np.array([[1.0, np.nan], [1.0, np.nan], [np.nan, np.nan]])
    assert intervals_of_means(values, np.arange(3)) == [(1, 1), None]
    assert intervals_of_means(np.empty((0, 2)), np.empty(0, int)) == [None, None]


def test_many_pictures_of_few_works_are_less_certain():
    right = np.arange(100) % 2 == 0
    by_picture = np.ptp(interval_of_mean(right, np.arange(100)))
    by_work = np.ptp(interval_of_mean(np.sort(right), np.arange(100) // 10))
    assert by_work > 2 * by_picture
