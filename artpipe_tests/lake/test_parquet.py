"""Tables are read as they were written, and a missing one is an error with the next step."""

from pathlib import Path

import polars as pl
import pytest

from artpipe.lake.parquet import (
    MissingTableError,
    content_hash,
    content_hash_of,
    read_table,
    read_table_if_exists,
    write_table,
)
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


def test_some_columns_of_a_table_are_read_alone(tmp_path: Path):
    lake = DataLake(tmp_path)
    write_table(lake.table("splits"), TABLE)
    assert read_table(lake, "splits", ["year"]).equals(TABLE.select("year"))


@pytest.mark.parametrize("rows", [0, 1, 7, 3_000])
def test_the_hash_of_a_table_is_that_of_its_parts_in_any_order(rows: int):
    table = pl.DataFrame(
        {
            "artwork_id": [f"a/{row * 7 % 3_001}" for row in range(rows)],
            "year": [row % 9 or None for row in range(rows)],
        },
        schema={"artwork_id": pl.String, "year": pl.Int32},
    )
    parts = [part.select("year", "artwork_id") for part in table.iter_slices(999)]
    assert content_hash_of(table.schema, reversed(parts)) == content_hash(table)
    assert content_hash_of(table.schema, parts[1:]) != content_hash(table) or not rows
