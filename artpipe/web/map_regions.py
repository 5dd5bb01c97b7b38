"""Named regions of the map: where works are dense, and by what the works there differ from all others.

The density of the works is smoothed, and each of its peaks makes a region with an outline. A region is named after the
label (such as a style), artist or word of a title that distinguishes it: the one with the largest log-odds against the
rest of the map, in standard errors. The most frequent one would be `religious` everywhere.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
import polars as pl

from artpipe.catalog.titles import base_title, normalised
from artpipe.tasks import Tasks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Places = NDArray[np.float64]

GRID = 256
"""Cells of the density along each side of the map."""
SIGMAS = (11.0, 5.0)
"""Standard deviation of the smoothing in cells: of the few wide regions, and of the small ones within them."""
MIN_WORKS = 12
MIN_SHARE, MIN_LIFT = 0.2, 1.5
"""A name holds for at least this share of a region's works, and for this many times the share elsewhere."""
NAME_SHARE = 0.4
"""A region is named after what holds for this share of its works, where there is such a thing."""
TITLE_SHARE = 0.5
MIN_Z = 3.0
MAX_CORNERS = 40
_EDGE = 0.15
"""A region ends where the density is below this share of its peak."""
_PRIOR_WORKS = 20.0
_MIN_LETTERS = 4
_STOP_WORDS = frozenset({"with", "from", "detail", "after", "before", "version", "scene"})


@dataclass(frozen=True)
class Distinction:
    """What distinguishes the works of a region.

    Attributes:
        kind: the task of a label, such as `style`; `artist` or `word`.
        name: the label, the artist, or the word.
        share: of the region's works that have it.
    """

    kind: str
    name: str
    share: float


@dataclass(frozen=True)
class Region:
    """A named part of the map.

    Attributes:
        corners: float64 (corners, 2), its outline, in the units of the map.
        works: how many works are inside.
        distinctions: the one that names it, and at most two others of other kinds.
        level: 0 for a wide region, 1 for a small one.
    """

    corners: "Places"
    works: int
    distinctions: tuple[Distinction, ...]
    level: int = 0

    @property
    def name(self) -> str:
        """What the map calls it."""
        return self.distinctions[0].name

    @property
    def title(self) -> str:
        """Its name; a label together with what else holds for most of its works."""
        first, *others = self.distinctions
        second = next((one.name for one in others if one.kind != "artist" and one.share >= TITLE_SHARE), "")
        return f"{first.name} · {second}" if second and first.kind != "artist" else first.name

    @property
    def centre(self) -> tuple[float, float]:
        """The middle of its outline."""
        x, y = (self.corners.min(axis=0) + self.corners.max(axis=0)) / 2
        return float(x), float(y)


def find_regions(works: pl.DataFrame, tasks: Tasks) -> list[Region]:
    """The regions of a map, wide ones first and then by their number of works; those without a name are left out.

    Args:
        works: `x`, `y`, `artist`, `title`, and a column for each task.
        tasks: whose labels name regions, where the catalogue gives them.
    """
    if works.height < 2 * MIN_WORKS:
        return []
    places = works.select("x", "y").to_numpy().astype(np.float64)
    features = _features(works, tasks)
    found: list[Region] = []
    for level, sigma in enumerate(SIGMAS):
        named: list[Region] = []
        for corners in _outlines(places, sigma):
            inside = within(places, corners)
            distinctions = _distinctions(features, inside) if inside.sum() >= MIN_WORKS else ()
            if distinctions:
                named.append(Region(corners, int(inside.sum()), distinctions, level))
        found += _told_apart(sorted(named, key=lambda region: -region.works))
    return found


def within(places: "Places", corners: "Places") -> "NDArray[np.bool_]":
    """Which places lie inside a polygon, by the even-odd rule, bool (N,).

    Args:
        places: float64 (N, 2).
        corners: float64 (corners, 2); the last one is joined with the first.
    """
    x, y = places[:, 0], places[:, 1]
    inside = np.zeros(len(places), dtype=np.bool_)
    for (ax, ay), (bx, by) in zip(corners, np.roll(corners, 1, axis=0), strict=True):
        if ay != by:
            inside ^= ((ay > y) != (by > y)) & (x < (bx - ax) * (y - ay) / (by - ay) + ax)
    return inside


def _outlines(places: "Places", sigma: float) -> "list[Places]":
    """The outline around each peak of the smoothed density."""
    low = places.min(axis=0)
    side = max(float((places.max(axis=0) - low).max()), 1e-9)
    margin = 8
    cell = side / (GRID - 2 * margin - 1)
    origin = low - margin * cell
    at = ((places - origin) / cell).astype(np.int64)
    density = np.zeros((GRID, GRID), dtype=np.float32)
    np.add.at(density, (at[:, 1], at[:, 0]), 1.0)
    density = np.asarray(cv2.GaussianBlur(density, (0, 0), sigma), dtype=np.float32)
    basins, peaks = _basins(density)
    outlines: list[Places] = []
    for number, peak in enumerate(peaks):
        mask = ((basins == number) & (density >= _EDGE * peak)).astype(np.uint8)
        contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
        if contours:
            contour = max(contours, key=cv2.contourArea)
            tolerance = 0.8
            corners = cv2.approxPolyDP(contour, tolerance, closed=True)
            while len(corners) > MAX_CORNERS:
                tolerance *= 1.5
                corners = cv2.approxPolyDP(contour, tolerance, closed=True)
            if len(corners) > 2:
                outlines.append(corners[:, 0].astype(np.float64) * cell + origin + cell / 2)
    return outlines


