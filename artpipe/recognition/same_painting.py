"""Instance recognition: is this very painting in the collection? Candidates by visual words, verified by geometry.

The decision compares the inlier ratio with a threshold calibrated on the collection itself (`match_threshold.py`): at
most one photograph in a hundred of paintings outside the collection may reach it.

A photograph that matches nothing clearly is tried once more mirrored, as slides and selfie cameras show a painting.
That second chance must not double the false positives, so it has to align better than every negative query.
"""

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from artpipe.recognition.candidates import CANDIDATES, search_candidates
from artpipe.recognition.feature_index import FeatureIndex, NoFeatureIndexError
from artpipe.recognition.local_features import QUERY_SHORT_SIDE_PX, grey_picture
from artpipe.recognition.view import View, visible_part

if TYPE_CHECKING:
    from PIL.Image import Image

    from artpipe.recognition.local_features import Grey, Rows

__all__ = ["Match", "NoFeatureIndexError", "same_painting", "same_paintings"]

MIRRORED_CANDIDATES = 10
"""Works verified for a mirrored photograph: the second try may cost little, since few are mirrored."""
_CLEAR_RATIO = 0.2
"""A match with fewer inliers per keypoint is compared with that of the mirrored photograph."""


@dataclass(frozen=True)
class Match:
    """The answer to "is it this painting?".

    Attributes:
        artwork_id: the work with the best alignment; None where no candidate aligns at all.
        is_same: whether it is a match; a `Match` is true where this is.
        inliers: keypoints that agree.
        false_positive_rate: share of photographs of paintings outside the collection that align as well.
        corners: float32 (4, 2), where the corners of the query (of the mirrored one, where `is_mirrored`) lie in the
            indexed picture, as fractions of its width and height; None without inliers.
        candidates: number of works verified.
        is_mirrored: whether the query shows the painting the wrong way round.
    """

    artwork_id: str | None
    is_same: bool
    inliers: int
    false_positive_rate: float
    corners: "Rows | None"
    candidates: int
    is_mirrored: bool = False

    def __bool__(self) -> bool:
        return self.is_same

    @property
    def view(self) -> View | None:
        """Where the painting, or what is seen of it, lies in the query; None where it is not recognised."""
        part = visible_part(self.corners) if self.is_same and self.corners is not None else None
        return None if part is None else View(part, self.is_mirrored)

    def _repr_html_(self) -> str:
        """The answer in a sentence, and what it rests on."""
        if self.artwork_id is None:
            return f"<p>We did not find this painting in the collection ({self.candidates:,} works compared).</p>"
        work = f"<code>{html.escape(self.artwork_id)}</code>"
        found = f"This painting is {work}." if self.is_same else "We did not find this painting in the collection."
        mirrored = " The picture shows it mirrored." if self.is_same and self.is_mirrored else ""
        closest = "" if self.is_same else f" Closest: {work}."
        return (
            f"<p><b>{found}</b>{mirrored}{closest} {self.inliers:,} keypoints agree; of photographs of paintings "
            f"outside the collection, {self.false_positive_rate:.2%} agree as well.</p>"
        )


def same_painting(picture: "Image", index: FeatureIndex) -> Match:
    """Search a collection for the painting that a picture shows.

    Args:
        picture: RGB, with a short side of at most `PHOTOGRAPH_SHORT_SIDE_PX`.
        index: of the collection.
    """
    return same_paintings([picture], index)[0]


def same_paintings(pictures: "Sequence[Image]", index: FeatureIndex) -> list[Match]:
    """`same_painting` of many pictures, with far fewer reads of the index than one after another."""
    greys = [grey_picture(picture, QUERY_SHORT_SIDE_PX) for picture in pictures]
    found = _matches(greys, index)
    unclear = [row for row, (match, ratio) in enumerate(found) if not (match and ratio >= _CLEAR_RATIO)]
    mirrored = [np.ascontiguousarray(greys[row][:, ::-1]) for row in unclear]
    for row, (match, ratio) in zip(unclear, _matches(mirrored, index, is_mirrored=True), strict=True):
        if match and ratio > found[row][1]:
            found[row] = match, ratio
    return [match for match, _ in found]


def _matches(greys: "Sequence[Grey]", index: FeatureIndex, *, is_mirrored: bool = False) -> list[tuple[Match, float]]:
    """The answers for photographs as they are or mirrored, and their inlier ratios."""
    threshold = index.threshold
    is_match = threshold.is_certain if is_mirrored else threshold.is_match
    most = MIRRORED_CANDIDATES if is_mirrored else CANDIDATES
    answers = search_candidates(greys, index.words, index.features, is_sufficient=is_match, most=most)
    return [
        (
            Match(
                found.artwork_id,
                is_match(found.alignment),
                found.alignment.inliers,
                threshold.false_positive_rate(found.alignment.inlier_ratio),
                found.alignment.corners,
                found.compared,
                is_mirrored,
            ),
            found.alignment.inlier_ratio,
        )
        for found in answers
    ]
