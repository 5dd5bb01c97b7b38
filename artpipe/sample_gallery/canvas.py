"""A picture under way: smooth shapes that take light from one side, laid down in the colours of a manner."""

import math
import random
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from artpipe.sample_gallery.palettes import Colour, Manner, lighter, mixed

if TYPE_CHECKING:
    from numpy.typing import NDArray

Point = tuple[float, float]
FINER = 2
"""Shapes are drawn this many times larger than the picture, so that their edges come out smooth."""


class Canvas:
    """A picture under way.

    Coordinates start at the top left; the short side is 1, so that a circle is one radius. The picture is `wide` by
    `high`.

    Args:
        size: width and height in pixels of the finished picture.
        manner: what it is painted with.
        rng: where chance comes from.
    """

    def __init__(self, size: tuple[int, int], manner: Manner, rng: random.Random) -> None:
        from PIL import Image, ImageDraw

        self.manner, self.rng = manner, rng
        self.unit = min(size) * FINER
        self.image = Image.new("RGB", (size[0] * FINER, size[1] * FINER), manner.ground[0])
        self.pen = ImageDraw.Draw(self.image)
        self.wide, self.high = (self.image.width / self.unit, self.image.height / self.unit)
        self.light = (rng.choice((-1, 1)) * rng.uniform(0.3, 0.5), -rng.uniform(0.25, 0.45))
        """Where the light comes from, as a share of a shape's radius."""
        self.focus: Point = (self.wide / 2, self.high * 0.42)
        """Where the eye is led; a spotlight falls here."""

    def jitter(self, spread: float) -> float:
        """A small displacement."""
        return self.rng.uniform(-spread, spread)

    def cloth(self) -> Colour:
        """A garment's colour."""
        return self.rng.choice(self.manner.cloth)

    def shadow(self, colour: Colour, share: float = 1.0) -> Colour:
        """A colour turned from the light."""
        return mixed(colour, self.manner.shade, self.manner.depth * share)

    def gradient(self, top: Colour, bottom: Colour, y0: float = 0.0, y1: float | None = None) -> None:
        """Fill a band over the whole width from one colour to another."""
        from PIL import Image

        first, last = (round(y0 * self.unit), round((self.high if y1 is None else y1) * self.unit))
        if last <= first:
            return
        share = np.linspace(0, 1, last - first)[:, None, None]
        ends = np.array((top, bottom), np.float64)
        column = (ends[0] + (ends[1] - ends[0]) * share).round().astype(np.uint8)
        band = Image.fromarray(column).resize((self.image.width, last - first), Image.Resampling.NEAREST)
        self.image.paste(band, (0, first))

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float = 1.0) -> None:
        """Light that fades away from its middle."""
        from PIL import Image

        side = max(2, round(2 * radius * self.unit))
        mask = _glow_mask().point([round(value * strength) for value in range(256)])
        corner = (round((x - radius) * self.unit), round((y - radius) * self.unit))
        self.image.paste(
            colour, (*corner, corner[0] + side, corner[1] + side), mask.resize((side, side), Image.Resampling.BILINEAR)
        )

    def shape(self, points: Sequence[Point], colour: Colour) -> None:
        """A flat polygon."""
        self.pen.polygon([(x * self.unit, y * self.unit) for x, y in points], fill=colour)

    def flat(self, points: Sequence[Point], colour: Colour) -> None:
        """A flat shape with a smooth outline through the points."""
        self._polygon(rounded(points) * self.unit, colour)

    def body(self, points: Sequence[Point], colour: Colour, depth: float = 1.0, shine: float = 0.1) -> None:
        """A shape with a smooth outline that turns from shadow to light."""
        self._lit(rounded(points) * self.unit, colour, depth, shine)

    def ball(
        self, x: float, y: float, rx: float, ry: float | None = None, *, colour: Colour, depth: float = 1.0,
        shine: float = 0.14, turned: float = 0.0,
    ) -> None:  # fmt: skip
        """An ellipse that turns from shadow to light; `turned` in radians."""
        outline = _circle() * (rx, rx if ry is None else ry)
        if turned:
            cos, sin = math.cos(turned), math.sin(turned)
            outline = outline @ np.array([[cos, sin], [-sin, cos]])
        self._lit((outline + np.array([x, y])) * self.unit, colour, depth, shine)

    def disc(self, x: float, y: float, rx: float, ry: float | None = None, *, colour: Colour) -> None:
        """A flat ellipse."""
        ry = rx if ry is None else ry
        u = self.unit
        self.pen.ellipse(((x - rx) * u, (y - ry) * u, (x + rx) * u, (y + ry) * u), fill=colour)

    def ring(self, x: float, y: float, radius: float, colour: Colour, width: float) -> None:
        """A circle's line."""
        u = self.unit
        box = ((x - radius) * u, (y - radius) * u, (x + radius) * u, (y + radius) * u)
        self.pen.ellipse(box, outline=colour, width=max(1, round(width * u)))

    def line(self, points: Sequence[Point], colour: Colour, width: float) -> None:
        """A line from point to point."""
        self.pen.line([(x * self.unit, y * self.unit) for x, y in points], colour, max(1, round(width * self.unit)))

    def curve(self, points: Sequence[Point], colour: Colour, width: float, taper: bool = False) -> None:
        """A smooth line through the points, thinner towards its end where it tapers."""
        places = (opened(points) * self.unit).tolist()
        thickness = width * self.unit
        if not taper:
            self.pen.line([tuple(place) for place in places], colour, max(1, round(thickness)), joint="curve")
            return
        for number, (a, b) in enumerate(pairwise(places)):
            self.pen.line((*a, *b), colour, max(1, round(thickness * (1 - number / len(places)))))

    def _lit(self, outline: "NDArray[np.float64]", colour: Colour, depth: float, shine: float) -> None:
        steps = self.manner.steps
        low, high = outline.min(axis=0), outline.max(axis=0)
        middle = (low + high) / 2 + (high - low) / 2 * self.light
        dark, bright = self.shadow(colour, depth), lighter(colour, shine)
        for step in range(steps):
            share = step / max(1, steps - 1)
            part = outline + (middle - outline) * (share * (0.34 if steps == 2 else 0.78))
            self._polygon(
                part,
                mixed(dark, colour, min(1, share * 1.6))
                if share < 0.63
                else mixed(colour, bright, (share - 0.6) / 0.4),
            )

    def _polygon(self, outline: "NDArray[np.float64]", colour: Colour) -> None:
        self.pen.polygon(outline.ravel().tolist(), fill=colour)


