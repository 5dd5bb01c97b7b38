"""Battles, fleets and oaths."""

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import darker, lighter, mixed
from artpipe.sample_gallery.scenes.backdrops import backdrop
from artpipe.sample_gallery.scenes.figures import figure
from artpipe.sample_gallery.scenes.landscapes import hills, ship, sky


def historical(c: Canvas) -> None:
    """A battle, a fleet, an oath: many people, lances and banners."""
    scene = c.rng.choice(("battle", "battle", "siege", "oath", "fleet"))
    if scene == "oath":
        _oath(c)
    elif scene == "fleet":
        _fleet(c)
    else:
        _battle(c, siege=scene == "siege")


def _banner(c: Canvas, x: float, foot: float, top: float, flag: bool) -> None:
    lean = c.jitter(0.05)
    c.line([(x, foot), (x + lean, top)], c.shadow(c.manner.flesh[1], 1.2), 0.008)
    if flag:
        side, colour = c.rng.choice((-1, 1)), c.cloth()
        c.body(
            [
                (x + lean, top),
                (x + lean + side * 0.07, top + 0.015),
                (x + lean + side * 0.15, top - 0.01),
                (x + lean + side * 0.13, top + 0.06),
                (x + lean + side * 0.06, top + 0.08),
                (x + lean, top + 0.075),
            ],
            colour,
        )


def _horse(c: Canvas, x: float, foot: float, size: float) -> None:
    coat, f = (
        c.rng.choice(
            (darker(c.manner.flesh[1], 0.5), lighter(c.manner.ground[0], 0.5), darker(c.manner.land[-1], 0.4))
        ),
        c.rng.choice((-1, 1)),
    )
    for leg in (-0.32, -0.2, 0.2, 0.32):
        c.curve(
            [
                (x + leg * size, foot - size * 0.4),
                (x + (leg + c.jitter(0.08)) * size, foot - size * 0.2),
                (x + (leg + c.jitter(0.12)) * size, foot),
            ],
            c.shadow(coat, 0.4),
            size * 0.06,
        )
    c.ball(x, foot - size * 0.5, size * 0.42, size * 0.2, colour=coat)
    c.body(
        [
            (x + f * size * 0.25, foot - size * 0.5),
            (x + f * size * 0.35, foot - size * 0.85),
            (x + f * size * 0.5, foot - size * 0.98),
            (x + f * size * 0.72, foot - size * 0.8),
            (x + f * size * 0.66, foot - size * 0.72),
            (x + f * size * 0.52, foot - size * 0.76),
            (x + f * size * 0.42, foot - size * 0.4),
        ],
        coat,
    )
    figure(c, x - f * size * 0.02, foot - size * 0.42, size * 0.85, c.cloth(), facing=f, veiled=False)


def _battle(c: Canvas, *, siege: bool) -> None:
    rng = c.rng
    horizon = c.high * rng.uniform(0.34, 0.46)
    sky(c, horizon)
    hills(c, horizon, layers=3, rough=0.03)
    if siege:
        wall = c.shadow(c.manner.ground[0], 0.25)
        x = rng.uniform(0.05, c.wide * 0.5)
        for tower in range(4):
            left, top = x + 0.15 * tower, horizon - rng.uniform(0.05, 0.2)
            c.shape([(left, horizon + 0.06), (left, top), (left + 0.09, top), (left + 0.09, horizon + 0.06)], wall)
            c.shape([(left - 0.01, top), (left + 0.045, top - 0.09), (left + 0.1, top)], c.shadow(c.cloth(), 0.3))
        c.shape(
            [(x, horizon + 0.08), (x, horizon - 0.03), (x + 0.55, horizon - 0.03), (x + 0.55, horizon + 0.08)],
            c.shadow(wall, 0.3),
        )
    for _ in range(4):
        c.glow(
            rng.uniform(0, c.wide),
            horizon + c.jitter(0.08),
            rng.uniform(0.15, 0.35),
            lighter(c.manner.ground[1], 0.3),
            0.65,
        )
    for row in range(3):
        foot, size = (horizon + (c.high * 0.98 - horizon) * (0.3, 0.6, 0.98)[row], (0.13, 0.2, 0.3)[row] * c.high)
        count = round(c.wide * (9, 7, 4)[row])
        for number in range(count):
            x = c.wide * (number + 0.5) / count + c.jitter(0.05)
            if rng.random() < 0.4:
                _banner(c, x + 0.03, foot, foot - size * rng.uniform(1.4, 2.0), rng.random() < 0.65)
            if row and rng.random() < 0.3:
                _horse(c, x, foot + c.jitter(0.02), size * 0.85)
            else:
                figure(c, x, foot + c.jitter(0.02), size, c.cloth(), veiled=False, reach=rng.uniform(-0.2, 0.8))


def _oath(c: Canvas) -> None:
    backdrop(c)
    count = c.rng.randint(5, 8)
    middle = c.rng.uniform(0.4, 0.6) * c.wide
    for number in range(count):
        x = c.wide * (number + 0.5) / count + c.jitter(0.02)
        if abs(x - middle) < 0.06:
            continue
        if c.rng.random() < 0.45:
            _banner(c, x, c.high * 0.9, c.high * c.rng.uniform(0.12, 0.3), c.rng.random() < 0.6)
        figure(
            c,
            x,
            c.high * (0.9 + 0.06 * (number % 2)),
            c.rng.uniform(0.42, 0.5) * c.high,
            c.cloth(),
            facing=1 if x < middle else -1,
            reach=0.75,
            veiled=False,
        )
    figure(c, middle, c.high * 0.94, 0.58 * c.high, c.manner.cloth[0], veiled=False, reach=0.9)


def _fleet(c: Canvas) -> None:
    horizon = c.high * c.rng.uniform(0.4, 0.52)
    sky(c, horizon)
    deep = mixed(c.manner.sky[0], c.manner.land[-1], 0.55)
    c.gradient(mixed(deep, c.manner.sky[1], 0.3), c.shadow(deep, 0.6), horizon, c.high)
    for row in range(3):
        for _ in range(4 - row):
            y = horizon + (0.03 + 0.16 * row) * c.high
            x = c.rng.uniform(0.1, c.wide - 0.1)
            if c.rng.random() < 0.6:
                c.glow(x + 0.08, y - 0.06, 0.14 + 0.06 * row, lighter(c.manner.gold, 0.3), 0.8)
                c.glow(x + 0.14, y - 0.14, 0.2, c.shadow(c.manner.ground[1], 0.4), 0.7)
            ship(c, x, y, 0.16 + 0.11 * row)
            if c.rng.random() < 0.6:
                _banner(c, x, y - 0.1, y - 0.24 - 0.1 * row, flag=True)
    for _ in range(30):
        y, x = c.rng.uniform(horizon + 0.02, c.high), c.rng.uniform(0, c.wide)
        c.curve([(x, y), (x + 0.06, y - 0.012), (x + 0.13, y)], lighter(deep, 0.45), 0.008, taper=True)
