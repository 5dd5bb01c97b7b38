"""Things on a table."""

import math

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import lighter, mixed
from artpipe.sample_gallery.scenes.interiors import window


def still_life(c: Canvas) -> None:
    """Fruit, flowers, vessels and books on a table."""
    m, rng = c.manner, c.rng
    ground = rng.choice(m.ground)
    edge = c.high * rng.uniform(0.56, 0.68)
    c.gradient(lighter(ground, 0.05), c.shadow(ground, 0.55), 0, edge)
    if rng.random() < 0.3:
        window(c, rng.choice((0.06, c.wide - 0.34)), 0.07, 0.28, 0.3)
    if rng.random() < 0.3:
        drape = c.cloth()
        side = rng.choice((0, 1))
        points = [(-0.1, -0.1), (0.5, -0.1), (0.3, 0.12), (0.16, 0.4), (-0.1, 0.55)]
        c.body([(c.wide - x if side else x, y) for x, y in points], c.shadow(drape, 0.3))
    table = mixed(rng.choice((*m.land, m.flesh[1])), m.flesh[1], 0.4)
    c.gradient(lighter(table, 0.12), c.shadow(table, 0.7), edge, c.high)
    c.line([(0, edge), (c.wide, edge)], lighter(table, 0.3), 0.008)
    _cloth(c, edge)
    x = c.wide * rng.uniform(0.2, 0.8)
    c.focus = (c.wide / 2, edge - 0.1)
    base = edge + rng.uniform(0.05, 0.12)
    main = rng.choice(("flowers", "jug", "bowl", "books", "jug"))
    _shade(c, x, base, 0.2)
    {"flowers": _flowers, "jug": _jug, "bowl": _bowl, "books": _books}[main](c, x, base)
    second = c.wide - x + c.jitter(0.08)
    if main != "bowl" and rng.random() < 0.7:
        _shade(c, second, base + 0.05, 0.18)
        _bowl(c, second, base + 0.05)
    elif rng.random() < 0.5:
        _glass(c, second, base + 0.04)
    for _ in range(rng.randint(3, 7)):
        fx, fy = (rng.uniform(0.08, c.wide - 0.08), base + rng.uniform(0.06, max(0.08, c.high - base - 0.08)))
        _shade(c, fx, fy + 0.03, 0.08)
        _fruit(c, fx, fy, rng.uniform(0.038, 0.06))


def _shade(c: Canvas, x: float, y: float, radius: float) -> None:
    c.glow(x - c.light[0] * radius * 0.8, y, radius * 1.3, c.manner.shade, 0.5 * c.manner.depth + 0.15)


def _cloth(c: Canvas, edge: float) -> None:
    white = lighter(c.cloth(), c.rng.uniform(0.55, 0.8))
    x, wide = c.rng.uniform(0.05, 0.4), c.rng.uniform(0.4, 0.6)
    c.body(
        [
            (x, edge + 0.02),
            (x + wide, edge + 0.02),
            (x + wide + 0.08, c.high * 0.88),
            (x + wide * 0.7, c.high * 0.83),
            (x + wide * 0.4, c.high * 0.97),
            (x + wide * 0.2, c.high * 0.86),
            (x - 0.06, c.high * 0.9),
        ],
        white,
        depth=0.6,
    )
    for fold in range(4):
        fx = x + wide * (fold + 0.5) / 4
        c.curve(
            [(fx, edge + 0.04), (fx + c.jitter(0.04), edge + 0.14), (fx + c.jitter(0.06), c.high * 0.85)],
            c.shadow(white, 0.6),
            0.014,
            taper=True,
        )


