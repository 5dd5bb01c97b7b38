"""Simulated photographs are reproducible and distort what they should."""

import numpy as np
import pytest
from PIL import Image

from artpipe.recognition.rephotograph import CROP_SHARE, KINDS, rephotograph


@pytest.fixture
def painting() -> Image.Image:
    rng = np.random.default_rng(0)
    small = Image.fromarray(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8))
    return small.resize((160, 120), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_gives_the_same_photograph_and_another_seed_another(painting: Image.Image, kind: str):
    first, again, other = (rephotograph(painting, kind, seed) for seed in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert first.mode == "RGB"
    if kind != "jpeg 30":  # the compression has nothing random
        assert first.tobytes() != other.tobytes()


@pytest.mark.parametrize("kind", ["colour cast", "glare", "blur", "jpeg 30"])
def test_photometric_distortions_move_no_keypoint(painting: Image.Image, kind: str):
    photograph = rephotograph(painting, kind, 3)
    assert photograph.size == painting.size
    a, b = (np.asarray(image.convert("L"), dtype=float).ravel() for image in (painting, photograph))
    assert 0.5 < np.corrcoef(a, b)[0, 1] < 1


def test_a_detail_shows_three_tenths_of_the_area_enlarged():
    y, x = np.mgrid[0:200, 0:200]
    ramps = Image.fromarray(np.stack([x, y, 0 * x], axis=2).astype(np.uint8))
    pixels = np.asarray(rephotograph(ramps, "detail", 5), dtype=float)
    seen = np.ptp(pixels[..., 0]) * np.ptp(pixels[..., 1]) / 200**2
    assert seen == pytest.approx(CROP_SHARE, abs=0.04)
    assert pixels.shape[0] * pixels.shape[1] == pytest.approx(200 * 200, rel=0.05)


def test_a_frame_and_a_wall_surround_the_whole_picture(painting: Image.Image):
    photograph = rephotograph(painting, "frame", 1)
    left, top = ((photograph.width - 160) // 2, (photograph.height - 120) // 2)
    inside = photograph.crop((left, top, left + 160, top + 120))
    assert left > 10
    assert np.abs(np.asarray(inside, dtype=float) - np.asarray(painting, dtype=float)).max() <= 1


def test_an_unknown_distortion_is_an_error_that_names_all_kinds(painting: Image.Image):
    with pytest.raises(ValueError, match="no distortion 'rain'; choose one of: perspective"):
        rephotograph(painting, "rain", 0)
