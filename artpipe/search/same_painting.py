"""Does the collection hold this very painting? Candidates by votes of local features and by likeness, then geometry.

The decision counts the points that agree on one plane. How many are enough is measured on the collection itself, by
`calibration.py`: at most one photograph in a hundred of paintings that are not held may have so many.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError
from artpipe.search.calibration import CANDIDATES_BY_VOTES
from artpipe.search.feature_table import FeatureTable
from artpipe.search.local_features import (
    QUERY_POINTS,
    QUERY_SHORT_SIDE_PX,
    LocalFeatures,
    agreements,
    describe,
)
from artpipe.search.visual_words import VisualWords

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CANDIDATES_BY_LIKENESS = 10
FALSE_POSITIVES = 0.01
"""The rate at which a picture of a painting that is not held may be taken for one that is."""
LEAST_INLIERS = 8
"""Fewer agreeing points than these never decide, however few strangers were tried."""


class NoFeatureIndexError(ArtpipeError):
    """The pictures of the table were not described yet."""


@dataclass(frozen=True)
class Match:
    """The answer to "is it this painting?".

    Attributes:
        artwork_id: the work that it is, or comes nearest to being; None when no candidate agrees at all.
        is_same: whether it is taken for that very painting; a `Match` is true where this is.
        inliers: points that agree.
        false_positive_rate: how often a picture of a painting that is not in the collection gets as many.
        corners: where the corners of the asked picture lie in the stored one, in pixels; None without agreement.
        candidates: how many works were compared.
    """

    artwork_id: str | None
    is_same: bool
    inliers: int
    false_positive_rate: float
    corners: "NDArray[np.float32] | None"
    candidates: int

    def __bool__(self) -> bool:
        return self.is_same


def best_match(
    asked: LocalFeatures,
    size: tuple[int, int],
    words: VisualWords,
    features: FeatureTable,
    by_likeness: Sequence[str],
) -> Match:
    """Compare a picture with its candidates.

    Args:
        asked: its local features.
        size: its width and height.
        words: of the collection.
        features: of the collection.
        by_likeness: works whose vectors are near.
    """
    names = list(dict.fromkeys([*words.vote(asked, CANDIDATES_BY_VOTES), *by_likeness]))
    held = features.read(names)
    compared = [name for name in names if name in held]
    found = agreements(asked, [held[name] for name in compared], size)
    # The first of equally good ones has most votes.
    best = max(range(len(found)), key=lambda number: found[number].inliers, default=None)
    if best is None or not found[best].inliers:
        return Match(None, False, 0, 1.0, None, len(names))
    inliers = found[best].inliers
    return Match(
        compared[best],
        inliers >= least_inliers(words.strangers),
        inliers,
        false_positive_rate(inliers, words.strangers),
        found[best].corners,
        len(names),
    )


def least_inliers(strangers: "NDArray[np.int32]") -> int:
    """The least number of agreeing points that at most one stranger in a hundred has; strangers ascend."""
    tolerated = int(FALSE_POSITIVES * len(strangers))
    return max(LEAST_INLIERS, int(strangers[-1 - tolerated]) + 1) if len(strangers) else LEAST_INLIERS


def false_positive_rate(inliers: int, strangers: "NDArray[np.int32]") -> float:
    """How often a picture of a painting that is not held agrees in at least so many points; strangers ascend.

    One more than was seen is assumed, so that what never happened in 300 trials is not called impossible.
    """
    as_many = int((strangers >= inliers).sum())
    return round((as_many + 1) / (len(strangers) + 1), 4)


def same_painting(
    picture: Callable[[int], bytes],
    likeness: Callable[[], Sequence[str]],
    words: VisualWords,
    features: FeatureTable,
) -> Match:
    """Decide for one picture.

    Args:
        picture: gives the asked picture as a JPEG of a short side.
        likeness: gives the works whose vectors are near.
        words: of the collection.
        features: of the collection.
    """
    import io

    from PIL import Image

    jpeg = picture(QUERY_SHORT_SIDE_PX)
    with Image.open(io.BytesIO(jpeg)) as opened:
        size = opened.size
    return best_match(describe(jpeg, QUERY_POINTS), size, words, features, likeness())
