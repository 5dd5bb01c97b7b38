"""Out of doors: sky, hills, trees, water, and what people built there."""

import math

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import lighter, mixed


def sky(c: Canvas, horizon: float, *, sun: float = 0.4, clouds: int = 4) -> None:
    """Air down to the horizon, with clouds and, by a chance of `sun`, a low sun."""
    m, rng = c.manner, c.rng
    top, low = m.sky
    c.gradient(top, low, 0, horizon + 0.02)
    if rng.random() < sun:
        c.focus = x, y = rng.uniform(0.15, c.wide - 0.15), rng.uniform(0.35, 0.95) * horizon
        c.glow(x, y, rng.uniform(0.3, 0.6), lighter(m.gold, 0.35), 0.8)
        c.ball(x, y, 0.035, colour=lighter(m.gold, 0.6), depth=0)
    for _ in range(rng.randint(1, clouds)):
        cloud = c.at(rng.uniform(0, c.wide), rng.uniform(0.02, 0.75) * horizon, rng.uniform(0.05, 0.13))
        colour = mixed(lighter(low, 0.45), top, rng.uniform(0, 0.45))
        for puff in range(rng.randint(4, 7)):
            radius = rng.uniform(0.5, 1.1)
            cloud.ball((puff - 3) * 0.75, c.jitter(0.35), radius, radius * 0.55, colour=colour, depth=0.35, shine=0.3)


def hills(c: Canvas, horizon: float, *, layers: int = 4, rough: float = 0.04) -> None:
    """Ground from the horizon to the lower edge, bluer the farther away."""
    m, rng = c.manner, c.rng
    for layer in range(layers):
        share = layer / (layers - 1)
        base = horizon + (c.high - horizon) * 0.72 * share**1.4
        phase, wave, swell = rng.uniform(0, 6), rng.uniform(1.5, 4.5), rough * (1.25 - share)
        ridge = [
            (x, base - swell * (math.sin(phase + wave * x) + 0.45 * math.sin(2.7 * phase + 2.3 * wave * x)))
            for x in (c.wide * i / 20 for i in range(21))
        ]
        near = m.land[round(share * (len(m.land) - 1))]
        colour = mixed(near, mixed(*m.sky, 0.5), 0.55 * (1 - share))
        c.shape([*ridge, (c.wide, c.high), (0, c.high)], colour)
        for _ in range(3 + 5 * layer):
            x, y = rng.uniform(0, c.wide), base + rng.uniform(0.03, 0.2)
            tint = c.shadow(colour, 0.4) if rng.random() < 0.5 else lighter(colour, 0.14)
            c.curve(
                [(x, y), (x + 0.1, y - 0.012), (x + 0.25, y + c.jitter(0.02))], tint, 0.01 + 0.01 * share, taper=True
            )


def tree(c: Canvas, x: float, foot: float, size: float, kind: str = "round") -> None:
    """A tree: `round`, `poplar` or `pine`."""
    m, rng = c.manner, c.rng
    part = c.at(x, foot, size, rng.choice((-1, 1)))
    leaf = mixed(rng.choice(m.land), m.land[-1], rng.uniform(0.2, 0.8))
    part.curve("0,0 2,-30 6,-70", c.shadow(mixed(m.land[-1], m.flesh[1], 0.35), 0.8), 0.06, taper=True)
    if kind == "poplar":
        part.body("|0,-100 11,-45 3,-10", leaf)
    elif kind == "pine":
        for tier in range(4):
            part.at(0, -0.2 - 0.2 * tier, 0.26 - 0.055 * tier).body("-100,0 0,-110 100,0 0,12", leaf)
    else:
        wide = rng.uniform(0.9, 1.5)
        for layer, colour in enumerate((c.shadow(leaf, 0.85), leaf, mixed(leaf, m.land[0], 0.7))):
            crown = c.at(x + size * 0.16 * c.light[0] * layer, foot - size * (0.7 - 0.14 * c.light[1] * layer), size)
            for _ in range(9):
                angle, reach = rng.uniform(0, math.tau), 0.21 * math.sqrt(rng.random())
                radius = rng.uniform(0.06, 0.1) * (1.4, 1.0, 0.75)[layer]
                crown.ball(reach * wide * math.cos(angle), reach * math.sin(angle), radius, colour=colour, depth=0.3)


