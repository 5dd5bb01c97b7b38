"""Geometric verification: a photograph is warped onto an indexed picture, and the local features that then match count.

Few features of a bad photograph match by themselves (Lowe's ratio test), but a few give a hypothesis how the picture
lies in it: each match has a place, a scale and an orientation, and so is a similarity transform of its own that other
matches support. The best-supported hypotheses are verified: their homography (MAGSAC++) warps the photograph onto the
picture, and the descriptors at every one of the picture's keypoints are compared; those that agree are inliers. Where
only some agree, the warped photograph is matched again near the keypoints, the homography is refined, and verified once
more. A correct homography makes most keypoints inliers, a wrong one none. Pictures that share a figure agree on the
figure alone, so the ratio of inliers decides, not their number.

The most likely pictures come first, and a sufficient alignment ends the search: nearly every photograph of an indexed
picture is recognised among the first few. Whether a photograph passes does not depend on the order, only which of
several passing pictures is named.

Sources: Lowe, Distinctive Image Features from Scale-Invariant Keypoints (2004), the ratio test; Philbin, Chum, Isard,
Sivic and Zisserman, Object retrieval with large vocabularies and fast spatial matching (2007), hypotheses from single
matches; Barath, Noskova, Ivashechkin and Matas, MAGSAC++ (2020), the robust homography.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from artpipe.recognition.local_features import (
    ANGLE,
    DIAMETER,
    Grey,
    LocalFeatures,
    Rows,
    X,
    Y,
    describe_all,
    describe_at,
)

_RATIO = 0.88
_MAX_MATCHES = 120
_HYPOTHESES_VERIFIED = 3
MIN_INLIERS = 8
"""Fewer inliers decide nothing, whatever their ratio is."""
_MIN_SUPPORT = 3
_MIN_INLIERS_TO_REFINE = 5
"""A wrong homography seldom has so many inliers, a correct one many more."""
_MAX_OFFSET = 0.06
"""Largest reprojection error of a supporting match, in longer sides: a similarity transform has no perspective."""
_MAX_ANGLE_OFFSET = 30
_MAX_SCALE_OFFSET = np.log(1.7)
_WARPED_OFFSET_PX = 14.0
_WARPED_ANGLE_OFFSET = 35
_WARPED_SCALE_OFFSET = np.log(1.8)
_MAX_MATCH_DISTANCE, _MAX_INLIER_DISTANCE = 380.0**2, 220.0**2
"""Squared distances of descriptors. Where a photograph is warped onto a picture that it does not show, one keypoint in
a hundred is nearer than 245**2; where it shows it, half of them are, however bad it is."""
_REPROJECTION_PX = 3.0
_EDGE_PX = 4
_DEVIATIONS = 2.0
_SMALLEST_SCALE, _LARGEST_SCALE = 0.05, 20.0

Matrix = NDArray[np.float64]
Integers = NDArray[np.int32]


@dataclass(frozen=True)
class Alignment:
    """How well a photograph, warped by a homography, matches an indexed picture.

    Attributes:
        inliers: keypoints of the picture at which the warped photograph has a similar descriptor.
        inlier_ratio: inliers per keypoint that the photograph covers, the lower bound of its 95 % Wilson interval, so
            that three of four count for less than thirty of forty.
        corners: float32 (4, 2), where the corners of the photograph lie in the picture, as fractions of its width and
            height; None without inliers.
    """

    inliers: int
    inlier_ratio: float = 0.0
    corners: Rows | None = None


@dataclass(frozen=True)
class _Hypothesis:
    """A homography that may map the photograph to a picture.

    Attributes:
        name: of the picture.
        indexed: the picture's features.
        support: how many matches support it.
        homography: (3, 3), from the photograph to the picture.
    """

    name: str
    indexed: LocalFeatures
    support: int
    homography: Matrix


def never(_: Alignment) -> bool:
    """No alignment ends a search."""
    return False


class AlignmentSearch:
    """Looks for the picture that a photograph aligns with best, or sufficiently, among groups of them.

    Args:
        photograph: in which `query` was found.
        query: the features of the photograph.
        is_sufficient: ends the search; by default all pictures are compared, and the best one is the result.
    """

    def __init__(
        self, photograph: Grey, query: LocalFeatures, is_sufficient: Callable[[Alignment], bool] = never
    ) -> None:
        self._photograph, self._query, self._is_sufficient = photograph, query, is_sufficient
        self._hypotheses: list[_Hypothesis] = []
        self._found: dict[str, Alignment] = {}
        self._sufficient: str | None = None
        self.compared = 0

    @property
    def is_done(self) -> bool:
        """Whether a sufficient alignment was found, so that further pictures need not be read."""
        return self._sufficient is not None

    def compare(self, group: Mapping[str, LocalFeatures]) -> None:
        """Compare some pictures, the most likely group first."""
        self.compared += len(group)
        hypotheses = sorted([*self._hypotheses, *_hypotheses(self._query, group)], key=lambda one: -one.support)
        self._hypotheses = hypotheses[:_HYPOTHESES_VERIFIED]
        for one in self._hypotheses:
            if one.name not in self._found:
                alignment = _verify(self._photograph, one.homography, one.indexed, self._is_sufficient)
                self._found[one.name] = alignment
                if self._is_sufficient(alignment):
                    self._sufficient = one.name
                    return

    @property
    def result(self) -> tuple[str | None, Alignment]:
        """The picture and its alignment; None where the photograph aligns with none."""
        found, best = self._found, self._sufficient
        if best is None:
            rank = {name: (one.inliers >= MIN_INLIERS, one.inlier_ratio) for name, one in found.items()}
            best = max(rank, key=lambda name: rank[name], default=None)
        return (best, found[best]) if best is not None and found[best].inliers else (None, Alignment(0))


def best_alignment(photograph: Grey, query: LocalFeatures, group: Mapping[str, LocalFeatures]) -> Alignment:
    """The alignment of a photograph with that picture of a group with which it aligns best."""
    search = AlignmentSearch(photograph, query)
    search.compare(group)
    return search.result[1]


def _hypotheses(query: LocalFeatures, group: Mapping[str, LocalFeatures]) -> list[_Hypothesis]:
    """The best hypothesis for each picture that has one."""
    lengths = _squared_lengths(query.descriptors)
    each = (_hypothesis(name, query, lengths, indexed) for name, indexed in group.items())
    return [one for one in each if one is not None]


def _hypothesis(name: str, query: LocalFeatures, lengths: Integers, indexed: LocalFeatures) -> _Hypothesis | None:
    rows, columns = _ratio_test_matches(query.descriptors, lengths, indexed.descriptors)
    if len(rows) < _MIN_SUPPORT:
        return None
    source, target = query.points[rows], indexed.points[columns]
    scale = target[:, DIAMETER] / source[:, DIAMETER]
    turn = target[:, ANGLE] - source[:, ANGLE]
    # As complex numbers: a similarity transform multiplies by `factor`, which turns and scales, and adds `shift`.
    source_at, target_at = source[:, X] + 1j * source[:, Y], target[:, X] + 1j * target[:, Y]
    factor = scale * np.exp(1j * np.deg2rad(turn))
    shift = target_at - factor * source_at
    offset = np.abs(factor[:, None] * source_at + shift[:, None] - target_at)
    scale_offset = np.abs(np.subtract.outer(np.log(scale), np.log(scale)))
    angle_offset = _angle_difference(turn[:, None], turn)
    max_offset_px = _MAX_OFFSET * max(indexed.width_px, indexed.height_px)
    supports = (offset < max_offset_px) & (scale_offset < _MAX_SCALE_OFFSET) & (angle_offset < _MAX_ANGLE_OFFSET)
    best = int(supports.sum(axis=1).argmax())
    supporting = supports[best]
    support = min(_distinct_places(source[supporting]), _distinct_places(target[supporting]))
    if support < _MIN_SUPPORT:
        return None
    homography = _homography(source[supporting], target[supporting], max_offset_px / 2)
    if homography is None or not _is_possible(_corners((query.width_px, query.height_px), homography), indexed):
        a, b = factor[best], shift[best]
        homography = np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag], [0, 0, 1]], dtype=np.float64)
    return _Hypothesis(name, indexed, support, homography)


def _verify(
    photograph: Grey, homography: Matrix, indexed: LocalFeatures, is_sufficient: Callable[[Alignment], bool]
) -> Alignment:
    """Align by the homography or, where that is not sufficient, by the refined one."""
    warped, mask = _warp(photograph, homography, indexed)
    first = _align(photograph, homography, warped, mask, indexed)
    if first.inliers < _MIN_INLIERS_TO_REFINE or is_sufficient(first):
        return first
    residual = _residual_homography(warped, mask, indexed)
    if residual is None:
        return first
    homography = residual @ homography
    refined = _align(photograph, homography, *_warp(photograph, homography, indexed), indexed)
    return max(first, refined, key=lambda alignment: alignment.inlier_ratio)


def _align(photograph: Grey, homography: Matrix, warped: Grey, mask: Grey, indexed: LocalFeatures) -> Alignment:
    """Count the keypoints at which a warped photograph has a similar descriptor."""
    height, width = photograph.shape
    corners = _corners((width, height), homography)
    if not _is_possible(corners, indexed):
        return Alignment(0)
    x = np.clip(np.rint(indexed.points[:, X]).astype(int), 0, indexed.width_px - 1)
    y = np.clip(np.rint(indexed.points[:, Y]).astype(int), 0, indexed.height_px - 1)
    covered = indexed.take(mask[y, x] > 0)
    difference = describe_at(warped, covered.points).astype(np.float32) - covered.descriptors
    is_inlier = (difference * difference).sum(axis=1) < _MAX_INLIER_DISTANCE
    inliers = _distinct_places(covered.points[is_inlier])
    scaled = corners / np.array([indexed.width_px, indexed.height_px])
    return Alignment(inliers, _wilson_lower_bound(inliers, len(covered.points)), scaled.astype(np.float32))


def _wilson_lower_bound(successes: int, n: int) -> float:
    """The lower bound of the Wilson score interval of a proportion; 0 without a success."""
    if not successes:
        return 0.0
    share, z2 = successes / n, _DEVIATIONS**2 / n
    spread = _DEVIATIONS * np.sqrt(share * (1 - share) / n + z2 / (4 * n))
    return float((share + z2 / 2 - spread) / (1 + z2))


def _warp(photograph: Grey, homography: Matrix, indexed: LocalFeatures) -> tuple[Grey, Grey]:
    """The photograph in the frame of the picture, and a mask of where it covers it, without its edges."""
    import cv2

    size = (indexed.width_px, indexed.height_px)
    warped = cv2.warpPerspective(photograph, homography, size, flags=cv2.INTER_LINEAR)
    covered = np.zeros_like(photograph)
    covered[_EDGE_PX:-_EDGE_PX, _EDGE_PX:-_EDGE_PX] = 255
    mask = cv2.warpPerspective(covered, homography, size, flags=cv2.INTER_NEAREST)
    return np.asarray(warped, dtype=np.uint8), np.asarray(mask, dtype=np.uint8)


def _residual_homography(warped: Grey, mask: Grey, indexed: LocalFeatures) -> Matrix | None:
    """What is missing for the features of a nearly aligned photograph to lie on the picture's."""
    found = describe_all(warped, mask)
    if not len(found.points):
        return None
    one, other = found.points[:, None], indexed.points[None]
    offset = np.hypot(one[..., X] - other[..., X], one[..., Y] - other[..., Y])
    angle_offset = _angle_difference(one[..., ANGLE], other[..., ANGLE])
    scale_offset = np.abs(np.log(one[..., DIAMETER] / other[..., DIAMETER]))
    nearby = (
        (offset < _WARPED_OFFSET_PX) & (angle_offset < _WARPED_ANGLE_OFFSET) & (scale_offset < _WARPED_SCALE_OFFSET)
    )
    squares = np.where(nearby, _squared_distances(found.descriptors, indexed.descriptors), np.inf)
    nearest = squares.argmin(axis=0)
    matched = np.flatnonzero(squares[nearest, np.arange(len(nearest))] < _MAX_MATCH_DISTANCE)
    return _homography(found.points[nearest[matched]], indexed.points[matched], _REPROJECTION_PX)


