"""Points that two stored pictures have in common where one flat thing photographed twice has them.

The independent witness of `leaks.py`: it knows nothing of vectors. (`search/` asks another question, of a photograph
and the whole collection.)

Source: Lowe, Distinctive Image Features from Scale-Invariant Keypoints (2004).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

_POINTS = 400
_RATIO = 0.8
_TOLERANCE_PX = 4.0
_LEAST_MATCHES = 6
_LARGEST_SCALE = 5.0


@dataclass(frozen=True)
class Points:
    """The strongest points of a picture: places (N, 2) in pixels and descriptors (N, 128), N at least 6."""

    places: "NDArray[np.float32]"
    descriptors: "NDArray[np.float32]"


def points_of(jpeg: bytes) -> Points | None:
    """The strongest points, their descriptors as roots of shares (RootSIFT); None for a bare or unreadable picture."""
    import cv2

    grey = cv2.imdecode(np.frombuffer(jpeg, dtype=np.uint8), cv2.IMREAD_GRAYSCALE) if jpeg else None
    if grey is None:
        return None
    sift: Any = cv2.SIFT.create(nfeatures=_POINTS, contrastThreshold=0.01)
    points, found = sift.detectAndCompute(grey, None)
    if found is None or len(found) < _LEAST_MATCHES:
        return None
    shares = found / np.maximum(found.sum(axis=1, keepdims=True), 1e-9)
    return Points(np.array([point.pt for point in points], dtype=np.float32), np.sqrt(shares).astype(np.float32))


def common_points(left: Points | None, right: Points | None) -> int:
    """How many points of two pictures lie on one plane seen twice; 0 where a picture has none to speak of."""
    import cv2

    if left is None or right is None:
        return 0
    pairs: Any = cv2.BFMatcher(cv2.NORM_L2).knnMatch(left.descriptors, right.descriptors, k=2)
    good = [two[0] for two in pairs if len(two) > 1 and two[0].distance < _RATIO * two[1].distance]
    if len(good) < _LEAST_MATCHES:
        return 0
    at = left.places[[match.queryIdx for match in good]]
    to = right.places[[match.trainIdx for match in good]]
    cv2.setRNGSeed(0)
    found: Any = cv2.findHomography(at, to, cv2.USAC_MAGSAC, _TOLERANCE_PX, maxIters=2000, confidence=0.999)
    matrix, kept = found
    if matrix is None or kept is None or not _is_possible(np.asarray(matrix)):
        return 0
    agreeing = kept.ravel().astype(bool)
    # Several points of one picture on the same point of the other are one piece of evidence.
    return min(_places(at[agreeing]), _places(to[agreeing]))


def _is_possible(matrix: "NDArray[np.float64]") -> bool:
    """Whether two photographs can be related so: not mirrored, neither much larger nor much smaller."""
    area = float(np.linalg.det(matrix[:2, :2] / matrix[2, 2])) if matrix[2, 2] else 0.0
    return _LARGEST_SCALE**-2 < area < _LARGEST_SCALE**2


def _places(points: "NDArray[np.float32]") -> int:
    """How many of the points lie apart by more than two pixels."""
    return len(np.unique(np.rint(points / 2), axis=0))
