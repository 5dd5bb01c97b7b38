"""People: heads dressed in the fashion of a style, busts, and whole figures from putti to angels.

What a head wears is a table of outlines. A head's unit is half its width, and its origin the middle of the face; a
figure's unit is its height, and its origin the ground between its feet.
"""

import math
from dataclasses import dataclass

from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import Colour, darker, lighter, mixed


@dataclass(frozen=True)
class Piece:
    """What a head wears: an outline, its colour's name, and where it lies: `behind`, at the `neck` or on `top`."""

    outline: str
    colour: str
    layer: str = "top"

    def draw(self, c: Canvas, colour: Colour) -> None:
        """Draw it on a head."""
        c.body(self.outline, colour)


@dataclass(frozen=True)
class Beads:
    """Pearls, curls, leaves or folds on a part of an ellipse.

    Attributes:
        arc: first and last angle, degrees clockwise from the right.
        radii: of the ellipse; `middle` is how far it lies below the face.
        bead: half the length and half the thickness of each.
    """

    count: int
    arc: tuple[float, float]
    radii: tuple[float, float]
    bead: tuple[float, float]
    colour: str
    layer: str = "top"
    middle: float = -0.12

    def draw(self, c: Canvas, colour: Colour) -> None:
        """Draw them on a head."""
        first, last = (math.radians(angle) for angle in self.arc)
        for number in range(self.count):
            angle = first + (last - first) * number / (self.count - 1)
            x, y = self.radii[0] * math.cos(angle), self.middle + self.radii[1] * math.sin(angle)
            tint = c.cloth() if self.colour == "many" else colour
            c.ball(x, y, *self.bead, colour=tint, turned=angle + math.pi / 2)


