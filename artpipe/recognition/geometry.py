"""Whether a photograph shows a held picture: one is laid over the other, and the points that then look alike count.

Few of a bad photograph's points are found again by themselves, but a few are enough to guess how the picture lies in
it: each pair of points has a place, a size and an angle, and so makes a guess of its own that others support. The best
guesses are tried: the photograph is straightened and compared with the held picture at every one of the held points.
Where only some agree, its points are looked for again near the held ones, the guess is corrected, and it is compared
once more. A right guess makes most of them agree, a wrong one none; of pictures that share a figure those on the figure
agree and the others do not, so their share is what counts.

The likeliest pictures come first, and what agrees enough ends the search: nearly every photograph of a held picture is
known by the first few. Which photograph passes does not depend on the order, only which of several passing pictures is
named.

Sources: Philbin, Chum, Isard, Sivic and Zisserman, Object retrieval with large vocabularies and fast spatial matching
(2007), the guess from one pair; Barath, Noskova, Ivashechkin and Matas, MAGSAC++ (2020), the plane.
"""

from collections.abc import Callable, Iterable, Mapping
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
_MOST_PAIRS = 120
_POSES_TRIED = 3
LEAST_POINTS = 8
"""Fewer agreeing points decide nothing, whatever their share is."""
_LEAST_SUPPORT = 3
_WORTH_CORRECTING = 5
"""Places that must agree before a guess is corrected: wrong ones seldom have so many, right ones many more."""
_WITHIN = 0.06
"""How far from its guessed place a supporting point may lie, in longer sides: a guess knows of no perspective."""
_WITHIN_ANGLE = 30
_WITHIN_SCALE = np.log(1.7)
_STRAIGHTENED_PX = 14.0
_STRAIGHTENED_ANGLE = 35
_STRAIGHTENED_SCALE = np.log(1.8)
_NEAR, _ALIKE = 380.0**2, 220.0**2
"""Squared distances of descriptors. Where a photograph is laid over a picture that it does not show, one place in a
hundred is nearer than 245**2; where it shows it, half of them are, however bad it is."""
_PLANE_PX = 3.0
_EDGE_PX = 4
_DEVIATIONS = 2.0
_SMALLEST_SCALE, _LARGEST_SCALE = 0.05, 20.0

Matrix = NDArray[np.float64]
Whole = NDArray[np.int32]


@dataclass(frozen=True)
class Agreement:
    """How far a photograph shows a held picture.

    Attributes:
        points: places of the held picture at which the photograph, laid over it, looks the same.
        share: of the places that the photograph covers, how many look the same at the least: the lower end of the 95 %
            interval, so that three of four say less than thirty of forty.
        corners: float32 (4, 2), where the corners of the photograph lie in the held picture, in shares of its width and
            height; None without agreement.
    """

    points: int
    share: float = 0.0
    corners: Rows | None = None


@dataclass(frozen=True)
class _Pose:
    """A guess how a picture lies in a photograph.

    Attributes:
        name: of the picture.
        held: its points.
        support: how many points agree with it.
        matrix: (3, 3), from the photograph to the picture.
    """

    name: str
    held: LocalFeatures
    support: int
    matrix: Matrix


def never(_: Agreement) -> bool:
    """No agreement is enough to end a search."""
    return False


def best_agreement(
    photograph: Grey,
    asked: LocalFeatures,
    groups: Iterable[Mapping[str, LocalFeatures]],
    is_enough: Callable[[Agreement], bool] = never,
) -> tuple[str | None, Agreement]:
    """The held picture that a photograph agrees with most, or enough; None where it agrees with none.

    Args:
        photograph: in which `asked` was found.
        asked: the points of the photograph.
        groups: the pictures that it may show, the likeliest first; a group is asked for only where those before it
            did not agree enough.
        is_enough: what ends the search; by default all are compared, and the best one is told.
    """
    poses: list[_Pose] = []
    found: dict[str, Agreement] = {}
    for held in groups:
        poses = sorted([*poses, *_poses(asked, held)], key=lambda pose: -pose.support)[:_POSES_TRIED]
        for pose in poses:
            if pose.name not in found:
                found[pose.name] = _laid_over(photograph, pose.matrix, pose.held, is_enough)
                if is_enough(found[pose.name]):
                    return pose.name, found[pose.name]
    best = max(found, key=lambda name: (found[name].points >= LEAST_POINTS, found[name].share), default=None)
    return (best, found[best]) if best is not None and found[best].points else (None, Agreement(0))


def _poses(asked: LocalFeatures, held: Mapping[str, LocalFeatures]) -> list[_Pose]:
    """The best guess for each picture that has one."""
    lengths = _lengths(asked.descriptors)
    guesses = (_pose(name, asked, lengths, features) for name, features in held.items())
    return [pose for pose in guesses if pose is not None]


