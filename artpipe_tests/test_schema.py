import itertools

import pytest

from artpipe.schema import PERIODS, period_bounds, period_middle


def test_periods_follow_each_other_without_a_gap():
    bounds = [period_bounds(name) for name in PERIODS]
    assert all(before[1] == after[0] for before, after in itertools.pairwise(bounds))
    assert bounds[0] == (1250, 1350)
    assert bounds[-1] == (2000, 2050)


def test_the_middle_of_a_period():
    assert [period_middle(name) for name in ("1550-1650", "1950-2000")] == [1600, 1975]
    with pytest.raises(ValueError, match="tuple"):
        period_middle("yesterday")