def _fruit(c: Canvas, x: float, y: float, r: float) -> None:
    colour = c.rng.choice((c.cloth(), c.cloth(), c.manner.gold, mixed(c.manner.land[0], c.manner.gold, 0.5)))
    kind = c.rng.random()
    if kind < 0.6:
        c.ball(x, y, r, r * 0.95, colour=colour, shine=0.3)
        c.curve([(x, y - r * 0.8), (x + r * 0.2, y - r * 1.4)], c.shadow(c.manner.land[-1], 0.5), 0.009)
    elif kind < 0.8:
        c.body(
            [
                (x - r, y + r * 0.2),
                (x - r * 0.4, y - r * 0.7),
                (x, y - r * 1.4),
                (x + r * 0.4, y - r * 0.7),
                (x + r, y + r * 0.2),
                (x, y + r),
            ],
            colour,
            shine=0.3,
        )
    else:
        for grape in range(10):
            c.ball(
                x + r * 0.5 * ((grape % 4) - 1.5),
                y - r * 0.5 + r * 0.42 * (grape // 4),
                r * 0.34,
                colour=colour,
                shine=0.35,
            )
    c.disc(x + r * c.light[0], y + r * c.light[1], r * 0.13, colour=lighter(colour, 0.75))


def _bowl(c: Canvas, x: float, y: float) -> None:
    for _ in range(c.rng.randint(5, 9)):
        _fruit(c, x + c.jitter(0.14), y - c.rng.uniform(0.07, 0.17), c.rng.uniform(0.042, 0.06))
    clay = mixed(c.manner.ground[0], c.cloth(), 0.45)
    c.body(
        [
            (x - 0.22, y - 0.09),
            (x, y - 0.065),
            (x + 0.22, y - 0.09),
            (x + 0.14, y + 0.02),
            (x + 0.06, y + 0.04),
            (x - 0.06, y + 0.04),
            (x - 0.14, y + 0.02),
        ],
        clay,
        shine=0.3,
    )
    c.curve([(x - 0.21, y - 0.08), (x, y - 0.055), (x + 0.21, y - 0.08)], lighter(clay, 0.4), 0.008)


def _jug(c: Canvas, x: float, y: float) -> None:
    colour, tall = c.cloth(), c.rng.uniform(0.8, 1.25)
    side = c.rng.choice((-1, 1))
    c.curve(
        [
            (x + side * 0.05, y - 0.3 * tall),
            (x + side * 0.17, y - 0.28 * tall),
            (x + side * 0.15, y - 0.14 * tall),
            (x + side * 0.1, y - 0.1 * tall),
        ],
        c.shadow(colour, 0.5),
        0.026,
    )
    c.body(
        [
            (x - 0.05, y - 0.36 * tall),
            (x + 0.05, y - 0.36 * tall),
            (x + 0.045, y - 0.28 * tall),
            (x + 0.12, y - 0.16 * tall),
            (x + 0.11, y - 0.04),
            (x + 0.06, y + 0.02),
            (x - 0.06, y + 0.02),
            (x - 0.11, y - 0.04),
            (x - 0.12, y - 0.16 * tall),
            (x - 0.045, y - 0.28 * tall),
        ],
        colour,
        shine=0.2,
    )
    c.ball(x, y - 0.36 * tall, 0.055, 0.016, colour=c.shadow(colour, 1.1))
    c.ball(x + 0.06 * c.light[0] / 0.4, y - 0.17 * tall, 0.014, 0.05, colour=lighter(colour, 0.75), depth=0.1)


def _glass(c: Canvas, x: float, y: float) -> None:
    glass = lighter(mixed(c.manner.sky[1], c.manner.ground[0], 0.5), 0.1)
    c.ball(x, y, 0.055, 0.014, colour=glass)
    c.line([(x, y), (x, y - 0.11)], lighter(glass, 0.3), 0.012)
    c.body(
        [(x - 0.06, y - 0.28), (x + 0.06, y - 0.28), (x + 0.065, y - 0.17), (x, y - 0.1), (x - 0.065, y - 0.17)], glass
    )
    c.body(
        [(x - 0.058, y - 0.2), (x + 0.058, y - 0.2), (x + 0.05, y - 0.15), (x, y - 0.11), (x - 0.05, y - 0.15)],
        c.manner.cloth[0],
    )


def _flowers(c: Canvas, x: float, y: float) -> None:
    vase = c.cloth()
    for _ in range(24):
        angle, reach = c.rng.uniform(-math.pi, 0), c.rng.uniform(0.05, 0.24)
        c.ball(
            x + reach * math.cos(angle),
            y - 0.25 + reach * math.sin(angle),
            0.045,
            0.018,
            colour=c.rng.choice(c.manner.land),
            turned=angle,
        )
    for _ in range(c.rng.randint(9, 15)):
        angle, reach = c.rng.uniform(-math.pi, 0.2), 0.23 * math.sqrt(c.rng.random())
        fx, fy, r, colour = (
            x + reach * math.cos(angle),
            y - 0.27 + reach * 1.1 * math.sin(angle),
            c.rng.uniform(0.03, 0.055),
            lighter(c.cloth(), 0.15),
        )
        for petal in range(6):
            turned = petal * math.tau / 6 + fx
            c.ball(
                fx + r * 0.6 * math.cos(turned),
                fy + r * 0.6 * math.sin(turned),
                r * 0.55,
                colour=colour,
                depth=0.7,
                shine=0.25,
            )
        c.ball(fx, fy, r * 0.35, colour=c.manner.gold)
    c.body(
        [
            (x - 0.05, y - 0.22),
            (x + 0.05, y - 0.22),
            (x + 0.1, y - 0.1),
            (x + 0.05, y + 0.02),
            (x - 0.05, y + 0.02),
            (x - 0.1, y - 0.1),
        ],
        vase,
        shine=0.3,
    )


def _books(c: Canvas, x: float, y: float) -> None:
    for number in range(c.rng.randint(2, 4)):
        colour, wide, top = c.cloth(), c.rng.uniform(0.13, 0.19), y - 0.055 * number
        skew = c.jitter(0.03)
        c.shape(
            [
                (x - wide + skew, top),
                (x + wide + skew, top),
                (x + wide + skew, top - 0.05),
                (x - wide + skew, top - 0.05),
            ],
            c.shadow(colour, 0.3),
        )
        c.shape(
            [
                (x - wide + skew + 0.02, top - 0.01),
                (x + wide + skew, top - 0.01),
                (x + wide + skew, top - 0.042),
                (x - wide + skew + 0.02, top - 0.042),
            ],
            lighter(c.manner.ground[0], 0.6),
        )
    top = y - 0.055 * 3
    bone = lighter(c.manner.flesh[0], 0.25)
    c.ball(x, top - 0.06, 0.085, 0.075, colour=bone)
    c.body([(x - 0.05, top - 0.02), (x + 0.05, top - 0.02), (x + 0.04, top + 0.035), (x - 0.04, top + 0.035)], bone)
    for side in (-1, 1):
        c.disc(x + side * 0.033, top - 0.045, 0.02, 0.022, colour=c.manner.ink)
    cx = x + c.rng.choice((-1, 1)) * 0.2
    c.shape(
        [(cx - 0.016, y), (cx + 0.016, y), (cx + 0.014, y - 0.2), (cx - 0.014, y - 0.2)], lighter(c.manner.gold, 0.65)
    )
    c.glow(cx, y - 0.23, 0.12, lighter(c.manner.gold, 0.5), 0.9)
