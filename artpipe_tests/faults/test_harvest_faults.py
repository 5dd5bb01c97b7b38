"""A harvest that is killed, or that fills the disk, loses nothing it committed and requests only what is missing."""

import io
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Container, Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from artpipe.crawler.client import ClientConfig, GalleryClient
from artpipe.images.fetch import harvest
from artpipe.images.store import ImageStore
from artpipe.images.wanted import HarvestConfig
from artpipe.lake.paths import DataLake
from artpipe_tests.fixtures.loopback_server import Quiet, running

IMAGES = 120
BATCH = 20
KILLED_AFTER = 70
ETAG = '"the-only-one"'

HARVEST = """
import resource, sys
from datetime import UTC, datetime
import polars as pl
from artpipe.errors import ArtpipeError
from artpipe.crawler.client import ClientConfig, GalleryClient
from artpipe.images import fetch
from artpipe.images.store import ImageStore
from artpipe.lake.paths import DataLake

lake, works, url = sys.argv[1:4]
batch, largest_file, days = map(int, sys.argv[4:7])
fetch.BATCH_ROWS = fetch.AMENDED_ROWS = batch
if largest_file:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
with GalleryClient(ClientConfig(url, concurrency=4)) as client:
    try:
        store = ImageStore(DataLake(lake))
        config = fetch.HarvestConfig(revalidate_after_days=days)
        fetch.harvest(pl.read_parquet(works), store, client, config, datetime.now(UTC))
    except ArtpipeError as error:
        sys.exit(f"{type(error).__name__}: {error}")
"""