_SHORT = Piece("|0,-138 80,-100 102,-18 80,40", "hair", "behind")
_LONG = Piece("|0,-142 110,-50 125,90 145,230 40,207", "hair", "behind")
_SHAWL = Piece("|0,-155 115,-60 130,80 170,210", "accent", "behind")
_FRINGE = Piece("-95,5 -92,-75 0,-132 92,-75 95,5 72,-40 25,-82 -72,-40", "hair")
_WRAP = "|0,-152 112,-70 112,70 86,20 60,-72 0,-98"
_BRIM = "-190,-82 -130,-118 0,-124 130,-118 190,-82 130,-50 0,-40 -130,-50"
_CROWN = "-85,-85 -70,-155 70,-160 85,-85 0,-70"
_CAP = Piece("-120,-72 -90,-135 0,-160 130,-120 115,-72 0,-90", "accent")
_CURLS = Beads(15, (153, 387), (1.17, 1.22), (0.44, 0.4), "hair", "behind", -0.2)
_LOCKS = tuple(
    Beads(4, (90 - side, 90 - 4 * side), (1.25, 1.8), (0.3, 0.36), "hair", "behind", 0) for side in (-22, 22)
)
_PEARLS = Beads(9, (22, 158), (0.62, 0.62), (0.07, 0.07), "gold", "neck", 1.35)
_LACE = Piece("-60,130 0,160 60,130 160,200 40,220 0,195 -40,220 -160,200", "linen", "neck")
_CRAVAT = Piece("|50,125 34,175 20,250", "linen", "neck")
_LAPELS = tuple(Piece(f"{s}55,145 {s}40,275 {s}130,235", "dark", "neck") for s in ("", "-"))
_RUFF = Beads(19, (0, 180), (1.25, 0.5), (0.26, 0.2), "linen", "neck", 1.13)
WEAR: dict[str, tuple[Piece | Beads, ...]] = {
    "bald": (),
    "short": (_SHORT, _FRINGE),
    "net": (_SHORT, _FRINGE, Beads(9, (205, 335), (1.0, 0.95), (0.07, 0.07), "gold"), _PEARLS),
    "long": (_LONG, _FRINGE, _PEARLS),
    "veil": (Piece(_SHAWL.outline, "linen", "behind"), _FRINGE, Piece(_WRAP, "linen")),
    "hood": (_SHAWL, Piece(_WRAP, "accent")),
    "crown": (_LONG, _FRINGE, Piece("-85,-82 -92,-160 -50,-115 0,-170 50,-115 92,-160 85,-82", "gold")),
    "cap": (_SHORT, _FRINGE, _CAP),
    "beret": (_SHORT, _FRINGE, _CAP, Piece("90,-90 140,-120 135,-200 165,-130 120,-85", "linen"), _PEARLS),
    "turban": (
        _SHORT, Piece("-118,-55 -110,-125 -50,-172 30,-168 100,-130 118,-80 95,-45 0,-75", "accent"),
        Piece("-90,-80 -135,20 -125,150 -85,140 -95,0", "accent"), _PEARLS,
    ),
    "wide": (_SHORT, Piece(_BRIM, "dark"), Piece(_CROWN, "dark"), _LACE),
    "straw": (
        _SHORT, _FRINGE, Piece(_BRIM, "straw"), Piece(_CROWN, "straw"),
        Beads(4, (280, 340), (1.0, 0.5), (0.18, 0.16), "many", middle=-0.6),
    ),
    "ruff": (_SHORT, _FRINGE, _RUFF),
    "curls": (_CURLS, *_LOCKS, _FRINGE, _LACE),
    "wig": (_CURLS, *_LOCKS, _FRINGE, _CRAVAT, *_LAPELS),
    "wild": (Beads(13, (150, 390), (1.2, 1.3), (0.3, 0.55), "hair", "behind", -0.1), _FRINGE, _CRAVAT, *_LAPELS),
    "cravat": (_SHORT, _FRINGE, _CRAVAT, *_LAPELS),
    "laurel": (_SHORT, _FRINGE, Beads(13, (194, 346), (0.98, 1.12), (0.1, 0.19), "leaf")),
    "beard": (_SHORT, _FRINGE, Piece("-72,30 -35,55 16,50 35,55 72,30 50,125 10,160 -50,125", "hair"), *_LAPELS),
    "flowers": (_LONG, _FRINGE, Beads(13, (194, 346), (0.98, 1.12), (0.18, 0.18), "many"), _PEARLS),
}  # fmt: skip
FASHIONS = {
    "Medieval": ("veil", "veil", "hood", "crown"),
    "Early Renaissance": ("cap", "long", "veil", "net"),
    "Northern Renaissance": ("turban", "veil", "hood", "cap"),
    "High Renaissance": ("long", "long", "beret", "veil"),
    "Mannerism": ("ruff", "net", "beret", "ruff"),
    "Baroque": ("wide", "ruff", "curls", "beret"),
    "Rococo": ("wig", "wig", "net", "curls"),
    "Neoclassicism": ("laurel", "short", "cravat", "net"),
    "Romanticism": ("wild", "cravat", "wild", "hood"),
    "Realism": ("beard", "hood", "cap", "short"),
    "Impressionism": ("straw", "straw", "short", "beret"),
    "Art Nouveau": ("flowers", "flowers", "long", "laurel"),
}
"""What each style puts on heads and around necks."""


