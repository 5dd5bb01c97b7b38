"""Heads and shoulders, dressed for their time."""

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import Colour, darker, lighter, mixed
from artpipe.sample_gallery.scenes.backdrops import backdrop
from artpipe.sample_gallery.scenes.costume import HATS, Head, behind_head, collar, on_head


def portrait(c: Canvas, style: str) -> None:
    """A head and shoulders that fill the picture, dressed in the fashion of a style."""
    backdrop(c)
    # A sitter drowns in a busy ground.
    c.glow(c.wide / 2, c.high * 0.45, 0.85, c.rng.choice(c.manner.ground), c.rng.uniform(0.7, 1.0))
    _sitter(c, style)


def _sitter(c: Canvas, style: str) -> None:
    m, rng = c.manner, c.rng
    flesh, shade = m.flesh
    turn = rng.choice((-1, 1))
    r = rng.uniform(0.17, 0.215) * min(1.1, c.high)
    x, y = c.wide / 2 + c.jitter(0.07), c.high * rng.uniform(0.33, 0.41)
    c.focus = (x, y)
    hat = rng.choice(HATS[style])
    cloth, hair = (c.cloth(), darker(rng.choice((*m.land, m.gold, m.flesh[1])), rng.uniform(0.15, 0.75)))
    if hat == "wig":
        hair = lighter(m.ground[0], 0.3)
    head = Head(x, y, r, turn, hair, cloth, c.cloth())
    behind_head(c, hat, head)
    neck_y = y + r * 1.25
    wide = r * rng.uniform(1.75, 2.3)
    drop = neck_y + r * rng.uniform(0.5, 0.8)
    c.body(
        [
            (x - r * 0.5, neck_y + r * 0.25),
            (x - r * 0.45, y + r * 0.6),
            (x + r * 0.45, y + r * 0.6),
            (x + r * 0.5, neck_y + r * 0.25),
            (x, neck_y + r * 0.7),
        ],
        mixed(flesh, shade, 0.3),
    )
    c.body(
        [
            (x - r * 0.6, neck_y + r * 0.12),
            (x, neck_y + r * rng.uniform(0.45, 0.9)),
            (x + r * 0.6, neck_y + r * 0.12),
            (x + wide * 0.8, drop),
            (x + wide, drop + r * 0.9),
            (x + wide * 1.1, c.high + 0.1),
            (x - wide * 1.1, c.high + 0.1),
            (x - wide, drop + r * 0.9),
            (x - wide * 0.8, drop),
        ],
        cloth,
        depth=0.75,
    )
    for fold in range(rng.randint(3, 6)):
        fx = x + c.jitter(wide * 0.8)
        c.curve(
            [(fx * 0.5 + x * 0.5, neck_y + r * 0.9), (fx, drop + r), (fx + c.jitter(r * 0.4), c.high)],
            c.shadow(cloth, 1.1) if fold % 2 else lighter(cloth, 0.18),
            r * 0.07,
            taper=True,
        )
    collar(c, hat, x, neck_y, r, cloth)
    c.body(
        [
            (x - r * 0.84, y - r * 0.25),
            (x - r * 0.5, y - r * 1.1),
            (x + r * 0.5, y - r * 1.1),
            (x + r * 0.84, y - r * 0.25),
            (x + r * 0.7 + turn * 0.06 * r, y + r * 0.55),
            (x + turn * r * 0.12, y + r * 1.22),
            (x - r * 0.7 + turn * 0.06 * r, y + r * 0.55),
        ],
        flesh,
        depth=0.6,
    )
    _face(c, x, y, r, turn, hair)
    on_head(c, hat, head)
    if rng.random() < 0.3:
        _hands(c, x, r, turn)


def _face(c: Canvas, x: float, y: float, r: float, turn: int, hair: Colour) -> None:
    flesh, shade = c.manner.flesh
    off = turn * r * 0.16
    flat = c.manner.steps < 3
    blush = mixed(flesh, (214, 96, 84), 0.22)
    for side in (-1, 1):
        c.glow(x + off + side * r * 0.42, y + r * 0.42, r * 0.3, blush, 0.8)
        ex, ey = x + off + side * r * 0.36, y - r * 0.02
        c.glow(ex, ey - r * 0.05, r * 0.3, mixed(flesh, shade, 0.7), 0.3 if flat else 0.7)
        c.disc(ex, ey, r * 0.16, r * 0.085, colour=lighter(flesh, 0.65))
        c.disc(ex + turn * r * 0.03, ey, r * 0.08, r * 0.085, colour=darker(hair, 0.5))
        c.disc(ex + turn * r * 0.055, ey - r * 0.03, r * 0.024, colour=(250, 248, 240))
        c.curve(
            [(ex - r * 0.18, ey + r * 0.02), (ex, ey - r * 0.1), (ex + r * 0.18, ey + r * 0.02)],
            darker(shade, 0.55),
            r * 0.04,
        )
        c.curve(
            [(ex - r * 0.22, ey - r * 0.2), (ex, ey - r * 0.29), (ex + r * 0.22, ey - r * 0.2)],
            mixed(darker(hair, 0.3), shade, 0.35),
            r * 0.055,
        )
    nose = x + off + turn * r * 0.12
    c.curve(
        [
            (x + off + turn * r * 0.02, y - r * 0.12),
            (nose + turn * r * 0.02, y + r * 0.28),
            (nose - turn * r * 0.06, y + r * 0.36),
            (x + off - turn * r * 0.05, y + r * 0.34),
        ],
        mixed(flesh, shade, 0.85),
        r * 0.06,
    )
    c.glow(nose - turn * r * 0.04, y + r * 0.2, r * 0.1, lighter(flesh, 0.5), 0.9)
    lip = mixed(shade, (176, 44, 48), 0.5)
    c.flat(
        [
            (x + off - r * 0.22, y + r * 0.64),
            (x + off - r * 0.06, y + r * 0.59),
            (x + off, y + r * 0.61),
            (x + off + r * 0.06, y + r * 0.59),
            (x + off + r * 0.22, y + r * 0.64),
            (x + off, y + r * 0.73),
        ],
        lip,
    )
    c.curve(
        [(x + off - r * 0.2, y + r * 0.645), (x + off, y + r * 0.65), (x + off + r * 0.2, y + r * 0.645)],
        darker(lip, 0.5),
        r * 0.03,
    )
    c.glow(x + off, y + r * 0.86, r * 0.16, mixed(flesh, shade, 0.5), 0.2 if flat else 0.6)


def _hands(c: Canvas, x: float, r: float, turn: int) -> None:
    flesh = c.manner.flesh[0]
    y = c.high - r * 0.75
    for finger in range(4):
        c.ball(
            x + turn * r * (0.3 - 0.16 * finger),
            y + r * 0.12 * finger,
            r * 0.42,
            r * 0.11,
            colour=flesh,
            turned=turn * 0.35,
        )
