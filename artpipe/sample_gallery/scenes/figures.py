"""Whole people: standing, resting, winged, small."""

import math

from artpipe.sample_gallery.canvas import Canvas, Point
from artpipe.sample_gallery.palettes import Colour, darker, lighter, mixed


def halo(c: Canvas, x: float, y: float, radius: float) -> None:
    """A disc of gold with a tooled rim."""
    gold = c.manner.gold
    c.disc(x, y, radius, colour=darker(gold, 0.35))
    c.disc(x, y, radius * 0.94, colour=lighter(gold, 0.12))
    c.ring(x, y, radius * 0.8, darker(gold, 0.22), 0.006)
    for spot in range(14):
        angle = spot * math.tau / 14
        c.disc(
            x + radius * 0.87 * math.cos(angle),
            y + radius * 0.87 * math.sin(angle),
            radius * 0.05,
            colour=darker(gold, 0.4),
        )


def figure(
    c: Canvas, x: float, foot: float, size: float, robe: Colour, *, holy: bool = False, bare: bool = False,
    facing: int = 0, veiled: bool | None = None, wings: bool = False, reach: float | None = None,
) -> Point:  # fmt: skip
    """A standing person; `size` is the height. Returns where the head is."""
    m, rng = c.manner, c.rng
    flesh, shade = m.flesh
    facing = facing or rng.choice((-1, 1))
    tall = m.tall * rng.uniform(0.96, 1.04)
    head_r = size * 0.072 / tall**0.7
    sway = size * rng.uniform(-0.035, 0.045) * (1.6 if m.sway else 1)
    neck = (x + sway, foot - size * 0.80)
    head = (neck[0] + facing * head_r * 0.25, foot - size + head_r * 1.25)
    half = size * 0.155 / tall**0.5 * rng.uniform(0.9, 1.15)
    if wings:
        _wings(c, neck, size, facing)
    if holy:
        halo(c, head[0], head[1], head_r * 2.4)
    hair = mixed(darker(rng.choice((*m.land, m.gold)), rng.uniform(0.25, 0.7)), shade, 0.2)
    c.ball(
        head[0] - facing * head_r * 0.2, head[1] - head_r * 0.1, head_r * 1.12, head_r * 1.28, colour=hair, shine=0.05
    )
    main = flesh if bare else robe
    waist = foot - size * rng.uniform(0.54, 0.6)
    hem = half * (0.75 if bare else rng.uniform(1.15, 1.5))
    c.body(
        [
            (neck[0] - half * 0.3, neck[1]),
            (neck[0] + half * 0.3, neck[1]),
            (neck[0] + half * 0.92, neck[1] + size * 0.06),
            (x + sway * 0.6 + half * 0.66, waist),
            (x - sway + half * 0.98, foot - size * 0.28),
            (x + hem, foot),
            (x, foot + size * 0.012),
            (x - hem, foot),
            (x - sway - half * 0.95, foot - size * 0.28),
            (x + sway * 0.6 - half * 0.66, waist),
            (neck[0] - half * 0.92, neck[1] + size * 0.06),
        ],
        main,
    )
    if bare:
        c.curve([(x + sway * 0.5, waist + size * 0.08), (x, foot - size * 0.2), (x, foot)], shade, size * 0.012)
        _drape(c, x, waist + size * 0.06, half, size, facing)
    else:
        for fold in range(rng.randint(3, 5)):
            at = (fold + 0.5) / 4 - 0.5 + c.jitter(0.1)
            c.curve(
                [
                    (x + sway * 0.5 + at * half, waist + size * 0.03),
                    (x + at * half * 1.5 + c.jitter(size * 0.02), foot - size * 0.25),
                    (x + at * hem * 1.8, foot - size * 0.01),
                ],
                c.shadow(main, 1.15) if fold % 2 else lighter(main, 0.22),
                size * 0.014,
                taper=True,
            )
        if rng.random() < 0.55:
            _mantle(c, x, neck, foot, half, size, facing)
    _arm(c, neck, half, size, flesh if bare else mixed(main, c.shadow(main), 0.25), -facing, rng.uniform(0.1, 0.5))
    _arm(c, neck, half, size, flesh if bare else main, facing, rng.uniform(-0.5, 0.7) if reach is None else reach)
    c.body(
        [
            (neck[0] - head_r * 0.42, neck[1] + head_r * 0.5),
            (neck[0] - head_r * 0.4, head[1]),
            (neck[0] + head_r * 0.4, head[1]),
            (neck[0] + head_r * 0.42, neck[1] + head_r * 0.5),
        ],
        mixed(flesh, shade, 0.35),
    )
    c.ball(head[0], head[1], head_r * 0.86, head_r * 1.12, colour=flesh, depth=0.7, turned=facing * 0.12)
    if rng.random() < 0.45 if veiled is None else veiled:
        veil = lighter(robe, 0.15)
        c.body(
            [
                (head[0] - facing * head_r * 1.4, head[1] + head_r * 1.9),
                (head[0] - facing * head_r * 1.25, head[1] - head_r * 0.5),
                (head[0], head[1] - head_r * 1.45),
                (head[0] + facing * head_r * 0.85, head[1] - head_r * 0.7),
                (head[0] - facing * head_r * 0.2, head[1] - head_r * 0.55),
                (head[0] - facing * head_r * 0.62, head[1] + head_r * 0.8),
            ],
            veil,
        )
    else:
        c.body(
            [
                (head[0] - facing * head_r * 1.05, head[1] + head_r * 0.5),
                (head[0] - facing * head_r * 0.95, head[1] - head_r * 0.8),
                (head[0] + facing * head_r * 0.1, head[1] - head_r * 1.32),
                (head[0] + facing * head_r * 0.85, head[1] - head_r * 0.6),
                (head[0] - facing * head_r * 0.25, head[1] - head_r * 0.6),
                (head[0] - facing * head_r * 0.6, head[1] + head_r * 0.2),
            ],
            hair,
        )
    if size * c.unit > 150:
        for side in (-0.1, 0.55):
            ex = head[0] + facing * head_r * side
            c.disc(ex, head[1] - head_r * 0.08, head_r * 0.13, head_r * 0.08, colour=m.ink)
        c.curve(
            [(head[0] + facing * head_r * 0.28, head[1]), (head[0] + facing * head_r * 0.4, head[1] + head_r * 0.3)],
            shade,
            head_r * 0.1,
        )
        c.disc(
            head[0] + facing * head_r * 0.25,
            head[1] + head_r * 0.55,
            head_r * 0.2,
            head_r * 0.07,
            colour=mixed(shade, (170, 40, 40), 0.4),
        )
    return head


