"""Perceptual hashes: close for one picture, distant for two."""

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from artpipe.images.fingerprint import perceptual_hash


def picture(seed: int) -> Image.Image:
    coarse = np.random.default_rng(seed).integers(0, 255, (6, 5, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((250, 300), Image.Resampling.BICUBIC)


def bits(left: Image.Image, right: Image.Image) -> int:
    """The Hamming distance of their hashes."""
    return (int(perceptual_hash(left), 16) ^ int(perceptual_hash(right), 16)).bit_count()


def jpeg_30(image: Image.Image) -> Image.Image:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=30)
    return Image.open(io.BytesIO(out.getvalue()))


@pytest.mark.parametrize(
    "changed",
    [
        lambda image: image.resize((120, 150)),
        jpeg_30,
        lambda image: ImageEnhance.Color(image).enhance(0.6),
        lambda image: ImageEnhance.Brightness(image).enhance(0.9),
        lambda image: image.convert("L"),
    ],
    ids=["smaller", "JPEG 30", "paler", "darker", "grey"],
)
def test_another_photograph_of_a_picture_has_nearly_its_hash(changed):
    assert max(bits(picture(seed), changed(picture(seed))) for seed in range(5)) <= 4


def test_two_pictures_are_far_apart():
    apart = [bits(picture(a), picture(b)) for a in range(6) for b in range(a)]
    assert min(apart) > 10


def test_a_hash_has_sixteen_digits_and_is_pinned():
    assert perceptual_hash(picture(0)) == "a7f2b2e9920d48f2"
