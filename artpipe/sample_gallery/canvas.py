"""A picture under way: smooth shapes that take light from one side, laid down in the colours of a manner."""

import copy
import math
import random
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from artpipe.sample_gallery.palettes import Colour, Manner, lighter, mixed

Array = NDArray[np.floating[Any]]
Point = tuple[float, float]
Outline = str | Sequence[Point] | Array
"""Points, or their text as SVG writes it, in hundredths: `"-5,10 5,10 0,0"`; `"|0,0 5,10"` has its mirror image too."""
FINER = 2
"""Shapes are drawn this many times larger than the picture, so that their edges come out smooth."""


class Canvas:
    """A picture under way.

    Coordinates start at the top left; the short side is 1, so that a circle is one radius. The picture is `wide` by
    `high`. `at` gives a canvas with coordinates of its own, for a part that is drawn at any place and size.

    Args:
        size: width and height in pixels of the finished picture.
        manner: what it is painted with.
        rng: where chance comes from.
        fashion: the style by which people dress.
    """

    def __init__(self, size: tuple[int, int], manner: Manner, rng: random.Random, fashion: str) -> None:
        from PIL import Image, ImageDraw

        self.manner, self.rng, self.fashion = manner, rng, fashion
        self.unit = float(min(size) * FINER)
        self.image = Image.new("RGB", (size[0] * FINER, size[1] * FINER), manner.ground[0])
        self.pen = ImageDraw.Draw(self.image)
        self.wide, self.high = (self.image.width / self.unit, self.image.height / self.unit)
        self.light = np.array([rng.choice((-1, 1)) * rng.uniform(0.3, 0.5), -rng.uniform(0.25, 0.45)])
        """Where the light comes from, as a share of a shape's radius."""
        self.focus: Point = (self.wide / 2, self.high * 0.42)
        """Where the eye is led; a spotlight falls here."""
        self.axes = np.eye(2) * self.unit
        self.origin = np.zeros(2)

    def at(self, x: float, y: float, size: float, facing: int = 1, *, wide: float = 1.0, turned: float = 0.0) -> Self:
        """The same picture with (x, y) as its origin and `size` as its unit.

        What is drawn there is mirrored where `facing` is -1, `wide` times as wide, and `turned` by so many radians.
        """
        part = copy.copy(self)
        cos, sin = math.cos(turned), math.sin(turned)
        part.origin = self._pixels([(x, y)])[0]
        part.axes = np.diag([size * wide * facing, size]) @ np.array([[cos, sin], [-sin, cos]]) @ self.axes
        part.unit = self.unit * size
        return part

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
        """Fill a band over the whole width of the picture from one colour to another."""
        from PIL import Image

        first, last = (round(y0 * self.unit), round((self.high if y1 is None else y1) * self.unit))
        if last > first:
            shares = np.linspace(np.array(top, float), np.array(bottom, float), last - first)
            band = Image.fromarray(shares.round().astype(np.uint8)[:, None])
            self.image.paste(band.resize((self.image.width, last - first), Image.Resampling.NEAREST), (0, first))

    def glow(self, x: float, y: float, radius: float, colour: Colour, strength: float = 1.0) -> None:
        """Light that fades away from its middle."""
        from PIL import Image

        side = max(2, round(2 * radius * self.unit))
        left, top = (round(place - radius * self.unit) for place in self._pixels([(x, y)])[0].tolist())
        mask = _glow_mask().resize((side, side), Image.Resampling.BILINEAR).point(lambda value: value * strength)
        self.image.paste(colour, (left, top, left + side, top + side), mask)

    def shape(self, points: Outline, colour: Colour) -> None:
        """A flat polygon."""
        self._fill(self._pixels(points), colour)

    def box(self, left: float, top: float, right: float, bottom: float, colour: Colour) -> None:
        """A flat rectangle."""
        self.shape([(left, top), (right, top), (right, bottom), (left, bottom)], colour)

    def body(self, points: Outline, colour: Colour, depth: float = 1.0, shine: float = 0.1) -> None:
        """A shape with a smooth outline that turns from shadow to light."""
        self._lit(_smooth(self._pixels(points), closed=True), colour, depth, shine)

    def ball(
        self, x: float, y: float, rx: float, ry: float | None = None, *, colour: Colour, depth: float = 1.0,
        shine: float = 0.14, turned: float = 0.0,
    ) -> None:  # fmt: skip
        """An ellipse that turns from shadow to light; flat where `depth` is 0."""
        cos, sin = math.cos(turned), math.sin(turned)
        turn = np.array([[cos, sin], [-sin, cos]])
        outline = self._pixels((_circle() * (rx, rx if ry is None else ry)) @ turn + np.array([x, y]))
        if depth:
            self._lit(outline, colour, depth, shine)
        else:
            self._fill(outline, colour)

    def line(self, points: Outline, colour: Colour, width: float) -> None:
        """A line from point to point."""
        self._trace(self._pixels(points), colour, width * self.unit)

    def curve(self, points: Outline, colour: Colour, width: float, taper: bool = False) -> None:
        """A smooth line through the points, thinner towards its end where it tapers."""
        places, thickness = _smooth(self._pixels(points), closed=False, steps=4), width * self.unit
        if not taper:
            self._trace(places, colour, thickness)
            return
        for number, pair in enumerate(pairwise(places)):
            self._trace(np.array(pair), colour, thickness * (1 - number / len(places)))

    def beyond(self, points: Outline, colour: Colour) -> None:
        """Cover everything outside a smooth shape."""
        from PIL import Image, ImageDraw

        mask = Image.new("L", self.image.size, 255)
        ImageDraw.Draw(mask).polygon(_smooth(self._pixels(points), closed=True).ravel().tolist(), fill=0)
        self.image.paste(colour, mask=mask)

    def _pixels(self, points: Outline) -> Array:
        places = _parsed(points) if isinstance(points, str) else np.asarray(points, np.float64)
        return places @ self.axes + self.origin

    def _lit(self, outline: Array, colour: Colour, depth: float, shine: float) -> None:
        low, high = outline.min(axis=0), outline.max(axis=0)
        # Nobody sees many levels on a pearl.
        steps = min(self.manner.steps, 2 + int((high - low).max() / 8))
        middle = (low + high) / 2 + (high - low) / 2 * self.light
        dark, bright = self.shadow(colour, depth), lighter(colour, shine)
        for step in range(steps):
            share = step / (steps - 1)
            tone = mixed(dark, colour, share * 1.6) if share < 0.63 else mixed(colour, bright, share * 2.5 - 1.5)
            self._fill(outline + (middle - outline) * (share * (0.34 if steps == 2 else 0.78)), tone)

    def _fill(self, outline: Array, colour: Colour) -> None:
        self.pen.polygon(outline.ravel().tolist(), fill=colour)

    def _trace(self, places: Array, colour: Colour, width_px: float) -> None:
        self.pen.line(places.ravel().tolist(), colour, max(1, round(width_px)), joint="curve")


