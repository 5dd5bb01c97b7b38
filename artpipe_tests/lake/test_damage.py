"""Damaged files of a lake: found by size and hash, and of a Lance table all that is whole stays."""

import os
from collections.abc import Callable
from pathlib import Path

import lance
import pyarrow as pa
import pytest

from artpipe.lake.damage import find_damage, fingerprints, refuse_damaged_table, set_aside_damaged
from artpipe.lake.lance_tables import is_torn, open_lance
from artpipe.lake.paths import DamagedLakeError, DataLake, write_whole

TABLE = "lance/works.lance"


@pytest.fixture
def works(lake: DataLake) -> Path:
    """A Lance table of two fragments, one with a deleted row and both in an index of words."""
    folder = lake.lance_table("works")
    for names in (("a", "b", "c"), ("d", "e")):
        lance.write_dataset(pa.table({"artwork_id": names, "title": names}), folder, mode="append")
    lance.dataset(folder).delete("artwork_id = 'b'")
    lance.dataset(folder).create_scalar_index("title", "INVERTED", name="words")
    return Path(folder)


def rows(lake: DataLake) -> list[str]:
    dataset = open_lance(lake.lance_table("works"))
    return [] if dataset is None else dataset.to_table()["artwork_id"].to_pylist()


def halve(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda file: file.write_bytes(b"art"), "is torn: 3 of 7 bytes"),
        (lambda file: file.write_bytes(b""), "is torn: 0 of 7 bytes"),
        (lambda file: file.write_bytes(b"other !"), "is not what was written"),
        (Path.unlink, "is gone"),
    ],
)
def test_a_file_is_compared_with_its_record(lake: DataLake, change: Callable[[Path], None], what: str):
    write_whole(lake.raw("catalog"), b"artwork")
    recorded = fingerprints(lake, [lake.raw("catalog"), lake.raw("never")])
    assert find_damage(lake, recorded) == {}
    change(Path(str(lake.raw("catalog"))))
    assert find_damage(lake, recorded) == {"raw/catalog": what}
    held = [file.read_bytes() for file in Path(str(lake.raw("catalog"))).parent.glob("catalog*")]
    set_aside_damaged(lake, recorded)
    assert not lake.raw("catalog").exists()
    aside = Path(str(lake.raw("catalog"))).parent.glob("catalog.broken-*")
    assert [file.read_bytes() for file in aside] == [content for content in held if content]


@pytest.mark.parametrize(
    ("name", "content", "is_whole"),
    [
        ("a.json", b'{"a": 1}', True),
        ("a.json", b'{"a": ', False),
        ("a.png", b"", False),
        ("a.parquet", b"PAR1 and no end", False),
        ("a.npz", b"PK\x03\x04 and no end", False),
        ("a.safetensors", (2).to_bytes(8, "little") + b"{}", True),
        ("a.safetensors", b"\xff" * 8 + b"{}", False),
        ("a.safetensors", (60).to_bytes(8, "little") + b'{"w": {"data_offsets": [0, 400]}}'.ljust(60), False),
    ],
)
def test_a_file_that_no_record_describes_has_to_be_readable(lake: DataLake, name: str, content: bytes, is_whole: bool):
    write_whole(lake.report(name), content)
    found = find_damage(lake, {f"reports/{name}": ""})
    assert found == ({} if is_whole else {f"reports/{name}": "cannot be read"})


@pytest.mark.parametrize(
    ("pattern", "kept"),
    [
        ("data/*", 2),  # the rows of the other fragment
        ("_deletions/*", 2),
        ("_versions/18446744073709551612.manifest", 4),  # an earlier state
        ("_versions/18446744073709551611.manifest", 4),  # the newest one
    ],
)
def test_of_a_torn_table_what_is_whole_stays_and_takes_new_rows(lake: DataLake, works: Path, pattern: str, kept: int):
    recorded = fingerprints(lake, [lake.lance("works")])
    assert find_damage(lake, recorded) == {}
    halve(min(works.glob(pattern)))
    assert list(find_damage(lake, recorded)) == [TABLE]
    set_aside_damaged(lake, [TABLE])
    assert len(rows(lake)) == kept
    lance.write_dataset(pa.table({"artwork_id": ["new"], "title": ["new"]}), str(works), mode="append")
    assert rows(lake)[-1] == "new"
    assert find_damage(lake, dict.fromkeys(recorded, "")) == {}


def test_a_torn_index_is_dropped_and_the_rows_stay(lake: DataLake, works: Path):
    recorded = fingerprints(lake, [lake.lance("works") / "_indices"])
    halve(min(works.glob("_indices/*/*")))
    (what,) = find_damage(lake, recorded).values()
    assert what.startswith("is torn: the index words has ")
    set_aside_damaged(lake, recorded)
    assert len(rows(lake)) == 4
    assert lance.dataset(works).describe_indices() == []


def test_a_table_that_opens_in_no_version_is_set_aside(lake: DataLake, works: Path):
    for manifest in works.glob("_versions/*.manifest"):
        halve(manifest)
    with pytest.raises(DamagedLakeError, match=r"works\.lance is damaged .*; run `artpipe refresh`"):
        open_lance(str(works))
    set_aside_damaged(lake, [TABLE])
    assert rows(lake) == []
    assert [len(list(aside.glob("data/*"))) for aside in works.parent.glob("works.lance.broken-*")] == [2]


def test_a_reader_of_a_torn_table_is_told_what_to_do(lake: DataLake, works: Path):
    refuse_damaged_table(lake, "works")
    halve(min(works.glob("data/*")))
    with pytest.raises(DamagedLakeError, match=r"is damaged \(.* bytes\); run `artpipe refresh`"):
        refuse_damaged_table(lake, "works")


def test_what_cannot_be_asked_at_the_moment_is_no_damage(lake: DataLake, monkeypatch: pytest.MonkeyPatch):
    write_whole(lake.raw("catalog"), b"artwork")
    recorded = fingerprints(lake, [lake.raw("catalog")])

    def unreachable(*_: object, **__: object) -> None:
        raise TimeoutError

    for method in ("open", "stat"):
        with monkeypatch.context() as no_answer:
            no_answer.setattr(type(lake.raw("catalog")), method, unreachable)
            assert find_damage(lake, recorded | {"raw/catalog": ""}) == {}
            if method == "stat":
                assert find_damage(lake, recorded) == {}


def test_a_table_of_a_newer_lance_is_whole_and_stays_where_it_is(
    lake: DataLake, works: Path, monkeypatch: pytest.MonkeyPatch
):
    def refused(*_: object, **__: object) -> None:
        raise OSError("LanceError(NotSupported): this table cannot be read by this version of Lance. Please upgrade")

    with monkeypatch.context() as older:
        older.setattr(lance, "dataset", refused)
        with pytest.raises(OSError, match="upgrade"):
            set_aside_damaged(lake, [TABLE])
    assert len(rows(lake)) == 4
    assert [*works.parent.glob("*.broken-*")] == []


def test_a_manifest_that_was_dropped_since_it_was_listed_is_not_torn(works: Path):
    assert not is_torn(works / "_versions" / "1.manifest")
