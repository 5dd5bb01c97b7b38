"""The colour of every class of a task, which the maps and their legends share.

Those of the Web Gallery of Art were chosen by hand; those of other tasks are generated, for any number of classes.
"""

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from artpipe.schema import PERIODS, STYLES, TYPES
from artpipe.tasks import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNKNOWN = "#a9adb4"

# Styles and periods follow one another in time, so their hues run from violet to red and back; types have no order.
# Neighbours in the legend also differ in lightness, so that they differ for those who see no red or no green
# (CIE76 of at least 25 under the simulation of Machado et al. 2009), and all contrast with white and black paper.
_CHOSEN: dict[tuple[str, ...], tuple[str, ...]] = {
    STYLES: (
        "#9a5eeb", "#651ef3", "#8e98e7", "#126379", "#44b0ac", "#18663b", "#6faf6b", "#9ca828", "#864907", "#a9685e",
        "#9e2970", "#f178a3",
    ),
    PERIODS: (
        "#7735cf", "#476085", "#159df3", "#30ac84", "#20b93c", "#535f33", "#f0760d", "#844761", "#c16bc9",
    ),
    TYPES: (
        "#f36514", "#396391", "#2ea95f", "#9950e2", "#a63809", "#3ea4a9", "#a1a146", "#cf5e7b", "#a37ad7", "#88532e",
    ),
}  # fmt: skip

# Severity 1.0, for linear RGB: Machado, Oliveira and Fernandes, A Physiologically-based Model for Simulation of Color
# Vision Deficiency (2009).
_DEUTERANOPES = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881))
_PROTANOPES = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))
_SEEN_BY = (np.eye(3), np.array(_DEUTERANOPES), np.array(_PROTANOPES))
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
_LUMINANCE = (0.1, 0.36)
"""Within these, a colour contrasts with white and with black paper by 2.5 and more."""
_LEVELS = (0, 24, 48, 72, 96, 120, 144, 168, 192, 216, 240)
_MAX_HUES = 12
"""More hues in order would differ too little; the colours of so many classes follow no order."""
_NEIGHBOURS = 0.5
"""Neighbours in the legend have to differ by twice as much as any two classes."""


@lru_cache(maxsize=64)
def class_colours(task: Task) -> dict[str, str]:
    """The colour of each class as `#rrggbb`, in the order of the legend."""
    chosen = _CHOSEN.get(task.classes)
    return dict(zip(task.classes, chosen or _generated(len(task.classes), is_ordinal=task.is_ordinal), strict=True))


def _generated(count: int, *, is_ordinal: bool) -> list[str]:
    """Colours that differ as much as they can for everybody, chosen one after another; ordinal ones by hue."""
    colours = np.array([(r, g, b) for r in _LEVELS for g in _LEVELS for b in _LEVELS], dtype=np.float64)
    luminance = _linear(colours) @ _TO_XYZ[1]
    colours = colours[(luminance >= _LUMINANCE[0]) & (luminance <= _LUMINANCE[1])]
    seen = _seen(colours)
    hue = np.arctan2(seen[0, :, 2], seen[0, :, 1])
    # From violet through blue, green and yellow to red, as in the order of the rainbow.
    turn = ((np.deg2rad(-40) - hue) / (2 * np.pi)) % 1
    apart = _distance(seen, _seen(np.array([[int(UNKNOWN[at : at + 2], 16) for at in (1, 3, 5)]], float)))
    found: list[str] = []
    latest: NDArray[np.float64] | None = None
    for number in range(count):
        score = apart if latest is None else np.minimum(apart, _NEIGHBOURS * latest)
        if is_ordinal and count <= _MAX_HUES:
            score = np.where((turn * count).astype(int) == number, score, -1.0)
        best = int(score.argmax())
        found.append("#{:02x}{:02x}{:02x}".format(*colours[best].astype(int)))
        latest = _distance(seen, seen[:, best : best + 1])
        apart = np.minimum(apart, latest)
    return found


def _linear(colours: "NDArray[np.float64]") -> "NDArray[np.float64]":
    values = colours / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def _seen(colours: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """CIE L*a*b* of N colours (N, 3) as each kind of eye sees them, (eyes, N, 3)."""
    eyes = [np.clip(_linear(colours) @ matrix.T, 0, 1) @ _TO_XYZ.T / (0.9505, 1.0, 1.089) for matrix in _SEEN_BY]
    xyz = np.stack(eyes)
    x, y, z = np.moveaxis(np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116), -1, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _distance(seen: "NDArray[np.float64]", other: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """The least difference of each colour from one other, whoever looks (CIE76)."""
    return np.linalg.norm(seen - other, axis=-1).min(axis=0)
