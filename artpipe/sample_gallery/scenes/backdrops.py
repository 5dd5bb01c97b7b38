"""What each style puts behind people."""

import math
from collections.abc import Callable

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import darker, lighter, mixed
from artpipe.sample_gallery.scenes.interiors import window
from artpipe.sample_gallery.scenes.landscapes import hills, sky, tree


def _plain(c: Canvas) -> None:
    ground = c.rng.choice(c.manner.ground)
    c.gradient(lighter(ground, 0.1), c.shadow(ground, 0.5))


def _gold(c: Canvas) -> None:
    m = c.manner
    c.gradient(lighter(m.ground[0], 0.12), m.ground[2])
    step, dot = c.rng.uniform(0.06, 0.1), darker(m.ground[1], 0.25)
    for row in range(int(c.high / step) + 1):
        for column in range(int(c.wide / step) + 1):
            x, y = (column + 0.5 * (row % 2)) * step, row * step
            c.shape([(x - 0.013, y), (x, y - 0.013), (x + 0.013, y), (x, y + 0.013)], dot)
    for _ in range(3):
        c.glow(c.rng.uniform(0, c.wide), c.rng.uniform(0, c.high * 0.7), 0.45, lighter(m.gold, 0.35), 0.5)


def _arcade(c: Canvas) -> None:
    m = c.manner
    horizon = c.high * 0.55
    sky(c, horizon, sun=False)
    hills(c, horizon, layers=3, rough=0.03)
    for x in (0.12, 0.3):
        for side in (x, c.wide - x):
            tree(c, side + c.jitter(0.05), horizon + 0.07, 0.22, "poplar")
    stone = lighter(m.ground[0], 0.45)
    for side in (0.0, c.wide - 0.07):
        c.shape([(side, 0.1), (side + 0.07, 0.1), (side + 0.07, c.high), (side, c.high)], stone)
        c.shape(
            [(side + 0.045, 0.1), (side + 0.07, 0.1), (side + 0.07, c.high), (side + 0.045, c.high)],
            c.shadow(stone, 0.5),
        )
    c.shape([(0, 0), (c.wide, 0), (c.wide, 0.09), (0, 0.09)], c.shadow(stone, 0.15))
    c.shape([(0, 0.07), (c.wide, 0.07), (c.wide, 0.1), (0, 0.1)], mixed(c.cloth(), stone, 0.5))


def _hanging(c: Canvas) -> None:
    m = c.manner
    cloth = c.rng.choice((m.cloth[0], m.cloth[1], m.ground[1], m.ground[2]))
    c.gradient(c.shadow(cloth, 0.15), c.shadow(cloth, 0.9))
    motif, step = mixed(m.gold, cloth, 0.5), c.rng.uniform(0.13, 0.19)
    for row in range(int(c.high / step) + 2):
        for column in range(int(c.wide / step) + 2):
            x, y = (column + 0.5 * (row % 2)) * step, row * step
            for petal in range(4):
                angle = petal * math.pi / 2
                c.disc(x + step * 0.17 * math.cos(angle), y + step * 0.17 * math.sin(angle), step * 0.11, colour=motif)
    if c.rng.random() < 0.6:
        x = c.rng.choice((0.04, c.wide - 0.34))
        window(c, x, 0.08, 0.3, 0.42)


def _hills(c: Canvas) -> None:
    horizon = c.high * c.rng.uniform(0.4, 0.55)
    sky(c, horizon, sun=c.rng.random() < 0.3)
    hills(c, horizon, layers=4, rough=0.05)
    side = c.rng.choice((0.06, c.wide - 0.06))
    tree(c, side, c.high * 0.8, 0.55, "round")


def _sky(c: Canvas) -> None:
    sky(c, c.high * 0.8, sun=False)
    stone = mixed(c.manner.ground[1], c.manner.cloth[3], 0.3)
    c.gradient(stone, c.shadow(stone), c.high * 0.8, c.high)
    drape = c.cloth()
    side = c.rng.choice((0, 1))

    def at(x: float) -> float:
        return c.wide - x if side else x

    c.body(
        [(at(-0.1), -0.1), (at(0.4), -0.1), (at(0.26), 0.2), (at(0.14), 0.5), (at(0.2), 0.8), (at(-0.1), 0.95)], drape
    )
    for fold in range(4):
        c.curve(
            [(at(0.08 * fold + 0.05), 0), (at(0.05 * fold + 0.04), 0.35), (at(0.03 * fold), 0.75)],
            c.shadow(drape, 1.1),
            0.016,
            taper=True,
        )


def _dark(c: Canvas) -> None:
    m = c.manner
    c.gradient(m.ground[1], m.ground[2])
    c.glow(c.wide * c.rng.uniform(0.3, 0.7), c.high * 0.4, 0.75, m.ground[0], 0.9)
    if c.rng.random() < 0.5:
        drape = c.shadow(c.cloth(), 0.4)
        c.body([(-0.1, -0.1), (c.wide * 0.7, -0.1), (c.wide * 0.4, 0.12), (0.18, 0.2), (0.08, 0.5), (-0.1, 0.6)], drape)


