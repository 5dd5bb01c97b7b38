"""Rooms and naves in perspective, lit through their windows."""

import math

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import Colour, lighter, mixed
from artpipe.sample_gallery.scenes.figures import figure


def interior(c: Canvas) -> None:
    """A room, a nave or a passage in perspective, lit through its windows."""
    if c.rng.random() < 0.32:
        _nave(c)
    else:
        _room(c)


def room(c: Canvas, wall: Colour, floor: Colour, left: float, right: float, top: float, bottom: float) -> None:
    """Walls, ceiling and a chequered floor around a back wall from (left, top) to (right, bottom)."""
    w, h = c.wide, c.high
    c.gradient(c.shadow(wall, 0.85), c.shadow(wall, 0.5), 0, h)
    lit = c.light[0] < 0
    c.shape([(0, 0), (left, top), (left, bottom), (0, h)], c.shadow(wall, 0.75 if lit else 0.1))
    c.shape([(w, 0), (right, top), (right, bottom), (w, h)], c.shadow(wall, 0.1 if lit else 0.75))
    c.shape([(left, top), (right, top), (right, bottom), (left, bottom)], lighter(wall, 0.1))
    c.shape([(0, h), (left, bottom), (right, bottom), (w, h)], lighter(floor, 0.18))
    rows, columns = 6, c.rng.choice((6, 8))
    for row in range(rows):
        a, b = (row / rows) ** 1.8, ((row + 1) / rows) ** 1.8
        for column in range(columns):
            if (row + column) % 2:
                continue
            ends = []
            for depth, edge in ((a, column), (a, column + 1), (b, column + 1), (b, column)):
                x0, x1 = left * (1 - depth), right + (w - right) * depth
                ends.append((x0 + (x1 - x0) * edge / columns, bottom + (h - bottom) * depth))
            c.shape(ends, c.shadow(floor, 0.9))
    for beam in range(4):
        share = (beam + 0.5) / 4
        c.line([(w * share, 0), (left + (right - left) * share, top)], c.shadow(wall, 1.2), 0.014)


def _room(c: Canvas) -> None:
    rng, m = c.rng, c.manner
    wall, floor = rng.choice(m.ground), rng.choice((*m.land, m.flesh[1]))
    vx, vy = c.wide * rng.uniform(0.32, 0.68), c.high * rng.uniform(0.36, 0.5)
    left, right = vx - rng.uniform(0.18, 0.3), vx + rng.uniform(0.18, 0.3)
    top, bottom = vy - rng.uniform(0.18, 0.26), vy + rng.uniform(0.16, 0.24)
    room(c, wall, floor, left, right, top, bottom)
    from_left = c.light[0] < 0
    x_out, x_in = (
        (0.12 * left, 0.8 * left) if from_left else (c.wide - 0.12 * (c.wide - right), c.wide - 0.8 * (c.wide - right))
    )
    air = lighter(m.sky[1], 0.5)
    far, near = (vy - 0.17, vy + 0.05), (vy - 0.34, vy + 0.12)
    c.shape([(x_out, near[0]), (x_in, far[0]), (x_in, far[1]), (x_out, near[1])], air)
    for bar in (0.33, 0.66):
        c.line(
            [
                (x_out + (x_in - x_out) * bar, near[0] + (far[0] - near[0]) * bar),
                (x_out + (x_in - x_out) * bar, near[1] + (far[1] - near[1]) * bar),
            ],
            c.shadow(wall, 1.1),
            0.009,
        )
        c.line(
            [(x_out, near[0] + (near[1] - near[0]) * bar), (x_in, far[0] + (far[1] - far[0]) * bar)],
            c.shadow(wall, 1.1),
            0.009,
        )
    c.glow(x_in + (0.25 if from_left else -0.25), bottom + 0.18, 0.4, air, 0.55)
    c.focus = (x_in, vy + 0.15)
    back = (left + right) / 2
    if rng.random() < 0.5:
        c.shape(
            [(back - 0.06, bottom), (back - 0.06, vy - 0.08), (back + 0.07, vy - 0.08), (back + 0.07, bottom)],
            c.shadow(wall, 1.2),
        )
        c.shape(
            [(back - 0.02, bottom - 0.02), (back - 0.02, vy - 0.05), (back + 0.055, vy - 0.05), (back + 0.055, bottom)],
            mixed(air, wall, 0.5),
        )
    else:
        c.shape(
            [(back - 0.09, vy - 0.12), (back + 0.09, vy - 0.12), (back + 0.09, vy + 0.02), (back - 0.09, vy + 0.02)],
            m.gold,
        )
        c.shape(
            [
                (back - 0.075, vy - 0.105),
                (back + 0.075, vy - 0.105),
                (back + 0.075, vy + 0.005),
                (back - 0.075, vy + 0.005),
            ],
            mixed(rng.choice(m.land), m.sky[0], 0.4),
        )
    if rng.random() < 0.65:
        figure(c, rng.uniform(0.3, 0.7) * c.wide, c.high * rng.uniform(0.86, 0.95), rng.uniform(0.28, 0.42), c.cloth())
    x = c.wide * (0.78 if from_left else 0.12)
    wood = c.shadow(mixed(m.flesh[1], m.ink, 0.3), 0.2)
    c.shape(
        [(x - 0.1, c.high * 0.8), (x + 0.22, c.high * 0.8), (x + 0.18, c.high * 0.76), (x - 0.06, c.high * 0.76)],
        lighter(wood, 0.15),
    )
    for leg in (-0.08, 0.19):
        c.line([(x + leg, c.high * 0.8), (x + leg, c.high * 0.95)], wood, 0.02)
    c.ball(x + 0.05, c.high * 0.73, 0.035, 0.045, colour=c.cloth())


