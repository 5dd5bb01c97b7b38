"""What each style paints with: its colours, its light, and its brush."""

import colorsys
from dataclasses import dataclass, replace
from typing import Any

Colour = tuple[int, int, int]
Colours = tuple[Colour, ...]
Pair = tuple[Colour, Colour]


@dataclass(frozen=True)
class Manner:
    """The colours and the brush of a style.

    Attributes:
        ground: backgrounds, light to dark.
        sky: two colours, from the top to the horizon.
        land: greens and earths, far to near.
        cloth: garments and accents.
        flesh: light and shadow.
        ink: outlines and the deepest dark.
        gold: haloes, ornament, light.
        shade: what shadows turn to, and `depth`, how far, 0 to 1.
        steps: levels between light and shadow; two look flat, seven look round.
        backdrop: what stands behind people, a name of `backdrops.BACKDROPS`.
        tall: how long bodies are drawn.
        outline: how strongly edges are inked, 0 to 1.
        blur: radius of soft transitions, pixels.
        strokes: visible strokes in a picture of 300 x 300; `stroke_px` is their length and thickness, `stroke_tint` how
            far their colours stray, and `swirl` whether they curl or slant.
        relief: how thick the paint lies.
        spotlight: how much falls into the dark around the light, 0 to 1.
    """

    ground: Colours
    sky: Pair
    land: Colours
    cloth: Colours
    flesh: Pair
    ink: Colour
    gold: Colour
    shade: Colour
    depth: float
    steps: int
    backdrop: str
    tall: float = 1.0
    outline: float = 0.0
    blur: float = 0.0
    strokes: int = 0
    stroke_px: tuple[float, float] = (9, 2.5)
    stroke_tint: float = 10.0
    swirl: bool = False
    relief: float = 1.0
    spotlight: float = 0.0

    def by_hand(self, hue: float, saturation: float, size: float) -> "Manner":
        """The manner of one artist: hues shifted by a share of the circle, saturation and brush scaled."""
        shifted = {
            name: tuple(_shifted(colour, hue, saturation) for colour in getattr(self, name))
            for name in ("ground", "sky", "land", "cloth")
        }
        length, thickness = self.stroke_px
        return replace(
            self, **shifted, gold=_shifted(self.gold, hue / 2, saturation), strokes=round(self.strokes / size**1.5),
            stroke_px=(length * size, thickness * size), relief=self.relief * size,
        )  # fmt: skip


def _shifted(colour: Colour, hue: float, saturation: float) -> Colour:
    h, lightness, s = colorsys.rgb_to_hls(*(part / 255 for part in colour))
    r, g, b = colorsys.hls_to_rgb((h + hue) % 1, lightness, min(1, s * saturation))
    return round(r * 255), round(g * 255), round(b * 255)


def mixed(a: Colour, b: Colour, share: float) -> Colour:
    """Between two colours: 0 is the first, 1 the second."""
    return (
        round(a[0] + (b[0] - a[0]) * share),
        round(a[1] + (b[1] - a[1]) * share),
        round(a[2] + (b[2] - a[2]) * share),
    )


def darker(colour: Colour, share: float) -> Colour:
    """Towards black."""
    return mixed(colour, (12, 9, 8), share)


def lighter(colour: Colour, share: float) -> Colour:
    """Towards warm white."""
    return mixed(colour, (255, 250, 238), share)


def _rgb(codes: str) -> Any:
    return tuple(tuple(bytes.fromhex(code)) for code in codes.split())


def _manner(*, ground: str, sky: str, land: str, cloth: str, flesh: str, ink_gold_shade: str, **rest: Any) -> Manner:
    return Manner(_rgb(ground), _rgb(sky), _rgb(land), _rgb(cloth), _rgb(flesh), *_rgb(ink_gold_shade), **rest)


