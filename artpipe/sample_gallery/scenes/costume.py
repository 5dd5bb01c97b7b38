"""What people of each time wear on their heads and around their necks."""

import math
from collections.abc import Callable
from dataclasses import dataclass

from artpipe.sample_gallery.canvas import Canvas, Point
from artpipe.sample_gallery.palettes import Colour, darker, lighter, mixed

HATS = {
    "Medieval": ("veil", "veil", "hood", "crown"),
    "Early Renaissance": ("cap", "long", "veil", "net"),
    "Northern Renaissance": ("turban", "veil", "hood", "cap"),
    "High Renaissance": ("long", "long", "beret", "veil"),
    "Mannerism": ("ruff", "net", "beret", "ruff"),
    "Baroque": ("wide", "ruff", "curls", "beret"),
    "Rococo": ("wig", "wig", "ribbon", "curls"),
    "Neoclassicism": ("laurel", "short", "cravat", "net"),
    "Romanticism": ("wild", "cravat", "wild", "bonnet"),
    "Realism": ("beard", "scarf", "cap", "short"),
    "Impressionism": ("straw", "straw", "short", "bonnet"),
    "Art Nouveau": ("flowers", "flowers", "long", "disc"),
}
"""What each style puts on heads; some of it is rather about the neck."""


@dataclass(frozen=True)
class Head:
    """A head to be dressed: its middle, its half width, where it turns, and the colours that go with it."""

    x: float
    y: float
    r: float
    turn: int
    hair: Colour
    cloth: Colour
    accent: Colour

    def at(self, *places: Point) -> list[Point]:
        """Points given in half widths from the middle of the head."""
        return [(self.x + self.r * x, self.y + self.r * y) for x, y in places]

    def both(self, *right: Point) -> list[Point]:
        """A closed outline from its right half, given from the top down."""
        return self.at(*right, *((-x, y) for x, y in reversed(right)))


def behind_head(c: Canvas, hat: str, head: Head) -> None:
    """Hair, veils and haloes that the head covers."""
    if hat in ("long", "flowers", "disc", "crown"):
        if hat == "disc":
            _disc(c, head)
        long = c.rng.uniform(1.9, 2.6)
        c.body(head.both((0.001, -1.42), (1.1, -0.5), (1.25, 0.9), (1.45, long), (0.4, long * 0.9)), head.hair)
    elif hat in ("veil", "hood", "scarf"):
        colour = _linen(c) if hat == "veil" else head.accent
        c.body(head.both((0.001, -1.55), (1.15, -0.6), (1.3, 0.8), (1.7, 2.1)), colour)
    elif hat in ("wig", "curls", "wild"):
        _locks(c, hat, head)
    else:
        c.ball(head.x, head.y - head.r * 0.18, head.r * 1.02, head.r * 1.2, colour=head.hair)


def on_head(c: Canvas, hat: str, head: Head) -> None:
    """The hair over the forehead, and the hat on it."""
    if hat not in ("turban", "hood", "wide"):
        _fringe(c, head)
    if hat in _HATS:
        _HATS[hat](c, head)


def collar(c: Canvas, hat: str, x: float, y: float, r: float, cloth: Colour) -> None:
    """Ruffs, lace, neckcloths or pearls around a neck at (x, y)."""
    white = lighter(c.manner.ground[0], 0.75)
    neck = Head(x, y, r, 1, cloth, cloth, cloth)
    if hat == "ruff":
        for fold in range(19):
            angle = math.pi * fold / 18
            place = neck.at((1.25 * math.cos(angle), 0.5 * math.sin(angle) - 0.12))[0]
            c.ball(*place, r * 0.2, r * 0.26, colour=white, turned=angle - math.pi / 2)
    elif hat in ("wide", "curls", "scarf"):
        c.body(
            neck.at(
                (-0.6, 0.05), (0, 0.35), (0.6, 0.05), (1.6, 0.75), (0.4, 0.95), (0, 0.7), (-0.4, 0.95), (-1.6, 0.75)
            ),
            white,
        )
    elif hat in ("cravat", "wild", "beard", "wig"):
        c.body(neck.both((0.5, 0), (0.34, 0.5), (0.2, 1.25)), white)
        for side in (-1, 1):
            c.body(neck.at((side * 0.55, 0.2), (side * 0.4, 1.5), (side * 1.3, 1.1)), c.shadow(cloth, 0.6))
    elif c.rng.random() < 0.6:
        for bead in range(9):
            angle = math.pi * (0.12 + 0.76 * bead / 8)
            place = neck.at((0.62 * math.cos(angle), 0.1 + 0.62 * math.sin(angle)))[0]
            c.disc(*place, r * 0.065, colour=lighter(c.manner.gold, 0.45))