def _nave(c: Canvas) -> None:
    rng, m = c.rng, c.manner
    stone = lighter(rng.choice(m.ground[:2]), 0.12)
    vx, vy = c.wide * rng.uniform(0.42, 0.58), c.high * rng.uniform(0.48, 0.58)
    room(c, stone, rng.choice((*m.land, m.flesh[1])), vx - 0.13, vx + 0.13, vy - 0.2, vy + 0.12)
    glass = lighter(m.sky[1], 0.45)
    c.flat(
        [(vx - 0.05, vy + 0.02), (vx - 0.05, vy - 0.1), (vx, vy - 0.17), (vx + 0.05, vy - 0.1), (vx + 0.05, vy + 0.02)],
        glass,
    )
    c.glow(vx, vy - 0.05, 0.34, glass, 0.7)
    c.focus = (vx, vy)
    for depth in (0.28, 0.5, 0.8, 1.25):
        for side in (-1, 1):
            x = vx + side * (0.1 + 0.36 * depth)
            half, top, foot = (0.045 * depth + 0.012, vy - 0.16 - 0.3 * depth, vy + 0.1 + 0.36 * depth)
            c.shape(
                [(x - half, foot), (x - half, top), (x + half, top), (x + half, foot)],
                c.shadow(stone, 0.35 if side * c.light[0] < 0 else 0.8),
            )
            c.shape(
                [(x - half, foot), (x - half, top), (x - half * 0.2, top), (x - half * 0.2, foot)], lighter(stone, 0.22)
            )
            c.shape(
                [
                    (x - half * 1.5, top),
                    (x - half * 1.5, top - half),
                    (x + half * 1.5, top - half),
                    (x + half * 1.5, top),
                ],
                lighter(stone, 0.3),
            )
        reach, top = 0.1 + 0.36 * depth, vy - 0.16 - 0.3 * depth
        c.curve(
            [
                (vx - reach, top),
                (vx - reach * 0.75, top - reach * 0.75),
                (vx, top - reach * 1.15),
                (vx + reach * 0.75, top - reach * 0.75),
                (vx + reach, top),
            ],
            c.shadow(stone, 0.5),
            0.022 + 0.02 * depth,
        )
    for _ in range(rng.randint(0, 4)):
        depth = rng.uniform(0.2, 0.8)
        figure(c, vx + c.jitter(0.25), vy + 0.11 + 0.36 * depth, 0.14 + 0.16 * depth, c.cloth())


def window(c: Canvas, x: float, y: float, wide: float, high: float) -> None:
    """An opening onto far country."""
    m = c.manner
    c.shape(
        [
            (x - 0.02, y - 0.02),
            (x + wide + 0.02, y - 0.02),
            (x + wide + 0.02, y + high + 0.02),
            (x - 0.02, y + high + 0.02),
        ],
        c.shadow(m.ground[0], 0.5),
    )
    c.shape([(x, y), (x + wide, y), (x + wide, y + high), (x, y + high)], m.sky[1])
    c.shape([(x, y), (x + wide, y), (x + wide, y + high * 0.3), (x, y + high * 0.3)], mixed(m.sky[0], m.sky[1], 0.3))
    for layer in range(3):
        base = y + high * (0.55 + 0.15 * layer)
        ridge = [(x + wide * i / 8, base - 0.03 * math.sin(i * 1.3 + layer * 2)) for i in range(9)]
        c.shape(
            [*ridge, (x + wide, y + high), (x, y + high)], mixed(m.land[min(layer, 2)], m.sky[0], 0.45 - 0.2 * layer)
        )
