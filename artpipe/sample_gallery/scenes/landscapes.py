"""Sky, hills, trees, water, and what stands in them."""

import math

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import lighter, mixed


def sky(c: Canvas, horizon: float, *, sun: bool | None = None) -> None:
    """Air down to the horizon, with clouds and sometimes a low sun."""
    m, rng = c.manner, c.rng
    top, low = m.sky
    c.gradient(top, low, 0, horizon + 0.02)
    if rng.random() < 0.4 if sun is None else sun:
        x, y = rng.uniform(0.15, c.wide - 0.15), rng.uniform(0.35, 0.95) * horizon
        c.glow(x, y, rng.uniform(0.3, 0.6), lighter(m.gold, 0.35), 0.8)
        c.disc(x, y, 0.035, colour=lighter(m.gold, 0.6))
        c.focus = (x, y)
    for _ in range(rng.randint(1, 5)):
        x, y, r = (rng.uniform(0, c.wide), rng.uniform(0.02, 0.75) * horizon, rng.uniform(0.05, 0.13))
        colour = mixed(lighter(low, 0.45), top, rng.uniform(0, 0.45))
        for puff in range(rng.randint(4, 8)):
            c.ball(
                x + (puff - 3) * r * 0.75,
                y + c.jitter(r * 0.35),
                r * rng.uniform(0.5, 1.1),
                r * rng.uniform(0.25, 0.6),
                colour=colour,
                depth=0.35,
                shine=0.3,
            )


def hills(c: Canvas, horizon: float, *, layers: int = 4, rough: float = 0.07) -> None:
    """Ground from the horizon to the lower edge, bluer the farther away."""
    m, rng = c.manner, c.rng
    for layer in range(layers):
        share = layer / max(1, layers - 1)
        base = horizon + (c.high - horizon) * 0.72 * share**1.4
        phase, wave, swell = (rng.uniform(0, 6), rng.uniform(1.5, 4.5), rough * (1.25 - share))
        ridge = [
            (x, base - swell * (math.sin(phase + wave * x) + 0.45 * math.sin(2.7 * phase + 2.3 * wave * x)))
            for x in (c.wide * i / 28 for i in range(29))
        ]
        near = m.land[min(len(m.land) - 1, round(share * (len(m.land) - 1)))]
        colour = mixed(near, mixed(m.sky[0], m.sky[1], 0.5), 0.55 * (1 - share))
        c.shape([*ridge, (c.wide + 0.01, c.high + 0.01), (-0.01, c.high + 0.01)], colour)
        c.curve([(x, y + 0.008) for x, y in ridge[::4]], lighter(colour, 0.16), 0.012)
        for _ in range(3 + 5 * layer):
            x = rng.uniform(0, c.wide)
            y = base + rng.uniform(0.03, 0.2)
            c.curve(
                [(x, y), (x + 0.1, y - 0.012), (x + rng.uniform(0.15, 0.35), y + c.jitter(0.02))],
                c.shadow(colour, 0.4) if rng.random() < 0.5 else lighter(colour, 0.14),
                0.01 + 0.01 * share,
                taper=True,
            )


def tree(c: Canvas, x: float, foot: float, size: float, kind: str) -> None:
    """A tree: `round`, `poplar`, `pine` or `bare`."""
    m, rng = c.manner, c.rng
    trunk = c.shadow(mixed(m.land[-1], m.flesh[1], 0.35), 0.8)
    leaf = mixed(rng.choice(m.land), m.land[-1], rng.uniform(0.2, 0.8))
    lean = c.jitter(size * 0.08)
    c.curve(
        [(x, foot), (x + lean * 0.3, foot - size * 0.3), (x + lean, foot - size * 0.7)], trunk, size * 0.06, taper=True
    )
    if kind == "poplar":
        c.body(
            [
                (x - size * 0.03, foot - size * 0.1),
                (x - size * 0.11, foot - size * 0.45),
                (x + lean, foot - size),
                (x + size * 0.11, foot - size * 0.45),
                (x + size * 0.03, foot - size * 0.1),
            ],
            leaf,
        )
    elif kind == "pine":
        for tier in range(4):
            y, half = foot - size * (0.2 + 0.2 * tier), size * (0.26 - 0.055 * tier)
            c.body([(x - half, y), (x, y - size * 0.3), (x + half, y), (x, y + size * 0.03)], leaf)
    elif kind == "bare":
        for _ in range(8):
            y = foot - size * rng.uniform(0.3, 0.75)
            side, reach = rng.choice((-1, 1)), size * rng.uniform(0.15, 0.34)
            c.curve(
                [
                    (x + lean * 0.5, y),
                    (x + side * reach * 0.5, y - reach * 0.4),
                    (x + side * reach, y - reach * rng.uniform(0.6, 1.2)),
                ],
                trunk,
                size * 0.022,
                taper=True,
            )
    else:
        wide = rng.uniform(0.9, 1.5)
        for layer, count in enumerate((9, 12, 9)):
            colour = (c.shadow(leaf, 0.85), leaf, mixed(leaf, m.land[0], 0.7))[layer]
            for _ in range(count):
                angle, reach = (rng.uniform(0, math.tau), size * 0.21 * math.sqrt(rng.random()))
                cx = x + lean + reach * wide * math.cos(angle) + size * 0.16 * c.light[0] * layer
                cy = foot - size * 0.7 + reach * math.sin(angle) + size * 0.14 * c.light[1] * layer
                c.ball(
                    cx,
                    cy,
                    size * rng.uniform(0.05, 0.11) * (1.35, 1.0, 0.75)[layer],
                    size * rng.uniform(0.04, 0.08) * (1.35, 1.0, 0.75)[layer],
                    colour=colour,
                    depth=0.3,
                    shine=0.1,
                )