@cache
def _parsed(text: str) -> Array:
    points = np.array([pair.split(",") for pair in text.removeprefix("|").split()], np.float64) / 100
    return np.concatenate([points, points[::-1] * (-1, 1)]) if text.startswith("|") else points


def _smooth(points: Array, *, closed: bool, steps: int = 6) -> Array:
    """A Catmull-Rom curve through the points."""
    if closed:
        around = points[(np.arange(len(points))[:, None] + (-1, 0, 1, 2)) % len(points)]
        return (_catmull_rom(steps) @ around).reshape(-1, 2)
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    around = np.stack([padded[i : len(padded) - 3 + i] for i in range(4)], axis=1)
    return np.concatenate([(_catmull_rom(steps) @ around).reshape(-1, 2), points[-1:]])


@cache
def _catmull_rom(steps: int) -> Array:
    t = np.arange(steps)[:, None] / steps
    basis = [-(t**3) + 2 * t**2 - t, 3 * t**3 - 5 * t**2 + 2, -3 * t**3 + 4 * t**2 + t, t**3 - t**2]
    return np.concatenate(basis, axis=1) / 2


@cache
def _circle() -> Array:
    angles = np.linspace(0, 2 * np.pi, 32, endpoint=False)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


@cache
def _glow_mask():
    from PIL import Image

    # The gradient reaches 180 where it touches the middle of an edge.
    return Image.radial_gradient("L").point([round(255 * max(0.0, 1 - value / 180) ** 1.3) for value in range(256)])