def _basins(density: "NDArray[np.float32]") -> "tuple[NDArray[np.int64], NDArray[np.float32]]":
    """Which peak each cell leads to, always uphill, and the density at each peak."""
    cells = np.arange(density.size).reshape(density.shape)
    best, uphill = density.copy(), cells.copy()
    padded = np.pad(density, 1, constant_values=-1.0)
    numbers = np.pad(cells, 1)
    for down in range(3):
        for right in range(3):
            other = padded[down : down + GRID, right : right + GRID]
            is_higher = other > best
            best = np.where(is_higher, other, best)
            uphill = np.where(is_higher, numbers[down : down + GRID, right : right + GRID], uphill)
    leads_to = uphill.reshape(-1)
    while not np.array_equal(following := leads_to[leads_to], leads_to):
        leads_to = following
    heights = density.reshape(-1)
    peaks = np.unique(leads_to[heights > 0])
    number_of = np.full(density.size, -1)
    number_of[peaks] = np.arange(len(peaks))
    return number_of[leads_to].reshape(density.shape), heights[peaks]


def _features(works: pl.DataFrame, tasks: Tasks) -> "list[tuple[str, str, NDArray[np.int64]]]":
    """What a region can be named after: kind, name, and the rows that have it."""
    found: list[tuple[str, str, NDArray[np.int64]]] = []
    numbered = works.with_row_index("row")
    for kind in (*tasks.labelled, "artist"):
        for (name,), rows in numbered.drop_nulls(kind).group_by(kind, maintain_order=True):
            found.append((kind, str(name), rows["row"].to_numpy().astype(np.int64)))
    labels = {word for task in tasks.labelled for name in tasks[task].classes for word in normalised(name).split()}
    rows_of: dict[str, list[int]] = {}
    for row, title in enumerate(works["title"]):
        for word in subject_words(title, labels):
            rows_of.setdefault(word, []).append(row)
    found += [("word", word, np.array(rows, np.int64)) for word, rows in rows_of.items()]
    return [one for one in found if len(one[2]) >= MIN_WORKS * MIN_SHARE]


def subject_words(title: str | None, labels: Collection[str] = ()) -> frozenset[str]:
    """The words of a title that may say what it shows and that no label says, in lower case and without accents."""
    words = base_title(title).split()
    return frozenset(
        word for word in words if len(word) >= _MIN_LETTERS and word not in _STOP_WORDS and word not in labels
    )


def _distinctions(
    features: "Sequence[tuple[str, str, NDArray[np.int64]]]", inside: "NDArray[np.bool_]"
) -> tuple[Distinction, ...]:
    """What holds here and not elsewhere, the largest log-odds first, in standard errors, one of each kind.

    Source: log-odds ratio with an informative Dirichlet prior, Monroe et al., Fightin' Words (2008).
    """
    here, total = int(inside.sum()), len(inside)
    elsewhere = total - here
    best: dict[str, tuple[float, Distinction]] = {}
    for kind, name, rows in features:
        count = int(inside[rows].sum())
        others = len(rows) - count
        share = count / here
        if share < MIN_SHARE or (elsewhere and share < MIN_LIFT * others / elsewhere):
            continue
        prior = _PRIOR_WORKS * len(rows) / total
        odds = [
            np.log((n + prior) / (size - n + _PRIOR_WORKS - prior)) for n, size in ((count, here), (others, elsewhere))
        ]
        z = float(odds[0] - odds[1]) / float(np.sqrt(1 / (count + prior) + 1 / (others + prior)))
        if z >= MIN_Z and (kind not in best or z > best[kind][0]):
            best[kind] = z, Distinction(kind, name, share)
    ranked = sorted(best.values(), key=lambda one: (-one[0], one[1].kind))
    return tuple(distinction for _, distinction in ranked[:3])


def _told_apart(regions: list[Region]) -> list[Region]:
    """The regions with what names them first: of those with one name, each but the largest takes another if it can."""
    taken: set[str] = set()
    titled: list[Region] = []
    for region in regions:
        fitting = [one for one in region.distinctions if one.share >= NAME_SHARE]
        fitting = fitting or [max(region.distinctions, key=lambda one: one.share)]
        name = next((one for one in fitting if one.name not in taken), fitting[0])
        taken.add(name.name)
        others = (one for one in region.distinctions if one is not name)
        titled.append(replace(region, distinctions=(name, *others)))
    return titled