def house(c: Canvas, x: float, foot: float, size: float, *, spire: bool = False) -> None:
    """A house, or a church with its spire."""
    part, wall = c.at(x, foot, size), lighter(c.rng.choice(c.manner.ground), 0.35)
    roof = mixed(c.cloth(), c.manner.flesh[1], 0.5)
    part.box(0, -0.5, 0.9, 0, wall)
    part.box(0.45, -0.5, 0.9, 0, c.shadow(wall, 0.45))
    part.shape("-6,-48 14,-85 76,-85 96,-48", roof)
    for left in (0.15, 0.55):
        part.box(left, -0.36, left + 0.12, -0.16, c.manner.ink)
    if spire:
        part.box(-0.1, -0.9, 0.18, 0, lighter(wall, 0.15))
        part.shape("-14,-88 4,-170 22,-88", c.shadow(roof, 0.5))


def water(c: Canvas, top: float, bottom: float) -> None:
    """Water over the whole width, with light on its waves."""
    deep = mixed(c.manner.sky[0], c.manner.land[-1], 0.5)
    c.gradient(mixed(deep, c.manner.sky[1], 0.45), c.shadow(deep, 0.5), top, bottom)
    for _ in range(40):
        share = c.rng.random()
        wave = c.at(c.rng.uniform(-0.1, c.wide), top + (bottom - top) * share, 0.1 + 0.2 * share)
        wave.curve("0,0 50,-10 100,0", lighter(deep, c.rng.uniform(0.15, 0.6)), 0.05, taper=True)


def ship(c: Canvas, x: float, y: float, size: float) -> None:
    """A ship under sail, sometimes with a flag."""
    part, sail = c.at(x, y, size, c.rng.choice((-1, 1))), lighter(c.manner.sky[1], 0.4)
    for mast in (-0.3, 0.05, 0.35):
        part.line([(mast, 0), (mast, -0.95)], c.manner.ink, 0.025)
        for yard in range(2):
            part.at(mast, -0.9 + 0.4 * yard, 0.14 + 0.04 * yard).body("-90,0 90,0 125,240 -70,220", sail)
    if c.rng.random() < 0.5:
        banner(c, x, y - size * 0.5, y - size * 1.15)
    hull = c.shadow(mixed(c.manner.flesh[1], c.manner.ink, 0.4), 0.4)
    part.body("-62,-16 0,-6 60,-20 46,8 -45,8", hull)


def banner(c: Canvas, x: float, foot: float, top: float) -> None:
    """A pole with a flag."""
    c.line([(x, foot), (x, top)], c.shadow(c.manner.flesh[1], 1.2), 0.008)
    c.at(x, top, 0.15, c.rng.choice((-1, 1))).body("0,0 47,10 100,-7 87,40 40,53 0,50", c.cloth())


def horse(c: Canvas, x: float, foot: float, size: float, facing: int) -> None:
    """A horse."""
    m, part = c.manner, c.at(x, foot, size, facing)
    coat = c.rng.choice((mixed(m.flesh[1], m.ink, 0.5), lighter(m.ground[0], 0.5), mixed(m.land[-1], m.ink, 0.4)))
    for leg in (-0.32, -0.2, 0.2, 0.32):
        part.curve([(leg, -0.4), (leg + c.jitter(0.08), -0.2), (leg + c.jitter(0.12), 0)], c.shadow(coat, 0.4), 0.07)
    part.ball(0, -0.5, 0.42, 0.2, colour=coat)
    part.body("25,-50 35,-85 50,-98 72,-80 66,-72 52,-76 42,-40", coat)
