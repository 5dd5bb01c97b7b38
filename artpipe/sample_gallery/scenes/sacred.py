"""Sacred scenes: enthroned, announced to, crucified, born in a stable."""

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import lighter, mixed
from artpipe.sample_gallery.scenes.backdrops import backdrop
from artpipe.sample_gallery.scenes.figures import child, figure, halo
from artpipe.sample_gallery.scenes.landscapes import hills, sky


def religious(c: Canvas) -> None:
    """Figures with haloes: enthroned, announced to, crucified, or in a row."""
    scene = c.rng.choice(("throne", "throne", "annunciation", "cross", "saints", "nativity"))
    if scene == "cross":
        _cross(c)
        return
    backdrop(c)
    floor = c.rng.choice((*c.manner.land, c.manner.flesh[1]))
    if c.manner.backdrop not in ("hills", "garden", "storm"):
        c.gradient(lighter(floor, 0.1), c.shadow(floor, 0.4), c.high * 0.9, c.high)
    if scene == "throne":
        _throne(c)
    elif scene == "annunciation":
        size = c.rng.uniform(0.58, 0.7) * c.high
        side = c.rng.choice((-1, 1))
        x = c.wide / 2
        dove = (x + c.jitter(0.05), c.high * 0.14)
        c.glow(*dove, 0.25, lighter(c.manner.gold, 0.4), 0.8)
        c.line([dove, (x + side * 0.25, c.high * 0.4)], lighter(c.manner.gold, 0.3), 0.008)
        c.ball(*dove, 0.045, 0.025, colour=(248, 246, 240))
        figure(
            c,
            x - side * 0.26,
            c.high * 0.95,
            size,
            lighter(c.cloth(), 0.35),
            holy=True,
            facing=side,
            wings=True,
            veiled=False,
            reach=0.7,
        )
        figure(c, x + side * 0.25, c.high * 0.96, size * 0.96, c.manner.cloth[0], holy=True, facing=-side, veiled=True)
        for leaf in range(5):
            c.ball(x + c.jitter(0.03), c.high * 0.8 - 0.03 * leaf, 0.022, 0.03, colour=lighter(c.manner.ground[0], 0.7))
        c.ball(x, c.high * 0.88, 0.04, 0.06, colour=c.manner.gold)
    elif scene == "saints":
        count = c.rng.randint(2, 4)
        for number in range(count):
            x = c.wide * (number + 0.5) / count
            if c.manner.backdrop in ("gold", "arcade", "plain"):
                c.curve(
                    [
                        (x - 0.4 / count, c.high * 0.9),
                        (x - 0.4 / count, c.high * 0.3),
                        (x, c.high * 0.12),
                        (x + 0.4 / count, c.high * 0.3),
                        (x + 0.4 / count, c.high * 0.9),
                    ],
                    c.shadow(c.manner.gold, 0.7),
                    0.02,
                )
            figure(c, x, c.high * 0.94, c.rng.uniform(0.62, 0.72) * c.high, c.cloth(), holy=True)
    else:
        _nativity(c)


def _throne(c: Canvas) -> None:
    x, m = c.wide / 2 + c.jitter(0.03), c.manner
    size = c.rng.uniform(0.7, 0.8) * c.high
    back, top = mixed(c.cloth(), m.gold, 0.4), c.high * 0.96 - size * 1.02
    c.body(
        [
            (x - 0.24, c.high * 0.92),
            (x - 0.22, top + 0.14),
            (x, top - 0.04),
            (x + 0.22, top + 0.14),
            (x + 0.24, c.high * 0.92),
        ],
        back,
    )
    c.curve(
        [
            (x - 0.23, c.high * 0.9),
            (x - 0.21, top + 0.15),
            (x, top - 0.03),
            (x + 0.21, top + 0.15),
            (x + 0.23, c.high * 0.9),
        ],
        lighter(m.gold, 0.2),
        0.018,
    )
    for row in range(c.rng.randint(1, 2)):
        for side in (-1, 1):
            place = x + side * (0.28 + 0.15 * row)
            figure(
                c,
                place,
                c.high * (0.92 + 0.03 * row),
                c.rng.uniform(0.4, 0.5) * c.high,
                c.cloth(),
                holy=c.rng.random() < 0.85,
                facing=-side,
                wings=c.rng.random() < 0.35,
            )
    head = figure(c, x, c.high * 0.97, size, m.cloth[0], holy=True, veiled=True)
    side = c.rng.choice((-1, 1))
    child(c, x + side * size * 0.12, head[1] + size * 0.34, size * 0.27)
    c.focus = head


