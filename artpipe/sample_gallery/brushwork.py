"""How paint lies on a composition: strokes that follow the forms, bristles, ink lines, soft transitions, light."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artpipe.sample_gallery.canvas import FINER
from artpipe.sample_gallery.palettes import Manner

if TYPE_CHECKING:
    from PIL.Image import Image

Floats = NDArray[np.floating[Any]]
"""Pixels (height, width, 3) from 0 to 255, or a field (height, width)."""
_COARSER = 4
"""Flow and detail are found on a picture this many times smaller."""
_RED, _GREEN, _BLUE = np.float32(0.299), np.float32(0.587), np.float32(0.114)


def paint(composed: "Image", manner: Manner, focus: tuple[float, float], chance: np.random.Generator) -> Floats:
    """Paint a composition in a manner.

    Args:
        composed: the shapes, `FINER` times as large as the picture.
        manner: whose brush it is.
        focus: where light falls, in short sides of the picture.
        chance: where the brush trembles.

    Returns:
        float32 (height, width, 3), 0 to 255.
    """
    from PIL import ImageFilter

    small = composed.reduce(FINER * _COARSER)
    angle, detail = _flow(small, manner, chance)
    if manner.strokes:
        _stroke(composed, angle, detail, manner, chance)
    image = composed.reduce(FINER)
    if manner.blur:
        image = image.filter(ImageFilter.GaussianBlur(manner.blur))
    pixels = np.asarray(image, np.float32)
    if manner.sway:
        pixels = _swayed(pixels, manner.sway, chance)
    if manner.levels:
        step = 255 / manner.levels
        pixels = np.round(pixels / step) * step
    if manner.outline:
        pixels = _inked(pixels, manner)
    if manner.spotlight:
        pixels = _spotlit(pixels, manner, focus)
    if manner.bloom:
        pixels = _bloomed(pixels, manner.bloom)
    return _relieved(pixels, angle, manner, chance)


def grey(pixels: Floats) -> Floats:
    """How bright each pixel looks."""
    # Summed by hand: a matrix product may add in another order on another machine.
    return pixels[..., 0] * _RED + pixels[..., 1] * _GREEN + pixels[..., 2] * _BLUE


def stretched(field: Floats, shape: tuple[int, ...]) -> Floats:
    """A small field drawn out smoothly to (height, width)."""
    from PIL import Image

    return np.asarray(Image.fromarray(field).resize((shape[1], shape[0]), Image.Resampling.BICUBIC))


def blurred(field: Floats, radius: int) -> Floats:
    """A field (height, width) with a box of `2 * radius + 1` moved over it, twice."""
    for axis in (0, 1, 0, 1):
        pads = [(0, 0), (0, 0)]
        pads[axis] = (radius + 1, radius)
        sums = np.cumsum(np.pad(field, pads, mode="edge"), axis=axis, dtype=np.float32)
        width = 2 * radius + 1
        ahead, behind = [slice(None)] * 2, [slice(None)] * 2
        ahead[axis], behind[axis] = slice(width, None), slice(None, -width)
        field = (sums[tuple(ahead)] - sums[tuple(behind)]) / width
    return field


def _flow(small: "Image", manner: Manner, chance: np.random.Generator) -> tuple[Floats, Floats]:
    """The direction of the brush, radians, and how much there is to see, 0 to 1, on the small picture."""
    value = grey(np.asarray(small, np.float32)) / 255
    dy, dx = (np.asarray(part, np.float32) for part in np.gradient(value))
    along, across = blurred(dx * dx - dy * dy, 2), blurred(2 * dx * dy, 2)
    strength = np.hypot(along, across)
    detail = np.clip(strength / (np.percentile(strength, 92) + 1e-6), 0, 1).astype(np.float32)
    # Doubled angles, because a stroke has no head and no tail; forms are followed at right angles to their gradient.
    x, y = (-along / (strength + 1e-6) * np.sqrt(detail), -across / (strength + 1e-6) * np.sqrt(detail))
    height, width = value.shape
    if manner.flow == "swirl":
        coarse = chance.normal(0, 1, (5, 5)).astype(np.float32)
        own = stretched(coarse, (height, width)) * 2.2
    elif manner.flow == "slant":
        own = np.full((height, width), chance.choice((-0.8, 0.8)) + chance.normal(0, 0.15), np.float32)
    else:
        own = stretched(chance.normal(0, 0.35, (4, 4)).astype(np.float32), (height, width))
    x, y = x + manner.free * np.cos(2 * own), y + manner.free * np.sin(2 * own)
    return (0.5 * np.arctan2(y, x)).astype(np.float32), detail


def _stroke(
    image: "Image", angle: Floats, detail: Floats, manner: Manner,
    chance: np.random.Generator,
) -> None:  # fmt: skip
    """Lay strokes over the composition, broad ones first; where there is much to see they get fine."""
    from PIL import ImageDraw

    pen = ImageDraw.Draw(image)
    area = image.width * image.height / (300 * FINER) ** 2
    source = np.asarray(image)
    # A tremble of the hue is broken colour; a tremble of the value alone is paint.
    hue = manner.stroke_tint
    for share, larger in ((0.35, 1.7), (0.65, 1.0)):
        count = round(manner.strokes * share * area)
        x, y = chance.random(count) * image.width, chance.random(count) * image.height
        row = np.minimum((y / (FINER * _COARSER)).astype(int), angle.shape[0] - 1)
        column = np.minimum((x / (FINER * _COARSER)).astype(int), angle.shape[1] - 1)
        fine = 1 - 0.6 * detail[row, column]
        length = manner.stroke_px[0] * FINER * larger * fine * chance.uniform(0.6, 1.4, count)
        width = np.maximum(1, manner.stroke_px[1] * FINER * larger * fine * chance.uniform(0.7, 1.3, count))
        colour = source[y.astype(int), x.astype(int)].astype(np.float32)
        colour += chance.normal(0, hue, (count, 1)) + chance.normal(0, hue * 0.55, (count, 3))
        colours = np.clip(colour, 0, 255).astype(int).tolist()
        theta = angle[row, column] + chance.normal(0, 0.16, count)
        bend = chance.normal(0, 0.25, count)
        ends = []
        for side, turn in ((-1, bend), (0, bend), (1, -bend)):
            ends.append(x + side * np.cos(theta + turn) * length / 2)
            ends.append(y + side * np.sin(theta + turn) * length / 2)
        places = np.stack(ends, axis=1).tolist()
        for place, fill, thickness in zip(places, colours, np.round(width).astype(int).tolist(), strict=True):
            pen.line(place, (fill[0], fill[1], fill[2]), thickness)


def _swayed(pixels: Floats, amount: float, chance: np.random.Generator) -> Floats:
    """Bend every upright into an S."""
    height, width = pixels.shape[:2]
    phase = chance.uniform(0, 6.28)
    shift = amount * np.sin(np.arange(height) * (6.28 * chance.uniform(0.9, 1.5) / height) + phase)
    columns = np.clip(np.arange(width)[None, :] + np.round(shift).astype(int)[:, None], 0, width - 1)
    return pixels[np.arange(height)[:, None], columns]


def _inked(pixels: Floats, manner: Manner) -> Floats:
    """Draw the edges of shapes in ink."""
    value = blurred(grey(pixels), 1)
    edges = np.zeros_like(value)
    edges[1:-1, 1:-1] = np.hypot(value[2:, 1:-1] - value[:-2, 1:-1], value[1:-1, 2:] - value[1:-1, :-2])
    ink = np.clip((edges - 7) / 26, 0, 1)[..., None] * (manner.outline * 0.9)
    return pixels * (1 - ink) + np.array(manner.ink, np.float32) * ink


def _spotlit(pixels: Floats, manner: Manner, focus: tuple[float, float]) -> Floats:
    """Let everything away from the light sink into the shade."""
    height, width = pixels.shape[:2]
    side = min(height, width)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32) / side
    away = np.hypot(x - focus[0], (y - focus[1]) * 0.85)
    dark = (manner.spotlight * np.clip((away - 0.18) / 0.62, 0, 1) ** 1.3)[..., None]
    return pixels * (1 - dark) + np.array(manner.shade, np.float32) * dark


def _bloomed(pixels: Floats, amount: float) -> Floats:
    """Let light spread over what is next to it, as if through thin glazes."""
    from PIL import Image, ImageFilter

    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    small = image.reduce(3).filter(ImageFilter.GaussianBlur(5)).resize(image.size, Image.Resampling.BILINEAR)
    light = np.asarray(small, np.float32)
    screened = 255 - (255 - pixels) * (255 - light) / 255
    return pixels + amount * (screened - pixels) * 0.55


def _relieved(pixels: Floats, angle: Floats, manner: Manner, chance: np.random.Generator) -> Floats:
    """Light from the upper left on the ridges that bristles left, along the flow."""
    height, width = pixels.shape[:2]
    rows, columns = height // 2 + 1, width // 2 + 1
    theta = stretched(angle, (rows, columns))
    noise = chance.normal(0, 1, (rows, columns)).astype(np.float32)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    dx, dy = np.cos(theta), np.sin(theta)
    ridges = noise.copy()
    for step in (-3.6, -2.4, -1.2, 1.2, 2.4, 3.6):
        at_x = np.clip(x + step * dx, 0, columns - 1).astype(np.intp)
        at_y = np.clip(y + step * dy, 0, rows - 1).astype(np.intp)
        ridges += noise[at_y, at_x]
    full = stretched(ridges, (height, width))
    lit = np.zeros((height, width), np.float32)
    lit[1:, 1:] = full[1:, 1:] - full[:-1, :-1]
    value = grey(pixels)
    edge = np.zeros_like(value)
    edge[1:, 1:] = value[1:, 1:] - value[:-1, :-1]
    thick = manner.relief / 4
    return pixels + (lit * manner.relief * 0.55 + np.clip(edge, -40, 40) * 0.22 * min(1.4, thick))[..., None]
