"""What a training picture looks like as a photograph."""

import numpy as np

from artpipe.training.photographed import photographed

PICTURE = np.zeros((64, 64, 3), np.uint8)
PICTURE[8:56, 8:56] = (40, 160, 220)


def photographs(count: int) -> np.ndarray:
    return np.stack([photographed(PICTURE, np.random.default_rng(seed)) for seed in range(count)])


def test_the_same_seed_gives_the_same_photograph_and_another_one_another():
    first, again = photographs(8), photographs(8)
    assert np.array_equal(first, again)
    assert len({each.tobytes() for each in first}) > 5
    assert first.dtype == np.uint8
    assert first.shape == (8, *PICTURE.shape)


def test_some_are_surrounded_some_grey_and_some_dark():
    seen = photographs(200).astype(float)
    border = np.concatenate([seen[:, :2].reshape(200, -1), seen[:, -2:].reshape(200, -1)], axis=1)
    assert 0.4 < np.mean(border.mean(axis=1) > 20) < 0.8
    middle = seen[:, 28:36, 28:36].mean(axis=(1, 2))
    assert 0.08 < np.mean(np.ptp(middle, axis=1) < 1) < 0.25
    assert 0.1 < np.mean((np.ptp(middle, axis=1) >= 1) & (middle[:, 2] < 180)) < 0.5


def test_the_picture_stays_in_the_middle():
    colourful = np.ptp(photographs(200)[:, 28:36, 28:36].mean(axis=(1, 2)), axis=1) > 20
    assert colourful.mean() > 0.7