class Head:
    """A head on a canvas whose unit is half its width.

    Args:
        c: the head's own coordinates.
        robe: the colour below it.
        hat: a name of the table; by default one that the fashion knows.
    """

    def __init__(self, c: Canvas, robe: Colour, hat: str | None = None) -> None:
        m, rng = c.manner, c.rng
        self.c = c
        hat = hat or rng.choice(FASHIONS[c.fashion])
        self.pieces = WEAR[hat]
        self.hair = darker(rng.choice((*m.land, m.gold, m.flesh[1])), rng.uniform(0.15, 0.75))
        if hat == "wig":
            self.hair = lighter(m.ground[0], 0.3)
        self._colours = {
            "hair": self.hair, "accent": c.cloth(), "linen": lighter(m.ground[0], 0.65), "gold": lighter(m.gold, 0.3),
            "dark": darker(c.shadow(robe, 0.6), 0.3), "straw": mixed(m.gold, (240, 220, 160), 0.5),
            "leaf": lighter(m.land[1], 0.1), "many": m.gold,
        }  # fmt: skip

    def wear(self, layer: str) -> None:
        """Draw what it wears in one layer."""
        for piece in self.pieces:
            if piece.layer == layer:
                piece.draw(self.c, self._colours[piece.colour])

    def face(self) -> None:
        """Draw the face, with as many features as its size can hold."""
        c, (flesh, shade) = self.c, self.c.manner.flesh
        c.body("-82,-25 -50,-110 50,-110 86,-25 76,55 12,122 -64,55", flesh, depth=0.6)
        lip, dark = mixed(shade, (176, 44, 48), 0.5), darker(self.hair, 0.5)
        detailed = c.unit > 45
        for side in (-1, 1):
            if not detailed:
                c.ball(0.22 + side * 0.34, -0.06, 0.12, 0.09, colour=c.manner.ink, depth=0)
                continue
            eye = c.at(0.16 + side * 0.36, -0.02, 1)
            eye.glow(side * 0.06, 0.44, 0.3, mixed(flesh, (214, 96, 84), 0.22), 0.8)
            eye.glow(0, -0.05, 0.3, mixed(flesh, shade, 0.7), min(0.7, 0.12 * c.manner.steps))
            eye.ball(0, 0, 0.16, 0.085, colour=lighter(flesh, 0.65), depth=0)
            eye.ball(0.03, 0, 0.08, 0.085, colour=dark, depth=0)
            eye.ball(0.055, -0.03, 0.024, colour=(250, 248, 240), depth=0)
            eye.curve("-18,2 0,-10 18,2", darker(shade, 0.55), 0.04)
            eye.curve("-22,-20 0,-29 22,-20", mixed(darker(self.hair, 0.3), shade, 0.35), 0.055)
        c.curve("18,-12 30,28 22,36 11,34", mixed(flesh, shade, 0.85), 0.07)
        c.shape("-6,64 10,59 16,61 22,59 38,64 16,73", lip)
        if detailed:
            c.curve("-4,64.5 16,65 36,64.5", darker(lip, 0.5), 0.03)


def halo(c: Canvas) -> None:
    """A disc of gold with a tooled rim, around a head."""
    gold = c.manner.gold
    for radius, colour in ((2.4, darker(gold, 0.35)), (2.25, lighter(gold, 0.12))):
        c.ball(0, 0, radius, colour=colour, depth=0)
    for spot in range(14):
        angle = spot * math.tau / 14
        c.ball(2.05 * math.cos(angle), 2.05 * math.sin(angle), 0.12, colour=darker(gold, 0.4), depth=0)


def bust(c: Canvas) -> None:
    """Head and shoulders that fill the picture."""
    m, rng = c.manner, c.rng
    size = rng.uniform(0.17, 0.215) * min(1.1, c.high)
    x, y = c.wide / 2 + c.jitter(0.07), c.high * rng.uniform(0.33, 0.41)
    c.focus = (x, y)
    part, cloth = c.at(x, y, size, rng.choice((-1, 1))), c.cloth()
    head = Head(part, cloth)
    head.wear("behind")
    part.body("|0,195 50,150 45,60", mixed(*m.flesh, 0.3))
    shoulders = c.at(x, y, size, wide=rng.uniform(1.75, 2.3))
    shoulders.body("|0,185 32,137 78,185 100,275 110,600", cloth, depth=0.75)
    for fold in range(rng.randint(3, 6)):
        at = c.jitter(0.8)
        colour = c.shadow(cloth, 1.1) if fold % 2 else lighter(cloth, 0.18)
        shoulders.curve([(at * 0.5, 2.15), (at, 2.9), (at + c.jitter(0.2), 5.0)], colour, 0.07, taper=True)
    head.wear("neck")
    head.face()
    head.wear("top")
    if rng.random() < 0.3:
        hand = c.at(x, c.high - size * 0.75, size, rng.choice((-1, 1)))
        for finger in range(4):
            hand.ball(0.3 - 0.16 * finger, 0.12 * finger, 0.42, 0.11, colour=m.flesh[0], turned=0.35)


