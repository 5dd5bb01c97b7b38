"""The Lance table of images: no artwork twice, JPEGs by random access, light changes that leave JPEGs alone."""

import random
import shutil
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from artpipe.images.store import IMAGES_SCHEMA, ImageStore, MissingImageError
from artpipe.lake.full_disk import FullDiskError
from artpipe.lake.paths import DataLake

THEN, NOW = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)


def row(name: str, jpeg: bytes | None = b"jpeg", **changed: object) -> dict[str, object]:
    return {"artwork_id": name, "status": "fetched", "attempts": 1, "jpeg": jpeg, "fetched_at": THEN, **changed}


@pytest.fixture
def store(tmp_path) -> ImageStore:
    return ImageStore(DataLake(tmp_path))


def test_an_empty_store_has_no_outcomes_and_its_columns(store):
    outcomes = store.outcomes()
    assert outcomes.is_empty()
    assert {"artwork_id", "status", "sha256"} <= set(outcomes.columns)
    assert "jpeg" not in outcomes.columns


def test_writing_a_row_again_replaces_it(store):
    store.upsert([row("a/x/1"), row("a/x/2")])
    store.upsert([row("a/x/2", b"new", sha256="s2"), row("a/x/3")])
    outcomes = store.outcomes()
    assert outcomes["artwork_id"].to_list() == ["a/x/1", "a/x/2", "a/x/3"]
    assert outcomes["sha256"].to_list() == [None, "s2", None]
    assert store.jpegs(["a/x/2"]) == [b"new"]


def test_jpegs_come_in_the_requested_order_also_after_compaction(store):
    for number in range(5):
        store.upsert([row(f"a/x/{number}", bytes([number]))])
    ids = ["a/x/3", "a/x/0", "a/x/4"]
    assert store.jpegs(ids) == [b"\x03", b"\x00", b"\x04"]
    store.maintain()
    assert store.jpegs(ids) == [b"\x03", b"\x00", b"\x04"]


def test_amending_changes_metadata_and_leaves_the_jpeg(store):
    store.upsert([row("a/x/1", b"one", sha256="s1"), row("a/x/2", b"two")])
    store.amend([{"artwork_id": "a/x/1", "status": "unchanged", "fetched_at": NOW}])
    first = store.outcomes().row(0, named=True)
    assert (first["status"], first["sha256"], first["fetched_at"]) == ("unchanged", "s1", NOW)
    assert store.jpegs(["a/x/1", "a/x/2"]) == [b"one", b"two"]


def test_a_missing_picture_is_named(store):
    store.upsert([row("a/x/1", None, status="gone")])
    with pytest.raises(MissingImageError, match="a/x/1"):
        store.jpegs(["a/x/1"])
    with pytest.raises(MissingImageError, match="a/x/2"):
        store.jpegs(["a/x/2"])


def test_amending_can_empty_a_column(store):
    store.upsert([row("a/x/1", error="timed out"), row("a/x/2", error="timed out")])
    store.amend([{"artwork_id": "a/x/1", "error": None}])
    assert store.outcomes()["error"].to_list() == [None, "timed out"]


def test_amending_reaches_rows_of_every_fragment(store):
    for number in range(6):
        store.upsert([row(f"a/x/{number}", bytes([number])), row(f"b/x/{number}", b"b")])
    store.upsert([row("a/x/3", b"new")])
    store.amend([{"artwork_id": f"a/x/{number}", "status": "unchanged"} for number in (0, 3, 5)])
    changed = store.outcomes().filter(pl.col("status") == "unchanged")
    assert changed["artwork_id"].to_list() == ["a/x/0", "a/x/3", "a/x/5"]
    assert store.jpegs(["a/x/5", "a/x/3", "b/x/3"]) == [b"\x05", b"new", b"b"]


def test_amending_does_not_write_jpegs_again(store, tmp_path):
    def table_bytes() -> int:
        return sum(file.stat().st_size for file in Path(tmp_path).rglob("*.lance") if file.is_file())

    draws = random.Random(0)
    store.upsert([row(f"a/x/{number}", draws.randbytes(100_000)) for number in range(20)])
    before = table_bytes()
    store.amend([{"artwork_id": f"a/x/{number}", "status": "unchanged"} for number in range(20)])
    assert before >= 2_000_000
    assert table_bytes() - before < 100_000


def test_reading_an_empty_lake_creates_nothing(tmp_path):
    store = ImageStore(DataLake(tmp_path / "none"))
    store.outcomes()
    store.maintain()
    assert not (tmp_path / "none").exists()


def test_the_columns_of_outcomes_are_those_of_the_table_but_for_the_jpeg(store):
    store.upsert([row("a/x/1")])
    assert store.outcomes().columns == [name for name in IMAGES_SCHEMA.names if name != "jpeg"]


def test_a_full_disk_is_an_error_with_the_next_step_and_loses_nothing(store, tmp_path, monkeypatch):
    store.upsert([row("a/x/1", b"one")])

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store._latest(), "merge_insert", full)
    with pytest.raises(FullDiskError, match=r"is full: .* Free some space there") as raised:
        store.upsert([row("a/x/2")])
    assert str(tmp_path) in str(raised.value)
    assert ImageStore(DataLake(tmp_path)).jpegs(["a/x/1"]) == [b"one"]


def test_the_outcomes_of_one_version_are_read_once_by_whoever_asks(store, monkeypatch):
    store.upsert([row("a")])
    first = store.outcomes()
    with monkeypatch.context() as patch:
        patch.setattr("polars.from_arrow", None)
        assert ImageStore(store.lake).outcomes() is first
    store.amend([{"artwork_id": "a", "status": "gone"}])
    assert store.outcomes()["status"].to_list() == ["gone"]
    assert first["status"].to_list() != ["gone"]


def test_the_outcomes_of_a_table_that_was_made_anew_are_its_own(store):
    store.upsert([row("a")])
    store.outcomes()
    shutil.rmtree(store.uri)
    other = ImageStore(store.lake)
    other.upsert([row("b")])
    assert other.outcomes()["artwork_id"].to_list() == ["b"]


@pytest.mark.parametrize("write", ["upsert", "amend"])
def test_the_table_of_an_older_lake_is_read_and_gets_the_columns_that_it_lacks_when_it_is_written(tmp_path, write):
    lake = DataLake(tmp_path)
    older = IMAGES_SCHEMA.remove(IMAGES_SCHEMA.get_field_index("requested_url"))
    held = {"artwork_id": "a/x/1", "status": "fetched", "attempts": 1, "jpeg": b"jpeg", "fetched_at": THEN}
    lake.connect().create_table("images", pa.Table.from_pylist([held], schema=older))
    store = ImageStore(lake)
    assert store.outcomes()["requested_url"].to_list() == [None]
    getattr(store, write)(
        [row("a/x/1", requested_url="u") if write == "upsert" else {"artwork_id": "a/x/1", "requested_url": "u"}]
    )
    assert store.outcomes().select("status", "requested_url").rows() == [("fetched", "u")]
    assert store.jpegs(["a/x/1"]) == [b"jpeg"]
