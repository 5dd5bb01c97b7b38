"""What the years do to a painting, and what its time adds to it: arched frames, cracks, varnish, weave, a signature."""

import math
import random
from typing import TYPE_CHECKING

import numpy as np

from artpipe.sample_gallery.brushwork import Floats, noise
from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import Colour, darker, lighter

if TYPE_CHECKING:
    from numpy.typing import NDArray

PANEL_UNTIL = 1530
"""Before this year painters mostly used wood; afterwards canvas, whose weave shows."""
SIGNED_FROM = 1790
NEW = 1950
"""Varnish and cracks have not come yet to what is younger."""


def aged(pixels: Floats, year: int, rng: random.Random, chance: np.random.Generator) -> "NDArray[np.uint8]":
    """Yellowed varnish, the grain of the support, and cracks.

    Args:
        pixels: float32 (height, width, 3).
        year: when the work was made.
        rng: chance of the composition.
        chance: chance of the brush.

    Returns:
        uint8 (height, width, 3).
    """
    size = pixels.shape[:2]
    age = min(1.1, max(0.0, (NEW - year) / 620)) * rng.uniform(0.75, 1.15)
    # Varnish ages in patches.
    yellow = (age * (1 + 0.35 * noise(chance, size, (60, 60))))[..., None]
    pixels = pixels * (1 - yellow * np.array([0.03, 0.10, 0.30], np.float32)) + yellow * np.array([9, 5, 0], np.float32)
    grain = noise(chance, size, (1, 1)) * 1.5
    if year >= PANEL_UNTIL:
        thread = np.float32(rng.uniform(1.9, 2.4))
        rows, columns = (np.sin(thread * np.arange(side, dtype=np.float32)) for side in size)
        grain = grain + 3.6 * np.outer(rows, columns)
    pixels = pixels + grain[..., None]
    cracked = min(1.0, max(0.0, (1800 - year) / 320)) * rng.uniform(0.5, 1.0)
    if cracked > 0.05:
        # Cracks run where smooth noise changes its sign: in long nets on wood, in round ones on canvas.
        cell = (24, 8) if year < PANEL_UNTIL else (11, 11)
        net = np.minimum(abs(noise(chance, size, cell)), abs(noise(chance, size, cell)))
        pixels = pixels * (1 - 0.25 * cracked * np.clip(1 - net / 0.08, 0, 1))[..., None]
    return np.clip(pixels, 0, 255).astype(np.uint8)


def frame_of_its_time(c: Canvas, year: int) -> None:
    """What painters of a time did to the edges: gold arches early, ovals in the age of powder, a signature late."""
    rng, m = c.rng, c.manner
    if year < 1440 and rng.random() < 0.65:
        _mount(c, darker(m.gold, 0.12), top=0.03, bottom=c.high + 0.4, sharpness=1.6 if year < 1350 else 1.0)
    elif 1690 <= year < 1800 and rng.random() < 0.28:
        _mount(c, lighter(m.ground[0], 0.4), top=0.02, bottom=c.high - 0.02, sharpness=1.0)
    elif year >= SIGNED_FROM and rng.random() < 0.8:
        x, y = c.wide - rng.uniform(0.24, 0.32), c.high - 0.05
        ink = rng.choice(((168, 40, 30), m.ink, lighter(m.ground[0], 0.6)))
        c.curve([(x + 0.026 * i, y + c.jitter(0.016)) for i in range(9)], ink, 0.008)


def _mount(c: Canvas, colour: Colour, *, top: float, bottom: float, sharpness: float) -> None:
    """Cover all but an ellipse, which is pointed above at a sharpness of more than 1."""
    angles = [math.tau * i / 60 for i in range(61)]
    middle, half, tall = c.wide / 2, c.wide / 2 - 0.04, (bottom - top) / 2
    rim = [
        (middle + half * math.copysign(abs(math.cos(a)) ** sharpness, math.cos(a)), top + tall * (1 - math.sin(a)))
        for a in angles
    ]
    c.beyond(rim, colour)
    c.line(rim, lighter(c.manner.gold, 0.4), 0.016)
