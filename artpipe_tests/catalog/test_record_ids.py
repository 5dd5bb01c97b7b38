import polars as pl
import pytest

from artpipe.catalog.record_ids import artwork_ids_of, as_paths


@pytest.mark.parametrize("source_id", ["17", "GM 1801/1", "https://museum.example/m 1.json", "Ölbild: 3", "a:b:c d"])
def test_a_work_is_told_by_what_its_source_calls_it_with_and_without_the_source_before_it(source_id: str):
    path = as_paths(pl.Series([source_id]))[0]
    assert path in artwork_ids_of(f" {source_id} ")
    assert f"loans:{path}" in artwork_ids_of(f"loans:{source_id}")
