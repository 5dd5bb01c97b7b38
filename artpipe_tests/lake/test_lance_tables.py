import shutil
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from artpipe.lake.lance_tables import NoSuchVersionError, OpenedTable, RowOffsets, open_lance


def write(uri: str, *names: str) -> None:
    lance.write_dataset(pa.table({"artwork_id": names}), uri, mode="overwrite")


@pytest.fixture
def uri(tmp_path: Path) -> str:
    uri = str(tmp_path / "works.lance")
    write(uri, "a", "b")
    write(uri, "b", "c", "a")
    return uri


def rows(uri: str, version: int | None = None) -> int:
    dataset = open_lance(uri, version)
    assert dataset is not None
    return dataset.count_rows()


def test_a_table_opens_at_its_newest_version_or_at_an_older_one(uri: str):
    assert (rows(uri), rows(uri, 1)) == (3, 2)


def test_a_missing_table_is_none_and_not_created(tmp_path: Path):
    assert open_lance(str(tmp_path / "none.lance")) is None
    assert list(tmp_path.iterdir()) == []


def test_a_missing_version_is_an_error_with_the_next_step(uri: str):
    with pytest.raises(NoSuchVersionError, match=r"version 9 of .*works\.lance is not kept; .*ARTPIPE_KEEP_VERSIONS"):
        open_lance(uri, 9)


def test_offsets_follow_the_version(uri: str):
    offsets = RowOffsets()
    assert offsets.of(lance.dataset(uri)) == {"b": 0, "c": 1, "a": 2}
    assert offsets.of(lance.dataset(uri, version=1)) == {"a": 0, "b": 1}


def test_a_table_that_is_made_anew_is_another_one_at_the_same_version(uri: str):
    opened, offsets = OpenedTable(uri), RowOffsets()

    def found() -> dict[str, int]:
        table = opened.newest()
        assert table is not None
        return offsets.of(table)

    assert (found(), opened.newest() is opened.newest()) == ({"b": 0, "c": 1, "a": 2}, True)
    shutil.rmtree(uri)
    assert opened.newest() is None
    write(uri, "a")
    write(uri, "c", "b")
    assert found() == {"c": 0, "b": 1}
    shutil.rmtree(uri)
    write(uri, "a")
    write(uri, "b", "c")
    assert found() == {"b": 0, "c": 1}
    assert offsets.of(lance.dataset(uri)) == {"b": 0, "c": 1}
