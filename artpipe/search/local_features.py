"""Local features of pictures, and the geometry that says whether two pictures show the same thing.

A picture has a few hundred points, described so that they are known again when it is turned, cut or badly lit.
`feature_table.py` keeps them for the collection, `same_painting.py` decides by them.

Sources: Lowe, Distinctive Image Features from Scale-Invariant Keypoints (2004); Arandjelovic and Zisserman, Three
things everyone should know to improve object retrieval (2012), the square root.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

STORED_POINTS = 250
QUERY_POINTS = 600
QUERY_SHORT_SIDE_PX = 320
DESCRIPTOR_LENGTH = 128
_CONTRAST = 0.01
_LEAST_MATCHES = 6
_RATIO = 0.8
_TOLERANCE_PX = 4.0
_RANSAC_ROUNDS = 2000
_SMALLEST_SCALE, _LARGEST_SCALE = 0.05, 20.0


@dataclass(frozen=True)
class LocalFeatures:
    """The points of one picture.

    Attributes:
        points: float32 (N, 2), x and y in pixels.
        descriptors: uint8 (N, 128), square roots of SIFT histograms, times 255.
    """

    points: NDArray[np.float32]
    descriptors: NDArray[np.uint8]


@dataclass(frozen=True)
class Agreement:
    """How far two pictures show the same thing.

    Attributes:
        inliers: points of one that are found again in the other where one plane seen from two places has them.
        corners: float32 (4, 2), where the corners of the asked picture lie in the held one; None without agreement.
    """

    inliers: int
    corners: NDArray[np.float32] | None = None


def describe(jpeg: bytes, most_points: int = STORED_POINTS) -> LocalFeatures:
    """The strongest points of a picture; none when it cannot be decoded or is bare."""
    import cv2

    grey = cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_GRAYSCALE)
    if grey is None:
        return LocalFeatures(np.empty((0, 2), np.float32), np.empty((0, DESCRIPTOR_LENGTH), np.uint8))
    sift: Any = cv2.SIFT.create(nfeatures=most_points, contrastThreshold=_CONTRAST)
    points, found = sift.detectAndCompute(grey, None)
    if found is None:
        return LocalFeatures(np.empty((0, 2), np.float32), np.empty((0, DESCRIPTOR_LENGTH), np.uint8))
    places = np.array([point.pt for point in points], dtype=np.float32)[:most_points]
    shares = found[:most_points] / np.maximum(found[:most_points].sum(axis=1, keepdims=True), 1e-9)
    # The largest root of a share is 1, but nearly all lie below 1/2: twice as fine steps for those.
    return LocalFeatures(places, np.minimum(np.rint(np.sqrt(shares) * 510), 255).astype(np.uint8))


def agreements(asked: LocalFeatures, held: Sequence[LocalFeatures], size: tuple[int, int]) -> list[Agreement]:
    """Whether the points of a picture lie as those of others do, if all show one plane.

    Args:
        asked: of the picture that is looked for.
        held: of the pictures that it may show.
        size: width and height of the asked picture.
    """
    if not held:
        return []
    # All pictures at once: many small products would wait for the threads of each other.
    joined = np.concatenate([features.descriptors for features in held]).astype(np.float32)
    descriptors = asked.descriptors.astype(np.float32)
    squares = (descriptors * descriptors).sum(1)[:, None] + (joined * joined).sum(1)[None]
    squares -= 2 * (descriptors @ joined.T)
    ends = np.cumsum([len(features.points) for features in held])
    parts = np.split(squares, ends[:-1], axis=1)
    return [_agreement(asked.points, one.points, part, size) for one, part in zip(held, parts, strict=True)]


def _agreement(
    asked: NDArray[np.float32], held: NDArray[np.float32], squares: NDArray[np.float32], size: tuple[int, int]
) -> Agreement:
    """The agreement of two sets of points, whose descriptors are so far apart."""
    import cv2

    if len(asked) < _LEAST_MATCHES or len(held) < _LEAST_MATCHES:
        return Agreement(0)
    at, to = _matches(squares)
    if len(at) < _LEAST_MATCHES:
        return Agreement(0)
    pair: tuple[Any, Any] = cv2.findHomography(
        asked[at], held[to], cv2.USAC_MAGSAC, _TOLERANCE_PX, maxIters=_RANSAC_ROUNDS, confidence=0.999
    )
    matrix, kept = pair
    if matrix is None or kept is None:
        return Agreement(0)
    width, height = size
    frame = np.array([[[0, 0]], [[width, 0]], [[width, height]], [[0, height]]], dtype=np.float32)
    corners = np.asarray(cv2.perspectiveTransform(frame, matrix), dtype=np.float32)[:, 0]
    if not _is_possible(corners, width * height):
        return Agreement(0)
    agreeing = kept.ravel().astype(bool)
    # Several points of one picture on the same point of the other are one piece of evidence.
    apart = min(_places(asked[at[agreeing]]), _places(held[to[agreeing]]))
    return Agreement(apart, corners)


def _matches(squares: NDArray[np.float32]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Points whose nearest other is clearly nearer than the second nearest."""
    rows = np.arange(len(squares))
    nearest = squares.argmin(axis=1)
    near = np.maximum(squares[rows, nearest], 0)
    squares[rows, nearest] = np.inf
    good = np.flatnonzero(near < _RATIO**2 * squares.min(axis=1))
    return good, nearest[good]


def _is_possible(corners: NDArray[Any], area_px: float) -> bool:
    """Whether a camera can see the frame so: convex, not mirrored, neither tiny nor huge."""
    edges = np.roll(corners, -1, axis=0) - corners
    following = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    if not np.isfinite(corners).all() or not (turns > 0).all():
        return False
    x, y = corners.T
    area = 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
    return _SMALLEST_SCALE**2 < area / area_px < _LARGEST_SCALE**2


def _places(points: NDArray[np.float32]) -> int:
    """How many of the points lie apart by more than two pixels."""
    return len(np.unique(np.rint(points / 2), axis=0))
