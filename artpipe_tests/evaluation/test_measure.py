"""What the report takes from the lake besides the model, and its check."""

import json

import numpy as np
import polars as pl
import pytest

from artpipe.evaluation.checks import no_held_out_work_was_trained_on
from artpipe.evaluation.measure import own_years
from artpipe.evaluation.pictures import queries
from artpipe.lake.paths import DataLake, write_whole


def test_the_year_of_a_work_is_the_middle_of_its_own_years_or_missing():
    artworks = pl.DataFrame(
        {
            "artwork_id": ["b", "a", "c"],
            "year_from": [1600, 1500, None],
            "year_to": [1605, 1500, None],
            "year_source": ["work", "artist", "none"],
        }
    )
    rows = pl.DataFrame({"artwork_id": ["a", "b", "c", "d"]})
    assert own_years(rows, artworks).tolist() == pytest.approx([np.nan, 1602.5, np.nan, np.nan], nan_ok=True)


def test_the_queries_are_the_same_works_of_each_held_out_split_whatever_the_order():
    rows = pl.DataFrame(
        {
            "artwork_id": list("abcdef"),
            "work_id": ["w", "w", "x", "y", "z", "t"],
            "split": ["test", "test", "test", "test", "unseen_artists", "train"],
            "jpeg_sha256": ["2", "1", "4", "3", "9", "0"],
        }
    )
    assert rows["artwork_id"].gather(queries(rows, each=2)).to_list() == ["b", "d", "e"]
    turned = rows.reverse()
    assert turned["artwork_id"].gather(queries(turned, each=2)).to_list() == ["b", "d", "e"]


@pytest.mark.parametrize("confirmed", [[], [{"held_out": "a", "train": "b"}]])
def test_the_check_fails_on_a_confirmed_pair_and_names_the_file_to_edit(tmp_path, confirmed):
    lake = DataLake(tmp_path)
    report = {"leaks": {"candidates": 7, "confirmed": confirmed}}
    write_whole(lake.evaluation_report, json.dumps(report).encode())
    found = no_held_out_work_was_trained_on(lake=lake)
    assert found.passed is not bool(confirmed)
    assert ("overrides/same_work.csv" in found.description) is bool(confirmed)
    assert ("7 candidates" in found.description) is not bool(confirmed)