def _arm(c: Canvas, neck: Point, half: float, size: float, sleeve: Colour, side: int, lift: float) -> None:
    shoulder = (neck[0] + side * half * 0.75, neck[1] + size * 0.06)
    elbow = (shoulder[0] + side * size * 0.06, shoulder[1] + size * 0.16)
    hand = (
        elbow[0] + side * size * 0.10 * abs(math.cos(lift)) * (1 if lift > 0 else -0.9),
        elbow[1] + size * (0.1 - 0.24 * lift),
    )
    wide = size * 0.034
    c.body(
        [
            (shoulder[0] - wide, shoulder[1]),
            (shoulder[0] + wide, shoulder[1] - wide * 0.5),
            (elbow[0] + wide, elbow[1]),
            (hand[0] + wide * 0.5, hand[1]),
            (hand[0] - wide * 0.5, hand[1] + wide * 0.6),
            (elbow[0] - wide, elbow[1] + wide * 0.4),
        ],
        sleeve,
    )
    c.ball(hand[0], hand[1], size * 0.022, colour=c.manner.flesh[0])


def _mantle(c: Canvas, x: float, neck: Point, foot: float, half: float, size: float, facing: int) -> None:
    colour = c.cloth()
    c.body(
        [
            (neck[0] - facing * half * 0.9, neck[1] + size * 0.03),
            (neck[0] + facing * half * 0.3, neck[1] + size * 0.1),
            (x - facing * half * 0.1, foot - size * 0.36),
            (x - facing * half * 0.2, foot - size * 0.02),
            (x - facing * half * 1.7, foot - size * 0.01),
            (x - facing * half * 1.35, foot - size * 0.4),
        ],
        colour,
    )


def _drape(c: Canvas, x: float, y: float, half: float, size: float, facing: int) -> None:
    cloth = c.cloth()
    c.body(
        [
            (x - half * 1.05, y),
            (x, y - size * 0.03),
            (x + half * 1.1, y + size * 0.02),
            (x + facing * half * 1.9, y + size * 0.3),
            (x + facing * half * 0.7, y + size * 0.27),
            (x - half * 0.4, y + size * 0.16),
        ],
        cloth,
    )
    c.curve(
        [
            (x - half * 0.9, y + size * 0.04),
            (x + half * 0.2, y + size * 0.09),
            (x + facing * half * 1.4, y + size * 0.24),
        ],
        c.shadow(cloth, 1.1),
        size * 0.012,
    )


def _wings(c: Canvas, neck: Point, size: float, facing: int) -> None:
    for layer, colour in enumerate((c.cloth(), lighter(c.cloth(), 0.4), lighter(c.manner.gold, 0.3))):
        reach = size * (0.42 - 0.1 * layer)
        c.body(
            [
                (neck[0], neck[1] + size * 0.04),
                (neck[0] - facing * reach * 0.7, neck[1] - reach * 0.45),
                (neck[0] - facing * reach * 1.05, neck[1] + reach * 0.1),
                (neck[0] - facing * reach * 0.8, neck[1] + reach * 0.85),
                (neck[0] - facing * reach * 0.3, neck[1] + reach * 0.6),
            ],
            colour,
        )


