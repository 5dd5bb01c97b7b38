"""The checks read what the asset wrote."""

from pathlib import Path

import polars as pl
import pytest

from artpipe.lake.parquet import write_table
from artpipe.lake.paths import DataLake
from artpipe.schema import splits_schema
from artpipe.splits.checks import no_near_duplicate_crosses_splits
from artpipe.splits.near_duplicates import NEAR_DUPLICATES
from artpipe.tasks import WGA_TASKS

SPLITS = splits_schema(WGA_TASKS)


@pytest.mark.parametrize(("split", "passed"), [("train", True), ("test", False)])
def test_near_duplicates_in_two_splits_fail_the_check(tmp_path: Path, split: str, passed: bool):
    lake = DataLake(tmp_path)
    rows = [{"artwork_id": "a", "split": "train"}, {"artwork_id": "b", "split": split}]
    splits = pl.DataFrame([dict.fromkeys(SPLITS) | row for row in rows], schema=SPLITS)
    write_table(lake.table("near_duplicates"), pl.DataFrame([("a", "b", 3)], NEAR_DUPLICATES, orient="row"))
    assert no_near_duplicate_crosses_splits(splits=splits, lake=lake).passed is passed
