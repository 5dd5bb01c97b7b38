"""The gallery resource."""

import pytest
from filelock import FileLock, Timeout

from artpipe.lake.paths import DataLake
from artpipe.settings import Settings
from artpipe.sources.resources import GalleryResource


def test_two_processes_never_scrape_at_once(tmp_path):
    lake = DataLake(tmp_path)
    gallery = GalleryResource.of(Settings(gallery="http://127.0.0.1:9"))
    with gallery.client(lake), pytest.raises(Timeout), FileLock(tmp_path / "locks" / "gallery.lock", timeout=0):
        pass
    with FileLock(tmp_path / "locks" / "gallery.lock", timeout=0):
        pass
