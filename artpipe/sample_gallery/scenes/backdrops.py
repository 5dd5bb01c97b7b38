"""What each style puts behind people."""

import math
from collections.abc import Callable, Iterator

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import darker, lighter, mixed
from artpipe.sample_gallery.scenes.nature import hills, sky, tree
from artpipe.sample_gallery.scenes.things import drapery, flower, window


def _lattice(c: Canvas, step: float) -> Iterator[tuple[float, float]]:
    """Places in staggered rows over the whole picture."""
    for row in range(int(c.high / step) + 2):
        for column in range(int(c.wide / step) + 2):
            yield (column + 0.5 * (row % 2)) * step, row * step


def _scattered(c: Canvas, count: int, top: float, bottom: float) -> Iterator[tuple[float, float]]:
    """So many places by chance between two heights."""
    for _ in range(count):
        yield c.rng.uniform(0, c.wide), c.rng.uniform(top, bottom)


def _plain(c: Canvas) -> None:
    ground = c.rng.choice(c.manner.ground)
    c.gradient(lighter(ground, 0.1), c.shadow(ground, 0.5))
    for x, y in _scattered(c, 8, 0, c.high):
        c.glow(x, y, c.rng.uniform(0.1, 0.3), c.rng.choice((c.shadow(ground, 0.4), lighter(ground, 0.15))), 0.4)


def _drapery(c: Canvas) -> None:
    _plain(c)
    c.gradient(c.shadow(c.manner.ground[1], 0.5), c.shadow(c.manner.ground[2]), c.high * 0.85, c.high)
    drapery(c, c.shadow(c.cloth(), 0.3), c.rng.choice((-1, 1)))


def _gold(c: Canvas) -> None:
    m = c.manner
    c.gradient(lighter(m.ground[0], 0.12), m.ground[2])
    for x, y in _lattice(c, c.rng.uniform(0.06, 0.1)):
        c.at(x, y, 0.013).shape("-100,0 0,-100 100,0 0,100", darker(m.ground[1], 0.25))
    for x, y in _scattered(c, 3, 0, c.high * 0.7):
        c.glow(x, y, 0.45, lighter(m.gold, 0.35), 0.5)


def _arcade(c: Canvas) -> None:
    horizon = c.high * 0.55
    sky(c, horizon, sun=0)
    hills(c, horizon, layers=3)
    for x in (0.12, 0.3, c.wide - 0.3, c.wide - 0.12):
        tree(c, x + c.jitter(0.05), horizon + 0.07, 0.22, "poplar")
    stone = lighter(c.manner.ground[0], 0.45)
    for x in (0.0, c.wide - 0.07):
        c.box(x, 0.1, x + 0.07, c.high, stone)
        c.box(x + 0.045, 0.1, x + 0.07, c.high, c.shadow(stone, 0.5))
    c.box(0, 0, c.wide, 0.1, mixed(c.cloth(), stone, 0.5))
    c.box(0, 0, c.wide, 0.07, c.shadow(stone, 0.15))


def _hanging(c: Canvas) -> None:
    m, step = c.manner, c.rng.uniform(0.13, 0.19)
    cloth = c.rng.choice((m.cloth[0], m.cloth[1], m.ground[1], m.ground[2]))
    c.gradient(c.shadow(cloth, 0.15), c.shadow(cloth, 0.9))
    for x, y in _lattice(c, step):
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            c.ball(x + step * 0.17 * dx, y + step * 0.17 * dy, step * 0.11, colour=mixed(m.gold, cloth, 0.5), depth=0)
    if c.rng.random() < 0.6:
        window(c, c.rng.choice((0.04, c.wide - 0.34)), 0.08, 0.3, 0.42)


def _hills(c: Canvas) -> None:
    horizon = c.high * c.rng.uniform(0.4, 0.55)
    sky(c, horizon, sun=0.3)
    hills(c, horizon)
    tree(c, c.rng.choice((0.06, c.wide - 0.06)), c.high * 0.8, 0.55)


def _clouds(c: Canvas) -> None:
    m = c.manner
    c.gradient(*m.sky)
    for x, y in _scattered(c, 26, 0, c.high):
        colour = mixed(lighter(m.sky[1], 0.4), c.rng.choice(m.ground), c.rng.uniform(0, 0.6))
        radius = c.rng.uniform(0.06, 0.17)
        c.ball(x, y, radius * 1.2, radius * 0.8, colour=colour, depth=0.4, shine=0.35)


def _columns(c: Canvas) -> None:
    m, wall = c.manner, c.rng.choice(c.manner.ground)
    c.gradient(lighter(wall, 0.12), c.shadow(wall, 0.35))
    stone, count = lighter(m.ground[0], 0.3), c.rng.randint(3, 5)
    for number in range(count):
        column = c.at(c.wide * (number + 0.5) / count, 0, 0.055)
        for flute in range(6):
            left = (flute - 3) / 3
            column.box(left, 2, left + 1 / 3, c.high / 0.06, c.shadow(stone, abs(flute / 6 - 0.3) * 1.3))
        column.shape("-150,170 150,170 110,250 -110,250", lighter(stone, 0.2))
    c.box(0, 0, c.wide, 0.1, c.shadow(stone, 0.2))
    c.gradient(lighter(m.flesh[1], 0.25), c.shadow(m.flesh[1], 0.5), c.high * 0.84, c.high)


def _garden(c: Canvas) -> None:
    horizon = c.high * c.rng.uniform(0.25, 0.45)
    sky(c, horizon)
    hills(c, horizon, layers=3)
    for x, y in _scattered(c, 8, horizon - 0.05, c.high * 0.8):
        c.ball(x, y, c.rng.uniform(0.06, 0.15), colour=c.rng.choice(c.manner.land))
    for x, y in _scattered(c, 60, horizon, c.high):
        c.ball(x, y, c.rng.uniform(0.01, 0.025), colour=c.cloth(), depth=0)


def _tendrils(c: Canvas) -> None:
    m, ground = c.manner, c.rng.choice(c.manner.ground)
    c.gradient(ground, ground)
    c.ball(c.wide / 2, c.high * 0.4, c.rng.uniform(0.36, 0.44), colour=mixed(m.gold, ground, 0.35), depth=0)
    for stem in range(c.rng.randint(3, 5)):
        part = c.at(c.wide - 0.05 if stem % 2 else 0.05, c.high, c.high, -1 if stem % 2 else 1)
        points = [(c.jitter(0.02) + 0.1 * math.sin(i * 0.9 + stem), -i / 9) for i in range(10)]
        part.curve(points, m.land[2], 0.015, taper=True)
        for leaf, (x, y) in enumerate(points[1:9]):
            if leaf % 3 == 2:
                flower(part, x, y, 0.04, m.cloth[stem % len(m.cloth)])
            else:
                part.ball(x + 0.03, y, 0.03, 0.014, colour=c.rng.choice(m.land), turned=leaf * 0.8)


BACKDROPS: dict[str, Callable[[Canvas], None]] = {
    "plain": _plain, "drapery": _drapery, "gold": _gold, "arcade": _arcade, "hanging": _hanging, "hills": _hills,
    "clouds": _clouds, "columns": _columns, "garden": _garden, "tendrils": _tendrils,
}  # fmt: skip


def backdrop(c: Canvas) -> None:
    """What a style puts behind people; now and then just a plain ground."""
    BACKDROPS[c.manner.backdrop if c.rng.random() < 0.8 else "plain"](c)
