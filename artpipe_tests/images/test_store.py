"""The Lance table of images: no artwork twice, JPEGs by random access, light changes that leave JPEGs alone."""

from datetime import UTC, datetime

import pytest

from artpipe.images.store import ImageStore, MissingImageError
from artpipe.lake import DataLake

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


def test_jpegs_come_in_the_order_asked_for_also_after_compaction(store):
    for number in range(5):
        store.upsert([row(f"a/x/{number}", bytes([number]))])
    asked = ["a/x/3", "a/x/0", "a/x/4"]
    assert store.jpegs(asked) == [b"\x03", b"\x00", b"\x04"]
    store.compact()
    assert store.jpegs(asked) == [b"\x03", b"\x00", b"\x04"]


def test_amending_changes_light_columns_and_leaves_the_jpeg(store):
    store.upsert([row("a/x/1", b"one", sha256="s1"), row("a/x/2", b"two")])
    store.amend([{"artwork_id": "a/x/1", "status": "unchanged", "fetched_at": NOW}])
    first = store.outcomes().row(0, named=True)
    assert (first["status"], first["sha256"], first["fetched_at"]) == ("unchanged", "s1", NOW)
    assert store.jpegs(["a/x/1", "a/x/2"]) == [b"one", b"two"]


def test_a_picture_that_is_not_held_is_named(store):
    store.upsert([row("a/x/1", None, status="gone")])
    with pytest.raises(MissingImageError, match="a/x/1"):
        store.jpegs(["a/x/1"])
    with pytest.raises(MissingImageError, match="a/x/2"):
        store.jpegs(["a/x/2"])
