"""The part of a photograph that shows a painting, and that part rectified: what a model should look at.

`same_painting.py` knows it where the painting was recognised, `picture_finder.py` finds it elsewhere, and a person may
give it as a crop.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from artpipe.errors import ArtpipeError
from artpipe.images.decode import MIN_SIDE_PX
from artpipe.images.reading import read_picture

if TYPE_CHECKING:
    from typing import TypeAlias

    from PIL.Image import Image

Corners = NDArray[np.float32]
Crop: "TypeAlias" = Sequence[float] | Sequence[Sequence[float]]
"""A part of a picture as fractions of its width and height: x, y, width, height, or the (x, y) of four corners."""

PHOTOGRAPH_SHORT_SIDE_PX = 480
"""The short side that photographs are read with: more than that of stored pictures, for a painting may fill a third."""
UNIT_SQUARE: Corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32)
_FARTHEST = 1.5
"""How far from the middle of a photograph, in its sides, a corner of the painting in it may lie."""
_ROUNDING = 1e-3
_CROP_IS = "a crop is x, y, width and height, or the x, y of four corners clockwise from the upper left one"


class UnusableCropError(ArtpipeError):
    """A crop is no part of a picture."""


@dataclass(frozen=True, eq=False)
class View:
    """A quadrilateral of a photograph.

    Attributes:
        corners: float32 (4, 2), clockwise from the painting's upper left corner, as fractions of the photograph's width
            and height; of the mirrored photograph where `is_mirrored`.
        is_mirrored: whether the photograph must be mirrored first.
    """

    corners: Corners
    is_mirrored: bool = False

    @classmethod
    def of_crop(cls, crop: Crop) -> "View":
        """The part that a person chose.

        Raises:
            UnusableCropError: it is none.
        """
        try:
            numbers = np.asarray(crop, dtype=np.float32).reshape(-1)
        except (TypeError, ValueError):
            numbers = np.empty(0, np.float32)
        if len(numbers) not in (4, 8) or not np.isfinite(numbers).all():
            raise UnusableCropError(f"{_CROP_IS}; this {type(crop).__name__} is not.")
        is_box = len(numbers) == 4
        given = numbers[:2] + UNIT_SQUARE * numbers[2:] if is_box else numbers.reshape(4, 2)
        corners = given.astype(np.float32)
        if corners.min() < -_ROUNDING or corners.max() > 1 + _ROUNDING:
            raise UnusableCropError(f"{_CROP_IS}, as fractions from 0 to 1; {crop!r} lies outside of the picture.")
        if not _is_convex(corners):
            raise UnusableCropError(f"{_CROP_IS}; the corners of {crop!r} do not go round a part of the picture.")
        return cls(np.clip(corners, 0, 1).astype(np.float32))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, View) or self.is_mirrored != other.is_mirrored:
            return False
        return bool(np.abs(self.corners - other.corners).max() < _ROUNDING)

    def __hash__(self) -> int:
        return hash(self.is_mirrored)

    @property
    def area(self) -> float:
        """Its share of the photograph."""
        x, y = self.corners.T
        return 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))

    def turned(self, quarters: int) -> "View":
        """The same part, seen after this many quarter turns clockwise of the photograph."""
        return replace(self, corners=np.roll(self.corners, quarters, axis=0))

    def of(self, photograph: "Image", short_side_px: int) -> "Image":
        """The rectified part.

        Args:
            photograph: RGB.
            short_side_px: at most that of the result; nothing is enlarged.
        """
        import cv2
        from PIL import Image, ImageOps

        if self.is_mirrored:
            photograph = ImageOps.mirror(photograph)
        quarters = self._quarters_of_whole()
        if quarters is not None:
            whole = read_picture(photograph, short_side_px)
            return whole if quarters == 0 else whole.transpose(Image.Transpose(5 - quarters))
        width, height = side_lengths(self.corners * photograph.size)
        scale = min(1.0, short_side_px / max(1.0, min(width, height)))
        # Reduced as a whole first, by a filter that does not alias.
        small = photograph if scale == 1 else photograph.resize(_scaled(photograph.size, scale), reducing_gap=3.0)
        size = (max(MIN_SIDE_PX, round(scale * width)), max(MIN_SIDE_PX, round(scale * height)))
        # The centre of the first pixel is half a pixel from the corner.
        target, source = (
            (part * np.array(sides, np.float32) - 0.5).astype(np.float32)
            for part, sides in ((UNIT_SQUARE, size), (self.corners, small.size))
        )
        matrix = cv2.getPerspectiveTransform(target, source)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        pixels = cv2.warpPerspective(np.asarray(small), matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return Image.fromarray(np.asarray(pixels, dtype=np.uint8))

    def as_json(self) -> list[list[float]]:
        """The corners in the photograph as it was sent, rounded."""
        corners = self.corners * (-1, 1) + (1, 0) if self.is_mirrored else self.corners
        return [[round(float(x), 4), round(float(y), 4)] for x, y in corners]

    def _quarters_of_whole(self) -> int | None:
        """After how many quarter turns it is the whole photograph; None where it is a part."""
        for quarters in range(4):
            if np.abs(self.corners - np.roll(UNIT_SQUARE, quarters, axis=0)).max() < _ROUNDING:
                return quarters
        return None


WHOLE = View(UNIT_SQUARE)


def side_lengths(corners: Corners) -> tuple[float, float]:
    """The mean width and height of a quadrilateral, clockwise from its upper left corner."""
    edges = np.linalg.norm(np.roll(corners, -1, axis=0) - corners, axis=1)
    return float(edges[0] + edges[2]) / 2, float(edges[1] + edges[3]) / 2


def visible_part(corners: Corners) -> Corners | None:
    """The part of a painting that a photograph of it shows, in the photograph.

    Args:
        corners: float32 (4, 2), where the corners of the photograph lie in the painting, as fractions of its sides.

    Returns:
        float32 (4, 2), where the smallest upright box of the painting that holds all of the visible part lies in the
        photograph, as fractions of its sides; None where there is none, or where the box reaches far out of it, as one
        around a detail may that was seen from very much aside.
    """
    import cv2

    overlap, polygon = cv2.intersectConvexConvex(corners, UNIT_SQUARE)
    if overlap <= 0:
        return None
    seen = np.asarray(polygon, dtype=np.float32).reshape(-1, 2)
    (left, top), (right, bottom) = seen.min(axis=0), seen.max(axis=0)
    box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float32)
    to_photograph = cv2.getPerspectiveTransform(corners.astype(np.float32), UNIT_SQUARE)
    part = np.asarray(cv2.perspectiveTransform(box[None], to_photograph)[0], dtype=np.float32)
    return part if _is_convex(part) and np.abs(part - 0.5).max() <= _FARTHEST else None


def _scaled(size: tuple[int, int], scale: float) -> tuple[int, int]:
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _is_convex(corners: Corners) -> bool:
    """Whether four corners go clockwise round an area, in a picture whose y grows downwards."""
    edges = np.roll(corners, -1, axis=0) - corners
    following = np.roll(edges, -1, axis=0)
    return bool((edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0] > 1e-5).all())
