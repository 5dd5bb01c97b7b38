"""A gallery that fails three times in ten still gives an outcome for everything, and nearly all of the images."""

import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from artpipe.crawler.client import ClientConfig, GalleryClient, Outcome, Request

IMAGES = 60


class Haste:
    """Time that passes at once where somebody means to wait; the second that Retry-After asks for is skipped."""

    def __init__(self) -> None:
        self.skipped_s = 0.0
        self.lock = threading.Lock()

    def clock(self) -> float:
        return time.monotonic() + self.skipped_s

    def sleep(self, seconds: float) -> None:
        with self.lock:
            self.skipped_s += seconds


@pytest.fixture
def unwell_gallery(shared_gallery: Path) -> Iterator[str]:
    command = [sys.executable, str(shared_gallery / "serve.py"), "--port", "0", "--fault-rate", "0.3", "--seed", "7"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        yield server.stdout.readline().strip()
        server.kill()


@pytest.mark.shared
def test_every_image_has_an_outcome_and_most_are_stored(shared_gallery: Path, unwell_gallery: str):
    site = shared_gallery / "site"
    paths = sorted(file.relative_to(site).as_posix() for file in site.glob("art/a/**/*.jpg"))[:IMAGES]
    config = ClientConfig(unwell_gallery, concurrency=8, read_timeout_s=0.3)
    haste = Haste()
    with GalleryClient(config, haste.clock, haste.sleep) as client:
        got = list(client.get_many(Request(f"https://www.wga.hu/{path}", key=path) for path in paths))
        counts = client.counts
    assert sorted(str(request.key) for request, _ in got) == paths
    outcomes = Counter(response.outcome for _, response in got)
    assert outcomes[Outcome.OK] >= 0.95 * len(paths)
    assert set(outcomes) <= {Outcome.OK, Outcome.FAILED}
    assert all(response.error for _, response in got if response.outcome is Outcome.FAILED)
    assert counts.retries > 0
    for request, response in got:
        if response.outcome is Outcome.OK and not response.body.startswith(b"<html>"):
            assert response.body == (site / str(request.key)).read_bytes()
