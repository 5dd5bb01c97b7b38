"""Finds the painting in a photograph that also shows what is around it: a wall, a frame, a passe-partout, margins.

Three steps, each of which may find nothing:

1. The wall, mount or margin is what a smooth surface (a quadratic in each colour) explains from the border inwards.
   What it leaves is the hung thing: its outline must be a quadrilateral, or something round.
2. The thing is rectified, and its frame and passe-partout are peeled: lines parallel to a side that are even along
   themselves, as a moulding is and paint is not, up to an edge that runs along the whole side. Where three sides agree
   how wide it is, so is the fourth. Within something round, the largest rectangle counts.
3. What is left must be a good part of the photograph and of a possible shape.

A painting that fills the picture has no wall at its border, or nothing straight within it, and stays as it is.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from artpipe.recognition.outline_fit import Outline, fit_outline
from artpipe.recognition.view import UNIT_SQUARE, Corners, side_lengths

Pixels = NDArray[np.uint8]
Colours = NDArray[np.float32]
Mask = NDArray[np.uint8]

_WORKING_SHORT_SIDE_PX = 224
_SMALLEST_SHARE, _LARGEST_SHARE, _LARGEST_ASPECT = 0.02, 0.97, 6.0
"""What is smaller, or the photograph but for a line or two, or longer for its width, is no painting in a photograph."""
_L_SCALE = np.float32(100 / 255)
_LAB_SCALE: Colours = np.array([_L_SCALE, 1, 1], dtype=np.float32)

_BORDER_SHARE = 0.02
_MIN_BORDER_EXPLAINED, _MIN_BORDER_PX = 0.7, 10
"""How much of the photograph's border must be wall, and of a part of the wall."""
_WALL_TOLERANCE = 7.0
"""The distance in CIE L*a*b* up to which a pixel is as a smooth wall would be there."""
_DARKEST_SHADOW = 0.45
_INSET = 0.98
"""A little less of the painting does no harm, a strip of the wall does."""
_WITHIN_ROUND_FRAME = 0.82
"""How much of its radius a round frame leaves to the painting; its inner edge is seldom found."""
_MIN_SHARP_SHARE, _SHARP_STEP, _SHARPNESS = 0.6, 5.0, 0.6
_ZOOMED_BELOW, _ZOOM_MARGIN = 0.35, 0.3
"""A thing that fills less of the photograph is looked at again from nearer, with this much around it."""

_MOST_BANDS, _LEAST_LEFT, _DEEPEST = 8, 0.3, 0.36
_LINES_AT_A_TIME = 16
_EVEN = 4.5
"""The median deviation in CIE L*a*b* up to which a line is even along itself."""
_EDGE_STEP, _MIN_EDGE_SHARE = 7.0, 0.6
_ONE_COLOUR = 5.0
_ALIKE_PX, _ALIKE_SHARE = 4, 0.25
"""How much the sides of one frame may differ in width."""


def find_picture(pixels: Pixels) -> Corners | None:
    """Find the painting in a photograph; None where it fills the photograph, or is not found.

    Args:
        pixels: uint8 (height, width, 3), RGB.

    Returns:
        float32 (4, 2), its corners, clockwise from the upper left one, as fractions of width and height.
    """
    height, width = pixels.shape[:2]
    size = np.array([width, height], dtype=np.float32)
    outline = _outline(pixels)
    if outline is not None and outline.is_round:
        found: Corners | None = _within_round(outline.corners)
    else:
        corners = UNIT_SQUARE * size if outline is None else outline.corners
        found = _peeled(pixels, corners, is_hung=outline is not None)
        found = outline.corners if found is None and outline is not None else found
    if found is None or not _is_plausible(found, width, height):
        return None
    is_outline = outline is not None and found is outline.corners
    centre = found.mean(axis=0)
    within = centre + (_INSET if is_outline else 1) * (found - centre)
    return np.clip(within / size, 0, 1).astype(np.float32)