def child(c: Canvas, x: float, y: float, size: float, *, holy: bool = True, wings: bool = False) -> None:
    """A small child, sitting or flying; `size` is its height."""
    flesh = c.manner.flesh[0]
    side = c.rng.choice((-1, 1))
    if wings:
        _wings(c, (x, y - size * 0.1), size, side)
    if holy:
        halo(c, x + side * size * 0.05, y - size * 0.36, size * 0.24)
    c.body(
        [
            (x - size * 0.15, y - size * 0.18),
            (x + size * 0.15, y - size * 0.18),
            (x + size * 0.17, y + size * 0.14),
            (x, y + size * 0.22),
            (x - size * 0.17, y + size * 0.14),
        ],
        flesh,
    )
    for leg in (-1, 1):
        c.ball(
            x + leg * size * 0.13 + side * size * 0.1,
            y + size * 0.27,
            size * 0.08,
            size * 0.18,
            colour=flesh,
            turned=-side * 0.7,
        )
        c.ball(x + leg * size * 0.2, y - size * 0.04, size * 0.05, size * 0.14, colour=flesh, turned=leg * 0.8)
    c.ball(x + side * size * 0.05, y - size * 0.35, size * 0.15, size * 0.16, colour=flesh)
    c.body(
        [
            (x + side * size * 0.05 - size * 0.15, y - size * 0.38),
            (x + side * size * 0.05, y - size * 0.53),
            (x + side * size * 0.05 + size * 0.15, y - size * 0.38),
            (x + side * size * 0.05, y - size * 0.44),
        ],
        mixed(c.manner.gold, c.manner.flesh[1], 0.5),
    )


def reclining(c: Canvas, x: float, y: float, size: float, facing: int) -> None:
    """A nude at rest on a cloth; `size` is its length, (x, y) the hip."""
    flesh, shade = c.manner.flesh
    cloth, f = c.cloth(), facing
    c.body(
        [
            (x - size * 0.62, y + size * 0.16),
            (x - size * 0.3, y + size * 0.02),
            (x + size * 0.5, y + size * 0.04),
            (x + size * 0.68, y + size * 0.2),
            (x + size * 0.3, y + size * 0.3),
            (x - size * 0.4, y + size * 0.3),
        ],
        lighter(cloth, 0.3),
    )
    for fold in range(5):
        fx = x + (fold - 2) * size * 0.22
        c.curve(
            [
                (fx, y + size * 0.12),
                (fx + c.jitter(size * 0.08), y + size * 0.2),
                (fx + c.jitter(size * 0.1), y + size * 0.29),
            ],
            c.shadow(cloth),
            size * 0.012,
            taper=True,
        )
    head = (x - f * size * 0.42, y - size * 0.2)
    c.body(
        [
            (x - f * size * 0.36, y - size * 0.12),
            (x - f * size * 0.22, y - size * 0.12),
            (x - f * size * 0.05, y - size * 0.02),
            (x + f * size * 0.08, y - size * 0.1),
            (x + f * size * 0.3, y - size * 0.06),
            (x + f * size * 0.58, y + size * 0.11),
            (x + f * size * 0.55, y + size * 0.15),
            (x + f * size * 0.2, y + size * 0.12),
            (x - f * size * 0.1, y + size * 0.12),
            (x - f * size * 0.3, y + size * 0.08),
            (x - f * size * 0.4, y - size * 0.02),
        ],
        flesh,
    )
    c.body(
        [
            (x - f * size * 0.34, y - size * 0.08),
            (x - f * size * 0.46, y + size * 0.02),
            (x - f * size * 0.42, y + size * 0.14),
            (x - f * size * 0.37, y + size * 0.13),
            (x - f * size * 0.38, y + size * 0.02),
            (x - f * size * 0.28, y - size * 0.04),
        ],
        flesh,
    )
    c.curve(
        [
            (x + f * size * 0.05, y + size * 0.06),
            (x + f * size * 0.3, y + size * 0.06),
            (x + f * size * 0.5, y + size * 0.13),
        ],
        shade,
        size * 0.012,
    )
    hair = darker(c.rng.choice((c.manner.gold, *c.manner.land)), c.rng.uniform(0.2, 0.5))
    c.ball(head[0] - f * size * 0.02, head[1] - size * 0.01, size * 0.082, size * 0.092, colour=hair)
    c.ball(head[0] + f * size * 0.018, head[1], size * 0.06, size * 0.075, colour=flesh, turned=f * 0.3)
