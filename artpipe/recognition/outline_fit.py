"""The form of what stands out from a wall: a quadrilateral, an upright box of which parts lack, or an ellipse."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from artpipe.recognition.view import Corners

_MIN_SOLIDITY, _MIN_FIT, _MIN_ROUND_FIT = 0.85, 0.93, 0.95
"""How much of its convex outline a thing must fill, and how well a quadrilateral or an ellipse must fit that."""
_MOST_SLANTED = 0.45
"""The cosine of the smallest angle of a painting that was seen from aside."""
_MOST_OF_PHOTOGRAPH = 0.8
"""Something round that takes more of the photograph has no frame, but the ground on which a tondo was reproduced."""
_NEAR_SIDE_PX, _MIN_SIDE_SHARE, _MEAN_SIDE_SHARE = 2, 0.4, 0.65
"""How much of each side, and of all sides, of an upright box a contour must run along."""


class Outline(NamedTuple):
    """A form.

    Attributes:
        corners: float32 (4, 2), clockwise from the upper left one; of the upright box around an ellipse.
        points: float32 (N, 2), points along it.
        fit: its overlap with the thing.
        is_round: whether it is an ellipse with something around it.
    """

    corners: Corners
    points: Corners
    fit: float
    is_round: bool


def fit_outline(
    contour: NDArray[np.int32], hull: NDArray[np.int32], shape: tuple[int, int], *, may_be_broken: bool
) -> Outline | None:
    """The form of a thing; None where none fits.

    Args:
        contour: int32 (N, 1, 2), the thing's outline.
        hull: int32 (M, 1, 2), its convex hull.
        shape: height and width of the picture.
        may_be_broken: whether an upright box will do that the contour runs along only in part.
    """
    import cv2

    left, top, width, height = cv2.boundingRect(hull)
    right, bottom = left + width, top + height
    box = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], dtype=np.float32)
    if may_be_broken and _runs_along(contour, box):
        return Outline(box, _between(box), max(_MIN_FIT, _overlap(_between(box), hull, shape)), is_round=False)
    is_solid = cv2.contourArea(contour) >= _MIN_SOLIDITY * cv2.contourArea(hull)
    quad, fit = _quadrilateral(hull, shape)
    if is_solid and fit >= _MIN_FIT:
        return Outline(_clockwise(quad), _between(quad), fit, is_round=False)
    if is_solid and len(hull) >= 5:
        points = _points_of(cv2.fitEllipse(hull))
        if _overlap(points, hull, shape) >= _MIN_ROUND_FIT:
            return Outline(box, points, fit, is_round=width * height < _MOST_OF_PHOTOGRAPH * shape[0] * shape[1])
    return None


def _quadrilateral(hull: NDArray[np.int32], shape: tuple[int, int]) -> tuple[Corners, float]:
    """The quadrilateral that a convex outline is closest to, and their overlap."""
    import cv2

    quads = [np.asarray(cv2.boxPoints(cv2.minAreaRect(hull)), dtype=np.float32)]
    if len(hull) >= 4:
        quads.append(np.asarray(cv2.approxPolyN(hull, 4, ensure_convex=True), dtype=np.float32).reshape(4, 2))
    length = cv2.arcLength(hull, closed=True)
    for tolerance in np.linspace(0.01, 0.1, 19):
        found = cv2.approxPolyDP(hull, tolerance * length, closed=True)
        if len(found) == 4:
            quads.append(found[:, 0].astype(np.float32))
        if len(found) <= 4:
            break
    fits = [_overlap(_between(quad), hull, shape) if _is_rectangle_seen(quad) else 0.0 for quad in quads]
    best = int(np.argmax(fits))
    return quads[best], fits[best]


def _is_rectangle_seen(quad: Corners) -> bool:
    """Whether no angle is farther from a right one than of a painting that was seen from aside."""
    sides = np.roll(quad, -1, axis=0) - quad
    sides = sides / np.maximum(np.linalg.norm(sides, axis=1, keepdims=True), 1e-6)
    return bool(np.abs((sides * np.roll(sides, 1, axis=0)).sum(axis=1)).max() <= _MOST_SLANTED)


def _runs_along(contour: NDArray[np.int32], box: Corners) -> bool:
    """Whether a contour runs along each side of an upright box: of a picture that is in part as light as the wall."""
    (left, top), (right, bottom) = box[0], box[2]
    x, y = contour[:, 0].T
    sides = [(x, y, left), (x, y, right - 1), (y, x, top), (y, x, bottom - 1)]
    lengths = [bottom - top] * 2 + [right - left] * 2
    shares = [
        len(np.unique(along[np.abs(across - side) <= _NEAR_SIDE_PX])) / length
        for (across, along, side), length in zip(sides, lengths, strict=True)
    ]
    return min(shares) >= _MIN_SIDE_SHARE and float(np.mean(shares)) >= _MEAN_SIDE_SHARE


def _between(quad: Corners) -> Corners:
    """Points along the sides of a quadrilateral, without its very corners."""
    steps = np.linspace(0.02, 0.98, 40, dtype=np.float32)[None, :, None]
    points = quad[:, None] * (1 - steps) + np.roll(quad, -1, axis=0)[:, None] * steps
    return points.reshape(-1, 2).astype(np.float32)


def _points_of(ellipse: Any) -> Corners:
    """Points along an ellipse as OpenCV fits it: centre, diameters, angle."""
    import cv2

    (x, y), (wide, high), angle = ellipse
    points = cv2.ellipse2Poly((round(x), round(y)), (round(wide / 2), round(high / 2)), round(angle), 0, 360, 2)
    return np.asarray(points, dtype=np.float32)


def _overlap(points: Corners, hull: NDArray[np.int32], shape: tuple[int, int]) -> float:
    """Intersection over union of two convex outlines."""
    import cv2

    one, other = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    cv2.fillConvexPoly(one, hull, 1)
    cv2.fillConvexPoly(other, np.rint(points).astype(np.int32), 1)
    return float((one & other).sum() / max(1, (one | other).sum()))


def _clockwise(quad: Corners) -> Corners:
    """Clockwise from the corner nearest to the upper left, the first side running rightwards."""
    centre = quad.mean(axis=0)
    order = np.argsort(np.arctan2(quad[:, 1] - centre[1], quad[:, 0] - centre[0]))
    quad = quad[order]
    return np.roll(quad, -int(np.argmin(quad.sum(axis=1))), axis=0).astype(np.float32)