def _reduced(pixels: Pixels, short_side_px: int) -> tuple[Pixels, float]:
    """Pixels of at most this short side, and how much smaller they became."""
    import cv2

    scale = short_side_px / min(pixels.shape[:2])
    if scale >= 1:
        return pixels, 1.0
    smaller = cv2.resize(pixels, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    return np.asarray(smaller, dtype=np.uint8), scale


def _lab(pixels: Pixels) -> Pixels:
    """CIE L*a*b* in 8 bits, L stretched to 255."""
    import cv2

    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2Lab), dtype=np.uint8)


def _outline(pixels: Pixels, *, may_zoom: bool = True) -> Outline | None:
    """What hangs on the wall; None where there is no wall, or nothing of a possible form."""
    import cv2

    small, scale = _reduced(pixels, _WORKING_SHORT_SIDE_PX)
    height, width = small.shape[:2]
    best: Outline | None = None
    lab = _lab(small)
    for wall in _walls(lab):
        thing = cv2.morphologyEx(255 * (1 - wall), cv2.MORPH_OPEN, np.ones((5, 5), np.uint8))
        contours, _ = cv2.findContours(thing, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        if not contours:
            continue
        contour = np.asarray(max(contours, key=cv2.contourArea), dtype=np.int32)
        hull = np.asarray(cv2.convexHull(contour), dtype=np.int32)
        area = cv2.contourArea(hull)
        if area < _SMALLEST_SHARE * height * width:
            continue
        left, top, w, h = cv2.boundingRect(hull)
        if may_zoom and area < _ZOOMED_BELOW * height * width:
            around = round(_ZOOM_MARGIN * max(w, h))
            sides = [max(0, left - around), max(0, top - around), left + w + around, top + h + around]
            x0, y0, x1, y1 = (round(side / scale) for side in sides)
            nearer = _outline(pixels[y0:y1, x0:x1], may_zoom=False)
            if nearer is not None:
                return nearer._replace(corners=nearer.corners + np.array([x0, y0], np.float32))
        # What is looked at from nearer and still broken is too likely a part of a colour chart.
        found = fit_outline(contour, hull, (height, width), may_be_broken=may_zoom)
        if found is None or _sharp_share(lab, found.points) < _MIN_SHARP_SHARE:
            continue
        if best is None or found.fit > best.fit + 0.01:
            best = found
    return None if best is None else best._replace(corners=best.corners / np.float32(scale))


def _walls(lab: Pixels) -> "list[Mask]":
    """Masks of the wall, 1 where a smooth surface that reaches the border explains the colours.

    The first counts shadows as part of what hangs, the second as wall. None where the border is not of one surface.
    """
    import cv2

    height, width = lab.shape[:2]
    smooth = cv2.GaussianBlur(cv2.medianBlur(lab, 5), (0, 0), 1.5).astype(np.float32)
    smooth -= 128
    smooth[..., 0] = (smooth[..., 0] + 128) * _L_SCALE
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    x, y = 2 * x / width - 1, 2 * y / height - 1
    terms = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)
    depth = max(2, round(_BORDER_SHARE * min(height, width)))
    border = np.ones((height, width), dtype=np.bool_)
    border[depth:-depth, depth:-depth] = False
    step = 3
    few_terms, few_colours = terms[::step, ::step].reshape(-1, 6), smooth[::step, ::step].reshape(-1, 3)
    is_wall, tolerance = border[::step, ::step], 3 * _WALL_TOLERANCE
    few_shape = is_wall.shape
    surface = np.zeros((6, 3), np.float32)
    for _ in range(5):
        chosen = is_wall.reshape(-1)
        if chosen.sum() < 30:
            return []
        some = few_terms[chosen]
        surface = np.linalg.solve(some.T @ some + 1e-3 * np.eye(6, dtype=np.float32), some.T @ few_colours[chosen])
        distance = np.linalg.norm(few_colours - few_terms @ surface, axis=1)
        tolerance = max(_WALL_TOLERANCE, 0.6 * tolerance)
        is_wall = _touching_border((distance < tolerance).reshape(few_shape).astype(np.uint8)) > 0
    expected = terms @ surface
    difference = smooth - expected
    near = (np.einsum("hwc,hwc->hw", difference, difference) < tolerance**2).astype(np.uint8)
    wall = _touching_border(near)
    if np.mean(wall[border]) < _MIN_BORDER_EXPLAINED:
        return []
    # In a shadow all of a colour's coordinates shrink alike.
    ratio = np.clip(smooth[..., 0] / np.maximum(expected[..., 0], 1), _DARKEST_SHADOW, 1)[..., None]
    shaded = smooth - expected * ratio
    is_shadow = np.einsum("hwc,hwc->hw", shaded, shaded) < (0.7 * tolerance) ** 2
    return [wall, _touching_border((near | is_shadow).astype(np.uint8))]