def _pose(name: str, asked: LocalFeatures, lengths: Whole, held: LocalFeatures) -> _Pose | None:
    at, to = _pairs(asked.descriptors, lengths, held.descriptors)
    if len(at) < _LEAST_SUPPORT:
        return None
    seen, kept = asked.points[at], held.points[to]
    scale = kept[:, DIAMETER] / seen[:, DIAMETER]
    turn = kept[:, ANGLE] - seen[:, ANGLE]
    # As complex numbers: a guess multiplies by `factor`, which turns and scales, and adds `shift`.
    seen_at, kept_at = seen[:, X] + 1j * seen[:, Y], kept[:, X] + 1j * kept[:, Y]
    factor = scale * np.exp(1j * np.deg2rad(turn))
    shift = kept_at - factor * seen_at
    off = np.abs(factor[:, None] * seen_at + shift[:, None] - kept_at)
    off_scale = np.abs(np.subtract.outer(np.log(scale), np.log(scale)))
    off_angle = _apart(turn[:, None], turn)
    within_px = _WITHIN * max(held.width_px, held.height_px)
    supports = (off < within_px) & (off_scale < _WITHIN_SCALE) & (off_angle < _WITHIN_ANGLE)
    best = int(supports.sum(axis=1).argmax())
    supporting = supports[best]
    support = min(_places(seen[supporting]), _places(kept[supporting]))
    if support < _LEAST_SUPPORT:
        return None
    turned = factor[best]
    guess = [
        [turned.real, -turned.imag, shift[best].real],
        [turned.imag, turned.real, shift[best].imag],
        [0, 0, 1],
    ]
    plane = _plane(seen[supporting], kept[supporting], within_px / 2)
    fits = plane is not None and _is_possible(_corners((asked.width_px, asked.height_px), plane), held)
    matrix = plane if plane is not None and fits else np.array(guess, dtype=np.float64)
    return _Pose(name, held, support, matrix)


def _laid_over(
    photograph: Grey, matrix: Matrix, held: LocalFeatures, is_enough: Callable[[Agreement], bool]
) -> Agreement:
    """Lay the photograph over a picture as guessed, or, where that is not enough, better, and see what looks alike."""
    straight, mask = _straightened(photograph, matrix, held)
    guessed = _compared(photograph, matrix, straight, mask, held)
    if guessed.points < _WORTH_CORRECTING or is_enough(guessed):
        return guessed
    better = _corrected(straight, mask, held)
    if better is None:
        return guessed
    matrix = better @ matrix
    corrected = _compared(photograph, matrix, *_straightened(photograph, matrix, held), held)
    return max(guessed, corrected, key=lambda agreed: agreed.share)


def _compared(photograph: Grey, matrix: Matrix, straight: Grey, mask: Grey, held: LocalFeatures) -> Agreement:
    """Count the held points at which a straightened photograph looks the same."""
    height, width = photograph.shape
    corners = _corners((width, height), matrix)
    if not _is_possible(corners, held):
        return Agreement(0)
    x = np.clip(np.rint(held.points[:, X]).astype(int), 0, held.width_px - 1)
    y = np.clip(np.rint(held.points[:, Y]).astype(int), 0, held.height_px - 1)
    seen = held.take(mask[y, x] > 0)
    apart = describe_at(straight, seen.points).astype(np.float32) - seen.descriptors
    alike = (apart * apart).sum(axis=1) < _ALIKE
    points = _places(seen.points[alike])
    scaled = corners / np.array([held.width_px, held.height_px])
    return Agreement(points, _at_least(points, len(seen.points)), scaled.astype(np.float32))


def _at_least(found: int, among: int) -> float:
    """The lower end of Wilson's interval for a share; 0 where there is none."""
    if not found:
        return 0.0
    share, unsure = found / among, _DEVIATIONS**2 / among
    spread = _DEVIATIONS * np.sqrt(share * (1 - share) / among + unsure / (4 * among))
    return float((share + unsure / 2 - spread) / (1 + unsure))


def _straightened(photograph: Grey, matrix: Matrix, held: LocalFeatures) -> tuple[Grey, Grey]:
    """The photograph in the place of the held picture, and where it covers it, its edges apart."""
    import cv2

    size = (held.width_px, held.height_px)
    straight = cv2.warpPerspective(photograph, matrix, size, flags=cv2.INTER_LINEAR)
    covered = np.zeros_like(photograph)
    covered[_EDGE_PX:-_EDGE_PX, _EDGE_PX:-_EDGE_PX] = 255
    mask = cv2.warpPerspective(covered, matrix, size, flags=cv2.INTER_NEAREST)
    return np.asarray(straight, dtype=np.uint8), np.asarray(mask, dtype=np.uint8)


