"""Daily life at table and out of doors."""

import math

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import lighter, mixed
from artpipe.sample_gallery.scenes.figures import figure
from artpipe.sample_gallery.scenes.interiors import room, window
from artpipe.sample_gallery.scenes.landscapes import hills, house, sky, tree


def genre(c: Canvas) -> None:
    """A few people at table, at music, or out of doors at a feast."""
    rng, m = c.rng, c.manner
    if rng.random() < 0.2:
        _feast(c)
        return
    wall = c.shadow(rng.choice(m.ground), 0.25)
    if rng.random() < 0.55:
        vx = c.wide * rng.uniform(0.35, 0.65)
        room(c, wall, rng.choice(m.land), vx - 0.34, vx + 0.34, c.high * 0.14, c.high * 0.72)
    else:
        c.gradient(lighter(wall, 0.08), c.shadow(wall, 0.7))
    if rng.random() < 0.6:
        window(c, rng.choice((0.06, c.wide - 0.28)), c.high * 0.1, 0.22, 0.26)
    lamp = c.wide * rng.uniform(0.42, 0.58), c.high * rng.uniform(0.56, 0.62)
    c.glow(lamp[0], lamp[1] - 0.1, 0.55, lighter(m.gold, 0.2), 0.5)
    c.focus = lamp
    count = rng.randint(2, 4)
    for number in range(count):
        x = c.wide * (number + 0.6) / (count + 0.2) + c.jitter(0.03)
        figure(c, x, c.high * 0.92, rng.uniform(0.56, 0.68) * c.high, c.cloth(), facing=1 if x < lamp[0] else -1)
    wood = mixed(m.flesh[1], m.ink, 0.35)
    top, near = c.high * rng.uniform(0.64, 0.7), c.high * rng.uniform(0.76, 0.82)
    left, right = c.wide * rng.uniform(0.08, 0.2), c.wide * rng.uniform(0.8, 0.92)
    cover = wood if rng.random() < 0.5 else lighter(c.cloth(), 0.45)
    c.shape([(left + 0.07, top), (right - 0.07, top), (right, near), (left, near)], lighter(cover, 0.15))
    c.shape(
        [(left, near), (right, near), (right - 0.02, c.high * 0.98), (left + 0.02, c.high * 0.98)],
        c.shadow(cover, 0.75),
    )
    for _ in range(rng.randint(3, 6)):
        x, y = (rng.uniform(left + 0.1, right - 0.1), rng.uniform(top + 0.01, near - 0.02))
        kind = rng.random()
        if kind < 0.4:
            c.ball(x, y, 0.05, 0.02, colour=lighter(m.ground[0], 0.5))
            c.ball(x, y - 0.015, 0.028, 0.02, colour=mixed(m.gold, m.flesh[1], 0.4))
        elif kind < 0.75:
            c.body(
                [
                    (x - 0.025, y),
                    (x - 0.03, y - 0.07),
                    (x - 0.015, y - 0.1),
                    (x + 0.015, y - 0.1),
                    (x + 0.03, y - 0.07),
                    (x + 0.025, y),
                ],
                c.cloth(),
            )
        else:
            c.shape(
                [(x, y), (x + 0.05, y - 0.01), (x + 0.06, y + 0.015), (x + 0.01, y + 0.025)], lighter(m.ground[0], 0.75)
            )
    if rng.random() < 0.6:
        c.shape(
            [
                (lamp[0] - 0.012, top + 0.03),
                (lamp[0] + 0.012, top + 0.03),
                (lamp[0] + 0.01, lamp[1] - 0.02),
                (lamp[0] - 0.01, lamp[1] - 0.02),
            ],
            lighter(m.gold, 0.7),
        )
        c.glow(lamp[0], lamp[1] - 0.05, 0.12, lighter(m.gold, 0.6), 1.0)
        c.ball(lamp[0], lamp[1] - 0.045, 0.011, 0.024, colour=lighter(m.gold, 0.8), depth=0.1)


def _feast(c: Canvas) -> None:
    rng = c.rng
    horizon = c.high * rng.uniform(0.3, 0.42)
    sky(c, horizon)
    hills(c, horizon, layers=3, rough=0.03)
    for number in range(rng.randint(2, 3)):
        house(c, c.wide * (0.05 + 0.33 * number) + c.jitter(0.05), horizon + 0.14, rng.uniform(0.24, 0.34))
    tree(c, rng.choice((0.08, c.wide - 0.08)), c.high * 0.85, 0.6, "round")
    count = rng.randint(5, 8)
    ring = [math.tau * (number + 0.3) / count for number in range(count)]
    for angle in sorted(ring, key=math.sin):  # those in front hide those behind
        x, foot = c.wide / 2 + c.wide * 0.36 * math.cos(angle), c.high * (0.77 + 0.18 * math.sin(angle))
        size = c.high * (0.28 + 0.07 * math.sin(angle))
        figure(c, x + c.jitter(0.03), foot, size, c.cloth(), reach=rng.uniform(0.2, 0.8))
