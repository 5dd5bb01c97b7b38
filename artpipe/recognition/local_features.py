"""Local features of pictures: points that are known again when a picture is turned, cut or badly lit.

`feature_table.py` keeps a few hundred for each picture, `visual_words.py` finds the works that share some with a
photograph, and `geometry.py` says whether they lie as they must if both show the same thing.

Sources: Lowe, Distinctive Image Features from Scale-Invariant Keypoints (2004); Arandjelovic and Zisserman, Three
things everyone should know to improve object retrieval (2012), the square root.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image

STORED_POINTS = 250
STORED_SHORT_SIDE_PX = 224
SENT_SHORT_SIDE_PX = 400
"""The short side that a query picture is read with."""
QUERY_SHORT_SIDE_PX = 256
"""What its points are looked for in."""
DESCRIPTOR_LENGTH = 128
POINT_LENGTH = 5
X, Y, DIAMETER, ANGLE, OCTAVE = range(POINT_LENGTH)
_CONTRAST = 0.01
_COARSE_PX = 5.0
"""Points of a larger diameter outlive blur and compression; half of the points are chosen among them."""

Grey = NDArray[np.uint8]
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class LocalFeatures:
    """The points of one picture.

    Attributes:
        points: float32 (N, 5): x, y and diameter in pixels, angle in degrees, and OpenCV's octave.
        descriptors: uint8 (N, 128), square roots of SIFT histograms, times 510.
        width_px: of the picture in which the points were found.
        height_px: of the same.
    """

    points: Rows
    descriptors: NDArray[np.uint8]
    width_px: int
    height_px: int

    def take(self, chosen: NDArray[Any]) -> "LocalFeatures":
        """Some of the points, by number or by mask."""
        return LocalFeatures(self.points[chosen], self.descriptors[chosen], self.width_px, self.height_px)


def grey_picture(picture: "bytes | Image", short_side_px: int) -> Grey:
    """The picture without colour, reduced to a short side, never enlarged.

    Args:
        picture: a stored JPEG, or an RGB image. A JPEG that cannot be decoded becomes one black pixel.
        short_side_px: of the result.
    """
    import cv2

    if isinstance(picture, bytes):
        grey = cv2.imdecode(np.frombuffer(picture, dtype=np.uint8), cv2.IMREAD_GRAYSCALE) if picture else None
        if grey is None:
            return np.zeros((1, 1), dtype=np.uint8)
    else:
        grey = cv2.cvtColor(np.asarray(picture), cv2.COLOR_RGB2GRAY)
    scale = short_side_px / min(grey.shape)
    if scale < 1:
        grey = cv2.resize(grey, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(grey, dtype=np.uint8)


def describe_stored(jpeg: bytes) -> LocalFeatures:
    """The points that are kept of a stored picture."""
    return describe(grey_picture(jpeg, STORED_SHORT_SIDE_PX), STORED_POINTS)


def describe(grey: Grey, most_points: int) -> LocalFeatures:
    """The strongest points of a picture, half of them coarse where there are so many; none when it is bare."""
    sift = _sift()
    found: Sequence[Any] = sift.detect(grey, None)
    strength = np.array([point.response for point in found], dtype=np.float32)
    is_coarse = np.array([point.size > _COARSE_PX for point in found], dtype=np.bool_)
    by_strength = np.argsort(-strength, kind="stable")
    coarse = by_strength[is_coarse[by_strength]][: most_points // 2]
    others = by_strength[~np.isin(by_strength, coarse)][: most_points - len(coarse)]
    # In OpenCV's own order: it describes each octave in one go.
    chosen = np.sort(np.concatenate([coarse, others]))
    return _described(sift, grey, [found[number] for number in chosen])


def describe_all(grey: Grey, mask: Grey) -> LocalFeatures:
    """Every point of a picture where the mask is not 0."""
    # Together: what is found twice as fine, and half as fine, and so on, need not be computed again to describe it.
    found, histograms = _sift().detectAndCompute(grey, mask)
    return _features(grey, found, histograms)


def describe_at(grey: Grey, points: Rows) -> NDArray[np.uint8]:
    """How a picture looks at given points, uint8 (N, 128)."""
    import cv2

    given = [
        cv2.KeyPoint(float(x), float(y), float(size), float(angle), 0, int(octave))
        for x, y, size, angle, octave in points
    ]
    return _described(_sift(), grey, given).descriptors


def _sift() -> Any:
    import cv2

    return cv2.SIFT.create(nfeatures=0, contrastThreshold=_CONTRAST)


def _described(sift: Any, grey: Grey, found: Sequence[Any]) -> LocalFeatures:
    kept, histograms = sift.compute(grey, found) if found else ([], None)
    return _features(grey, kept, histograms)


def _features(grey: Grey, found: Sequence[Any], histograms: Any) -> LocalFeatures:
    height, width = grey.shape
    if not found:
        none = np.empty((0, DESCRIPTOR_LENGTH), np.uint8)
        return LocalFeatures(np.empty((0, POINT_LENGTH), np.float32), none, width, height)
    points = [(*point.pt, point.size, point.angle, point.octave) for point in found]
    shares = histograms / np.maximum(histograms.sum(axis=1, keepdims=True), 1e-9)
    # The largest root of a share is 1, but nearly all lie below 1/2: twice as fine steps for those.
    descriptors = np.minimum(np.rint(np.sqrt(shares) * 510), 255).astype(np.uint8)
    return LocalFeatures(np.array(points, dtype=np.float32), descriptors, width, height)
