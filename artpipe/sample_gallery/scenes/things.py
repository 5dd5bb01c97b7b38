"""Indoors: rooms and their windows, and what stands on a table."""

import math

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import Colour, lighter, mixed

# Outlines with the table at 0, in hundredths of the short side.
_VESSELS = {
    "jug": "|4,-36 4.5,-28 12,-16 11,-4 6,2",
    "vase": "|5,-22 10,-10 5,2",
    "bowl": "|0,-6.5 22,-9 14,2 6,4",
    "bottle": "|2,-40 2.5,-26 8,-18 8,1",
    "cup": "|7,-18 6,-9 1.5,-5 1.5,-1 6,1",
}


def vessel(c: Canvas, kind: str, colour: Colour) -> None:
    """A vessel; `kind` is a name of the table."""
    c.body(_VESSELS[kind], colour, shine=0.25)
    if kind == "jug":
        c.curve("5,-30 17,-28 15,-14 10,-10", c.shadow(colour, 0.5), 0.026)
    if kind != "bowl":
        c.ball(0.15 * c.light[0], -0.13, 0.012, 0.045, colour=lighter(colour, 0.75), depth=0)


def fruit(c: Canvas, x: float, y: float, size: float) -> None:
    """An apple, a pear or grapes."""
    m, rng, part = c.manner, c.rng, c.at(x, y, size)
    colour = rng.choice((*m.cloth[:3], m.gold, mixed(m.land[0], m.gold, 0.5)))
    kind = rng.choice(("apple", "apple", "apple", "pear", "grapes"))
    if kind == "grapes":
        for grape in range(10):
            part.ball(0.5 * (grape % 4 - 1.5), 0.42 * (grape // 4) - 0.5, 0.34, colour=colour, shine=0.35)
        return
    part.body("|0,-140 40,-70 100,20 60,90" if kind == "pear" else "|0,-85 60,-85 100,0 60,85", colour, shine=0.3)
    part.curve("0,-80 20,-140", c.shadow(m.land[-1], 0.5), 0.15)
    part.ball(c.light[0], c.light[1], 0.13, colour=lighter(colour, 0.75), depth=0)


def flower(c: Canvas, x: float, y: float, size: float, colour: Colour, petals: int = 6, turned: float = 0.0) -> None:
    """A flower, seen from above."""
    part = c.at(x, y, size, turned=turned)
    for petal in range(petals):
        angle = petal * math.tau / petals
        part.ball(0.58 * math.cos(angle), 0.58 * math.sin(angle), 0.42, 1.6 / petals, colour=colour, turned=angle)
    part.ball(0, 0, 0.26, colour=c.manner.gold)


def bouquet(c: Canvas, x: float, y: float) -> None:
    """Flowers in a vase."""
    rng = c.rng
    part = c.at(x, y, 1)
    for number in range(36):
        angle, reach = rng.uniform(-math.pi, 0.1), 0.24 * math.sqrt(rng.random())
        place = reach * math.cos(angle), 1.1 * reach * math.sin(angle) - 0.27
        if number < 24:
            part.ball(*place, 0.045, 0.018, colour=rng.choice(c.manner.land), turned=angle)
        else:
            flower(part, *place, rng.uniform(0.035, 0.06), lighter(c.cloth(), 0.15), turned=angle)
    vessel(part, "vase", c.cloth())


def skull(c: Canvas, x: float, y: float) -> None:
    """A skull on a pile of books, beside a candle."""
    m = c.manner
    for number in range(3):
        book = c.at(x + c.jitter(0.03), y - 0.055 * number, 1)
        book.box(-0.17, -0.05, 0.17, 0, c.shadow(c.cloth(), 0.3))
        book.box(-0.15, -0.042, 0.17, -0.01, lighter(m.ground[0], 0.6))
    part = c.at(x, y - 0.165, 1)
    part.body("|0,-14 8,-10 8,-4 5,0 4,4", lighter(m.flesh[0], 0.25))
    for side in (-0.033, 0.033):
        part.ball(side, -0.045, 0.02, 0.022, colour=m.ink, depth=0)
    candle(c, x + c.rng.choice((-0.24, 0.24)), y)


def candle(c: Canvas, x: float, y: float) -> None:
    """A burning candle."""
    part, wax = c.at(x, y, 1), lighter(c.manner.gold, 0.65)
    part.box(-0.015, -0.2, 0.015, 0, wax)
    part.glow(0, -0.23, 0.13, wax, 1.0)
    part.ball(0, -0.225, 0.011, 0.024, colour=lighter(wax, 0.6), depth=0)


def drapery(c: Canvas, colour: Colour, side: int) -> None:
    """A curtain in the upper corner, left (1) or right (-1)."""
    part = c.at(0 if side > 0 else c.wide, 0, 1, side)
    part.body("-10,-10 45,-10 30,15 16,45 20,75 -10,90", colour)
    for fold in range(4):
        places = [(0.09 * fold + 0.04, 0), (0.05 * fold + 0.03, 0.35), (0.035 * fold, 0.7)]
        part.curve(places, c.shadow(colour, 1.1), 0.016, taper=True)


def window(c: Canvas, x: float, y: float, wide: float, high: float) -> None:
    """An opening onto far country."""
    m = c.manner
    c.box(x - 0.02, y - 0.02, x + wide + 0.02, y + high + 0.02, c.shadow(m.ground[0], 0.5))
    c.box(x, y, x + wide, y + high, m.sky[1])
    c.box(x, y, x + wide, y + high * 0.3, mixed(*m.sky, 0.3))
    for layer, land in enumerate(m.land):
        base = y + high * (0.55 + 0.15 * layer)
        ridge = [(x + wide * i / 8, base - 0.03 * math.sin(i * 1.3 + layer * 2)) for i in range(9)]
        c.shape([*ridge, (x + wide, y + high), (x, y + high)], mixed(land, m.sky[0], 0.45 - 0.2 * layer))


def room(c: Canvas, wall: Colour, floor: Colour, left: float, right: float, top: float, bottom: float) -> None:
    """Walls, ceiling and a chequered floor around a back wall from (left, top) to (right, bottom)."""
    w, h = c.wide, c.high
    c.gradient(c.shadow(wall, 0.85), c.shadow(wall, 0.5), 0, h)
    lit = c.light[0] < 0
    c.shape([(0, 0), (left, top), (left, bottom), (0, h)], c.shadow(wall, 0.75 if lit else 0.1))
    c.shape([(w, 0), (right, top), (right, bottom), (w, h)], c.shadow(wall, 0.1 if lit else 0.75))
    c.box(left, top, right, bottom, lighter(wall, 0.1))
    c.shape([(0, h), (left, bottom), (right, bottom), (w, h)], lighter(floor, 0.18))

    def on_floor(column: int, row: int) -> tuple[float, float]:
        depth = (row / 6) ** 1.8
        near_left, near_right = left * (1 - depth), right + (w - right) * depth
        return near_left + (near_right - near_left) * column / 6, bottom + (h - bottom) * depth

    for row in range(6):
        for column in range(row % 2, 6, 2):
            corners = ((column, row), (column + 1, row), (column + 1, row + 1), (column, row + 1))
            c.shape([on_floor(*corner) for corner in corners], c.shadow(floor, 0.9))
    for beam in range(4):
        share = (beam + 0.5) / 4
        c.line([(w * share, 0), (left + (right - left) * share, top)], c.shadow(wall, 1.2), 0.014)


def table(c: Canvas, left: float, right: float, top: float, near: float, colour: Colour) -> None:
    """A table seen from the front and a little from above, down to the lower edge of the picture."""
    c.shape([(left + 0.07, top), (right - 0.07, top), (right, near), (left, near)], lighter(colour, 0.15))
    c.box(left, near, right, c.high * 0.98, c.shadow(colour, 0.75))
