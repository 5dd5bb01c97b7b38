"""Pictures that are no paintings, drawn by code: flat colours, gradients, noise, text, plots, codes, and screenshots.

`painting_fit.py` fits on them what tells a painting from other pictures. They are drawn at random and seeded, so that
no picture has to be shipped or downloaded.
"""

import io
import string
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageDraw import ImageDraw

Colour = tuple[int, int, int]


def drawn_picture(kind: str, seed: int) -> "Image":
    """A picture of one of `KINDS`, RGB, 240 to 640 px a side; the same seed gives the same picture."""
    from PIL import Image

    rng = np.random.default_rng([seed, *kind.encode()])
    picture = KINDS[kind](rng)
    if rng.random() < 0.5:  # as it was sent or stored by others
        packed = io.BytesIO()
        picture.save(packed, "JPEG", quality=int(rng.integers(40, 95)))
        picture = Image.open(packed).convert("RGB")
    return picture


def _size(rng: np.random.Generator) -> tuple[int, int]:
    width, height = rng.integers(240, 640, 2)
    return int(width), int(height)


def _any_colour(rng: np.random.Generator) -> Colour:
    red, green, blue = rng.integers(0, 256, 3)
    return int(red), int(green), int(blue)


def _grey(level: "float | np.integer") -> Colour:
    return int(level), int(level), int(level)


def _page_colours(rng: np.random.Generator) -> tuple[Colour, Colour]:
    """Of a page and of what is printed on it."""
    if rng.random() < 0.25:
        return _grey(rng.integers(0, 50)), _grey(rng.integers(180, 256))
    page = np.clip(rng.integers(225, 256) - rng.integers(0, 20, 3), 0, 255)
    return (int(page[0]), int(page[1]), int(page[2])), _grey(rng.integers(0, 70))


def _of_pixels(pixels: NDArray[Any]) -> "Image":
    from PIL import Image

    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _canvas(rng: np.random.Generator, colour: Colour) -> "tuple[Image, ImageDraw]":
    from PIL import Image, ImageDraw

    image = Image.new("RGB", _size(rng), colour)
    return image, ImageDraw.Draw(image)


def _flat(rng: np.random.Generator) -> "Image":
    """One colour, often black, white or grey, with the grain of a camera or without."""
    width, height = _size(rng)
    choice = rng.integers(0, 5)
    colour = (0, 0, 0) if choice == 0 else (255, 255, 255) if choice == 1 else _any_colour(rng)
    if choice == 2:
        colour = _grey(rng.integers(0, 256))
    grain = rng.normal(0, rng.choice([0, 0, 1, 3, 6]), (height, width, 1))
    return _of_pixels(np.array(colour) + grain + np.zeros(3))


def _gradient(rng: np.random.Generator) -> "Image":
    """Two to four colours that run into one another, along a line or around a point."""
    width, height = _size(rng)
    y, x = np.mgrid[0:height, 0:width] / max(width, height)
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        place = x * np.cos(angle) + y * np.sin(angle)
    else:
        place = np.hypot(x - rng.random(), y - rng.random())
    place = (place - place.min()) / np.ptp(place)
    stops = np.array([_any_colour(rng) for _ in range(rng.integers(2, 5))])
    if rng.random() < 0.3:
        stops = np.repeat(stops.mean(1, keepdims=True), 3, axis=1)
    at = np.linspace(0, 1, len(stops))
    return _of_pixels(np.stack([np.interp(place, at, stops[:, each]) for each in range(3)], axis=2))