def _touching_border(mask: Mask) -> Mask:
    """The parts of a mask that reach the border of the picture."""
    import cv2

    labels = np.asarray(cv2.connectedComponents(mask, connectivity=4)[1], dtype=np.int32)
    edges = np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]])
    counts = np.bincount(edges, minlength=int(labels.max()) + 1)
    counts[0] = 0
    return (counts > _MIN_BORDER_PX)[labels].astype(np.uint8)


def _sharp_share(lab: Pixels, outline: Corners) -> float:
    """The share of an outline at which the colours change within a few pixels, as at an edge and not in a glow."""
    import cv2

    height, width = lab.shape[:2]
    along = np.roll(outline, -1, axis=0) - np.roll(outline, 1, axis=0)
    normal = np.stack([along[:, 1], -along[:, 0]], axis=1) / np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1)
    smooth = cv2.medianBlur(lab, 3).astype(np.float32) * _LAB_SCALE
    # The outline may be off by some pixels, so the largest step near it counts.
    reach = np.arange(-5, 6, dtype=np.float32)
    places = outline[:, None] + normal[:, None] * reach[None, :, None]
    x = np.clip(np.rint(places[..., 0]).astype(int), 0, width - 1)
    y = np.clip(np.rint(places[..., 1]).astype(int), 0, height - 1)
    colours = smooth[y, x]
    steps = np.linalg.norm(colours[:, 3:] - colours[:, :-3], axis=2).max(axis=1)
    whole = np.linalg.norm(colours[:, -1] - colours[:, 0], axis=1)
    return float(np.mean((steps > _SHARP_STEP) & (steps > _SHARPNESS * whole)))