def _cross(c: Canvas) -> None:
    m, x = c.manner, c.wide / 2 + c.jitter(0.05)
    if m.backdrop == "gold":
        backdrop(c)
    else:
        horizon = c.high * c.rng.uniform(0.62, 0.72)
        sky(c, horizon, sun=c.rng.random() < 0.5)
        hills(c, horizon, layers=3, rough=0.05)
    wood = c.shadow(mixed(m.flesh[1], m.ink, 0.4), 0.3)
    top, arm = c.high * 0.1, c.high * 0.25
    c.glow(x, arm, 0.5, lighter(m.gold, 0.4), 0.6)
    c.shape([(x - 0.025, top), (x + 0.025, top), (x + 0.03, c.high * 0.93), (x - 0.03, c.high * 0.93)], wood)
    c.shape([(x - 0.3, arm - 0.025), (x + 0.3, arm - 0.025), (x + 0.3, arm + 0.025), (x - 0.3, arm + 0.025)], wood)
    flesh = m.flesh[0]
    halo(c, x + 0.01, arm - 0.035, 0.085)
    for side in (-1, 1):
        c.body(
            [
                (x + side * 0.05, arm + 0.05),
                (x + side * 0.16, arm + 0.035),
                (x + side * 0.27, arm - 0.01),
                (x + side * 0.27, arm + 0.012),
                (x + side * 0.15, arm + 0.075),
                (x + side * 0.05, arm + 0.1),
            ],
            flesh,
        )
    c.body(
        [
            (x - 0.07, arm + 0.04),
            (x + 0.07, arm + 0.04),
            (x + 0.06, arm + 0.2),
            (x + 0.07, arm + 0.27),
            (x + 0.035, arm + 0.48),
            (x, arm + 0.53),
            (x - 0.035, arm + 0.48),
            (x - 0.06, arm + 0.27),
            (x - 0.06, arm + 0.2),
        ],
        flesh,
    )
    c.body(
        [
            (x - 0.08, arm + 0.24),
            (x + 0.08, arm + 0.23),
            (x + 0.09, arm + 0.32),
            (x + 0.02, arm + 0.35),
            (x - 0.07, arm + 0.33),
        ],
        lighter(m.ground[0], 0.7),
    )
    c.ball(x + 0.012, arm - 0.02, 0.042, 0.055, colour=flesh)
    c.focus = (x, arm + 0.15)
    for side in (-1, 1):
        for number in range(c.rng.randint(1, 2)):
            figure(
                c,
                x + side * (0.2 + 0.16 * number),
                c.high * 0.95,
                c.rng.uniform(0.38, 0.46) * c.high,
                c.cloth(),
                holy=number == 0 or c.rng.random() < 0.4,
                facing=-side,
            )


def _nativity(c: Canvas) -> None:
    x, m = c.wide / 2, c.manner
    roof = c.shadow(mixed(m.flesh[1], m.ink, 0.3), 0.2)
    c.shape(
        [
            (x - 0.45, c.high * 0.42),
            (x, c.high * 0.16),
            (x + 0.45, c.high * 0.42),
            (x + 0.4, c.high * 0.45),
            (x, c.high * 0.22),
            (x - 0.4, c.high * 0.45),
        ],
        roof,
    )
    for side in (-1, 1):
        c.line([(x + side * 0.37, c.high * 0.42), (x + side * 0.37, c.high * 0.92)], roof, 0.03)
    c.glow(x, c.high * 0.76, 0.4, lighter(m.gold, 0.4), 0.9)
    figure(c, x - 0.22, c.high * 0.93, 0.5 * c.high, m.cloth[0], holy=True, facing=1, veiled=True)
    figure(c, x + 0.24, c.high * 0.93, 0.55 * c.high, c.cloth(), holy=True, facing=-1)
    c.body(
        [(x - 0.15, c.high * 0.84), (x + 0.15, c.high * 0.84), (x + 0.11, c.high * 0.93), (x - 0.11, c.high * 0.93)],
        mixed(m.gold, m.flesh[1], 0.5),
    )
    child(c, x, c.high * 0.79, 0.2)
    c.focus = (x, c.high * 0.72)
