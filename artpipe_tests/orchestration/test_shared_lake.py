"""Two machines that share a lake in a bucket: here two processes, each with a folder of its own."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from artpipe_tests.fixtures.s3_server import Bucket

UP_TO_IMAGES = "raw_catalog,raw_artists,artists,artworks,wanted_images,images"

MAX_REQUESTS = 85
"""Of a refresh that finds nothing changed."""


@pytest.fixture
def environment(bucket: Bucket) -> dict[str, str]:
    return {
        **os.environ,
        **bucket.environment,
        "ARTPIPE_LAKE": f"{bucket.address}/lake",
        "ARTPIPE_SAMPLE_ARTWORKS": "60",
        "ARTPIPE_IMAGE_SHORT_SIDE_PX": "32",
    }


def refresh(environment: dict[str, str], cache: Path) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "artpipe.cli", "refresh", "--json", "--select", UP_TO_IMAGES]
    with_cache = {**environment, "ARTPIPE_CACHE": str(cache)}
    return subprocess.Popen(command, env=with_cache, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def test_of_two_refreshes_at_once_one_waits_and_finds_everything_made(
    bucket: Bucket, environment: dict[str, str], tmp_path: Path
):
    processes = [refresh(environment, tmp_path / name) for name in ("one", "another")]
    said = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    reports: list[dict[str, Any]] = [json.loads(out) for out, _ in said]
    first, second = sorted(range(2), key=lambda place: len(reports[place]["reused"]))
    assert "a refresh of s3://" in said[second][1]
    assert f"is under way (process {processes[first].pid} on " in said[second][1]
    assert "waiting for it to end" in said[second][1]
    assert reports[first]["work"]["images_fetched"] > 0
    assert not reports[first]["reused"]
    assert sorted(reports[second]["reused"]) == sorted(reports[second]["ran"])
    assert not any(reports[second]["work"].values()), "the gallery is asked once"

    bucket.requests.clear()
    third = refresh(environment, tmp_path / "one")
    out, said_last = third.communicate(timeout=300)
    assert third.returncode == 0, said_last
    assert set(json.loads(out)["ran"]) == {"raw_catalog", "raw_artists"}, "nothing changed"
    assert len(bucket.requests) <= MAX_REQUESTS, bucket.requests