def _peeled(pixels: Pixels, corners: Corners, *, is_hung: bool) -> Corners | None:
    """The corners without frame, passe-partout and margins, in pixels of the photograph; None where nothing is peeled.

    One band after another comes off: the next is clean only where the sides beside it are bare too.
    """
    import cv2

    width, height = side_lengths(corners)
    scale = min(1.0, _WORKING_SHORT_SIDE_PX / min(width, height))
    width, height = max(16, round(scale * width)), max(16, round(scale * height))
    flat = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
    matrix = cv2.getPerspectiveTransform(flat, corners.astype(np.float32))
    small, shrunk = _reduced(pixels, round(scale * min(pixels.shape[:2])))
    to_small = np.diag([shrunk, shrunk, 1.0]) @ matrix
    upright = cv2.warpPerspective(
        small, to_small, (width, height), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    lab = _lab(np.asarray(upright, dtype=np.uint8)).astype(np.float32) * _LAB_SCALE
    left, top, right, bottom = 0, 0, width, height
    for _ in range(_MOST_BANDS):
        part = lab[top:bottom, left:right]
        bands = [_band(lines) for lines in (part, part[:, ::-1].swapaxes(0, 1), part[::-1], part.swapaxes(0, 1))]
        depths = [depth if (is_hung or is_flat or all(one[0] for one in bands)) else 0 for depth, is_flat in bands]
        if not any(depths):
            break
        top, right, bottom, left = top + depths[0], right - depths[1], bottom - depths[2], left + depths[3]
        if right - left < _LEAST_LEFT * width or bottom - top < _LEAST_LEFT * height:
            return None
    if is_hung:
        top, right, bottom, left = _as_wide_all_round([top, width - right, height - bottom, left])
        right, bottom = width - right, height - bottom
    if (left, top, right, bottom) == (0, 0, width, height):
        return None
    inner = np.array([[left, top], [right, top], [right, bottom], [left, bottom]], np.float32)
    return np.asarray(cv2.perspectiveTransform(inner[None], matrix)[0], dtype=np.float32)


def _as_wide_all_round(depths: Sequence[int]) -> list[int]:
    """What was peeled at each side; where three agree, the fourth is made like them, as frames and passe-partouts are.

    It may have gone on into a sky, or stopped where the passe-partout is as light as the painting.
    """
    ranked = sorted(depths)
    for alike in (ranked[:3], ranked[1:]):
        usual, tolerance = alike[1], max(_ALIKE_PX, _ALIKE_SHARE * alike[1])
        if alike[2] - alike[0] <= tolerance:
            return [depth if abs(depth - usual) <= tolerance else usual for depth in depths]
    return list(depths)


def _within_round(box: Corners) -> Corners:
    """The largest rectangle within the ellipse that a round frame leaves of the upright box around it.

    The box itself has frame and wall in its corners: with it, style @1 of 50 validation works of the recorded gallery
    was .38, with the rectangle .72.
    """
    centre = box.mean(axis=0)
    return (centre + _WITHIN_ROUND_FRAME * np.sqrt(0.5) * (box - centre)).astype(np.float32)


def _band(lines: Colours) -> tuple[int, bool]:
    """How many of the first lines belong to one band of frame, passe-partout or margin, and whether it has one colour.

    Its lines are even along themselves, and it ends at an edge that runs along the whole side.

    Args:
        lines: float32 (depth, length, 3), the lines parallel to one side, the outermost first.
    """
    deepest, length = round(_DEEPEST * lines.shape[0]), lines.shape[1]
    if min(deepest, length) < 8:
        return 0, False
    start, end = round(0.08 * length), round(0.92 * length)
    window = max(3, (end - start) // 24) | 1
    position = np.linspace(-1, 1, end - start, dtype=np.float32)[::2]
    parts: list[Colours] = []
    for first in range(0, deepest, _LINES_AT_A_TIME):  # most sides of a bare painting end in the first
        some = np.ascontiguousarray(lines[first : min(first + _LINES_AT_A_TIME, deepest), start:end])
        parts.append(_blurred(some, window))
        centred = parts[-1] - parts[-1].mean(axis=1, keepdims=True)
        slope = np.einsum("dlc,l->dc", centred, position) / float((position**2).sum())
        deviation = np.abs(centred - slope[:, None] * position[:, None])
        uneven = np.flatnonzero(np.linalg.norm(np.median(deviation, axis=1), axis=1) > _EVEN)
        if len(uneven):
            last = first + int(uneven[0])
            break
    else:
        last = deepest
    if not last:
        return 0, False
    beyond = np.ascontiguousarray(lines[len(np.concatenate(parts)) : last + 4, start:end])
    if len(beyond):
        parts.append(_blurred(beyond, window))
    along = np.concatenate(parts)[: last + 4]
    steps = np.linalg.norm(along[3:] - along[:-3], axis=2)
    is_edge = np.mean(steps > _EDGE_STEP, axis=1) >= _MIN_EDGE_SHARE
    edges = np.flatnonzero(is_edge)
    if not len(edges):
        return 0, False
    first = int(edges[0])
    following = np.flatnonzero(~is_edge[first:])
    thickness = int(following[0]) if len(following) else len(is_edge) - first
    strongest = first + int(steps[first : first + thickness].mean(axis=1).argmax())
    means = along[: max(1, strongest - 1)].mean(axis=1)
    return strongest + 2, bool(np.linalg.norm(means - means[0], axis=1).max() < _ONE_COLOUR)


def _blurred(lines: Colours, window: int) -> Colours:
    """Every second pixel of some lines, each the mean of a window along its line."""
    import cv2

    return np.asarray(cv2.blur(lines, (window, 1))[:, ::2], dtype=np.float32)


def _is_plausible(corners: Corners, width: int, height: int) -> bool:
    """Whether what was found is large enough, not too narrow, and not the photograph but for a line or two."""
    import cv2

    wide, high = side_lengths(corners)
    share = cv2.contourArea(corners.astype(np.float32)) / (width * height)
    return _SMALLEST_SHARE <= share <= _LARGEST_SHARE and max(wide, high) <= _LARGEST_ASPECT * min(wide, high)
