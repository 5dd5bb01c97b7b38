"""What the years do to a painting, and what its time adds to it: arched frames, cracks, varnish, weave, a signature."""

import math
import random
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from artpipe.sample_gallery.brushwork import Floats, stretched
from artpipe.sample_gallery.canvas import Canvas, opened
from artpipe.sample_gallery.palettes import darker, lighter

if TYPE_CHECKING:
    from numpy.typing import NDArray

PANEL_UNTIL = 1530
"""Before this year painters mostly used wood; afterwards canvas, whose weave shows."""
SIGNED_FROM = 1790
NEW = 1950
"""Varnish and cracks have not come yet to what is younger."""


def aged(pixels: Floats, year: int, rng: random.Random, chance: np.random.Generator) -> "NDArray[np.uint8]":
    """Cracks, yellowed varnish, the weave of the support, and the light of the room.

    Args:
        pixels: float32 (height, width, 3).
        year: when the work was made.
        rng: chance of the composition.
        chance: chance of the brush.

    Returns:
        uint8 (height, width, 3).
    """
    height, width = pixels.shape[:2]
    age = float(np.clip((NEW - year) / 620, 0, 1.1)) * rng.uniform(0.75, 1.15)
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j].astype(np.float32)
    room = 1.03 - 0.1 * (x * rng.uniform(0.1, 0.5) + y * 0.4) - 0.11 * np.clip(x * x + y * y - 0.6, 0, 2)
    # Varnish ages in patches.
    patches = 1 + 0.35 * stretched(chance.normal(0, 1, (6, 6)).astype(np.float32), (height, width))
    yellow = (age * patches)[..., None]
    pixels = pixels * room[..., None] * (1 - yellow * np.array([0.03, 0.10, 0.30], np.float32))
    pixels = pixels + yellow * np.array([9, 5, 0], np.float32)
    grain = chance.normal(0, 1, (height, width)).astype(np.float32)
    if year >= PANEL_UNTIL:
        fine = rng.uniform(1.9, 2.4)
        weave = (
            np.sin(np.arange(width, dtype=np.float32) * fine)[None, :]
            * np.sin(np.arange(height, dtype=np.float32) * fine)[:, None]
        )
        grain = grain + 2.4 * weave
    pixels = pixels + (grain * 1.5)[..., None]
    cracks = min(1.0, max(0.0, (1800 - year) / 320)) * rng.uniform(0.5, 1.0)
    if cracks > 0.05:
        net = _crack_net(chance, height, width, panel=year < PANEL_UNTIL)
        pixels = pixels * (1 - 0.36 * cracks * net[..., None])
    return np.clip(pixels, 0, 255).astype(np.uint8)


def frame_of_its_time(c: Canvas, year: int) -> None:
    """What painters of a time did to the edges: gold arches early, ovals in the age of powder, a signature late."""
    rng = c.rng
    if year < 1440 and rng.random() < (0.75 if year < 1350 else 0.55):
        _arch(c, pointed=year < 1350 or rng.random() < 0.3)
    elif 1690 <= year < 1800 and rng.random() < 0.28:
        _oval(c)
    elif year >= SIGNED_FROM and rng.random() < 0.8:
        _signature(c)
    if year >= NEW:
        white, edge = (244, 242, 236), 0.03
        c.line(
            [
                (edge / 2, edge / 2),
                (c.wide - edge / 2, edge / 2),
                (c.wide - edge / 2, c.high - edge / 2),
                (edge / 2, c.high - edge / 2),
                (edge / 2, 0),
            ],
            white,
            edge,
        )


