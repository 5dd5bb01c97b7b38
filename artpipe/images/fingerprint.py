"""A perceptual hash: 64 bits that hardly change when a picture is resized, recompressed or tinted.

Splits group the images whose hashes are close, so that two photographs of one painting share a split.
"""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

SAMPLED_PX = 32
LOW_FREQUENCIES = 8
# A DCT hash has about 32 bits set; one far from that comes from a flat or nearly flat picture and identifies nothing.
BALANCED_BITS = (12, 52)


def perceptual_hash(image: "Image") -> str:
    """The signs of the 64 lowest frequencies of a picture, above or below their median.

    Args:
        image: any mode; only its grey values matter.

    Returns:
        16 hexadecimal digits.

    Source: Zauner, Implementation and Benchmarking of Perceptual Image Hash Functions (2010), the DCT hash.
    """
    from PIL.Image import Resampling

    small = image.convert("L").resize((SAMPLED_PX, SAMPLED_PX), Resampling.BILINEAR, reducing_gap=2.0)
    basis = _cosines()
    low = (basis @ np.asarray(small, dtype=np.float32) @ basis.T).ravel()
    # The first coefficient is the mean brightness: it would only shift the median.
    bits = low > np.median(low[1:])
    return np.packbits(bits).tobytes().hex()


@cache
def _cosines() -> "NDArray[np.float32]":
    """The first rows of the DCT-II matrix, (LOW_FREQUENCIES, SAMPLED_PX)."""
    k, n = np.arange(LOW_FREQUENCIES)[:, None], np.arange(SAMPLED_PX)[None, :]
    return np.cos(np.pi * k * (2 * n + 1) / (2 * SAMPLED_PX)).astype(np.float32)
