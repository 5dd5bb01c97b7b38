"""A lake in an object store that cannot be used: one line with the next step, whatever is run."""

import http.server
import socket
from collections.abc import Generator

import fsspec
import pytest
from typer.testing import CliRunner

from artpipe.cli.main import app
from artpipe.lake import object_store
from artpipe.lake.paths import DataLake
from artpipe_tests.fixtures.loopback_server import Quiet, running
from artpipe_tests.fixtures.s3_server import Bucket

COMMANDS = ("status", "models", "info", "labels suspects", "refresh", "models rollback", "find x")


class Refusing(http.server.ThreadingHTTPServer):
    """Answers every request with one error of S3."""

    code, status = "InvalidAccessKeyId", 403


class _Handler(Quiet, http.server.BaseHTTPRequestHandler):
    server: Refusing

    def do_GET(self) -> None:
        body = f"<Error><Code>{self.server.code}</Code><Message>No.</Message></Error>".encode()
        self.send_response(self.server.status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def refusing(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> Generator[Refusing]:  # noqa: ARG001 - its keys
    """A store that refuses everything, in place of the one of `bucket`."""
    with running(Refusing(("127.0.0.1", 0), _Handler)) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_address[1]}")
        fsspec.filesystem("s3").clear_instance_cache()
        yield server
    fsspec.filesystem("s3").clear_instance_cache()


def said(lake: str, *command: str) -> str:
    """What a command says on stderr, which fails as expected and without a traceback."""
    result = CliRunner().invoke(app, command, env={"ARTPIPE_LAKE": lake, "ARTPIPE_CACHE": "cache"})
    assert result.exit_code == 2, result.output
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in result.output
    return line


@pytest.mark.usefixtures("bucket")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_bucket_is_named_by_every_command(command: str):
    assert "there is no bucket 'nowhere' (s3://nowhere/lake); create it" in said("s3://nowhere/lake", *command.split())


@pytest.mark.usefixtures("refusing")
def test_a_wrong_key_is_told_with_what_the_store_says():
    line = said("s3://museum/lake", "status")
    assert "the store of s3://museum/lake refuses the key" in line
    assert "InvalidAccessKeyId" in line
    assert "check AWS_ACCESS_KEY_ID" in line


def test_an_answer_that_is_not_of_an_object_store_is_told(refusing: Refusing):
    refusing.code, refusing.status = "404", 404
    assert "is no object store" in said("s3://museum/lake", "status")


@pytest.mark.usefixtures("bucket")
def test_an_endpoint_that_is_dead_or_silent_is_told_before_long(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(object_store, "ANSWER_WITHIN_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{silent.getsockname()[1]}")
        fsspec.filesystem("s3").clear_instance_cache()
        assert "does not answer (no answer within 0.2 seconds); check AWS_ENDPOINT_URL" in said("s3://museum/x", "info")
    fsspec.filesystem("s3").clear_instance_cache()
    assert "does not answer" in said("s3://museum/x", "info")
    fsspec.filesystem("s3").clear_instance_cache()


def test_a_library_that_is_not_installed_is_named():
    with pytest.raises(object_store.MissingLibraryError, match=r"gs://museum/lake cannot be opened: .*gcsfs"):
        _ = DataLake("gs://museum/lake").root


def test_what_lance_quotes_of_a_store_is_told_as_well():
    refused = OSError("Generic S3 error: <Error><Code>AccessDenied</Code></Error>, /rust/x.rs:1")
    silent = OSError("LanceError(IO): Generic S3 error: error sending request for url (http://127.0.0.1:9/x)")
    other = OSError("No space left on device")
    assert "refuses the key" in str(object_store.store_failure(refused, "s3://museum/lake"))
    assert "does not answer" in str(object_store.store_failure(silent, "s3://museum/lake"))
    assert object_store.store_failure(other, "s3://museum/lake") is None


def test_an_address_with_a_slash_at_its_end_is_the_same_lake():
    with_slash, without = DataLake("s3://bucket/lake/"), DataLake("s3://bucket/lake")
    assert with_slash.overrides("labels") == without.overrides("labels") == "s3://bucket/lake/overrides/labels.csv"


def test_an_empty_prefix_of_a_bucket_is_a_lake_to_be_made(bucket: Bucket):
    assert DataLake(f"{bucket.address}/new").root.fs is not None
    assert bucket.requests == [f"GET /{bucket.address.removeprefix('s3://')}/new/lake.json"]
