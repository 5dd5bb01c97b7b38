import numpy as np
import pytest
import torch

from artpipe.models.card import TransformSpec
from artpipe.models.transforms import Augmentation, Draws, Normalise, crop_and_flip, mirrored

SPEC = TransformSpec(8, (0.5, 0.25, 0.0), (0.5, 0.25, 1.0))
STILL = Augmentation(area_from=1.0, aspect_to=1.0, flip_share=0.0, contrast=0.0, brightness=0.0)


def squares(count: int = 3) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (count, 8, 8, 3), dtype=np.uint8))


def normalised(pixels: torch.Tensor) -> torch.Tensor:
    return Normalise(SPEC, torch.device("cpu"))(pixels)


def test_without_augmentation_training_pixels_are_the_originals():
    given = squares()
    draws = STILL.draw(np.random.default_rng(0), len(given), SPEC.size)
    lit = Normalise(SPEC, torch.device("cpu"))(
        crop_and_flip(given, draws), torch.from_numpy(draws.gains), torch.from_numpy(draws.offsets)
    )
    assert torch.equal(lit, normalised(given))


def test_normalisation_is_that_of_the_backbone():
    white = torch.full((1, 8, 8, 3), 255, dtype=torch.uint8)
    assert normalised(white)[0, :, 0, 0].tolist() == pytest.approx([1, 3, 1], abs=1e-5)


def test_the_result_has_channels_last_without_a_copy():
    out = normalised(squares())
    assert out.shape == (3, 3, 8, 8)
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_contrast_is_a_factor_and_brightness_an_offset():
    given = squares(2)
    plain = normalised(given).clone()
    lit = Normalise(SPEC, torch.device("cpu"))(given, torch.tensor([2.0, 1.0]), torch.tensor([0.0, 0.5]))
    assert torch.allclose(lit[0], plain[0] * 2, atol=1e-5)
    assert torch.allclose(lit[1], plain[1] + 0.5, atol=1e-5)


def test_mirroring_reverses_the_columns():
    given = squares(2)
    draws = Draws(
        boxes=np.array([[0, 0, 8, 8]] * 2),
        is_flipped=np.array([True, False]),
        gains=np.ones(2, np.float32),
        offsets=np.zeros(2, np.float32),
    )
    cut = crop_and_flip(given, draws)
    assert torch.equal(cut[0], given[0].flip(1))
    assert torch.equal(cut[1], given[1])
    assert torch.equal(mirrored(given), given.flip(2))
    assert all(torch.equal(one, square.flip(1)) for one, square in zip(mirrored(list(given)), given, strict=True))


def test_a_crop_shows_only_its_box():
    given = torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    given[0, 2:6, 4:8] = 200
    draws = Draws(
        np.array([[2, 4, 4, 4]]), np.array([False]), np.ones(1, dtype=np.float32), np.zeros(1, dtype=np.float32)
    )
    assert bool((crop_and_flip(given, draws) == 200).all())


def test_drawn_boxes_stay_inside_and_keep_their_area():
    draws = Augmentation(area_from=0.5).draw(np.random.default_rng(1), 500, 64)
    top, left, height, width = draws.boxes.T
    assert (top >= 0).all()
    assert (left >= 0).all()
    assert (top + height <= 64).all()
    assert (left + width <= 64).all()
    assert (height * width >= 0.40 * 64 * 64).all()
    assert 0.4 < draws.is_flipped.mean() < 0.6