def _noise(rng: np.random.Generator) -> "Image":
    """Random pixels, fine or coarse, grey or in colours, of all levels or of few."""
    import cv2

    width, height = _size(rng)
    grain = int(rng.choice([1, 1, 2, 4, 8, 16, 32]))
    shape = (max(2, height // grain), max(2, width // grain), int(rng.choice([1, 3])))
    pixels = rng.integers(0, 256, shape).astype(np.float32) if rng.random() < 0.5 else rng.normal(128, 60, shape)
    if rng.random() < 0.2:
        pixels = np.where(pixels > 128, 255.0, 0.0)
    how = int(rng.choice([cv2.INTER_NEAREST, cv2.INTER_CUBIC]))
    grown = cv2.resize(pixels.astype(np.float32), (width, height), interpolation=how).reshape(height, width, -1)
    return _of_pixels(np.broadcast_to(grown, (height, width, 3)))


def _words(rng: np.random.Generator, characters: int) -> str:
    letters = np.array(list(string.ascii_lowercase + "eeeeaaoinst" + " " * 8))
    return "".join(rng.choice(letters, characters)).capitalize()


def _paragraphs(draw: "ImageDraw", rng: np.random.Generator, box: tuple[int, int, int, int], ink: Colour) -> None:
    """Lines of words within a box: left, top, right, bottom."""
    from PIL import ImageFont

    left, top, right, bottom = box
    px = int(rng.integers(8, 20))
    font, leading = ImageFont.load_default(px), px * rng.uniform(1.15, 1.7)
    y = float(top)
    while y + px < bottom:
        if rng.random() < 0.12:  # a paragraph ends
            y += leading * rng.uniform(0.3, 1)
        share = rng.uniform(0.2, 0.9) if rng.random() < 0.15 else rng.uniform(0.95, 1.0)
        draw.text((left, y), _words(rng, max(1, int((right - left) * share / px * 2))), ink, font)
        y += leading


def _text(rng: np.random.Generator) -> "Image":
    """A page of text in one or two columns, with a heading or without."""
    from PIL import ImageFont

    page, ink = _page_colours(rng)
    image, draw = _canvas(rng, page)
    margin, top = int(rng.integers(6, 60)), int(rng.integers(6, 60))
    if rng.random() < 0.5:
        draw.text((margin, top), _words(rng, 18), ink, ImageFont.load_default(int(rng.integers(22, 44))))
        top += 60
    columns = int(rng.integers(1, 3))
    width = (image.width - margin * (columns + 1)) // columns
    for column in range(columns):
        left = margin + column * (width + margin)
        _paragraphs(draw, rng, (left, top, left + width, image.height - margin), ink)
        draw.rectangle((left + width, 0, left + width + margin, image.height), page)
    return image


def _plot(rng: np.random.Generator) -> "Image":
    """A chart of lines, bars, points or shares with its axes."""
    from PIL import ImageFont

    page, ink = _page_colours(rng)
    image, draw = _canvas(rng, page)
    left, right = int(rng.integers(20, 60)), image.width - int(rng.integers(6, 30))
    top, bottom = int(rng.integers(10, 40)), image.height - int(rng.integers(20, 50))
    colours = [_any_colour(rng) for _ in range(6)]
    font = ImageFont.load_default(int(rng.integers(8, 14)))
    if rng.random() < 0.5:
        for y in np.linspace(top, bottom, int(rng.integers(4, 9))):
            draw.line((left, y, right, y), _grey((page[0] + ink[0]) * 0.5), 1)
    kind = rng.choice(["line", "bar", "points", "pie"])
    if kind == "pie":
        ends = np.cumsum(rng.dirichlet(np.ones(6))) * 360
        for start, end, colour in zip([0, *ends], ends, colours, strict=False):
            draw.pieslice((left, top, right, bottom), start, end, colour, page)
    else:
        count = int(rng.integers(4, 60))
        x = np.linspace(left, right, count)
        for colour in colours[: rng.integers(1, 5)]:
            walk = np.cumsum(rng.normal(0, 1, count)) + rng.normal(0, 1)
            y = bottom - (walk - walk.min()) / max(np.ptp(walk), 1e-6) * (bottom - top) * rng.uniform(0.4, 1)
            if kind == "line":
                draw.line(list(zip(x, y, strict=True)), colour, int(rng.integers(1, 4)))
            elif kind == "bar":
                half = (right - left) / count * 0.4
                for at, height in zip(x, y, strict=True):
                    draw.rectangle((at - half, height, at + half, bottom), colour)
            else:
                size = int(rng.integers(1, 5))
                for at, height in zip(rng.uniform(left, right, count), y, strict=True):
                    draw.ellipse((at - size, height - size, at + size, height + size), colour)
        draw.line([(left, top), (left, bottom), (right, bottom)], ink, 1)
        for number, at in enumerate(np.linspace(left, right, int(rng.integers(3, 9)))):
            draw.text((at - 6, bottom + 4), str(number * 10), ink, font)
    draw.text((left + 10, max(0, top - 14)), _words(rng, 22), ink, font)
    return image


def _code(rng: np.random.Generator) -> "Image":
    """A matrix code with its three finder squares, or a bar code."""
    from PIL import Image

    paper, ink = (255, 0) if rng.random() < 0.85 else (int(rng.integers(200, 256)), int(rng.integers(0, 80)))
    if rng.random() < 0.3:
        bars = np.repeat(rng.integers(0, 2, int(rng.integers(60, 110)))[None, :], 40, axis=0)
        modules = np.pad(bars, 8)
    else:
        side = int(rng.integers(5, 15)) * 4 + 1
        modules = rng.integers(0, 2, (side, side))
        ring = np.pad(np.pad(np.ones((3, 3), int), 1), 1, constant_values=1)
        for y, x in ((0, 0), (0, side - 7), (side - 7, 0)):
            modules[max(0, y - 1) : y + 8, max(0, x - 1) : x + 8] = 0
            modules[y : y + 7, x : x + 7] = ring
        modules = np.pad(modules, int(rng.integers(1, 6)))
    grey = np.where(modules == 1, ink, paper).astype(np.uint8)
    image = Image.fromarray(grey).convert("RGB")
    scale = max(2, int(rng.integers(240, 520) / max(image.size)))
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def _screenshot(rng: np.random.Generator) -> "Image":
    """A window with bars, panels, text, buttons and fields."""
    page, ink = _page_colours(rng)
    image, draw = _canvas(rng, page)
    width, height = image.size
    accent = _any_colour(rng)
    shade = _grey(np.clip(page[0] + rng.choice([-25, -12, 15]), 0, 255))
    bar, side = int(rng.integers(16, 50)), int(rng.integers(0, width // 3))
    draw.rectangle((0, bar, side, height), shade)
    _paragraphs(draw, rng, (8, bar + 10, side - 4, height - 10), ink)
    draw.rectangle((side, bar, width, height), page)
    left, y = side + 12, bar + 12
    while y < height - 20:
        block = int(rng.integers(30, 130))
        kind = rng.integers(0, 4)
        right = min(width - 10, left + int(rng.integers(60, max(61, width - left))))
        if kind == 0:
            _paragraphs(draw, rng, (left, y, right, y + block), ink)
        elif kind == 1:
            draw.rounded_rectangle((left, y, left + 90, y + 24), 5, accent)
            draw.rounded_rectangle((left + 100, y, right + 100, y + 24), 5, page, ink)
        elif kind == 2:
            for x in range(left, width - 40, int(rng.integers(50, 120))):
                draw.rectangle((x, y, x + 40, y + block * 0.8), _any_colour(rng))
        else:
            for line in range(y, y + block, 18):
                draw.rectangle((left, line, width - 8, line + 18), None, shade)
        y += block + int(rng.integers(4, 24))
    draw.rectangle((0, 0, width, bar), accent if rng.random() < 0.5 else shade)
    for x in range(8, 60, 16):
        draw.ellipse((x, bar / 2 - 4, x + 8, bar / 2 + 4), _any_colour(rng))
    return image


def _pattern(rng: np.random.Generator) -> "Image":
    """Stripes, squares or dots at equal distances."""
    width, height = _size(rng)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    step, angle = rng.uniform(6, 70), rng.choice([0.0, np.pi / 2, rng.uniform(0, np.pi)])
    u, v = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kind = rng.integers(0, 3)
    waves = np.sin(u / step * np.pi)
    share = waves if kind == 0 else waves * np.sin(v / step * np.pi)
    is_ink = (share > (0.4 if kind == 2 else 0))[..., None]
    first, second = (_any_colour(rng) if rng.random() < 0.6 else _grey(rng.choice([0, 255])) for _ in range(2))
    return _of_pixels(np.where(is_ink, np.array(first), np.array(second)).astype(np.float32))


KINDS: dict[str, Callable[[np.random.Generator], "Image"]] = {
    "flat": _flat,
    "gradient": _gradient,
    "noise": _noise,
    "text": _text,
    "plot": _plot,
    "code": _code,
    "screenshot": _screenshot,
    "pattern": _pattern,
}
