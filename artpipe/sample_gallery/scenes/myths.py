"""Gods, nymphs and putti."""

import math

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import lighter
from artpipe.sample_gallery.scenes.backdrops import backdrop
from artpipe.sample_gallery.scenes.figures import child, figure, reclining
from artpipe.sample_gallery.scenes.landscapes import hills, sky, tree, water


def mythological(c: Canvas) -> None:
    """Gods and nymphs, mostly bare, in the open; putti above."""
    rng = c.rng
    horizon = c.high * rng.uniform(0.38, 0.56)
    if c.manner.backdrop in ("clouds", "tendrils", "gold", "dark") and rng.random() < 0.6:
        backdrop(c)
    else:
        sky(c, horizon)
        hills(c, horizon, layers=4, rough=0.05)
    for side in (0.05, c.wide - 0.05):
        if rng.random() < 0.7:
            tree(c, side, c.high * rng.uniform(0.7, 0.95), rng.uniform(0.45, 0.8), "round")
    scene = rng.choice(("rest", "dance", "bath", "triumph"))
    if scene == "rest":
        reclining(
            c,
            c.wide / 2 + c.jitter(0.08),
            c.high * rng.uniform(0.68, 0.76),
            rng.uniform(0.74, 0.88),
            rng.choice((-1, 1)),
        )
        if rng.random() < 0.6:
            figure(
                c, rng.choice((0.16, c.wide - 0.16)), c.high * 0.93, 0.46 * c.high, c.cloth(), bare=rng.random() < 0.5
            )
    elif scene == "bath":
        water(c, c.high * 0.72, c.high * 0.98, c.wide * 0.1, c.wide * 0.9)
        for number in range(rng.randint(2, 4)):
            figure(
                c,
                c.wide * (0.22 + 0.2 * number) + c.jitter(0.05),
                c.high * rng.uniform(0.8, 0.94),
                rng.uniform(0.48, 0.6) * c.high,
                c.cloth(),
                bare=True,
            )
    else:
        count = 3 if scene == "dance" else 2
        for number in range(count):
            figure(
                c,
                c.wide * (number + 0.8) / (count + 0.6) + c.jitter(0.04),
                c.high * rng.uniform(0.9, 0.97),
                rng.uniform(0.6, 0.72) * c.high,
                c.cloth(),
                bare=rng.random() < 0.85,
                reach=0.7 if scene == "dance" else None,
            )
    if scene == "triumph" and rng.random() < 0.7:
        scarf = c.cloth()
        y, lift = c.high * rng.uniform(0.2, 0.32), rng.uniform(0.05, 0.12)
        points = [(c.wide * (0.22 + 0.56 * i / 6), y + lift * math.sin(i * 1.2 + lift * 40)) for i in range(7)]
        c.curve(points, lighter(scarf, 0.25), 0.018)
        c.curve([(px, py + 0.012) for px, py in points], c.shadow(scarf, 0.5), 0.006)
        for number in range(rng.randint(1, 3)):
            child(
                c,
                c.wide * (0.25 + 0.25 * number) + c.jitter(0.06),
                c.high * rng.uniform(0.14, 0.26),
                rng.uniform(0.13, 0.18),
                holy=False,
                wings=True,
            )