def _corrected(straight: Grey, mask: Grey, held: LocalFeatures) -> Matrix | None:
    """What is still missing for the points of a nearly straight photograph to lie on the held ones."""
    found = describe_all(straight, mask)
    if not len(found.points):
        return None
    one, other = found.points[:, None], held.points[None]
    off = np.hypot(one[..., X] - other[..., X], one[..., Y] - other[..., Y])
    off_angle = _apart(one[..., ANGLE], other[..., ANGLE])
    off_scale = np.abs(np.log(one[..., DIAMETER] / other[..., DIAMETER]))
    nearby = (off < _STRAIGHTENED_PX) & (off_angle < _STRAIGHTENED_ANGLE) & (off_scale < _STRAIGHTENED_SCALE)
    squares = np.where(nearby, _squares(found.descriptors, held.descriptors), np.inf)
    nearest = squares.argmin(axis=0)
    again = np.flatnonzero(squares[nearest, np.arange(len(nearest))] < _NEAR)
    return _plane(found.points[nearest[again]], held.points[again], _PLANE_PX)


def _plane(seen: Rows, kept: Rows, within_px: float) -> Matrix | None:
    """How a plane that was seen in one place is seen in another; None where the points do not tell."""
    import cv2

    if len(seen) < 6:
        return None
    found: tuple[Any, Any] = cv2.findHomography(
        seen[:, [X, Y]], kept[:, [X, Y]], cv2.USAC_MAGSAC, within_px, maxIters=500, confidence=0.99
    )
    return None if found[0] is None else np.asarray(found[0], dtype=np.float64)


def _squares(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> Rows:
    """The squared distances of all descriptors, (N, M)."""
    a, b = one.astype(np.float32), other.astype(np.float32)
    squares = (-2 * a) @ b.T
    # In place: these are the largest arrays of a query.
    squares += (b * b).sum(axis=1)
    squares += (a * a).sum(axis=1)[:, None]
    return np.maximum(squares, 0, out=squares)


def _apart(one: Rows, other: Rows) -> Rows:
    """Between angles in degrees, from 0 to 180."""
    return np.abs((one - other + 180) % 360 - 180)


def _lengths(descriptors: NDArray[np.uint8]) -> Whole:
    """The squared length of each."""
    return np.einsum("nd,nd->n", descriptors, descriptors, dtype=np.int32)


def _pairs(
    asked: NDArray[np.uint8], lengths: Whole, held: NDArray[np.uint8]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Points whose nearest other is clearly nearer than the second nearest, the clearest ones first."""
    import numkong

    if len(held) < 2 or not len(asked):
        return np.empty(0, np.int64), np.empty(0, np.int64)
    # One picture at a time, in whole numbers and in place: what is written stays in the processor's cache.
    products = np.asarray(numkong.dots_packed(asked, numkong.dots_pack(held))).view(np.int32)
    closeness = np.subtract(np.left_shift(products, 1, out=products), _lengths(held), out=products)
    rows, nearest = np.arange(len(asked)), closeness.argmax(axis=1)
    near = lengths - closeness[rows, nearest]
    closeness[rows, nearest] = np.iinfo(np.int32).min
    second = lengths - closeness.max(axis=1)
    ratio = near / np.maximum(second, 1)
    good = np.flatnonzero(ratio < _RATIO**2)
    good = good[np.argsort(ratio[good], kind="stable")][:_MOST_PAIRS]
    return good, nearest[good]


def _corners(size_px: tuple[int, int], matrix: Matrix) -> NDArray[np.float64]:
    """Where the corners of a photograph of this width and height lie in a picture, (4, 2)."""
    width, height = size_px
    frame = np.array([[0, 0, 1], [width, 0, 1], [width, height, 1], [0, height, 1]]) @ matrix.T
    # A corner behind the camera has no place in the picture.
    return frame[:, :2] / np.where(frame[:, 2:] > 0, frame[:, 2:], np.nan)


def _is_possible(corners: NDArray[np.float64], held: LocalFeatures) -> bool:
    """Whether a camera can see the picture so: the photograph convex, not mirrored, neither tiny nor huge in it."""
    edges = np.roll(corners, -1, axis=0) - corners
    following = np.roll(edges, -1, axis=0)
    turns = edges[:, 0] * following[:, 1] - edges[:, 1] * following[:, 0]
    if not np.isfinite(corners).all() or not (turns > 0).all():
        return False
    x, y = corners.T
    area = 0.5 * abs(float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))))
    share = area / (held.width_px * held.height_px)
    return _SMALLEST_SCALE**2 < share < _LARGEST_SCALE**2


def _places(points: Rows) -> int:
    """How many of the points lie apart by more than two pixels."""
    return len(np.unique(np.rint(points[:, [X, Y]] / 2), axis=0))
