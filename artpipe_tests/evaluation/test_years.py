"""The error in years against cases worked out by hand."""

import numpy as np
import pytest

from artpipe.evaluation.years import score_years
from artpipe.tasks import WGA_TASKS, Task

CLASSES = ("1350-1450", "1450-1550", "1550-1650")


def score(chances, years, **changed):
    names = [str(number) for number in range(len(years))]
    named = {"task": WGA_TASKS["period"], "split": "test", "majority_class": "1450-1550"} | changed
    return score_years(
        np.array(chances, float).reshape(-1, 3),
        np.array(years, float),
        names,
        CLASSES,
        **named,
    )


def test_a_period_stands_for_its_middle_and_the_open_ended_ones_are_as_long_as_their_neighbours():
    middles = WGA_TASKS["period"].middle_years(("1450-1550", "1950-2000", "before 1350", "after 2000"))
    assert middles == (1500, 1975, 1300, 2025)


def test_the_error_is_from_the_probable_year_and_from_the_most_probable_period():
    found = score([[0, 0.75, 0.25], [1, 0, 0]], [1510, 1420])
    # 0.75 x 1500 + 0.25 x 1600 = 1525 is 15 years off, 1500 is 10; 1400 is 20 off both ways.
    assert found.by_mean == pytest.approx((15 + 20) / 2)
    assert found.by_best == pytest.approx((10 + 20) / 2)
    assert found.by_majority == pytest.approx((10 + 80) / 2)
    assert found.by_mean_interval[0] <= found.by_mean <= found.by_mean_interval[1]


def test_a_work_without_a_year_of_its_own_is_left_out():
    assert score([[0, 1, 0], [1, 0, 0]], [1500, np.nan]).n == 1
    assert score([[1, 0, 0]], [np.nan]).by_mean is None


def test_a_work_from_before_the_first_period_is_measured_from_the_start_of_that():
    assert score([[1, 0, 0]], [-500]).by_best == score([[1, 0, 0]], [1250]).by_best == 150


def test_a_near_miss_costs_less_than_a_far_one():
    near, far = score([[0, 1, 0]], [1600]), score([[1, 0, 0]], [1600])
    assert near.by_best < far.by_best


def test_a_model_of_periods_that_the_collection_does_not_declare_any_more_is_not_measured_in_years():
    declared = Task("period", ("before 1500", "after 1500"), is_ordinal=True, year_bounds=(1500,))
    assert (score([[0, 1, 0]], [1500], task=declared).by_mean, declared.years_of("after 1500")) == (None, (1500, 1600))


def test_without_a_majority_there_is_no_baseline():
    assert score([[0, 1, 0]], [1500], majority_class=None).by_majority is None
