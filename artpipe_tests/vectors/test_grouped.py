"""Neighbours of other groups, by hand."""

import numpy as np

from artpipe.vectors.grouped import nearest_in_other_groups

RADIANS = np.radians([0, 1, 10, 20, 30, 90])
VECTORS = np.stack([np.cos(RADIANS), np.sin(RADIANS)], axis=1).astype(np.float32)
GROUPS = ["w", "w", "x", "y", "z", "u"]


def test_the_nearest_are_of_other_groups():
    rows, similarity = nearest_in_other_groups(VECTORS, GROUPS, np.array([0, 5]), k=2)
    assert rows.tolist() == [[2, 3], [4, 3]]
    assert similarity[0].tolist() == np.cos(np.radians([10, 20])).astype(np.float32).tolist()


def test_neighbours_come_from_the_rows_named_and_are_padded():
    rows, similarity = nearest_in_other_groups(VECTORS, GROUPS, np.array([0]), k=5, among=np.array([1, 4]))
    assert rows[0, 0] == 4
    assert similarity[0, 1] == -np.inf
