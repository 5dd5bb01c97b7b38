"""Tables of an object store."""

import http.server
import io
from pathlib import Path

import fsspec
import polars as pl
import pytest
from upath import UPath

from artpipe.sources.places import NoFileError
from artpipe_tests.fixtures.loopback_server import Quiet, running
from artpipe_tests.fixtures.s3_server import Bucket
from artpipe_tests.fixtures.tables import download, table_source


def _methods(bucket: Bucket) -> set[str]:
    """How the objects were asked for since the last time."""
    asked = {request.partition(" ")[0] for request in bucket.requests}
    bucket.requests.clear()
    return asked


def test_an_unchanged_table_is_not_sent_again_and_its_etag_tells(bucket: Bucket, tmp_path: Path) -> None:
    source, folder = table_source(str(bucket.put("works.csv", b"id,title\n1,Lilies\n"))), UPath(tmp_path / "raw")
    download(source, folder)
    assert "GET" in _methods(bucket)
    download(source, folder)
    assert _methods(bucket) == {"HEAD"}
    bucket.put("works.csv", b"id,title\n1,Irises\n")  # as long as before
    download(source, folder)
    assert "GET" in _methods(bucket)
    assert source.read(folder).rows["title"].to_list() == ["Irises"]


def test_parquet_folders_and_patterns_are_read(bucket: Bucket, tmp_path: Path) -> None:
    table = io.BytesIO()
    pl.DataFrame({"id": ["3"], "title": ["Poppies"]}).write_parquet(table)
    bucket.put("works/1.csv", b"id,title\n1,Lilies\n")
    bucket.put("works/2.csv", b"id,title\n2,Roses\n")
    bucket.put("works/3.parquet", table.getvalue())
    for place, ids in (("works", ["1", "2", "3"]), ("works/*.csv", ["1", "2"]), ("works/3.parquet", ["3"])):
        source, folder = table_source(f"{bucket.address}/{place}"), UPath(tmp_path / str(len(ids)))
        download(source, folder)
        assert source.read(folder).rows["source_id"].to_list() == ids


class _Refusing(Quiet, http.server.BaseHTTPRequestHandler):
    def do_HEAD(self) -> None:
        self.send_error(403)


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("object", "there is no file at s3://.*/works.csv; check bucket and name"),
        ("bucket", "there is no file at s3://another/works.csv; check bucket and name"),
        ("key", "works.csv cannot be read .*check AWS_ACCESS_KEY_ID"),
        ("endpoint", "works.csv cannot be read .*check .*AWS_ENDPOINT_URL"),
    ],
)
def test_what_cannot_be_read_is_one_line_with_the_next_step(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, message: str
) -> None:
    source = table_source("s3://another/works.csv" if fault == "bucket" else f"{bucket.address}/works.csv")
    fsspec.filesystem("s3").clear_instance_cache()
    if fault == "endpoint":
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with running(http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Refusing)) as server:
        if fault == "key":
            monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        with pytest.raises(NoFileError, match=message) as raised:
            download(source, UPath(tmp_path / "raw"))
    assert "\n" not in str(raised.value)


def test_a_store_whose_library_is_not_installed_is_an_error_with_the_next_step(tmp_path: Path) -> None:
    # The tests have the library of s3://; what an import of any other says takes the same way.
    with pytest.raises(NoFileError, match=r"pip install 'artpipe\[s3\]'"):
        download(table_source("gs://museum/works.csv"), UPath(tmp_path / "raw"))