def figure(
    c: Canvas, x: float, foot: float, size: float, robe: Colour | None = None, *, hat: str | None = None,
    facing: int = 0, arms: tuple[float, float] | None = None, bare: bool = False, holy: bool = False,
    wings: bool = False, tall: float = 1.0, turned: float = 0.0,
) -> None:  # fmt: skip
    """A whole person.

    Args:
        c: the picture.
        x: between the feet.
        foot: the ground.
        size: the height.
        robe: by default any.
        hat: by default what the fashion knows.
        facing: -1 is left.
        arms: how high each is held: 0 hangs, 1 is stretched out.
        bare: in a loincloth.
        holy: with a halo.
        wings: an angel's.
        tall: below 1 a child.
        turned: radians; a quarter circle lies.
    """
    m, rng = c.manner, c.rng
    robe = robe or c.cloth()
    tall *= m.tall * rng.uniform(0.96, 1.04)
    part = c.at(x, foot, size, facing or rng.choice((-1, 1)), turned=turned)
    radius = 0.072 / tall**0.7
    top = part.at(0.02, 1.25 * radius - 1, radius)
    torso = part.at(0, 0, 1, wide=rng.uniform(0.9, 1.15) / tall**0.5)
    if wings:
        for layer, colour in enumerate((c.cloth(), lighter(c.cloth(), 0.4), lighter(m.gold, 0.3))):
            part.at(0, -0.78, 0.42 - 0.1 * layer).body("0,4 -70,-45 -105,10 -80,85 -30,60", colour)
    if holy:
        halo(top)
    head = Head(top, robe, hat)
    head.wear("behind")
    (_nude if bare else _robed)(torso, robe)
    sleeve = m.flesh[0] if bare else mixed(robe, c.shadow(robe), 0.35)
    for side, lift in zip((-1, 1), arms or (rng.uniform(0, 0.4), rng.uniform(-0.4, 0.8)), strict=True):
        _arm(torso, side, lift, sleeve)
    part.body(f"|{50 * radius:.2f},-77 {40 * radius:.2f},-88", mixed(*m.flesh, 0.35))
    head.wear("neck")
    head.face()
    head.wear("top")


def _robed(c: Canvas, robe: Colour) -> None:
    c.body("|5,-80 14,-74 10,-57 15,-28 20,0", robe)
    for fold in range(3):
        at = (fold - 1) * 0.07 + c.jitter(0.03)
        colour = c.shadow(robe, 1.15) if fold % 2 else lighter(robe, 0.22)
        c.curve([(at, -0.54), (at * 1.5, -0.25), (at * 2, -0.01)], colour, 0.014, taper=True)
    if c.rng.random() < 0.55:
        c.body("-14,-77 5,-70 -2,-36 -3,-2 -24,-1 -20,-40", c.cloth())


def _nude(c: Canvas, cloth: Colour) -> None:
    flesh, shade = c.manner.flesh
    c.body("|4,-80 14,-75 10,-60 12,-45 10,-22 7,-2 3,1", flesh)
    c.curve("0,-40 1,-20 0,0", shade, 0.014)
    c.body("|0,-55 12,-53 15,-40 5,-34", cloth)


def _arm(c: Canvas, side: int, lift: float, sleeve: Colour) -> None:
    shoulder = (side * 0.11, -0.735)
    upper, lower = 0.3 + 1.15 * lift, 0.2 + 1.45 * lift
    elbow = (shoulder[0] + side * 0.17 * math.sin(upper), shoulder[1] + 0.17 * math.cos(upper))
    hand = (elbow[0] + side * 0.17 * math.sin(lower), elbow[1] + 0.17 * math.cos(lower))
    c.curve([shoulder, elbow, hand], sleeve, 0.058)
    c.ball(*hand, 0.028, colour=c.manner.flesh[0])
