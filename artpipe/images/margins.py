"""Finds the margins, captions and colour bars that a reproduction shows around the picture itself.

Only what is certain is found: a side has a margin where its outermost lines have one colour, and where the last such
line ends at an edge that runs along nearly the whole side. Between the first and the last line of that colour there may
be a caption or a colour bar. A sky, or the dark ground of a portrait, has no such edge. `trimming.py` records what is
found; `recognition/picture_finder.py` looks for frames and walls in photographs, and is less certain.
"""

import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]

_DEEPEST = 0.35
"""The share of width or height that a margin may take on one side."""
_LEAST_LOSS, _LEAST_SIDE = 0.03, 0.3
"""A picture that would lose a smaller share of its area stays whole, and one of which too little would be left."""
_THINNEST_PX = 2
_FLAT, _FLAT_SHARE = 5.0, 0.98
"""The distance in CIE L*a*b* from the margin's colour, and the share of a line that must be within it."""
_STEP, _EDGE_PX, _EDGE_SHARE = 9.0, 4, 0.75
"""The distance from the margin's colour within so many pixels of an edge, and the share of the edge that has it."""
_PAPER_FROM, _PAPER_CHROMA, _BLACK_TO = 80.0, 16.0, 12.0
"""Lightness and chroma of paper, and lightness of black: a band on one side alone that has another colour is an
entablature or a curtain as likely as a margin."""
_QUALITY = 95


class Box(NamedTuple):
    """An upright part of a picture, in fractions of its width and height."""

    x: float
    y: float
    width: float
    height: float


def find_margins(pixels: Pixels) -> Box | None:
    """The picture within its margins; None where it has none, or they are not certain.

    Args:
        pixels: uint8 (height, width, 3), RGB.
    """
    import cv2

    lab = cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab).astype(np.float32)
    lab[..., 0] *= np.float32(100 / 255)
    height, width = lab.shape[:2]
    across = lab.swapaxes(0, 1)
    distances = [_from_margin(lines) for lines in (across, lab, across[::-1], lab[::-1])]
    ends = [_ends(distance) for distance in distances]
    depths = [max(each, default=0) for each in ends]
    for _ in range(2):  # the sides beside a margin are known only after the first round
        left, top, right, bottom = depths
        beside = [(top, bottom), (left, right)] * 2
        depths = [_depth(*side) for side in zip(distances, ends, beside, strict=True)]
    left, top, right, bottom = depths
    margins = (across[:left], lab[:top], across[width - right :], lab[height - bottom :])
    only = [margin for margin in margins if len(margin)]
    if len(only) == 1 and not _is_paper_or_black(only[0]):
        return None
    wide, high = (width - left - right) / width, (height - top - bottom) / height
    if min(wide, high) < _LEAST_SIDE or wide * high > 1 - _LEAST_LOSS:
        return None
    return Box(left / width, top / height, wide, high)


def cut(jpeg: bytes, box: str | None) -> bytes:
    """The part of a JPEG that a `picture_box` names; the JPEG itself where that is all of it."""
    from PIL import Image

    if not box:
        return jpeg
    x, y, width, height = map(float, box.split())
    with Image.open(io.BytesIO(jpeg)) as image:
        left, top = round(x * image.width), round(y * image.height)
        right, bottom = round((x + width) * image.width), round((y + height) * image.height)
        part = io.BytesIO()
        image.convert("RGB").crop((left, top, right, bottom)).save(part, "JPEG", quality=_QUALITY, subsampling=0)
    return part.getvalue()


def _from_margin(lines: NDArray[np.float32]) -> NDArray[np.float32]:
    """How far the lines at one side, the outermost first, are from the colour of the outermost: (depth, length)."""
    colour = np.median(lines[:_THINNEST_PX].reshape(-1, 3), axis=0)
    some = lines[: round(_DEEPEST * len(lines)) + _EDGE_PX]
    return np.linalg.norm(some - colour, axis=2)


def _ends(distance: NDArray[np.float32]) -> list[int]:
    """The lines at which a margin may end, the innermost first."""
    is_flat = np.mean(distance < _FLAT, axis=1) >= _FLAT_SHARE
    if not is_flat[:_THINNEST_PX].all():
        return []
    last = len(is_flat) - _EDGE_PX
    return [n for n in range(last, _THINNEST_PX - 1, -1) if not is_flat[n] and is_flat[n - _THINNEST_PX : n].all()]


def _is_paper_or_black(margin: NDArray[np.float32]) -> bool:
    lightness, a, b = np.median(margin.reshape(-1, 3), axis=0) - (0, 128, 128)
    return bool(lightness <= _BLACK_TO or (lightness >= _PAPER_FROM and np.hypot(a, b) <= _PAPER_CHROMA))


def _depth(distance: NDArray[np.float32], ends: list[int], beside: tuple[int, int]) -> int:
    """The innermost end that is an edge between the margins of the two sides beside this one; 0 where none is."""
    for end in ends:
        edge = distance[end : end + _EDGE_PX, beside[0] : distance.shape[1] - beside[1]]
        if not edge.size:
            continue
        reached = np.mean(np.maximum.accumulate(edge) > _STEP, axis=1) >= _EDGE_SHARE
        if reached.any():  # before it lies what JPEG blurs of the edge
            return end + int(reached.argmax())
    return 0
