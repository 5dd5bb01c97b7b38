"""Looks for a photograph's painting among the works that its local features vote for.

`same_painting.py` decides by what is found here and `calibration.py` measures how far strangers get by the very same
way, so that what one means by "enough" is what the other measured.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artpipe.recognition.geometry import Agreement, best_agreement, never
from artpipe.recognition.local_features import Grey, describe
from artpipe.recognition.visual_words import VisualWords

if TYPE_CHECKING:
    from artpipe.recognition.feature_table import Features, LocalFeatures

BY_VOTES = 60
FIRST = 3
"""So many are compared before the others are even read: a photograph that is not badly spoilt has its work first."""
QUERY_POINTS = 500
_VOTES_FOR_HIDDEN = 4


@dataclass(frozen=True)
class Looked:
    """What was found.

    Attributes:
        artwork_id: the work that agrees enough, or most; None where none agrees at all.
        agreed: how far.
        compared: how many works were compared.
    """

    artwork_id: str | None
    agreed: Agreement
    compared: int


def look_for(
    photograph: Grey,
    words: VisualWords,
    features: "Features",
    *,
    is_enough: Callable[[Agreement], bool] = never,
    is_hidden: Callable[[str], bool] | None = None,
) -> Looked:
    """Compare a photograph with its candidates.

    Args:
        photograph: in grey.
        words: vote for works.
        features: of the works.
        is_enough: ends the search; by default all candidates are compared, and the best one is told.
        is_hidden: works that are passed over, as if the collection did not hold them.
    """
    asked = describe(photograph, QUERY_POINTS)
    voted = words.vote(asked, BY_VOTES if is_hidden is None else _VOTES_FOR_HIDDEN * BY_VOTES)
    if is_hidden is not None:
        voted = [name for name in voted if not is_hidden(name)][:BY_VOTES]
    compared = 0

    def groups() -> "Generator[dict[str, LocalFeatures]]":
        nonlocal compared
        first = features.read(voted[:FIRST])
        compared += len(first)
        yield first
        others = features.read(voted[FIRST:])
        compared += len(others)
        yield others

    artwork_id, agreed = best_agreement(photograph, asked, groups(), is_enough)
    return Looked(artwork_id, agreed, compared)
