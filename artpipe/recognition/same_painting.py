"""Does the collection hold this very painting? Candidates by votes of local features, then geometry.

The decision looks at what share of the points agrees when the photograph is laid over a held picture. How large it must
be is measured on the collection itself, by `calibration.py`: at most one photograph in a hundred of paintings that are
not held may have so large a one.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from artpipe.recognition.candidates import look_for
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
        artwork_id: the work that it is, or comes nearest to being; None when no candidate agrees at all.
        is_same: whether it is taken for that very painting; a `Match` is true where this is.
        inliers: points that agree.
        false_positive_rate: how often a picture of a painting that is not in the collection agrees as far.
        corners: float32 (4, 2), where the corners of the asked picture lie in the held one, in shares of its width and
            height; None without agreement.
        candidates: how many works were compared before it was decided.
    """

    artwork_id: str | None
    is_same: bool
    inliers: int
    false_positive_rate: float
    corners: "Rows | None"
    candidates: int

    def __bool__(self) -> bool:
        return self.is_same


def same_painting(picture: "Image", index: FeatureIndex) -> Match:
    """Decide for one picture.

    Args:
        picture: RGB, with a short side of at most `SENT_SHORT_SIDE_PX`.
        index: of the collection.
    """
    calibration = index.calibration
    grey = grey_picture(picture, QUERY_SHORT_SIDE_PX)
    found = look_for(grey, index.words, index.features, is_enough=calibration.is_enough)
    return Match(
        found.artwork_id,
        calibration.is_enough(found.agreed),
        found.agreed.points,
        calibration.false_positive_rate(found.agreed.share),
        found.agreed.corners,
        found.compared,
    )
