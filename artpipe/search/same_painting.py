"""Does the collection hold this very painting? Candidates by votes of local features and by likeness, then geometry.

The decision counts the points that agree on one plane. `FALSE_POSITIVE_RATES` states how often so many agree with some
work of a collection that does not hold the painting.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError
from artpipe.search.feature_table import FeatureTable
from artpipe.search.local_features import QUERY_POINTS, LocalFeatures, agreements, describe
from artpipe.search.visual_words import VisualWords

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CANDIDATES_BY_VOTES = 20
CANDIDATES_BY_LIKENESS = 10
QUERY_SHORT_SIDE_PX = 320
LEAST_INLIERS = 8
"""From this many agreeing points on it is taken for the same painting."""
FALSE_POSITIVE_RATES: dict[int, float] = {6: 0.02, 7: 0.009, 8: 0.007, 10: 0.006, 12: 0.004}
"""For so many agreeing points, how often a photograph of a painting that is not held has them.

Measured by `bench_same_painting.py` with 960 photographs of strangers to a collection of 4,444 works. The last of them
are copies of a held composition, which no number of points would tell from it.
"""


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
        inliers >= LEAST_INLIERS,
        inliers,
        false_positive_rate(inliers),
        found[best].corners,
        len(names),
    )


def false_positive_rate(inliers: int) -> float:
    """How often a picture of a painting that is not in the collection agrees in at least so many points."""
    reached = [rate for count, rate in FALSE_POSITIVE_RATES.items() if count <= inliers]
    return min(reached, default=1.0)


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
