"""The colours of classes can be told apart, also by those who see no red or no green."""

import colorsys
from itertools import combinations, pairwise

import numpy as np
import pytest

from artpipe.figures.class_colours import class_colours
from artpipe.tasks import WGA_TASKS, Task

# Severity 1.0, for linear RGB: Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color
# Vision Deficiency (2009).
SEEN_BY = {
    "everybody": np.eye(3),
    "deuteranopes": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopes": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
TASKS = [
    *WGA_TASKS.values(),
    *(Task(f"of_{count}", tuple(map(str, range(count)))) for count in (1, 2, 5, 12, 20)),
    *(Task(f"ordinal_of_{count}", tuple(map(str, range(count))), is_ordinal=True) for count in (1, 2, 5, 8, 12)),
]
ADJACENT, ANY_TWO = 25, 11
"""Least CIE76 differences; 2.3 is just noticeable."""


def linear(colour: str) -> np.ndarray:
    values = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(colour: str, seen_by: str) -> np.ndarray:
    xyz = TO_XYZ @ np.clip(SEEN_BY[seen_by] @ linear(colour), 0, 1) / [0.9505, 1.0, 1.089]
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("seen_by", SEEN_BY)
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_classes_differ_and_neighbours_in_the_legend_most(task: Task, seen_by: str):
    seen = {name: lab(colour, seen_by) for name, colour in class_colours(task).items()}
    assert all(np.linalg.norm(a - b) >= ADJACENT for a, b in pairwise(seen.values()))
    assert all(np.linalg.norm(a - b) >= ANY_TWO for a, b in combinations(seen.values(), 2))


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_classes_contrast_with_white_and_with_black_paper(task: Task):
    for colour in class_colours(task).values():
        luminance = float(TO_XYZ[1] @ linear(colour))
        assert 1.05 / (luminance + 0.05) > 2.5
        assert (luminance + 0.05) / (0.007 + 0.05) > 2.5


def test_the_colours_of_periods_follow_the_rainbow_and_many_classes_still_differ():
    hues = [colorsys.rgb_to_hls(*linear(colour))[0] for colour in class_colours(TASKS[-1]).values()]
    assert sum(later > earlier for earlier, later in pairwise(hues)) <= 2, "from violet down to red"
    many = class_colours(Task("subject", tuple(map(str, range(100)))))
    assert len(set(many.values())) == 100
