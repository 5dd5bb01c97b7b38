"""Sketches on toned paper."""

import math

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import Colour, lighter, mixed


def study(c: Canvas) -> None:
    """Lines and hatching on toned paper; most of the sheet is empty."""
    m, rng = c.manner, c.rng
    paper = lighter(mixed(rng.choice(m.ground), m.flesh[0], rng.uniform(0.1, 0.6)), 0.35)
    c.gradient(paper, mixed(paper, m.flesh[1], 0.14))
    ink = rng.choice((mixed((122, 52, 34), m.ink, 0.25), m.ink, mixed(m.ink, m.flesh[1], 0.35)))
    chalk = lighter(paper, 0.75)
    kind = rng.choice(("head", "drapery", "figure", "heads", "tree", "arch"))
    x, y = c.wide / 2 + c.jitter(0.08), c.high * rng.uniform(0.4, 0.5)
    if kind == "heads":
        for number in range(rng.randint(3, 5)):
            _sketched_head(
                c,
                c.wide * (0.22 + 0.3 * (number % 3)),
                c.high * (0.28 + 0.38 * (number // 2 % 2)) + c.jitter(0.05),
                rng.uniform(0.08, 0.13),
                ink,
                chalk,
                paper,
            )
    elif kind == "head":
        _sketched_head(c, x, y, rng.uniform(0.19, 0.25), ink, chalk, paper)
    elif kind == "figure":
        _sketched_figure(c, x, c.high * 0.92, c.high * 0.78, ink, chalk, paper)
    elif kind == "tree":
        for _ in range(26):
            reach = rng.uniform(0.1, 0.34)
            angle = rng.uniform(-math.pi * 0.95, -math.pi * 0.05)
            c.curve(
                [
                    (x + c.jitter(0.02), c.high * 0.86),
                    (x + reach * 0.3 * math.cos(angle), c.high * 0.6),
                    (x + reach * math.cos(angle), c.high * 0.55 + reach * math.sin(angle)),
                ],
                mixed(ink, paper, rng.uniform(0, 0.5)),
                0.007,
                taper=True,
            )
        _hatching(c, x + 0.05, c.high * 0.4, 0.2, 22, ink, paper)
    elif kind == "arch":
        _sketched_church(c, x, c.high * 0.84, ink, paper)
    else:
        for fold in range(16):
            fx = x + c.jitter(0.22)
            c.curve(
                [
                    (x + c.jitter(0.06), y - 0.25),
                    (fx, y),
                    (fx + c.jitter(0.12), y + 0.18),
                    (fx + c.jitter(0.16), y + 0.36),
                ],
                mixed(ink, paper, rng.uniform(0.1, 0.6)) if fold % 4 else chalk,
                0.009,
                taper=True,
            )
        _hatching(c, x + 0.06, y + 0.1, 0.16, 24, ink, paper)
    for _ in range(rng.randint(0, 2)):
        sx, sy = rng.choice((0.12, c.wide - 0.2)), rng.uniform(0.1, 0.9) * c.high
        c.curve(
            [(sx, sy), (sx + 0.03, sy - 0.012), (sx + 0.06, sy + 0.01), (sx + 0.1, sy)], mixed(ink, paper, 0.4), 0.005
        )


def _loop(c: Canvas, points: list[tuple[float, float]], ink: Colour, paper: Colour) -> None:
    for trial in range(3):
        moved = [(x + c.jitter(0.007), y + c.jitter(0.007)) for x, y in points]
        c.curve([*moved, moved[0]], mixed(ink, paper, 0.15 + 0.25 * trial), 0.006)


def _hatching(c: Canvas, x: float, y: float, size: float, count: int, ink: Colour, paper: Colour) -> None:
    slope = c.rng.uniform(0.35, 0.7)
    for number in range(count):
        at = (number / count - 0.5) * 2 * size
        reach = math.sqrt(max(0.0, size * size - at * at))
        c.line(
            [
                (x + at - reach * slope, y + at * 0.4 + reach * 0.8),
                (x + at + reach * slope, y + at * 0.4 - reach * 0.8),
            ],
            mixed(ink, paper, c.rng.uniform(0.25, 0.6)),
            0.005,
        )


def _sketched_head(c: Canvas, x: float, y: float, r: float, ink: Colour, chalk: Colour, paper: Colour) -> None:
    turn = c.rng.choice((-1, 1))
    _loop(
        c,
        [
            (x - r * 0.8, y - r * 0.3),
            (x, y - r * 1.1),
            (x + r * 0.8, y - r * 0.3),
            (x + r * 0.6, y + r * 0.6),
            (x + turn * r * 0.1, y + r * 1.15),
            (x - r * 0.6, y + r * 0.6),
        ],
        ink,
        paper,
    )
    _hatching(c, x - turn * r * 0.35, y + r * 0.1, r * 0.55, 13, ink, paper)
    for side in (-1, 1):
        ex = x + turn * r * 0.15 + side * r * 0.34
        c.curve([(ex - r * 0.16, y), (ex, y - r * 0.1), (ex + r * 0.16, y)], ink, 0.008)
        c.disc(ex, y + r * 0.02, r * 0.06, colour=ink)
        c.curve([(ex - r * 0.2, y - r * 0.2), (ex, y - r * 0.28), (ex + r * 0.2, y - r * 0.2)], ink, 0.007)
    c.curve(
        [(x + turn * r * 0.18, y - r * 0.1), (x + turn * r * 0.32, y + r * 0.28), (x + turn * r * 0.16, y + r * 0.32)],
        ink,
        0.008,
    )
    c.curve(
        [
            (x + turn * r * 0.15 - r * 0.2, y + r * 0.6),
            (x + turn * r * 0.15, y + r * 0.64),
            (x + turn * r * 0.15 + r * 0.2, y + r * 0.58),
        ],
        ink,
        0.009,
    )
    for _ in range(14):
        angle = c.rng.uniform(math.pi * 1.05, math.pi * 1.95)
        c.curve(
            [
                (x + r * 0.9 * math.cos(angle), y + r * math.sin(angle)),
                (x + r * 1.12 * math.cos(angle + 0.3), y + r * 1.15 * math.sin(angle + 0.3)),
                (x + r * 1.1 * math.cos(angle + 0.6), y + r * 0.95 * math.sin(angle + 0.6)),
            ],
            mixed(ink, paper, c.rng.uniform(0, 0.5)),
            0.007,
            taper=True,
        )
    for _ in range(5):
        c.curve(
            [(x + turn * r * 0.4 + c.jitter(r * 0.2), y + c.jitter(r * 0.4)), (x + turn * r * 0.5, y + r * 0.1)],
            chalk,
            0.012,
        )
    c.curve(
        [(x - r * 0.35, y + r * 0.9), (x - r * 0.4, y + r * 1.5), (x - r * 1.3, y + r * 1.9)],
        mixed(ink, paper, 0.25),
        0.007,
    )
    c.curve(
        [(x + r * 0.4, y + r * 0.8), (x + r * 0.42, y + r * 1.5), (x + r * 1.3, y + r * 1.85)],
        mixed(ink, paper, 0.25),
        0.007,
    )


def _sketched_church(c: Canvas, x: float, foot: float, ink: Colour, paper: Colour) -> None:
    wide, wall = c.rng.uniform(0.22, 0.32), foot - c.rng.uniform(0.28, 0.4)
    _loop(
        c,
        [(x - wide, foot), (x - wide, wall), (x, wall - 0.002), (x + wide, wall), (x + wide, foot), (x, foot)],
        ink,
        paper,
    )
    for trial in range(3):
        dome = [
            (x + wide * 0.72 * math.cos(a / 10) + c.jitter(0.006), wall - wide * 0.95 * math.sin(a / 10))
            for a in range(32)
        ]
        c.curve(dome, mixed(ink, paper, 0.2 + 0.2 * trial), 0.006)
    c.line([(x, wall - wide * 0.95), (x, wall - wide * 1.35)], ink, 0.006)
    count = c.rng.randint(3, 5)
    for arch in range(count):
        ax, half = x + wide * 1.8 * ((arch + 0.5) / count - 0.5), wide * 0.55 / count
        c.curve(
            [
                (ax - half, foot),
                (ax - half, foot - 0.16),
                (ax, foot - 0.16 - half),
                (ax + half, foot - 0.16),
                (ax + half, foot),
            ],
            mixed(ink, paper, 0.2),
            0.006,
        )
        _hatching(c, ax, foot - 0.09, half * 0.8, 7, ink, paper)
    _hatching(c, x + wide * 0.35, wall - wide * 0.35, wide * 0.3, 14, ink, paper)
    for line in (wall + 0.03, foot + 0.015):
        c.line([(x - wide * 1.25, line), (x + wide * 1.25, line)], mixed(ink, paper, 0.4), 0.005)


def _sketched_figure(c: Canvas, x: float, foot: float, size: float, ink: Colour, chalk: Colour, paper: Colour) -> None:
    s = size
    lean = c.jitter(0.05)
    _loop(
        c,
        [
            (x + lean - s * 0.055, foot - s * 0.94),
            (x + lean, foot - s),
            (x + lean + s * 0.055, foot - s * 0.94),
            (x + lean, foot - s * 0.85),
        ],
        ink,
        paper,
    )
    _loop(
        c,
        [
            (x + lean - s * 0.13, foot - s * 0.8),
            (x + lean + s * 0.13, foot - s * 0.8),
            (x + s * 0.08, foot - s * 0.55),
            (x + s * 0.11, foot - s * 0.42),
            (x - s * 0.11, foot - s * 0.42),
            (x - s * 0.08, foot - s * 0.55),
        ],
        ink,
        paper,
    )
    for side in (-1, 1):
        spread = c.rng.uniform(0.02, 0.12) * s
        _loop(
            c,
            [
                (x + side * s * 0.02, foot - s * 0.43),
                (x + side * s * 0.11, foot - s * 0.4),
                (x + side * (s * 0.07 + spread), foot - s * 0.2),
                (x + side * (s * 0.06 + spread), foot),
                (x + side * (s * 0.02 + spread), foot - s * 0.2),
            ],
            ink,
            paper,
        )
        up = c.rng.uniform(-0.25, 0.3) * s
        _loop(
            c,
            [
                (x + lean + side * s * 0.12, foot - s * 0.79),
                (x + side * s * 0.22, foot - s * 0.66),
                (x + side * s * 0.27, foot - s * 0.6 - up),
                (x + side * s * 0.2, foot - s * 0.6),
            ],
            ink,
            paper,
        )
    _hatching(c, x + s * 0.03, foot - s * 0.6, s * 0.14, 18, ink, paper)
    _hatching(c, x + s * 0.06, foot - s * 0.25, s * 0.1, 12, ink, paper)
    for _ in range(5):
        c.curve(
            [(x - s * 0.06 + c.jitter(0.02), foot - s * c.rng.uniform(0.3, 0.8)), (x - s * 0.05, foot - s * 0.5)],
            chalk,
            0.01,
        )
