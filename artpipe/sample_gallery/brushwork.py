"""How paint lies on a composition: soft transitions, strokes that follow the forms, ink lines, light, relief."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artpipe.sample_gallery.canvas import FINER, Canvas
from artpipe.sample_gallery.palettes import Manner, lighter, mixed

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = NDArray[np.floating[Any]]
"""Pixels (height, width, 3) from 0 to 255, or a field (height, width)."""
_COARSER = 4
"""The direction of strokes is found on a picture this many times smaller."""


def paint(c: Canvas, chance: np.random.Generator) -> Floats:
    """Paint a composition in the manner of its canvas.

    Args:
        c: the shapes, `FINER` times as large as the picture.
        chance: where the brush trembles.

    Returns:
        float32 (height, width, 3), 0 to 255.
    """
    from PIL import ImageFilter

    manner = c.manner
    if manner.strokes:
        _stroke(c.image, manner, chance)
    image = c.image.reduce(FINER)
    if manner.blur:
        image = image.filter(ImageFilter.GaussianBlur(manner.blur))
    pixels = np.asarray(image, np.float32)
    if manner.outline:
        grey = image.convert("L").filter(ImageFilter.BoxBlur(1))
        pixels = blend(pixels, manner.ink, np.clip((2 * _edges(grey) - 7) / 26, 0, 1) * (manner.outline * 0.9))
    if manner.spotlight:
        height, width = pixels.shape[:2]
        y, x = np.mgrid[0:height, 0:width].astype(np.float32) / min(height, width)
        away = np.hypot(x - c.focus[0], (y - c.focus[1]) * 0.85)
        pixels = blend(pixels, manner.shade, manner.spotlight * np.clip((away - 0.18) / 0.62, 0, 1) ** 1.3)
    # Light from the upper left on the ridges that the brush left.
    ridges = np.asarray(image.convert("L").filter(ImageFilter.EMBOSS), np.float32) - 128
    bristles = noise(chance, image.size[::-1], (1, 5) if manner.strokes else (1, 1))
    return pixels + (np.clip(ridges, -40, 40) * 0.07 * min(manner.relief, 5) + bristles * manner.relief)[..., None]


def sketch(c: Canvas, chance: np.random.Generator) -> Floats:
    """Turn a composition on white into ink lines and hatching on toned paper; float32 (height, width, 3)."""
    from PIL import ImageFilter

    m, image = c.manner, c.image.reduce(FINER).convert("L")
    paper = lighter(mixed(c.rng.choice(m.ground), m.flesh[0], c.rng.uniform(0.1, 0.6)), 0.35)
    ink = c.rng.choice((mixed((122, 52, 34), m.ink, 0.25), m.ink))
    dark = np.clip(0.9 - np.asarray(image, np.float32) / 255, 0, 1)
    lines = _edges(image.filter(ImageFilter.GaussianBlur(0.7))) / 14 - 0.2
    y, x = np.mgrid[0 : image.height, 0 : image.width] + 2 * noise(chance, image.size[::-1], (20, 20))
    hatching = dark * ((x + 0.7 * y) % 5 < 1.3) + (dark - 0.5) * ((0.7 * y - x) % 6 < 1.3)
    blank = np.full((image.height, image.width, 3), paper, np.float32)
    return blend(blank, ink, np.clip(np.maximum(lines, hatching), 0, 0.85).astype(np.float32))


def blend(pixels: Floats, colour: tuple[int, int, int], share: Floats) -> Floats:
    """Cover each pixel with a colour by its share, (height, width), 0 to 1."""
    return pixels + (np.array(colour, np.float32) - pixels) * share[..., None]


def _edges(image: "Image") -> Floats:
    """How much the brightness changes from pixel to pixel."""
    down, across = np.gradient(np.asarray(image, np.float32))
    return np.hypot(down, across)


def noise(chance: np.random.Generator, shape: Sequence[int], grain: tuple[float, float]) -> Floats:
    """Noise for a picture of this shape, (height, width), with mean 0, smooth within a grain of so many pixels."""
    from PIL import Image

    height, width = (max(2, round(side / size)) for side, size in zip(shape[:2], grain, strict=True))
    coarse = Image.fromarray(chance.normal(0, 1, (height, width)).astype(np.float32))
    return np.asarray(coarse.resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def _directions(image: "Image", manner: Manner, chance: np.random.Generator) -> tuple[Floats, Floats]:
    """The direction of strokes, radians, and how much there is to see, 0 to 1, on a smaller picture."""
    from PIL import ImageFilter

    small = image.reduce(FINER * _COARSER).convert("L").filter(ImageFilter.GaussianBlur(1.5))
    down, across = np.gradient(np.asarray(small, np.float32))
    strength = np.hypot(down, across)
    detail = np.clip(strength / (np.percentile(strength, 92) + 1e-6), 0, 1)
    own = noise(chance, detail.shape, (15, 15)) * 2 if manner.swirl else np.full(detail.shape, chance.normal(0.7, 0.3))
    # Forms are followed at right angles to their gradient; elsewhere the brush goes its own way.
    return np.where(detail > 0.25, np.arctan2(across, -down), own), detail


def _stroke(image: "Image", manner: Manner, chance: np.random.Generator) -> None:
    """Lay strokes over the composition, broad ones first; where there is much to see they get fine."""
    from PIL import ImageDraw

    angle, detail = _directions(image, manner, chance)
    pen, source = ImageDraw.Draw(image), np.asarray(image)
    area = image.width * image.height / (300 * FINER) ** 2
    for share, larger in ((0.35, 1.7), (0.65, 1.0)):
        count = round(manner.strokes * share * area)
        place = chance.random((count, 2)) * image.size
        column, row = np.minimum((place / (FINER * _COARSER)).astype(int), np.array(angle.shape[::-1]) - 1).T
        scale = FINER * larger * (1 - 0.6 * detail[row, column]) * chance.uniform(0.6, 1.4, count)
        width = np.maximum(1, manner.stroke_px[1] * scale).round().astype(int).tolist()
        # A tremble of the hue is broken colour; a tremble of the value alone is paint.
        colour = source[place[:, 1].astype(int), place[:, 0].astype(int)].astype(np.float32)
        colour += chance.normal(0, manner.stroke_tint, (count, 1))
        colour += chance.normal(0, manner.stroke_tint * 0.55, (count, 3))
        fills = [(red, green, blue) for red, green, blue in np.clip(colour, 0, 255).astype(int).tolist()]
        theta = angle[row, column] + chance.normal(0, 0.16, count)
        reach = np.stack([np.cos(theta), np.sin(theta)], axis=1) * (manner.stroke_px[0] * scale / 2)[:, None]
        ends = np.concatenate([place - reach, place + reach], axis=1).tolist()
        for line, fill, thickness in zip(ends, fills, width, strict=True):
            pen.line(line, fill, thickness)