MANNERS = {
    "Medieval": _manner(
        ground="d9b24a cda03c b88a2e", sky="d5ab45 e6c66c", land="93904a 6f7440 4c5a38",
        cloth="24408c b02a2a 7a2f5f 2f6b4a c8642c", flesh="ecd0a4 a98a58", ink_gold_shade="2a1810 efc958 2a1c18",
        depth=0.34, steps=2, backdrop="gold", tall=1.12, outline=0.95,
        strokes=900, stroke_px=(5, 0.8), stroke_tint=9,
    ),
    "Early Renaissance": _manner(
        ground="d5dcd4 b9c8c4 9fb0a8", sky="86b4dc eef0e2", land="b4c294 86a372 5a7a50",
        cloth="cc4c42 3f6cb4 e0a05c 6d9266 d88a94", flesh="f5d8b8 cf9f7c", ink_gold_shade="46362c e0be66 5a4a4a",
        depth=0.32, steps=4, backdrop="arcade", outline=0.5, blur=0.4,
        strokes=500, stroke_px=(7, 1.2), stroke_tint=7,
    ),
    "Northern Renaissance": _manner(
        ground="4f6148 37483c 212e2a", sky="6f9fb4 d6dfc8", land="6a8a4a 3f6338 234528",
        cloth="9c1c22 1c5440 2a2f66 6a4224 22201e", flesh="f2d6ba b08262", ink_gold_shade="100d0b cfa040 0c120e",
        depth=0.62, steps=6, backdrop="hanging", tall=1.04, outline=0.55, spotlight=0.12,
    ),
    "High Renaissance": _manner(
        ground="96875c 6f6646 4a4734", sky="90acb4 e2d2a0", land="929058 66703f 434c30",
        cloth="a03a2a 2c5078 b8803a 5a683c 7c4a52", flesh="edc899 a8764c", ink_gold_shade="2b2018 d2a450 241a12",
        depth=0.55, steps=7, backdrop="hills", blur=0.9, spotlight=0.22,
    ),
    "Mannerism": _manner(
        ground="7c90a8 5c6c8c 3c4660", sky="7898c8 dcc4dc", land="90b08c 669880 406a6c",
        cloth="ea7aa0 a4d468 f4b048 58acd0 d86a4a", flesh="f6d8cc bc8a92", ink_gold_shade="2a2238 eccc6c 3a2c58",
        depth=0.46, steps=6, backdrop="drapery", tall=1.38, outline=0.2, blur=0.5, relief=1.6,
    ),
    "Baroque": _manner(
        ground="4c3420 2c1f15 170f0a", sky="463e34 a07a48", land="5e4c2a 3d321c 221b12",
        cloth="a22c1c c49440 643c20 40463c d8c8a8", flesh="f6c88e 8a522c", ink_gold_shade="0a0605 e2a844 0a0504",
        depth=0.86, steps=7, backdrop="drapery", blur=0.6, relief=3.4, spotlight=0.72,
        strokes=900, stroke_px=(11, 2.6), stroke_tint=8,
    ),
    "Rococo": _manner(
        ground="e6e2e4 d0d8e2 b4c8d2", sky="a4cdec fae2e0", land="bcd0a0 8cb490 5c8c78",
        cloth="ec90a8 86bce6 f6d484 b494d8 f4ece4", flesh="fde4d6 e4aa9c", ink_gold_shade="6c5862 f0d486 9a7c98",
        depth=0.5, steps=6, backdrop="clouds", blur=0.6, relief=2.2,
        strokes=1900, stroke_px=(10, 1.7), stroke_tint=9, swirl=True,
    ),
    "Neoclassicism": _manner(
        ground="aeb0ac 8c9294 666e74", sky="a2b8ca e4e6e0", land="989c80 747c68 505a50",
        cloth="c03c34 f0ece0 2c4e80 8c7a5c b4a888", flesh="f2d8c0 b88e74", ink_gold_shade="2c2c30 c8ac6c 23262e",
        depth=0.55, steps=7, backdrop="columns", outline=0.25, spotlight=0.14,
    ),
    "Romanticism": _manner(
        ground="3e4860 2a3146 181c2a", sky="22304e f09a48", land="5c5438 3a4034 1e262a",
        cloth="c0522a 38507c 84302c d49440 e6d8bc", flesh="f0c08c 92603e", ink_gold_shade="0e1018 fcb650 0c101e",
        depth=0.7, steps=6, backdrop="hills", relief=4.4, spotlight=0.34,
        strokes=1700, stroke_px=(15, 2.6), stroke_tint=13,
    ),
    "Realism": _manner(
        ground="938868 70664e 4c4636", sky="b2b8b0 dcd6be", land="8c8654 686a3c 45482a",
        cloth="6a5842 485664 8c5c3a 9c9276 503a34", flesh="dab28a 96694a", ink_gold_shade="221d17 b8964e 1e1a16",
        depth=0.56, steps=5, backdrop="plain", relief=5.5, spotlight=0.12,
        strokes=1300, stroke_px=(10, 4.6), stroke_tint=11,
    ),
    "Impressionism": _manner(
        ground="a8c8e4 cad8c4 ecd6b0", sky="82bcec fee8c4", land="b0d06a 6cb46c 4690a0",
        cloth="f0806a 5a80dc fac84e b67cca f6f0f0", flesh="fad4b8 c890a4", ink_gold_shade="36407c ffdc70 4a4c98",
        depth=0.42, steps=4, backdrop="garden", relief=4.2,
        strokes=4200, stroke_px=(7.5, 2.8), stroke_tint=21, swirl=True,
    ),
    "Art Nouveau": _manner(
        ground="e2d4a6 bcba8c 8c9c7c", sky="cadcb8 f6e4b4", land="8ca46c 5c8466 345f58",
        cloth="d0683a 2a7274 e0ac3a 7c4670 c83e4c", flesh="f6dcc0 d8a884", ink_gold_shade="20302c e2b03e 28443e",
        depth=0.3, steps=2, backdrop="tendrils", tall=1.12, outline=1.0,
    ),
}  # fmt: skip
"""A manner for each style; neighbours in time share some of their colours and habits."""
