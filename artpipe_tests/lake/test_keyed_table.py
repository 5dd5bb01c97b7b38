"""A table of derived rows that an engine fills part by part."""

from collections.abc import Generator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from artpipe.lake.keyed_table import KeyedTable
from artpipe.lake.lance_tables import open_lance, rows_of_commit
from artpipe.lake.paths import DataLake

PART_ROWS, PARTS = 4, 10
Part = tuple[dict[str, str], Any]


@pytest.fixture
def lake(tmp_path: Path) -> DataLake:
    return DataLake(tmp_path)


def parts() -> Generator[Part]:
    for number in range(PARTS):
        names = [f"new/{number}/{row}" for row in range(PART_ROWS)]
        yield dict.fromkeys(names, f"key {number}"), pa.table({"data": [name.encode() for name in names]})


def commits(lake: DataLake) -> int:
    dataset = open_lance(lake.lance_table("features"))
    return 0 if dataset is None else dataset.version


@pytest.mark.parametrize(("held", "wanted"), [(1, PARTS), (64 * 20, 2), (64 * 17, 2), (64 * 100, 1)])
def test_a_commit_grows_with_the_table(lake: DataLake, held: int, wanted: int):
    table = KeyedTable(lake, "features")
    table.upsert({f"held/{row}": "key" for row in range(held)}, {"data": [b"held"] * held})
    before, came = commits(lake), list[int]()
    table.upsert_each(parts(), came.append)
    assert commits(lake) - before == wanted
    assert came == [PART_ROWS] * PARTS
    assert len(table.keys()) == held + PARTS * PART_ROWS
    assert table.keys()["new/7/2"] == "key 7"
    assert table.take(["new/7/2", "new/0/0"], ["data"]) == {"new/7/2": (b"new/7/2",), "new/0/0": (b"new/0/0",)}


def test_what_came_before_an_interrupt_is_kept(lake: DataLake):
    def interrupted() -> Generator[Part]:
        whole = parts()
        yield from (next(whole), next(whole))
        raise KeyboardInterrupt

    table = KeyedTable(lake, "features")
    table.upsert({f"held/{row}": "key" for row in range(6400)}, {"data": [b"held"] * 6400})
    with pytest.raises(KeyboardInterrupt):
        table.upsert_each(interrupted(), lambda _: None)
    assert len(table.keys()) == 6400 + 2 * PART_ROWS


def test_the_number_of_commits_hardly_grows_with_the_rows():
    def commits_of(rows: int) -> int:
        held = count = 0
        while held < rows:
            held, count = held + rows_of_commit(held, 256, 4096), count + 1
        return count

    assert commits_of(10_000) == 40
    assert commits_of(1_000_000) < 500