def _linen(c: Canvas) -> Colour:
    return lighter(c.manner.ground[0], 0.55)


def _disc(c: Canvas, head: Head) -> None:
    c.disc(head.x, head.y - head.r * 0.1, head.r * 1.95, colour=c.manner.gold)
    for spoke in range(24):
        angle = spoke * math.tau / 24
        place = head.at((1.7 * math.cos(angle), 1.7 * math.sin(angle) - 0.1))[0]
        c.disc(*place, head.r * 0.12, colour=c.cloth())


def _locks(c: Canvas, hat: str, head: Head) -> None:
    r, size = head.r, {"wig": 0.5, "curls": 0.42, "wild": 0.46}[hat]
    up = 0.45 if hat == "wig" else 0.15
    for lock in range(15):
        angle = math.pi * (0.85 + 1.3 * lock / 14)
        reach = 1.15 + (0.5 * abs(math.sin(lock * 2.3)) if hat == "wild" else 0.12)
        place = head.at((reach * math.cos(angle), reach * math.sin(angle) * 1.05 - up))[0]
        c.ball(*place, r * size, colour=head.hair, turned=angle)
    for lock in range(1 if hat == "wild" else 4):
        for side in (-1, 1):
            place = head.at((side * (1.05 + 0.06 * lock), 0.3 + 0.38 * lock))[0]
            c.ball(*place, r * 0.34, r * 0.28, colour=head.hair)


def _fringe(c: Canvas, head: Head) -> None:
    t = head.turn
    c.body(
        head.at(
            (-0.95, 0.05),
            (-0.92, -0.75),
            (0, -1.32),
            (0.92, -0.75),
            (0.95, 0.05),
            (0.72, -0.4),
            (t * 0.25, -0.82),
            (-0.72, -0.4),
        ),
        head.hair,
    )
    for strand in range(5):
        side = (strand - 2) * 0.3
        points = head.at((t * 0.2, -1.25), (side / 2 - t * 0.2, -1.1), (side - t * 0.4, -0.65))
        c.curve(points, lighter(head.hair, 0.2), head.r * 0.025)


def _cap(c: Canvas, head: Head) -> None:
    t = head.turn
    points = head.at((-1.2, -0.72), (-t * 0.9, -1.35), (0, -1.6), (t * 1.3, -1.2), (1.15, -0.72), (0, -0.9))
    c.body(points, darker(head.accent, 0.3))


def _beret(c: Canvas, head: Head) -> None:
    _cap(c, head)
    t = head.turn
    feather = head.at((t * 0.9, -0.9), (t * 1.5, -1.6), (t * 1.1, -2.0))
    c.curve(feather, lighter(c.manner.gold, 0.5), head.r * 0.14, taper=True)


def _brimmed(c: Canvas, head: Head, colour: Colour) -> None:
    r = head.r
    c.ball(head.x, head.y - r * 0.82, r * 1.9, r * 0.42, colour=colour, turned=head.turn * 0.12)
    c.body(head.at((-0.85, -0.85), (-0.7, -1.55), (0.7, -1.6), (0.85, -0.85), (0, -0.7)), lighter(colour, 0.06))
    c.curve(head.at((-0.86, -0.95), (0, -0.83), (0.86, -0.97)), head.accent, r * 0.16)


def _wide(c: Canvas, head: Head) -> None:
    _brimmed(c, head, darker(c.manner.ground[-1], 0.3))