def rounded(points: Sequence[Point], steps: int = 6) -> "NDArray[np.float64]":
    """A closed Catmull-Rom curve through the points, (steps * len(points), 2)."""
    through = np.asarray(points, np.float64)
    around = np.stack([np.roll(through, shift, axis=0) for shift in (1, 0, -1, -2)], axis=1)
    return (_catmull_rom(steps) @ around).reshape(-1, 2)


def opened(points: Sequence[Point], steps: int = 6) -> "NDArray[np.float64]":
    """An open Catmull-Rom curve through the points."""
    through = np.asarray(points, np.float64)
    padded = np.concatenate([2 * through[:1] - through[1:2], through, 2 * through[-1:] - through[-2:-1]])
    around = np.stack([padded[i : len(padded) - 3 + i] for i in range(4)], axis=1)
    return np.concatenate([(_catmull_rom(steps) @ around).reshape(-1, 2), through[-1:]])


@cache
def _catmull_rom(steps: int) -> "NDArray[np.float64]":
    t = np.arange(steps)[:, None] / steps
    basis = [-(t**3) + 2 * t**2 - t, 3 * t**3 - 5 * t**2 + 2, -3 * t**3 + 4 * t**2 + t, t**3 - t**2]
    return np.concatenate(basis, axis=1) / 2


@cache
def _circle() -> "NDArray[np.float64]":
    angles = np.linspace(0, 2 * np.pi, 36, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@cache
def _glow_mask():
    from PIL import Image

    y, x = np.mgrid[-1:1:128j, -1:1:128j]
    fade = np.clip(1 - np.hypot(x, y), 0, 1)
    return Image.fromarray((255 * fade * fade * (3 - 2 * fade)).astype(np.uint8))
