"""Tables and folders of an object store."""

from pathlib import Path

from upath import UPath

from artpipe_tests.fixtures.s3_server import Bucket
from artpipe_tests.fixtures.tables import download, table_source


def test_an_unchanged_table_is_not_sent_again(bucket: Bucket, tmp_path: Path) -> None:
    source = table_source(str(bucket.put("works.csv", b"id,title\n1,Lilies\n")))
    download(source, UPath(tmp_path / "raw"))
    assert any(request.startswith("GET") for request in bucket.requests)
    bucket.requests.clear()
    download(source, UPath(tmp_path / "raw"))
    assert {request.partition(" ")[0] for request in bucket.requests} == {"HEAD"}
    assert source.read(UPath(tmp_path / "raw")).rows["title"].to_list() == ["Lilies"]
