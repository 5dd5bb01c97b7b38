"""Draws a work of the sample gallery, from its composition to the bytes of its file.

A composition for the type, a palette and a brush for the style, age and format for the period, and a hand for the
artist. What is drawn depends on the work alone; `site.py` writes the files.
"""

import io
import random
from typing import TYPE_CHECKING

import numpy as np

from artpipe.sample_gallery.ageing import aged, frame_of_its_time
from artpipe.sample_gallery.brushwork import paint, sketch
from artpipe.sample_gallery.canvas import Canvas
from artpipe.sample_gallery.palettes import MANNERS
from artpipe.sample_gallery.scenes.compositions import COMPOSITIONS

if TYPE_CHECKING:
    from PIL.Image import Image

    from artpipe.sample_gallery.plan import Work

DRAWING_VERSION = 5
"""Raise it when anything drawn or written changes: a gallery of another version is drawn again."""
SHORT_SIDE_PX = 300
QUALITY = 88
_EXIF_ORIENTATION = 0x0112
_SIDEWAYS = 6
# Usual height over width of a type.
_RATIOS = {
    "religious": 1.25, "portrait": 1.28, "landscape": 0.76, "mythological": 0.82, "genre": 0.88, "still-life": 0.86,
    "interior": 1.06, "study": 1.26, "historical": 0.72, "other": 1.1,
}  # fmt: skip


def draw(work: "Work") -> bytes | None:
    """The file that the gallery serves for a work; None where its link is dead."""
    if work.picture == "missing":
        return None
    if work.picture == "empty":
        return b""
    if work.picture == "page":
        return b"<!DOCTYPE html><html><head><title>Moved</title></head><body>This picture has moved.</body></html>"
    picture = picture_of(work)
    out = io.BytesIO()
    if work.picture == "grey":
        picture.convert("L").save(out, "JPEG", quality=QUALITY)
    elif work.picture == "cmyk":
        picture.convert("CMYK").save(out, "JPEG", quality=QUALITY)
    elif work.picture == "palette":
        picture.quantize(96).save(out, "PNG")
    elif work.picture == "turned":
        exif = picture.getexif()
        exif[_EXIF_ORIENTATION] = _SIDEWAYS
        picture.rotate(90, expand=True).save(out, "JPEG", quality=QUALITY, exif=exif)
    else:
        picture.save(out, "JPEG", quality=70 if work.picture == "second photograph" else QUALITY)
    data = out.getvalue()
    return data[: len(data) // 2] if work.picture == "truncated" else data


def picture_of(work: "Work") -> "Image":
    """The picture of a work, RGB; its short side is about 300 px."""
    if work.picture == "detail" and work.parent:
        return _detail_of(picture_of(work.parent), work)
    if work.picture == "second photograph" and work.parent:
        return _photographed_again(picture_of(work.parent), work)
    return _painted(work)


def _painted(work: "Work") -> "Image":
    from PIL import Image

    rng = random.Random(f"{work.seed} picture {work.artwork_id}")
    hand = random.Random(f"{work.seed} hand {work.artist.folder}")
    manner = MANNERS[work.drawn_style].by_hand(
        hand.uniform(-0.035, 0.035), hand.uniform(0.8, 1.2), hand.uniform(0.8, 1.3)
    )
    c = Canvas(_size(work, rng), manner, rng, work.drawn_style)
    COMPOSITIONS[work.drawn_type](c)
    chance = np.random.default_rng(rng.getrandbits(64))
    if work.drawn_type == "study":
        pixels = sketch(c, chance)
    else:
        frame_of_its_time(c, work.year)
        pixels = paint(c, chance)
    return Image.fromarray(aged(pixels, work.year, rng, chance))


def _size(work: "Work", rng: random.Random) -> tuple[int, int]:
    """Formats of their time: tall panels early, wide canvases later, and the usual shape of the type."""
    ratio = _RATIOS[work.drawn_type]
    if work.year < 1450:
        ratio *= 1.2
    elif work.year >= 1850:
        ratio = ratio**0.8
    if work.drawn_style == "Mannerism":
        ratio *= 1.1
    ratio = min(1.55, max(0.64, ratio * rng.uniform(0.9, 1.1)))
    if ratio >= 1:
        return SHORT_SIDE_PX, round(SHORT_SIDE_PX * ratio)
    return round(SHORT_SIDE_PX / ratio), SHORT_SIDE_PX


def _detail_of(parent: "Image", work: "Work") -> "Image":
    from PIL import Image

    rng = random.Random(f"{work.seed} {work.artwork_id}")
    width, height = parent.size
    share = rng.uniform(0.45, 0.62)
    left, top = (rng.uniform(0.1, 0.9 - share) * width, rng.uniform(0.05, 0.75 - share) * height)
    box = (left, top, left + share * width, top + share * height)
    return parent.resize((round(width * 0.9), round(height * 0.9)), Image.Resampling.LANCZOS, box=box)


def _photographed_again(parent: "Image", work: "Work") -> "Image":
    """Another camera, other lamps, and a rim of the wall behind."""
    from PIL import Image, ImageOps

    rng = random.Random(f"{work.seed} {work.artwork_id}")
    size = (round(parent.width * 0.92), round(parent.height * 0.92))
    pixels = np.asarray(parent.resize(size, Image.Resampling.BICUBIC), np.float32)
    lamps = np.array([rng.uniform(0.93, 1.1), rng.uniform(0.95, 1.04), rng.uniform(0.85, 1.05)], np.float32)
    again = np.clip(255 * (pixels * lamps / 255).clip(0, 1) ** rng.uniform(0.88, 1.12), 0, 255)
    return ImageOps.expand(Image.fromarray(again.astype(np.uint8)), border=3, fill=(34, 30, 27))
