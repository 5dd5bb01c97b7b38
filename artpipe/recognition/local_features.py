"""Local features of pictures (RootSIFT): keypoints with descriptors that survive rotation, cropping and bad light.

`feature_table.py` stores a few hundred for each picture, `visual_words.py` finds the works that share some with a
photograph, and `geometry.py` verifies whether they fit one homography.

Sources: Lowe, Distinctive Image Features from Scale-Invariant Keypoints (2004), SIFT; Arandjelovic and Zisserman, Three
things everyone should know to improve object retrieval (2012), RootSIFT.
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
QUERY_SHORT_SIDE_PX = 256
"""The short side that the keypoints of a query are detected at."""
DESCRIPTOR_LENGTH = 128
POINT_LENGTH = 5
X, Y, DIAMETER, ANGLE, OCTAVE = range(POINT_LENGTH)
_CONTRAST = 0.01
_COARSE_PX = 5.0
"""Keypoints of a larger diameter survive blur and compression; half of those kept are chosen among them."""

Grey = NDArray[np.uint8]
Rows = NDArray[np.float32]


@dataclass(frozen=True)
class LocalFeatures:
    """Keypoints and descriptors of one picture.

    Attributes:
        points: float32 (N, 5): x, y and diameter in pixels, angle in degrees, and OpenCV's octave.
        descriptors: uint8 (N, 128), RootSIFT: square roots of L1-normalised SIFT histograms, times 510.
        width_px: of the picture that the keypoints were detected in.
        height_px: of the same.
    """

    points: Rows
    descriptors: NDArray[np.uint8]
    width_px: int
    height_px: int

    def take(self, chosen: NDArray[Any]) -> "LocalFeatures":
        """Some of the keypoints, by number or by mask."""
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
    """The features of a stored picture, as the table keeps them."""
    return describe(grey_picture(jpeg, STORED_SHORT_SIDE_PX), STORED_POINTS)


def describe(grey: Grey, most_points: int) -> LocalFeatures:
    """The keypoints of highest contrast, half of them coarse where there are so many; none in a blank picture."""
    sift = _sift()
    found: Sequence[Any] = sift.detect(grey, None)
    contrast = np.array([point.response for point in found], dtype=np.float32)
    is_coarse = np.array([point.size > _COARSE_PX for point in found], dtype=np.bool_)
    order = np.argsort(-contrast, kind="stable")
    coarse = order[is_coarse[order]][: most_points // 2]
    others = order[~np.isin(order, coarse)][: most_points - len(coarse)]
    # In OpenCV's own order, which groups octaves.
    chosen = np.sort(np.concatenate([coarse, others]))
    return _described(sift, grey, [found[number] for number in chosen])


def describe_all(grey: Grey, mask: Grey) -> LocalFeatures:
    """Every keypoint of a picture where the mask is not 0."""
    # In one call, so that the scale space is computed once.
    found, histograms = _sift().detectAndCompute(grey, mask)
    return _features(grey, found, histograms)


def describe_at(grey: Grey, points: Rows) -> NDArray[np.uint8]:
    """The descriptors of a picture at given keypoints, uint8 (N, 128)."""
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
    # The largest root is 1, but nearly all are below 1/2: steps of 1/510 resolve those, and larger ones are clipped.
    descriptors = np.minimum(np.rint(np.sqrt(shares) * 510), 255).astype(np.uint8)
    return LocalFeatures(np.array(points, dtype=np.float32), descriptors, width, height)
