"""Ornament, coats of arms, rosettes."""

import math

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import Colour, darker, lighter, mixed
from artpipe.sample_gallery.scenes.backdrops import backdrop


def other(c: Canvas) -> None:
    """Ornament, coats of arms, emblems: things that are neither scene nor portrait."""
    scene = c.rng.choice(("tiles", "tiles", "arms", "rosette", "scrolls"))
    ground = c.rng.choice(c.manner.ground)
    c.gradient(lighter(ground, 0.08), mixed(ground, c.manner.gold, 0.2))
    if scene == "tiles":
        _tiles(c)
    elif scene == "arms":
        _arms(c)
    elif scene == "rosette":
        _rosette(c)
    else:
        _scrolls(c)
    frame, inner = c.cloth(), c.manner.gold
    for inset, colour, width in ((0.025, c.shadow(frame, 0.4), 0.05), (0.058, inner, 0.016)):
        c.line(
            [
                (inset, inset),
                (c.wide - inset, inset),
                (c.wide - inset, c.high - inset),
                (inset, c.high - inset),
                (inset, inset - width / 2),
            ],
            colour,
            width,
        )


def _motif(c: Canvas, x: float, y: float, r: float, petals: int, first: Colour, second: Colour, turned: float) -> None:
    for petal in range(petals):
        angle = turned + math.tau * petal / petals
        c.ball(
            x + r * 0.58 * math.cos(angle),
            y + r * 0.58 * math.sin(angle),
            r * 0.42,
            r * 0.22,
            colour=first if petal % 2 else second,
            turned=angle,
        )
    c.ball(x, y, r * 0.24, colour=c.manner.gold)


def _tiles(c: Canvas) -> None:
    rng = c.rng
    step = rng.uniform(0.18, 0.34)
    first, second, third, petals = (c.cloth(), c.cloth(), c.cloth(), rng.choice((4, 6, 8)))
    for row in range(math.ceil(c.high / step)):
        for column in range(math.ceil(c.wide / step)):
            x, y = (column + 0.5) * step, (row + 0.5) * step
            if (row + column) % 2:
                c.shape(
                    [(x, y - step * 0.5), (x + step * 0.5, y), (x, y + step * 0.5), (x - step * 0.5, y)],
                    mixed(third, c.manner.ground[0], 0.45),
                )
            _motif(c, x, y, step * 0.42, petals, first, second, (row + column) % 2 * math.pi / petals)


def _arms(c: Canvas) -> None:
    if c.rng.random() < 0.6:
        backdrop(c)
    x, y, s = c.wide / 2, c.high * 0.47, c.rng.uniform(0.26, 0.34)
    outline = [
        (x - s, y - s),
        (x, y - s * 1.06),
        (x + s, y - s),
        (x + s * 0.97, y + s * 0.2),
        (x + s * 0.55, y + s * 0.95),
        (x, y + s * 1.4),
        (x - s * 0.55, y + s * 0.95),
        (x - s * 0.97, y + s * 0.2),
    ]
    for side in (-1, 1):
        for curl in range(3):
            cy = y - s + s * 0.9 * curl
            c.curve(
                [
                    (x + side * s * 0.8, cy),
                    (x + side * s * 1.4, cy - s * 0.3),
                    (x + side * s * 1.6, cy + s * 0.1),
                    (x + side * s * 1.35, cy + s * 0.25),
                    (x + side * s * 1.3, cy),
                ],
                c.cloth(),
                0.04,
                taper=True,
            )
    c.body([(x + (px - x) * 1.1, y + (py - y) * 1.08) for px, py in outline], c.manner.gold)
    c.flat(outline, c.cloth())
    field, charge = c.cloth(), lighter(c.manner.gold, 0.3)
    kind = c.rng.choice(("pale", "chevron", "cross"))
    if kind == "pale":
        c.shape([(x - s * 0.3, y - s), (x + s * 0.3, y - s), (x + s * 0.3, y + s), (x - s * 0.3, y + s)], field)
    elif kind == "chevron":
        c.shape(
            [
                (x - s * 0.85, y + s * 0.5),
                (x, y - s * 0.3),
                (x + s * 0.85, y + s * 0.5),
                (x + s * 0.8, y + s * 0.85 - s * 0.3),
                (x, y + s * 0.15),
                (x - s * 0.8, y + s * 0.55),
            ],
            field,
        )
    else:
        c.shape(
            [(x - s * 0.14, y - s), (x + s * 0.14, y - s), (x + s * 0.14, y + s * 1.2), (x - s * 0.14, y + s * 1.2)],
            field,
        )
        c.shape(
            [
                (x - s * 0.95, y - s * 0.2),
                (x + s * 0.95, y - s * 0.2),
                (x + s * 0.95, y + s * 0.1),
                (x - s * 0.95, y + s * 0.1),
            ],
            field,
        )
    for place in ((-0.5, -0.6), (0.5, -0.6), (0, 0.75)):
        _motif(c, x + s * place[0], y + s * place[1], s * 0.28, 6, charge, lighter(charge, 0.3), 0.3)


def _rosette(c: Canvas) -> None:
    x, y, petals = c.wide / 2, c.high / 2, c.rng.choice((6, 8, 10, 12))
    for ring in range(4, 0, -1):
        r, first, second = 0.115 * ring, c.cloth(), c.cloth()
        c.disc(x, y, r + 0.03, colour=c.shadow(first, 0.3))
        for petal in range(petals):
            angle = math.tau * (petal + ring % 2 / 2) / petals
            c.ball(
                x + r * 0.8 * math.cos(angle),
                y + r * 0.8 * math.sin(angle),
                r * 0.34,
                r * 0.2,
                colour=first if petal % 2 else second,
                turned=angle,
            )
    c.ball(x, y, 0.05, colour=c.manner.gold)
    for corner in range(4):
        cx, cy = ((0.12 if corner % 2 else c.wide - 0.12), (0.12 if corner // 2 else c.high - 0.12))
        _motif(c, cx, cy, 0.1, 6, c.manner.cloth[0], c.manner.cloth[1], 0)


def _scrolls(c: Canvas) -> None:
    stem, flower = darker(c.rng.choice(c.manner.land), 0.2), c.cloth()
    rows = c.rng.randint(2, 3)
    for row in range(rows * 2):
        side = -1 if row % 2 else 1
        cy, cx = c.high * (row // 2 + 0.5) / rows, c.wide / 2
        points = []
        for i in range(15):
            angle, r = i * 0.62, 0.2 - 0.0125 * i
            points.append(
                (cx + side * (0.22 - r * math.cos(angle)), cy + r * math.sin(angle) * (1 if row // 2 % 2 else -1))
            )
        c.curve([(cx, cy + 0.1), *points], stem, 0.022, taper=True)
        for leaf in range(2, 11, 2):
            c.ball(points[leaf][0], points[leaf][1], 0.05, 0.022, colour=c.rng.choice(c.manner.land), turned=leaf * 0.7)
        _motif(c, points[-1][0], points[-1][1], 0.07, 6, flower, lighter(flower, 0.3), 0)
    c.line([(c.wide / 2, 0.08), (c.wide / 2, c.high - 0.08)], stem, 0.018)