def _clouds(c: Canvas) -> None:
    m = c.manner
    c.gradient(m.sky[0], m.sky[1])
    for _ in range(26):
        x, y, r = (c.rng.uniform(0, c.wide), c.rng.uniform(0, c.high), c.rng.uniform(0.06, 0.17))
        c.ball(
            x,
            y,
            r * 1.2,
            r * 0.8,
            colour=mixed(lighter(m.sky[1], 0.4), c.rng.choice(m.ground), c.rng.uniform(0, 0.6)),
            depth=0.4,
            shine=0.35,
        )
    for side in (0.0, c.wide):
        for _ in range(10):
            c.ball(
                side + c.jitter(0.12),
                c.rng.uniform(0.2, c.high),
                c.rng.uniform(0.04, 0.09),
                colour=c.rng.choice(m.land),
                depth=0.6,
            )


def _columns(c: Canvas) -> None:
    m = c.manner
    wall = c.rng.choice(m.ground)
    c.gradient(lighter(wall, 0.12), c.shadow(wall, 0.35))
    stone, count = lighter(m.ground[0], 0.3), c.rng.randint(3, 5)
    for number in range(count):
        x = c.wide * (number + 0.5) / count
        half = 0.055
        for flute in range(6):
            share = flute / 6
            c.shape(
                [
                    (x - half + 2 * half * share, 0.13),
                    (x - half + 2 * half * (share + 0.17), 0.13),
                    (x - half + 2 * half * (share + 0.17), c.high * 0.86),
                    (x - half + 2 * half * share, c.high * 0.86),
                ],
                c.shadow(stone, abs(share - 0.3) * 1.3),
            )
        c.shape(
            [(x - half * 1.5, 0.1), (x + half * 1.5, 0.1), (x + half * 1.1, 0.14), (x - half * 1.1, 0.14)],
            lighter(stone, 0.2),
        )
    c.shape([(0, 0), (c.wide, 0), (c.wide, 0.1), (0, 0.1)], c.shadow(stone, 0.2))
    c.gradient(lighter(m.flesh[1], 0.25), c.shadow(m.flesh[1], 0.5), c.high * 0.84, c.high)


def _storm(c: Canvas) -> None:
    horizon = c.high * c.rng.uniform(0.55, 0.72)
    sky(c, horizon, sun=True)
    for _ in range(16):
        x, y, r = (c.rng.uniform(0, c.wide), c.rng.uniform(0, horizon * 0.6), c.rng.uniform(0.08, 0.2))
        c.ball(x, y, r * 1.4, r * 0.6, colour=mixed(c.manner.sky[0], c.rng.choice(c.manner.ground), 0.6), depth=0.8)
    hills(c, horizon, layers=3, rough=0.08)


def _wall(c: Canvas) -> None:
    wall = c.rng.choice(c.manner.ground)
    c.gradient(lighter(wall, 0.06), c.shadow(wall, 0.6))
    for _ in range(14):
        x, y = c.rng.uniform(0, c.wide), c.rng.uniform(0, c.high)
        c.glow(x, y, c.rng.uniform(0.1, 0.3), c.shadow(wall, 0.5) if c.rng.random() < 0.5 else lighter(wall, 0.2), 0.5)
    c.gradient(c.shadow(c.manner.land[1], 0.1), c.shadow(c.manner.land[2], 0.4), c.high * 0.83, c.high)


def _garden(c: Canvas) -> None:
    m = c.manner
    horizon = c.high * c.rng.uniform(0.25, 0.45)
    sky(c, horizon)
    hills(c, horizon, layers=3, rough=0.03)
    for _ in range(8):
        c.ball(
            c.rng.uniform(0, c.wide),
            c.rng.uniform(horizon - 0.05, c.high * 0.8),
            c.rng.uniform(0.06, 0.15),
            colour=c.rng.choice(m.land),
        )
    for _ in range(60):
        c.ball(
            c.rng.uniform(0, c.wide),
            c.rng.uniform(horizon, c.high),
            c.rng.uniform(0.01, 0.025),
            colour=c.cloth(),
            depth=0.3,
        )


def _tendrils(c: Canvas) -> None:
    m = c.manner
    ground = c.rng.choice(m.ground)
    c.gradient(ground, ground)
    c.disc(c.wide / 2, c.high * 0.4, c.rng.uniform(0.36, 0.44), colour=mixed(m.gold, ground, 0.35))
    for stem in range(c.rng.randint(3, 5)):
        side = stem % 2
        x = (c.wide - 0.05 if side else 0.05) + c.jitter(0.04)
        turn = -1 if side else 1
        points = [(x + turn * 0.13 * math.sin(i * 0.9 + stem), c.high - i * c.high / 9) for i in range(10)]
        c.curve(points, m.land[2], 0.02, taper=True)
        for leaf in range(1, 9):
            lx, ly = points[leaf]
            c.ball(lx + turn * 0.035, ly, 0.04, 0.018, colour=c.rng.choice(m.land), turned=leaf * 0.8)
            if leaf % 3 == 0:
                for petal in range(5):
                    angle = petal * math.tau / 5
                    c.ball(
                        lx + 0.03 * math.cos(angle),
                        ly + 0.03 * math.sin(angle),
                        0.024,
                        colour=m.cloth[stem % len(m.cloth)],
                    )


BACKDROPS: dict[str, Callable[[Canvas], None]] = {
    "plain": _plain, "gold": _gold, "arcade": _arcade, "hanging": _hanging, "hills": _hills, "sky": _sky, "dark": _dark,
    "clouds": _clouds, "columns": _columns, "storm": _storm, "wall": _wall, "garden": _garden, "tendrils": _tendrils,
}  # fmt: skip


def backdrop(c: Canvas) -> None:
    """What a style puts behind people; now and then just a plain ground."""
    BACKDROPS[c.manner.backdrop if c.rng.random() < 0.8 else "plain"](c)