def picture(number: int) -> bytes:
    out = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 255, (60, 50, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(out, "JPEG", quality=95)
    return out.getvalue()


class Gallery(ThreadingHTTPServer):
    """Sends pictures `0` to `IMAGES - 1`, records what was requested, and calls `on_answer` with the count."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answering)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.requested: Counter[str] = Counter()
        self.counted = threading.Condition()

    def handle_error(self, request: object, client_address: object) -> None:
        """A killed client hangs up; that is what these tests are about."""


class Answering(Quiet, BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gallery

    def do_GET(self) -> None:
        is_art = self.path.startswith("/art/")
        if is_art:
            with self.server.counted:
                self.server.requested[self.path] += 1
                self.server.counted.notify_all()
        is_current = is_art and self.headers.get("If-None-Match") == ETAG
        body = picture(int(self.path.rpartition("/")[2].removesuffix(".jpg"))) if is_art and not is_current else b""
        self.send_response(304 if is_current else 200 if is_art else 404)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", ETAG)
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    with running(Gallery()) as server:
        yield server


@pytest.fixture
def artworks(tmp_path: Path) -> pl.DataFrame:
    names = [f"a/x/{number}" for number in range(IMAGES)]
    table = pl.DataFrame({"artwork_id": names, "form": "painting"}).with_columns(
        image_url=pl.format("https://www.wga.hu/art/{}.jpg", "artwork_id")
    )
    table.write_parquet(tmp_path / "works.parquet")
    return table


def harvesting(folder: Path, url: str, largest_file: int = 0, days: int = 6) -> "subprocess.Popen[str]":
    lake, works = str(folder / "lake"), str(folder / "works.parquet")
    command = [sys.executable, "-c", HARVEST, lake, works, url, str(BATCH), str(largest_file), str(days)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def finish(folder: Path, url: str, artworks: pl.DataFrame) -> ImageStore:
    store = ImageStore(DataLake(folder / "lake"))
    with GalleryClient(ClientConfig(url, concurrency=4)) as client:
        harvest(artworks, store, client, HarvestConfig(), datetime.now(UTC))
    return store


def assert_whole(store: ImageStore, artworks: pl.DataFrame, statuses: Container[str] = ("fetched",)) -> None:
    outcomes = store.outcomes()
    assert sorted(outcomes["artwork_id"]) == sorted(artworks["artwork_id"])
    assert [status for status in outcomes["status"] if status not in statuses] == []
    names = outcomes["artwork_id"].to_list()
    assert store.jpegs(names) == [picture(int(name.rpartition("/")[2])) for name in names]


def test_a_killed_harvest_resumes(tmp_path: Path, gallery: Gallery, artworks: pl.DataFrame):
    with harvesting(tmp_path, gallery.url) as process:
        with gallery.counted:
            came = gallery.counted.wait_for(lambda: gallery.requested.total() >= KILLED_AFTER, timeout=60)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert came
    stored = set(ImageStore(DataLake(tmp_path / "lake")).outcomes()["artwork_id"])
    assert BATCH <= len(stored) < IMAGES
    gallery.requested.clear()
    store = finish(tmp_path, gallery.url, artworks)
    requested = {path.removeprefix("/art/").removesuffix(".jpg") for path in gallery.requested}
    assert requested == set(artworks["artwork_id"]) - stored
    assert max(gallery.requested.values()) == 1
    assert_whole(store, artworks)


def test_a_revalidation_killed_half_way_loses_no_image_and_no_withdrawal(
    tmp_path: Path, gallery: Gallery, artworks: pl.DataFrame
):
    finish(tmp_path, gallery.url, artworks)
    kept = artworks.head(IMAGES - 10)
    kept.write_parquet(tmp_path / "works.parquet")
    gallery.requested.clear()
    with harvesting(tmp_path, gallery.url, days=0) as process:
        with gallery.counted:
            came = gallery.counted.wait_for(lambda: gallery.requested.total() >= KILLED_AFTER, timeout=60)
        os.kill(process.pid, signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    assert came
    store = ImageStore(DataLake(tmp_path / "lake"))
    assert_whole(store, artworks, ("fetched", "unchanged", "withdrawn"))
    statuses = dict(store.outcomes().select("artwork_id", "status").iter_rows())
    assert sum(status == "withdrawn" for status in statuses.values()) == 10
    assert sum(status == "unchanged" for status in statuses.values()) % BATCH == 0
    with GalleryClient(ClientConfig(gallery.url, concurrency=4)) as client:
        summary = harvest(kept, store, client, HarvestConfig(revalidate_after_days=0), datetime.now(UTC))
    assert (summary.not_modified, summary.bodies, summary.withdrawn) == (IMAGES - 10, 0, 0)
    assert_whole(store, artworks, ("unchanged", "withdrawn"))


@pytest.mark.parametrize("killed_in", ["compact_when_fragmented", "drop_old_versions"])
def test_a_harvest_killed_before_compaction_loses_nothing(
    tmp_path: Path,
    gallery: Gallery,
    artworks: pl.DataFrame,
    monkeypatch: pytest.MonkeyPatch,
    killed_in: str,
):
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(f"artpipe.lake.versions.{killed_in}", killed)
        with pytest.raises(KeyboardInterrupt):
            finish(tmp_path, gallery.url, artworks)
    gallery.requested.clear()
    store = finish(tmp_path, gallery.url, artworks)
    assert gallery.requested == {}
    assert_whole(store, artworks)


@pytest.mark.skipif(sys.platform == "win32", reason="no limits on file sizes")
def test_a_full_disk_ends_the_harvest_with_the_next_step(tmp_path: Path, gallery: Gallery, artworks: pl.DataFrame):
    stored = artworks.head(IMAGES // 3)
    finish(tmp_path, gallery.url, stored)
    with harvesting(tmp_path, gallery.url, largest_file=2 * len(picture(0))) as process:
        assert process.stderr
        stderr = process.stderr.read()
    assert process.returncode == 1
    assert stderr.startswith("StoreWriteError: the images could not be written to")
    assert str(tmp_path / "lake") in stderr
    assert "free some space" in stderr
    assert_whole(ImageStore(DataLake(tmp_path / "lake")), stored)
    assert_whole(finish(tmp_path, gallery.url, artworks), artworks)
