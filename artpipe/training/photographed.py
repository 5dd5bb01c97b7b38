"""A training picture as a visitor would photograph it: with some frame and wall, from aside, in poor light, or grey.

Heads that learn from such views too hold up better on photographs; see docs/benchmarks/ablations.md. They are drawn on
the square that the network sees.
"""

import numpy as np
from numpy.typing import NDArray

Square = NDArray[np.uint8]
Colours = NDArray[np.float32]

_SURROUNDED_SHARE, _FRAMED_SHARE, _GREY_SHARE, _POORLY_LIT_SHARE = 0.6, 0.5, 0.15, 0.35
_REACHES = (0.06, 0.25)
"""How far frame and wall reach in at most, as a share of the side: what is left after cropping, or nothing cropped."""
_JITTER = 0.02
"""How far corners lie from where they would be in a photograph from the front."""


def photographed(square: Square, rng: np.random.Generator) -> Square:
    """Photograph a picture in a random way.

    Args:
        square: uint8 (S, S, 3), RGB.
        rng: decides all that is random.
    """
    seen = np.asarray(square[:, ::-1] if rng.random() < 0.5 else square, dtype=np.float32)
    if rng.random() < _SURROUNDED_SHARE:
        seen = _surrounded(seen, rng)
    change = rng.random()
    if change < _GREY_SHARE:
        seen = np.repeat(seen @ np.array([[0.299], [0.587], [0.114]], dtype=np.float32), 3, axis=2)
    elif change < _GREY_SHARE + _POORLY_LIT_SHARE:
        light = rng.uniform(0.35, 1) * np.array([1, rng.uniform(0.8, 1), rng.uniform(0.55, 1)])
        seen = 255 * light * (np.clip(seen, 0, 255) / 255) ** rng.uniform(0.8, 1.4)
        seen = seen + rng.normal(0, rng.uniform(0, 5), seen.shape)
    return np.clip(seen, 0, 255).astype(np.uint8)


def _surrounded(picture: Colours, rng: np.random.Generator) -> Colours:
    """The picture smaller and a little askew, in front of a wall, often in a frame."""
    import cv2

    size = len(picture)
    margins = rng.uniform(0, rng.choice(_REACHES), 4) * size
    scene = _wall(size, rng)
    if rng.random() < _FRAMED_SHARE:
        left, top, right, bottom = (margins * rng.uniform(0, 1)).round().astype(int)
        shade = 1 + 0.15 * np.sin(np.linspace(0, rng.uniform(2, 20), size))
        frame = rng.uniform(20, 245) * rng.uniform(0.5, 1, 3) * shade[:, None, None] + rng.normal(0, 3, (size, size, 1))
        scene[top : size - bottom, left : size - right] = frame[top : size - bottom, left : size - right]
    left, top, right, bottom = margins
    corners = np.array([[left, top], [size - right, top], [size - right, size - bottom], [left, size - bottom]])
    corners = (corners + rng.uniform(-_JITTER, _JITTER, (4, 2)) * size).astype(np.float32)
    whole = np.array([[0, 0], [size, 0], [size, size], [0, size]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(whole, corners)
    seen = cv2.warpPerspective(picture, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpPerspective(np.ones((size, size), np.float32), matrix, (size, size))[..., None]
    return np.asarray(scene + mask * (seen - scene), dtype=np.float32)


def _wall(size: int, rng: np.random.Generator) -> Colours:
    """An evenly coloured wall with a gradient of light and grain."""
    y, x = np.mgrid[0:size, 0:size].astype(np.float32) / size - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0, 0.3) * (np.cos(angle) * x + np.sin(angle) * y)
    colour = rng.uniform(60, 250) * rng.uniform(0.75, 1, 3)
    return (colour * light[..., None] + rng.normal(0, rng.uniform(0, 6), (size, size, 1))).astype(np.float32)
