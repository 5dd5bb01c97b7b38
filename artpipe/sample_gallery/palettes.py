"""What each style paints with: its colours, its light, and how its brush moves."""

import colorsys
from dataclasses import dataclass, replace

Colour = tuple[int, int, int]


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
        strokes: visible strokes in a picture of 300 x 300.
        stroke_px: their length and thickness.
        stroke_tint: how far their colours stray.
        flow: what strokes follow besides the forms: `level`, `slant` or `swirl`, and `free`, how much of it.
        relief: how thick the paint lies.
        bloom: how much the light spreads.
        spotlight: how much falls into the dark around the light, 0 to 1.
        sway: how much everything bends, pixels.
        levels: values a colour can take in flat printing; 0 is any.
    """

    ground: tuple[Colour, ...]
    sky: tuple[Colour, Colour]
    land: tuple[Colour, ...]
    cloth: tuple[Colour, ...]
    flesh: tuple[Colour, Colour]
    ink: Colour
    gold: Colour
    shade: Colour
    depth: float = 0.45
    steps: int = 5
    backdrop: str = "plain"
    tall: float = 1.0
    outline: float = 0.0
    blur: float = 0.0
    strokes: int = 0
    stroke_px: tuple[float, float] = (9, 2.5)
    stroke_tint: float = 10.0
    flow: str = "level"
    free: float = 0.4
    relief: float = 3.0
    bloom: float = 0.0
    spotlight: float = 0.0
    sway: float = 0.0
    levels: int = 0

    def by_hand(self, hue: float, saturation: float, size: float) -> "Manner":
        """The manner of one artist: hues shifted by a share of the circle, saturation and brush scaled."""

        def all_of(colours: tuple[Colour, ...]) -> tuple[Colour, ...]:
            return tuple(_shifted(colour, hue, saturation) for colour in colours)

        length, thickness = self.stroke_px
        return replace(
            self,
            ground=all_of(self.ground),
            sky=(_shifted(self.sky[0], hue, saturation), _shifted(self.sky[1], hue, saturation)),
            land=all_of(self.land),
            cloth=all_of(self.cloth),
            gold=_shifted(self.gold, hue / 2, saturation),
            strokes=round(self.strokes / size**1.5),
            stroke_px=(length * size, thickness * size),
            relief=self.relief * size,
        )


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


def _rgb(codes: str) -> tuple[Colour, ...]:
    return tuple((int(c[0:2], 16), int(c[2:4], 16), int(c[4:6], 16)) for c in codes.split())


def _manner(
    *, ground: str, sky: str, land: str, cloth: str, flesh: str, ink: str, gold: str, shade: str, **rest: object
) -> Manner:
    top, bottom = _rgb(sky)
    light, shadow = _rgb(flesh)
    return Manner(
        ground=_rgb(ground), sky=(top, bottom), land=_rgb(land), cloth=_rgb(cloth), flesh=(light, shadow),
        ink=_rgb(ink)[0], gold=_rgb(gold)[0], shade=_rgb(shade)[0], **rest,  # pyright: ignore[reportArgumentType]
    )  # fmt: skip


MANNERS = {
    "Medieval": _manner(
        ground="d9b24a cda03c b88a2e", sky="d5ab45 e6c66c", land="93904a 6f7440 4c5a38",
        cloth="24408c b02a2a 7a2f5f 2f6b4a c8642c", flesh="ecd0a4 a98a58", ink="2a1810", gold="efc958",
        shade="2a1c18", depth=0.34, steps=2, backdrop="gold", tall=1.12, outline=0.95, relief=1.0,
        strokes=900, stroke_px=(5, 0.8), stroke_tint=9, flow="slant", free=0.3,
    ),
    "Early Renaissance": _manner(
        ground="d5dcd4 b9c8c4 9fb0a8", sky="86b4dc eef0e2", land="b4c294 86a372 5a7a50",
        cloth="cc4c42 3f6cb4 e0a05c 6d9266 d88a94", flesh="f5d8b8 cf9f7c", ink="46362c", gold="e0be66",
        shade="5a4a4a", depth=0.32, steps=4, backdrop="arcade", outline=0.5, blur=0.4, relief=1.2,
        strokes=500, stroke_px=(7, 1.2), stroke_tint=7, flow="level", free=0.2,
    ),
    "Northern Renaissance": _manner(
        ground="4f6148 37483c 212e2a", sky="6f9fb4 d6dfc8", land="6a8a4a 3f6338 234528",
        cloth="9c1c22 1c5440 2a2f66 6a4224 22201e", flesh="f2d6ba b08262", ink="100d0b", gold="cfa040",
        shade="0c120e", depth=0.62, steps=6, backdrop="hanging", tall=1.04, outline=0.55, relief=0.8, spotlight=0.12,
    ),
    "High Renaissance": _manner(
        ground="96875c 6f6646 4a4734", sky="90acb4 e2d2a0", land="929058 66703f 434c30",
        cloth="a03a2a 2c5078 b8803a 5a683c 7c4a52", flesh="edc899 a8764c", ink="2b2018", gold="d2a450",
        shade="241a12", depth=0.55, steps=7, backdrop="hills", blur=0.9, relief=1.4, bloom=0.05, spotlight=0.22,
    ),
    "Mannerism": _manner(
        ground="7c90a8 5c6c8c 3c4660", sky="7898c8 dcc4dc", land="90b08c 669880 406a6c",
        cloth="ea7aa0 a4d468 f4b048 58acd0 d86a4a", flesh="f6d8cc bc8a92", ink="2a2238", gold="eccc6c",
        shade="3a2c58", depth=0.46, steps=6, backdrop="sky", tall=1.38, outline=0.2, blur=0.5, relief=1.6, sway=5.0,
        bloom=0.08,
    ),
    "Baroque": _manner(
        ground="4c3420 2c1f15 170f0a", sky="463e34 a07a48", land="5e4c2a 3d321c 221b12",
        cloth="a22c1c c49440 643c20 40463c d8c8a8", flesh="f6c88e 8a522c", ink="0a0605", gold="e2a844",
        shade="0a0504", depth=0.86, steps=7, backdrop="dark", blur=0.6, relief=3.4, spotlight=0.72, bloom=0.14,
        strokes=900, stroke_px=(11, 2.6), stroke_tint=8, flow="slant", free=0.25,
    ),
    "Rococo": _manner(
        ground="e6e2e4 d0d8e2 b4c8d2", sky="a4cdec fae2e0", land="bcd0a0 8cb490 5c8c78",
        cloth="ec90a8 86bce6 f6d484 b494d8 f4ece4", flesh="fde4d6 e4aa9c", ink="6c5862", gold="f0d486",
        shade="9a7c98", depth=0.5, steps=6, backdrop="clouds", blur=0.6, relief=2.2, bloom=0.14,
        strokes=1900, stroke_px=(10, 1.7), stroke_tint=9, flow="swirl", free=1.3,
    ),
    "Neoclassicism": _manner(
        ground="aeb0ac 8c9294 666e74", sky="a2b8ca e4e6e0", land="989c80 747c68 505a50",
        cloth="c03c34 f0ece0 2c4e80 8c7a5c b4a888", flesh="f2d8c0 b88e74", ink="2c2c30", gold="c8ac6c",
        shade="23262e", depth=0.55, steps=7, backdrop="columns", outline=0.25, relief=0.8, spotlight=0.14,
    ),
    "Romanticism": _manner(
        ground="3e4860 2a3146 181c2a", sky="22304e f09a48", land="5c5438 3a4034 1e262a",
        cloth="c0522a 38507c 84302c d49440 e6d8bc", flesh="f0c08c 92603e", ink="0e1018", gold="fcb650",
        shade="0c101e", depth=0.7, steps=6, backdrop="storm", relief=4.4, bloom=0.3, spotlight=0.34,
        strokes=1700, stroke_px=(15, 2.6), stroke_tint=13, flow="slant", free=0.8,
    ),
    "Realism": _manner(
        ground="938868 70664e 4c4636", sky="b2b8b0 dcd6be", land="8c8654 686a3c 45482a",
        cloth="6a5842 485664 8c5c3a 9c9276 503a34", flesh="dab28a 96694a", ink="221d17", gold="b8964e",
        shade="1e1a16", depth=0.56, steps=5, backdrop="wall", relief=5.5, spotlight=0.12,
        strokes=1300, stroke_px=(10, 4.6), stroke_tint=11, flow="level", free=0.5,
    ),
    "Impressionism": _manner(
        ground="a8c8e4 cad8c4 ecd6b0", sky="82bcec fee8c4", land="b0d06a 6cb46c 4690a0",
        cloth="f0806a 5a80dc fac84e b67cca f6f0f0", flesh="fad4b8 c890a4", ink="36407c", gold="ffdc70",
        shade="4a4c98", depth=0.42, steps=4, backdrop="garden", relief=4.2, bloom=0.1,
        strokes=4200, stroke_px=(7.5, 2.8), stroke_tint=21, flow="swirl", free=0.7,
    ),
    "Art Nouveau": _manner(
        ground="e2d4a6 bcba8c 8c9c7c", sky="cadcb8 f6e4b4", land="8ca46c 5c8466 345f58",
        cloth="d0683a 2a7274 e0ac3a 7c4670 c83e4c", flesh="f6dcc0 d8a884", ink="20302c", gold="e2b03e",
        shade="28443e", depth=0.3, steps=2, backdrop="tendrils", tall=1.12, outline=1.0, relief=0.5, sway=2.5,
        levels=11,
    ),
}  # fmt: skip
"""A manner for each style; neighbours in time share some of their colours and habits."""
