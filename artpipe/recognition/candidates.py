"""Searches for a photograph's painting: the works that share most visual words, verified by geometry.

`same_painting.py` decides by the result, and `match_threshold.py` measures negative queries with the same search, so
that the threshold is valid for the decision.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artpipe.recognition.geometry import Alignment, best_alignment, never
from artpipe.recognition.local_features import Grey, describe
from artpipe.recognition.visual_words import VisualWords

if TYPE_CHECKING:
    from artpipe.recognition.feature_table import FeatureSource, LocalFeatures

CANDIDATES = 60
FIRST = 3
"""Candidates verified before the others are even read: unless a photograph is very bad, its work is among them."""
QUERY_POINTS = 500
_OVERSAMPLING_FOR_HIDDEN = 4


@dataclass(frozen=True)
class SearchResult:
    """The work that a photograph aligns with.

    Attributes:
        artwork_id: the first work with a sufficient alignment, or the best one; None where none aligns at all.
        alignment: with that work.
        compared: number of works verified.
    """

    artwork_id: str | None
    alignment: Alignment
    compared: int


def search_candidates(
    photograph: Grey,
    words: VisualWords,
    features: "FeatureSource",
    *,
    is_sufficient: Callable[[Alignment], bool] = never,
    is_hidden: Callable[[str], bool] | None = None,
    most: int = CANDIDATES,
) -> SearchResult:
    """Verify a photograph's candidates.

    Args:
        photograph: in grey.
        words: the inverted file that votes for works.
        features: of the works.
        is_sufficient: ends the search; by default all candidates are verified, and the best one is returned.
        is_hidden: works that are skipped, as if they were not in the collection.
        most: how many works are verified.
    """
    query = describe(photograph, QUERY_POINTS)
    voted = words.vote(query, most if is_hidden is None else _OVERSAMPLING_FOR_HIDDEN * most)
    if is_hidden is not None:
        voted = [name for name in voted if not is_hidden(name)][:most]
    compared = 0

    def groups() -> "Generator[dict[str, LocalFeatures]]":
        nonlocal compared
        for part in (voted[:FIRST], voted[FIRST:]):
            group = features.read(part)
            compared += len(group)
            yield group

    artwork_id, alignment = best_alignment(photograph, query, groups(), is_sufficient)
    return SearchResult(artwork_id, alignment, compared)
