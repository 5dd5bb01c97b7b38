"""Instance recognition: is this very painting in the collection? Candidates by visual words, verified by geometry.

The decision compares the inlier ratio with a threshold calibrated on the collection itself (`match_threshold.py`): at
most one photograph in a hundred of paintings outside the collection may reach it.
"""

import html
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artpipe.recognition.candidates import search_candidates
from artpipe.recognition.feature_index import FeatureIndex, NoFeatureIndexError
from artpipe.recognition.local_features import QUERY_SHORT_SIDE_PX, grey_picture

if TYPE_CHECKING:
    from PIL.Image import Image

    from artpipe.recognition.local_features import Rows

__all__ = ["Match", "NoFeatureIndexError", "same_painting"]


@dataclass(frozen=True)
class Match:
    """The answer to "is it this painting?".

    Attributes:
        artwork_id: the work with the best alignment; None where no candidate aligns at all.
        is_same: whether it is a match; a `Match` is true where this is.
        inliers: keypoints that agree.
        false_positive_rate: share of photographs of paintings outside the collection that align as well.
        corners: float32 (4, 2), where the corners of the query lie in the indexed picture, as fractions of its width
            and height; None without inliers.
        candidates: number of works verified.
    """

    artwork_id: str | None
    is_same: bool
    inliers: int
    false_positive_rate: float
    corners: "Rows | None"
    candidates: int

    def __bool__(self) -> bool:
        return self.is_same

    def _repr_html_(self) -> str:
        """The answer in a sentence, and what it rests on."""
        if self.artwork_id is None:
            return f"<p>We did not find this painting in the collection ({self.candidates:,} works compared).</p>"
        work = f"<code>{html.escape(self.artwork_id)}</code>"
        found = f"This painting is {work}." if self.is_same else "We did not find this painting in the collection."
        closest = "" if self.is_same else f" Closest: {work}."
        return (
            f"<p><b>{found}</b>{closest} {self.inliers:,} keypoints agree; of photographs of paintings outside the "
            f"collection, {self.false_positive_rate:.2%} agree as well.</p>"
        )


def same_painting(picture: "Image", index: FeatureIndex) -> Match:
    """Search a collection for the painting that a picture shows.

    Args:
        picture: RGB, with a short side of at most `SENT_SHORT_SIDE_PX`.
        index: of the collection.
    """
    grey = grey_picture(picture, QUERY_SHORT_SIDE_PX)
    found = search_candidates(grey, index.words, index.features, is_sufficient=index.threshold.is_match)
    return Match(
        found.artwork_id,
        index.threshold.is_match(found.alignment),
        found.alignment.inliers,
        index.threshold.false_positive_rate(found.alignment.inlier_ratio),
        found.alignment.corners,
        found.compared,
    )