def house(c: Canvas, x: float, foot: float, size: float, *, spire: bool = False) -> None:
    """A house, or a church with its spire."""
    wall, roof = (lighter(c.rng.choice(c.manner.ground), 0.35), mixed(c.cloth(), c.manner.flesh[1], 0.5))
    c.shape([(x, foot), (x, foot - size * 0.5), (x + size * 0.9, foot - size * 0.5), (x + size * 0.9, foot)], wall)
    c.shape(
        [
            (x + size * 0.45, foot),
            (x + size * 0.45, foot - size * 0.5),
            (x + size * 0.9, foot - size * 0.5),
            (x + size * 0.9, foot),
        ],
        c.shadow(wall, 0.45),
    )
    c.shape(
        [
            (x - size * 0.06, foot - size * 0.48),
            (x + size * 0.14, foot - size * 0.85),
            (x + size * 0.76, foot - size * 0.85),
            (x + size * 0.96, foot - size * 0.48),
        ],
        roof,
    )
    for window in range(2):
        wx = x + size * (0.15 + 0.4 * window)
        c.shape(
            [
                (wx, foot - size * 0.18),
                (wx, foot - size * 0.36),
                (wx + size * 0.12, foot - size * 0.36),
                (wx + size * 0.12, foot - size * 0.18),
            ],
            c.manner.ink,
        )
    if spire:
        c.shape(
            [
                (x - size * 0.1, foot),
                (x - size * 0.1, foot - size * 0.9),
                (x + size * 0.18, foot - size * 0.9),
                (x + size * 0.18, foot),
            ],
            lighter(wall, 0.15),
        )
        c.shape(
            [
                (x - size * 0.14, foot - size * 0.88),
                (x + size * 0.04, foot - size * 1.7),
                (x + size * 0.22, foot - size * 0.88),
            ],
            c.shadow(roof, 0.5),
        )


def water(c: Canvas, top: float, bottom: float, left: float, right: float) -> None:
    """A sheet of water with light on it."""
    shine = mixed(c.manner.sky[0], c.manner.sky[1], 0.5)
    c.flat(
        [
            (left, top),
            ((left + right) / 2, top - 0.01),
            (right, top),
            (right + 0.06, (top + bottom) / 2),
            (right, bottom),
            (left, bottom),
            (left - 0.06, (top + bottom) / 2),
        ],
        shine,
    )
    for _ in range(22):
        y = c.rng.uniform(top + 0.01, bottom - 0.01)
        x = c.rng.uniform(left, right)
        c.line(
            [(x, y), (min(right, x + c.rng.uniform(0.05, 0.16)), y)],
            lighter(shine, 0.4) if c.rng.random() < 0.6 else c.shadow(shine, 0.5),
            0.007,
        )


