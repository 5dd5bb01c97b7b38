"""One small gallery, written once."""

from pathlib import Path

import pytest

from artpipe.gallery.sample.plan import SampleGallery, plan_gallery
from artpipe.gallery.sample.site import write_sample_site


@pytest.fixture(scope="session")
def small() -> SampleGallery:
    return plan_gallery(seed=0, artworks=60)


@pytest.fixture(scope="session")
def small_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_sample_site(tmp_path_factory.mktemp("gallery") / "site", seed=0, artworks=60)
