"""Searches for a photograph's painting: the works that share most visual words, verified by geometry.

`same_painting.py` decides by the result, and `match_threshold.py` measures negative queries with the same search, so
that the threshold is valid for the decision. Photographs that are asked about together are searched side by side, so
that the features of all of their candidates are read at once: in an object store, a read costs more than what it gives.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from artpipe.recognition.geometry import Alignment, AlignmentSearch, never
from artpipe.recognition.local_features import Grey, describe
from artpipe.recognition.visual_words import VisualWords

if TYPE_CHECKING:
    from artpipe.recognition.feature_table import FeatureSource

CANDIDATES = 60
FIRST = 3
"""Candidates verified before the others are even read, the very first of them before the rest: unless a photograph is
very bad, its work is among them."""
QUERY_POINTS = 500
_OVERSAMPLING_FOR_HIDDEN = 4
_TOGETHER = 24
"""Photographs whose candidates are read at once: at most 53 MB."""


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
    photographs: Sequence[Grey],
    words: VisualWords,
    features: "FeatureSource",
    *,
    is_sufficient: Callable[[Alignment], bool] = never,
    is_hidden: Callable[[str], bool] | None = None,
    most: int = CANDIDATES,
) -> list[SearchResult]:
    """Verify the candidates of each photograph.

    Args:
        photographs: in grey.
        words: the inverted file that votes for works.
        features: of the works.
        is_sufficient: ends the search of a photograph; by default all candidates are verified, and the best one is
            returned.
        is_hidden: works that are skipped, as if they were not in the collection.
        most: how many works are verified for each photograph.
    """
    searches: list[tuple[AlignmentSearch, list[str]]] = []
    for photograph in photographs:
        query = describe(photograph, QUERY_POINTS)
        voted = words.vote(query, most if is_hidden is None else _OVERSAMPLING_FOR_HIDDEN * most)
        if is_hidden is not None:
            voted = [name for name in voted if not is_hidden(name)][:most]
        searches.append((AlignmentSearch(photograph, query, is_sufficient), voted))
    for ranks in (slice(1), slice(1, FIRST), slice(FIRST, most)):
        unfinished = [(search, voted[ranks]) for search, voted in searches if not search.is_done]
        for start in range(0, len(unfinished), _TOGETHER):
            together = unfinished[start : start + _TOGETHER]
            found = features.read([name for _, candidates in together for name in candidates])
            for search, candidates in together:
                search.compare({name: found[name] for name in candidates if name in found})
    return [SearchResult(*search.result, search.compared) for search, _ in searches]