def _arch(c: Canvas, *, pointed: bool) -> None:
    gold = darker(c.manner.gold, 0.12)
    middle, spring = c.wide / 2, 0.34 if pointed else 0.26
    if pointed:
        arch = opened([(0.05, spring), (0.09, spring * 0.62), (middle * 0.62, 0.12), (middle, 0.02)], 8).tolist()
        rim = [*arch, *[[c.wide - x, y] for x, y in reversed(arch)]]
    else:
        rim = [
            [middle - (middle - 0.05) * math.cos(a), spring + 0.02 - spring * math.sin(a)]
            for a in np.linspace(0, math.pi, 28)
        ]
    for side in (0, 1):
        corner = (c.wide * side, 0)
        half = rim[: len(rim) // 2 + 1] if side == 0 else rim[len(rim) // 2 :]
        low = [(c.wide * side, spring + 0.1)]
        points = [corner, *half, *low] if side else [*low, *half, corner]
        c.shape([(p[0], p[1]) for p in points], gold)
    c.line([(x, y) for x, y in rim], lighter(gold, 0.4), 0.016)
    c.line([(x, y + 0.014) for x, y in rim], darker(gold, 0.5), 0.008)
    for side in (0.022, c.wide - 0.022):
        c.line([(side, spring), (side, c.high)], gold, 0.045)
        c.line([(side, spring), (side, c.high)], lighter(gold, 0.35), 0.01)
    for side in (0.09, c.wide - 0.09):
        c.disc(side, 0.09, 0.045, colour=darker(gold, 0.35))
        c.disc(side, 0.09, 0.03, colour=c.cloth())


def _oval(c: Canvas) -> None:
    paper = lighter(c.manner.ground[0], 0.4)
    angles = np.linspace(0, math.tau, 72)
    rim = [(c.wide / 2 * (1 + 0.96 * math.cos(a)), c.high / 2 * (1 + 0.96 * math.sin(a))) for a in angles]
    for quarter in range(4):
        corner = (c.wide if quarter in (0, 3) else 0.0, c.high if quarter in (0, 1) else 0.0)
        c.shape([corner, *rim[quarter * 18 : quarter * 18 + 19]], paper)
    c.line(rim, c.manner.gold, 0.018)
    c.line(
        [(c.wide / 2 + (x - c.wide / 2) * 0.985, c.high / 2 + (y - c.high / 2) * 0.985) for x, y in rim],
        darker(c.manner.gold, 0.4),
        0.006,
    )


def _signature(c: Canvas) -> None:
    x, y = c.wide - c.rng.uniform(0.24, 0.32), c.high - 0.05
    ink = c.rng.choice(((168, 40, 30), c.manner.ink, lighter(c.manner.ground[0], 0.6)))
    points = [(x + 0.026 * i, y + c.jitter(0.016)) for i in range(9)]
    c.curve(points, ink, 0.008)
    c.curve([(x - 0.01, y + 0.02), (x + 0.1, y + 0.026), (x + 0.22, y + 0.018)], ink, 0.006)


def _crack_net(chance: np.random.Generator, height: int, width: int, *, panel: bool) -> Floats:
    """Where cracks run, (height, width), 0 to 1; wood cracks in fine long nets, canvas in round ones."""
    net = _nets()[int(chance.integers(0, 3))]
    if chance.random() < 0.5:
        net = net[::-1]
    top, left = (int(chance.integers(0, size)) for size in net.shape)
    net = np.roll(net, (top, left), axis=(0, 1))
    if panel:
        tall = np.concatenate([net, net[:, ::-1]], axis=1)
        return tall[:height, : 2 * width : 2] if width * 2 <= tall.shape[1] else tall[:height, :width]
    return net[:height, :width]


@cache
def _nets(side: int = 640, cell: int = 26) -> list[Floats]:
    """Three nets of cracks: the borders of cells around scattered points, wavering a little."""
    made: list[Floats] = []
    for number in range(3):
        chance = np.random.default_rng(number)
        count = side // cell + 1
        offset = chance.random((2, count, count)).astype(np.float32) * 0.9
        y, x = np.mgrid[0:side, 0:side].astype(np.float32) / cell
        waver = stretched(chance.normal(0, 0.16, (90, 90)).astype(np.float32), (side, side))
        x, y = x + waver, y + waver.T
        first = np.full((side, side), 9.0, np.float32)
        second = first.copy()
        for row in (-1, 0, 1):
            for column in (-1, 0, 1):
                at_y, at_x = (np.floor(y).astype(int) + row, np.floor(x).astype(int) + column)
                far = np.hypot(
                    at_x + offset[0, at_y % count, at_x % count] - x, at_y + offset[1, at_y % count, at_x % count] - y
                )
                second = np.minimum(second, np.maximum(first, far))
                first = np.minimum(first, far)
        strength = np.clip(0.75 + 0.5 * stretched(chance.normal(0, 1, (12, 12)).astype(np.float32), (side, side)), 0, 1)
        made.append(np.clip(1 - (second - first) / 0.055, 0, 1) * strength)
    return made
