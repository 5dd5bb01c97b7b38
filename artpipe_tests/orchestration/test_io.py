"""Content versions and the Parquet tables of the lake."""

import hashlib
import io

import polars as pl
import pytest
from upath import UPath

from artpipe.lake.parquet import content_hash
from artpipe.lake.paths import DataLake, UnwritableLakeError, write_whole
from artpipe.orchestration.metadata import markdown_table

TABLE = pl.DataFrame({"artwork_id": ["b", "a"], "title": ["Two", None], "year": [1600, 1500], "flags": [["typo"], []]})


def test_the_order_of_rows_and_columns_does_not_count():
    shuffled = TABLE.select("year", "flags", "artwork_id", "title").reverse()
    assert content_hash(shuffled) == content_hash(TABLE)


@pytest.mark.parametrize(
    "changed",
    [
        TABLE.with_columns(title=pl.Series(["Two", "One"])),
        TABLE.with_columns(pl.col("year").cast(pl.Int16)),
        TABLE.head(1),
        TABLE.rename({"title": "name"}),
        pl.concat([TABLE, TABLE.head(1)]),
    ],
    ids=["a value", "a type", "a row less", "a name", "a row twice"],
)
def test_any_change_of_content_counts(changed: pl.DataFrame):
    assert content_hash(changed) != content_hash(TABLE)


def test_ignored_columns_do_not_count():
    later = TABLE.with_columns(year=pl.lit(1))
    assert content_hash(later, ignore=("year",)) == content_hash(TABLE, ignore=("year",))


def test_the_version_of_a_known_table_never_moves():
    assert content_hash(pl.DataFrame({"artwork_id": ["a/x/y"], "year": [1598]})) == "f19ba47320ff6786"


def test_the_version_of_a_large_table_is_that_of_its_rows_in_any_order():
    large = pl.DataFrame({"artwork_id": [f"a/{number}" for number in range(45_000)], "year": range(45_000)})
    lines = sorted(b'{"artwork_id":"a/%d","year":%d}' % (number, number) for number in range(45_000))
    expected = hashlib.blake2b(
        b"artwork_id:String,year:Int64" + b"".join(line + b"\n" for line in lines), digest_size=8
    )
    assert content_hash(large) == content_hash(large.sample(fraction=1, shuffle=True, seed=0)) == expected.hexdigest()


def test_a_file_may_be_written_from_another(tmp_path):
    with io.BytesIO(b"new") as content:
        content.read()
        write_whole(UPath(tmp_path / "file"), content)
    assert (tmp_path / "file").read_bytes() == b"new"


def test_markdown_escapes_and_cuts():
    text = markdown_table(pl.DataFrame({"title": ["a|b\nc", "x" * 60]}))
    assert text.splitlines()[2] == "| a\\|b c |"
    assert text.splitlines()[3].endswith("x… |")


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = UPath(tmp_path / "deep" / "file.json")
    write_whole(path, b"old")
    with pytest.raises(TypeError):
        write_whole(path, "not bytes")  # type: ignore[arg-type]
    assert path.read_bytes() == b"old"
    assert [found.name for found in path.parent.iterdir()] == ["file.json"]


def test_a_lake_that_cannot_be_made_says_so_and_what_to_do(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(UnwritableLakeError, match="ARTPIPE_LAKE"):
        DataLake(tmp_path / "file" / "lake").ensure_writable()


def test_the_same_code_writes_to_an_object_store():
    lake = DataLake("memory://bucket/lake")
    write_whole(lake.table("artworks"), b"rows")
    assert lake.table("artworks").read_bytes() == b"rows"
    assert not lake.is_local