def _homography(source: Rows, target: Rows, reprojection_px: float) -> Matrix | None:
    """The homography from matched points, robust to outliers (MAGSAC++); None where they do not determine one."""
    import cv2

    if len(source) < 6:
        return None
    found: tuple[Any, Any] = cv2.findHomography(
        source[:, [X, Y]], target[:, [X, Y]], cv2.USAC_MAGSAC, reprojection_px, maxIters=500, confidence=0.99
    )
    return None if found[0] is None else np.asarray(found[0], dtype=np.float64)


def _squared_distances(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Rows:
    """The squared distances of all descriptors, (N, M)."""
    a, b = one.astype(np.float32), other.astype(np.float32)
    squares = (-2 * a) @ b.T
    # In place: these are the largest arrays of a query.
    squares += (b * b).sum(axis=1)
    squares += (a * a).sum(axis=1)[:, None]
    return np.maximum(squares, 0, out=squares)


def _angle_difference(one: Rows, other: Rows) -> Rows:
    """The difference of angles in degrees, 0 to 180."""
    return np.abs((one - other + 180) % 360 - 180)


def _squared_lengths(descriptors: NDArray[np.uint8]) -> Integers:
    """The squared length of each."""
    return np.einsum("nd,nd->n", descriptors, descriptors, dtype=np.int32)


def _ratio_test_matches(
    query: NDArray[np.uint8], lengths: Integers, indexed: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Matches that pass Lowe's ratio test, the clearest first: row numbers in `query` and in `indexed`."""
    import numkong

    if len(indexed) < 2 or not len(query):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # One picture at a time, in whole numbers and in place: what is written stays in the processor's cache.
    products = np.asarray(numkong.dots_packed(query, numkong.dots_pack(indexed))).view(np.int32)
    closeness = np.subtract(np.left_shift(products, 1, out=products), _squared_lengths(indexed), out=products)
    rows, nearest = np.arange(len(query)), closeness.argmax(axis=1)
    near = lengths - closeness[rows, nearest]
    closeness[rows, nearest] = np.iinfo(np.int32).min
    second = lengths - closeness.max(axis=1)
    ratio = near / np.maximum(second, 1)
    good = np.flatnonzero(ratio < _RATIO**2)
    good = good[np.argsort(ratio[good], kind="stable")][:_MAX_MATCHES]
    return good, nearest[good]


def _corners(size_px: tuple[int, int], homography: Matrix) -> NDArray[np.float64]:
    """Where the corners of a photograph of this width and height lie in a picture, (4, 2)."""
    width, height = size_px
    frame = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]) @ homography.T
    # A corner behind the camera has no place in the picture.
    return frame[:, :2] / np.where(frame[:, 2:] > 0, frame[:, 2:], np.nan)


def _is_possible(corners: NDArray[np.float64], indexed: LocalFeatures) -> bool:
    """Whether a camera can see the picture so: convex, not mirrored, the photograph neither tiny nor huge in it."""
    edges = np.roll(corners, -1, axis=0) - corners
    following = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    if not np.isfinite(corners).all() or not (turns > 0).all():
        return False
    x, y = corners.T
    area = 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
    share = area / (indexed.width_px * indexed.height_px)
    return _SMALLEST_SCALE**2 < share < _LARGEST_SCALE**2


def _distinct_places(points: Rows) -> int:
    """How many of the points lie apart by more than two pixels."""
    return len(np.unique(np.rint(points[:, [X, Y]] / 2), axis=0))
