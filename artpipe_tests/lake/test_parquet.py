"""Tables are read as they were written, and a missing one is an error with the next step."""

from pathlib import Path

import polars as pl
import pytest

from artpipe.lake.parquet import MissingTableError, read_table, read_table_if_exists, write_table
from artpipe.lake.paths import DataLake

TABLE = pl.DataFrame({"artwork_id": ["a", "b"], "year": [1640, None]})


def test_a_table_is_read_as_it_was_written(tmp_path: Path):
    lake = DataLake(tmp_path)
    write_table(lake.table("splits"), TABLE)
    assert read_table(lake, "splits").equals(TABLE)
    found = read_table_if_exists(lake, "splits")
    assert found is not None
    assert found.equals(TABLE)


def test_a_table_that_was_never_made_is_missing(tmp_path: Path):
    lake = DataLake(tmp_path)
    with pytest.raises(MissingTableError, match=r"'splits' is not in .*; materialize `splits` first"):
        read_table(lake, "splits")
    assert read_table_if_exists(lake, "splits") is None