def _straw(c: Canvas, head: Head) -> None:
    _brimmed(c, head, mixed(c.manner.gold, (240, 220, 160), 0.5))
    for flower in range(4):
        place = head.at((head.turn * (0.3 + 0.24 * flower), -0.98 - 0.06 * (flower % 2)))[0]
        c.ball(*place, head.r * 0.17, colour=c.cloth())


def _turban(c: Canvas, head: Head) -> None:
    r, t = head.r, head.turn
    for band in range(5):
        place = head.at((c.jitter(0.06), -0.62 - 0.2 * band))[0]
        c.ball(*place, r * (1.18 - 0.12 * band), r * 0.3, colour=head.accent, turned=t * (0.25 - 0.1 * band))
    tail = head.at((-t * 0.9, -0.8), (-t * 1.35, 0.2), (-t * 1.25, 1.5), (-t * 0.85, 1.4), (-t * 0.95, 0))
    c.body(tail, head.accent)


def _wrapped(c: Canvas, head: Head, colour: Colour) -> None:
    c.body(
        head.at(
            (-1.12, 0.7),
            (-1.12, -0.7),
            (0, -1.52),
            (1.12, -0.7),
            (1.12, 0.7),
            (0.86, 0.2),
            (0.6, -0.72),
            (0, -0.98),
            (-0.6, -0.72),
            (-0.86, 0.2),
        ),
        colour,
    )


def _veil(c: Canvas, head: Head) -> None:
    _wrapped(c, head, _linen(c))


def _hood(c: Canvas, head: Head) -> None:
    _wrapped(c, head, head.accent)


def _crown(c: Canvas, head: Head) -> None:
    teeth = [(0.17 * i - 0.85, -1.05 if i % 2 else -1.65) for i in range(11)]
    c.shape(head.at((-0.85, -0.82), *teeth, (0.85, -0.82)), lighter(c.manner.gold, 0.2))


def _wreath(c: Canvas, head: Head, thick: float, leaf: Colour | None) -> None:
    for number in range(13):
        angle = math.pi * (1.08 + 0.84 * number / 12)
        place = head.at((0.98 * math.cos(angle), 1.12 * math.sin(angle) - 0.12))[0]
        c.ball(*place, head.r * 0.17, head.r * thick, colour=leaf or c.cloth(), turned=angle + 0.9)


def _laurel(c: Canvas, head: Head) -> None:
    _wreath(c, head, 0.09, lighter(c.manner.land[1], 0.1))


def _flowers(c: Canvas, head: Head) -> None:
    _wreath(c, head, 0.16, None)


def _pearls(c: Canvas, head: Head) -> None:
    c.curve(head.at((-0.92, -0.62), (0, -1.02), (0.92, -0.62)), lighter(head.accent, 0.25), head.r * 0.12)
    for pearl in range(-3, 4):
        place = head.at((pearl * 0.27, 0.042 * pearl**2 - 1.0))[0]
        c.disc(*place, head.r * 0.06, colour=lighter(c.manner.gold, 0.7))


def _beard(c: Canvas, head: Head) -> None:
    t = head.turn
    c.body(
        head.at(
            (-0.72, 0.3),
            (-0.35, 0.55),
            (t * 0.16, 0.5),
            (0.35, 0.55),
            (0.72, 0.3),
            (0.5, 1.25),
            (t * 0.1, 1.6),
            (-0.5, 1.25),
        ),
        head.hair,
    )


def _bonnet(c: Canvas, head: Head) -> None:
    c.body(
        head.at(
            (-1.25, 0.4), (-1.3, -0.8), (0, -1.65), (1.3, -0.8), (1.25, 0.4), (0.85, -0.45), (0, -1.05), (-0.85, -0.45)
        ),
        lighter(head.cloth, 0.35),
    )


_HATS: dict[str, Callable[[Canvas, Head], None]] = {
    "cap": _cap, "beret": _beret, "wide": _wide, "straw": _straw, "turban": _turban, "veil": _veil, "hood": _hood,
    "scarf": _hood, "crown": _crown, "laurel": _laurel, "flowers": _flowers, "disc": _flowers, "net": _pearls,
    "ribbon": _pearls, "beard": _beard, "bonnet": _bonnet,
}  # fmt: skip