def landscape(c: Canvas) -> None:
    """Land, water or mountains under a wide sky, with trees and a sign of people."""
    rng = c.rng
    horizon = c.high * rng.uniform(0.36, 0.62)
    sky(c, horizon)
    scene = rng.choice(("valley", "valley", "sea", "mountains", "road", "village"))
    if scene == "sea":
        _sea(c, horizon)
        return
    if scene == "mountains":
        for peak in range(rng.randint(3, 5)):
            x, tall, half = (rng.uniform(0, c.wide), rng.uniform(0.15, 0.34) * c.high, rng.uniform(0.16, 0.32))
            stone = mixed(c.manner.ground[-1], c.manner.sky[0], rng.uniform(0.35, 0.65))
            c.shape(
                [(x - half, horizon + 0.06), (x + c.jitter(0.03), horizon - tall), (x + half, horizon + 0.06)], stone
            )
            c.shape(
                [
                    (x + 0.01, horizon - tall + 0.015),
                    (x + half * 0.9, horizon + 0.06),
                    (x + half * (0.1 + 0.1 * peak % 0.4), horizon + 0.06),
                ],
                c.shadow(stone, 0.6),
            )
            c.shape(
                [
                    (x - half * 0.22, horizon - tall * 0.74),
                    (x, horizon - tall),
                    (x + half * 0.25, horizon - tall * 0.72),
                    (x, horizon - tall * 0.8),
                ],
                lighter(stone, 0.65),
            )
    hills(c, horizon, layers=rng.randint(3, 5), rough=rng.uniform(0.02, 0.07))
    if scene == "valley":
        bend, foot = rng.uniform(0.3, 0.7) * c.wide, rng.uniform(0.2, 0.8) * c.wide
        near = c.high + 0.02
        c.flat(
            [
                (bend, horizon + 0.05),
                (bend + 0.03, horizon + 0.05),
                (bend + 0.12, horizon + 0.14),
                (foot + 0.05, (horizon + near) / 2),
                (foot + 0.32, near),
                (foot - 0.25, near),
                (foot - 0.08, (horizon + near) / 2),
                (bend + 0.06, horizon + 0.14),
            ],
            mixed(c.manner.sky[0], c.manner.sky[1], 0.55),
        )
    elif scene == "road":
        x = rng.uniform(0.3, 0.7) * c.wide
        c.flat(
            [
                (x, horizon + 0.03),
                (x + 0.02, horizon + 0.03),
                (x + 0.2, c.high * 0.8),
                (x + 0.3, c.high + 0.02),
                (x - 0.25, c.high + 0.02),
                (x - 0.02, c.high * 0.75),
            ],
            lighter(mixed(c.manner.flesh[1], c.manner.ground[0], 0.5), 0.2),
        )
    if scene == "village" or rng.random() < 0.35:
        x = rng.uniform(0.1, c.wide - 0.4)
        for number in range(rng.randint(2, 4)):
            house(c, x + 0.12 * number, horizon + rng.uniform(0.06, 0.12), rng.uniform(0.1, 0.17), spire=number == 1)
    kind = rng.choice(("round", "round", "poplar", "pine", "bare"))
    side = rng.choice((0.0, 1.0))
    for number in range(rng.randint(3, 8)):
        x = c.wide * abs(side - rng.random() ** 1.6 * 0.9)
        foot = horizon + (c.high - horizon) * rng.uniform(0.25, 0.98)
        tree(c, x, foot, (foot - horizon + 0.1) * rng.uniform(0.7, 1.35), kind if number % 3 else "round")


def _sea(c: Canvas, horizon: float) -> None:
    rng = c.rng
    deep = mixed(c.manner.sky[0], c.manner.land[-1], 0.5)
    c.gradient(mixed(deep, c.manner.sky[1], 0.45), c.shadow(deep, 0.5), horizon, c.high)
    for _ in range(46):
        y = rng.uniform(horizon + 0.01, c.high)
        near = (y - horizon) / (c.high - horizon)
        x = rng.uniform(-0.1, c.wide)
        c.curve(
            [(x, y), (x + 0.06 + 0.1 * near, y - 0.02 * near), (x + 0.12 + 0.2 * near, y)],
            lighter(deep, rng.uniform(0.15, 0.6)),
            0.004 + 0.012 * near,
            taper=True,
        )
    for _ in range(rng.randint(1, 3)):
        x, y = (rng.uniform(0.15, c.wide - 0.15), horizon + rng.uniform(0.03, 0.3) * (c.high - horizon))
        size = 0.1 + 0.55 * (y - horizon) * rng.uniform(0.8, 1.3)
        ship(c, x, y, size)
    if rng.random() < 0.5:
        side = rng.choice((-0.1, c.wide + 0.1))
        c.body(
            [
                (side, horizon - 0.12),
                (abs(side - 0.25), horizon - 0.04),
                (abs(side - 0.36), horizon + 0.1),
                (side, horizon + 0.16),
            ],
            c.manner.land[1],
        )


def ship(c: Canvas, x: float, y: float, size: float) -> None:
    """A ship under sail."""
    hull, sail = (c.shadow(mixed(c.manner.flesh[1], c.manner.ink, 0.4), 0.4), lighter(c.manner.sky[1], 0.4))
    tilt = c.jitter(size * 0.06)
    for mast in (-0.3, 0.05, 0.35):
        mx = x + size * mast
        c.line([(mx, y), (mx + tilt, y - size * 0.9)], c.manner.ink, 0.008)
        for yard in range(2):
            top, wide = y - size * (0.85 - 0.38 * yard), size * (0.13 + 0.05 * yard)
            c.body(
                [
                    (mx - wide + tilt, top),
                    (mx + wide + tilt, top),
                    (mx + wide * 1.25 + tilt, top + size * 0.32),
                    (mx - wide * 0.8 + tilt, top + size * 0.3),
                ],
                sail,
            )
    c.body(
        [
            (x - size * 0.62, y - size * 0.16),
            (x, y - size * 0.06),
            (x + size * 0.6, y - size * 0.2),
            (x + size * 0.46, y + size * 0.08),
            (x - size * 0.45, y + size * 0.08),
        ],
        hull,
    )
