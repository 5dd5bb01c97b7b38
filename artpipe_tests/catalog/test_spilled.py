"""Frames on disk."""

import random

import polars as pl
import pytest

from artpipe.catalog.spilled import SpilledFrame


def _spilled(*batches: list[str]) -> SpilledFrame:
    found = SpilledFrame()
    for batch in batches:
        found.add(pl.DataFrame({"id": batch, "length": [len(text) for text in batch]}))
    return found


def test_rows_come_back_in_their_order_and_batches():
    spilled = _spilled(["b", "aa"], [], ["c"])
    assert spilled.height == 3
    assert [batch["id"].to_list() for batch in spilled.batches()] == [["b", "aa"], ["c"]]
    assert [batch.columns for batch in spilled.batches(["length"])] == [["length"], ["length"]]
    assert spilled.scan().collect()["length"].to_list() == [1, 2, 1]


def test_rows_are_kept_by_their_place_in_the_whole():
    kept = _spilled(["b", "aa"], ["c", "d"]).filter(pl.Series([False, True, True, False]))
    assert kept.scan().collect()["id"].to_list() == ["aa", "c"]


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 1_000])
def test_rows_are_sorted_whatever_their_number(count):
    ids = [f"{number:04}" for number in range(count)]
    mixed = random.Random(0).sample(ids, count)
    assert _spilled(mixed[::2], mixed[1::2]).sorted_by("id")["id"].to_list() == ids


def test_equal_values_are_all_kept():
    assert _spilled(["a"] * 40, ["b", "a"]).sorted_by("id")["id"].to_list() == ["a"] * 41 + ["b"]
