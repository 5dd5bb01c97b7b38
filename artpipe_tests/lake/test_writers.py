"""Several processes that write one table at once: no row is doubled, and none is lost."""

import multiprocessing
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import lance
import numpy as np
import polars as pl
import pytest

from artpipe.embedding.table import EmbeddingTable
from artpipe.images.store import ImageStore
from artpipe.lake.keyed_table import KeyedTable
from artpipe.lake.lance_tables import WriteConflictError, committed, create_table, open_lance
from artpipe.lake.paths import EMBEDDINGS_TABLE, IMAGES_TABLE, DataLake
from artpipe_tests.fixtures.s3_server import Bucket

WORKS, BATCH = 600, 150
IDS = [f"a/artist/{number:04}" for number in range(WORKS)]


def write_images(lake: DataLake, ids: list[str]) -> None:
    now = datetime.now(UTC)
    rows = [
        {"artwork_id": name, "status": "fetched", "attempts": 1, "jpeg": b"jpeg", "fetched_at": now} for name in ids
    ]
    ImageStore(lake).upsert(rows)


def write_features(lake: DataLake, ids: list[str]) -> None:
    KeyedTable(lake, "features").upsert(dict.fromkeys(ids, "key"), {"data": [b"data"] * len(ids)})


def write_embeddings(lake: DataLake, ids: list[str]) -> None:
    vectors = np.tile(np.float32([1, 0]), (len(ids), 1))
    EmbeddingTable(lake).upsert(pl.DataFrame({"artwork_id": ids, "model_id": "3fa9", "vector": vectors}))


WRITERS: dict[str, Callable[[DataLake, list[str]], None]] = {
    IMAGES_TABLE: write_images,
    "features": write_features,
    EMBEDDINGS_TABLE: write_embeddings,
}


def write_all(address: str, starts_together: Any) -> None:
    """Write every table, batch by batch."""
    starts_together.wait()
    for write in WRITERS.values():
        for first in range(0, WORKS, BATCH):
            write(DataLake(address), IDS[first : first + BATCH])


@pytest.fixture(params=["folder", "bucket"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a lake is."""
    if request.param == "folder":
        return str(tmp_path / "lake")
    bucket: Bucket = request.getfixturevalue("bucket")
    return f"{bucket.address}/lake"


def test_two_processes_that_write_the_same_works_leave_each_once(address: str):
    spawn = multiprocessing.get_context("spawn")  # threads of LanceDB do not survive a fork
    starts_together = spawn.Barrier(2)
    processes = [spawn.Process(target=write_all, args=(address, starts_together)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    assert [process.exitcode for process in processes] == [0, 0]
    for name in WRITERS:
        table = open_lance(DataLake(address).lance_table(name))
        assert table is not None
        assert sorted(table.to_table(columns=["artwork_id"])["artwork_id"].to_pylist()) == IDS, name


def test_a_table_that_another_process_made_meanwhile_keeps_its_rows(lake: DataLake):
    write_features(lake, ["a", "b"])
    made = lance.dataset(lake.lance_table("features"))
    other = made.to_table().slice(0, 1)
    KeyedTable(lake, "features").upsert({"c": "key"}, {"data": [b"data"]})
    KeyedTable(lake, "features").remove(["c"])
    made = lance.dataset(made.uri)
    for version_seen in (0, made.version - 1):
        with pytest.raises(FileExistsError, match="another process made it meanwhile"):
            create_table(lake, "features", other, instead_of=version_seen)
        assert KeyedTable(lake, "features").keys() == {"a": "key", "b": "key"}
        assert lance.dataset(made.uri).version == made.version
    create_table(lake, "features", other, instead_of=made.version)
    assert list(KeyedTable(lake, "features").keys()) == other["artwork_id"].to_pylist()


def test_a_table_of_an_older_lake_gets_its_key_and_keeps_its_rows(lake: DataLake):
    import pyarrow as pa

    old = pa.table({"artwork_id": ["a", "b"], "key": ["1", "2"], "data": pa.array([b"a", b"b"], pa.binary())})
    lake.connect().create_table("features", data=old)
    KeyedTable(lake, "features").upsert({"b": "3", "c": "4"}, {"data": [b"B", b"C"]})
    assert KeyedTable(lake, "features").keys() == {"a": "1", "b": "3", "c": "4"}
    table = lance.dataset(lake.lance_table("features"))
    assert not table.schema.field("artwork_id").nullable


def test_a_commit_that_another_process_was_faster_than_is_tried_again(lake: DataLake):
    attempts: list[int] = []

    def commit() -> str:
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("Retryable commit conflict for version 4: preempted by concurrent transaction")
        return "committed"

    assert committed(lake.lance_table("features"), commit) == "committed"
    assert len(attempts) == 3


def test_conflicts_without_end_are_told_as_what_they_are(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("artpipe.lake.lance_tables.time.sleep", lambda _: None)

    def commit() -> None:
        raise OSError("Too many concurrent writers")

    with pytest.raises(WriteConflictError, match=r"features\.lance could not be written.*another process was faster"):
        committed(lake.lance_table("features"), commit)


def test_another_error_of_a_commit_stays_what_it_is(lake: DataLake):
    attempts: list[int] = []

    def commit() -> None:
        attempts.append(1)
        raise OSError("No space left on device")

    with pytest.raises(OSError, match="No space left"):
        committed(lake.lance_table("features"), commit)
    assert len(attempts) == 1
