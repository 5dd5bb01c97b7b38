"""Calibrates the match threshold: the inlier ratio that at most one negative query in a hundred reaches.

What a few inliers prove depends on the collection: painters repeat themselves, and a drawn gallery repeats its figures.
So negative queries are made from the collection itself: `rephotograph.py` simulates photographs of works, each is
searched for with all pictures of its work hidden, and the best alignment with any other work is kept. Where the
collection holds a painting twice without knowing, the second picture is a true match: such queries are left out.

It is measured again when the vocabulary was relearnt, when photographs are compared otherwise, or when more than
`MAX_DRIFT` of the pictures changed.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from os import cpu_count
from typing import TYPE_CHECKING

import numpy as np

from artpipe.images.decode import TooNarrowError
from artpipe.images.pictures import StoredPictures
from artpipe.images.reading import read_picture
from artpipe.lake.paths import DataLake, write_whole
from artpipe.recognition.candidates import search_candidates
from artpipe.recognition.feature_table import CachedFeatures, FeatureTable
from artpipe.recognition.geometry import MIN_INLIERS, Alignment, best_alignment
from artpipe.recognition.local_features import (
    QUERY_SHORT_SIDE_PX,
    STORED_POINTS,
    STORED_SHORT_SIDE_PX,
    LocalFeatures,
    describe,
    grey_picture,
)
from artpipe.recognition.rephotograph import KINDS, rephotograph
from artpipe.recognition.view import PHOTOGRAPH_SHORT_SIDE_PX
from artpipe.recognition.visual_words import VisualWords

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = "same_painting.json"
FALSE_POSITIVE_RATE = 0.01
"""The tolerated share of photographs of paintings outside the collection that match a work."""
MIN_INLIER_RATIO = 0.03
"""No smaller ratio decides, however few negative queries were tried."""
MAX_DRIFT = 0.25
_RULE = "by-votes-1"
"""Changes when photographs are compared otherwise: a threshold is valid only for the method it was measured with."""
MIN_QUERIES = 120
"""More than a hundred, so that a rate of one in a hundred is measurable although some are left out."""
_MAX_QUERIES = 500
_WORKS_PER_QUERY = 10
_DUPLICATE_RATIO = 0.5
"""Inliers per keypoint from which on two stored pictures show the same painting."""


@dataclass(frozen=True)
class MatchThreshold:
    """Inlier ratios of negative queries, and the threshold and false-positive rates that follow from them.

    Attributes:
        inlier_ratios: `Alignment.inlier_ratio` of each negative query, ascending; 0 where it has too few inliers.
        vocabulary_id: of the vocabulary that found the candidates.
        pictures: number of pictures in the collection.
        changed: number of pictures described or dropped since.
        rule: version of the comparison.
    """

    inlier_ratios: list[float]
    vocabulary_id: str
    pictures: int
    changed: int = 0
    rule: str = _RULE

    def is_match(self, alignment: Alignment) -> bool:
        """Whether at most one negative query in a hundred aligns as well."""
        return alignment.inliers >= MIN_INLIERS and alignment.inlier_ratio >= self.min_inlier_ratio

    def is_certain(self, alignment: Alignment) -> bool:
        """Whether it is a match, and no negative query aligns as well."""
        return self.is_match(alignment) and alignment.inlier_ratio > max(self.inlier_ratios, default=0.0)

    @property
    def min_inlier_ratio(self) -> float:
        """The smallest inlier ratio whose `false_positive_rate` is `FALSE_POSITIVE_RATE`.

        Fewer than 99 negative queries prove no such rate; then the largest of their ratios must be exceeded.
        """
        # One more negative query is counted than was measured, as in `false_positive_rate`: the next one exceeds the
        # largest of n ratios once in n + 1.
        tolerated = max(int(FALSE_POSITIVE_RATE * (len(self.inlier_ratios) + 1)) - 1, 0)
        if not self.inlier_ratios:
            return MIN_INLIER_RATIO
        return max(MIN_INLIER_RATIO, float(np.nextafter(self.inlier_ratios[-1 - tolerated], 1)))

    def false_positive_rate(self, inlier_ratio: float) -> float:
        """The share of negative queries that reach an inlier ratio.

        One more than was measured is assumed, so that what never happened in 120 trials is not called impossible.
        """
        reached = sum(other >= inlier_ratio for other in self.inlier_ratios)
        return round((reached + 1) / (len(self.inlier_ratios) + 1), 4)

    def is_valid_for(self, vocabulary_id: str) -> bool:
        """Whether it need not be measured again."""
        fits = (self.vocabulary_id, self.rule) == (vocabulary_id, _RULE)
        return fits and self.changed <= MAX_DRIFT * self.pictures


def query_count(works: int) -> int:
    """How many negative queries to try: more for a larger collection, where describing it costs far more.

    Among a few hundred some may pass, so that the threshold does not hang on a single one, such as a picture that is
    visible in another, on the wall of a painted room.
    """
    return min(max(MIN_QUERIES, works // _WORKS_PER_QUERY), _MAX_QUERIES)


def measure_threshold(
    words: VisualWords,
    features: FeatureTable,
    pictures: StoredPictures,
    work_of: Mapping[str, str],
    queries: int,
    seed: int = 0,
) -> MatchThreshold:
    """Search for negative queries.

    Args:
        words: of the collection.
        features: of the collection.
        pictures: of the collection.
        work_of: the work that each picture shows.
        queries: how many to try.
        seed: of the choice of works and of their photographs.
    """
    kinds = list(KINDS)
    cached = CachedFeatures(features)  # queries have many candidates in common

    def inlier_ratio(number: int, name: str, jpeg: bytes) -> float | None:
        try:
            photograph = rephotograph(read_picture(jpeg), kinds[number % len(kinds)], seed + number)
            grey = grey_picture(read_picture(photograph, PHOTOGRAPH_SHORT_SIDE_PX), QUERY_SHORT_SIDE_PX)
        except TooNarrowError:
            return None  # a detail of a long picture may be one that no search takes
        work = work_of[name]
        found = search_candidates([grey], words, cached, is_hidden=lambda other: work_of.get(other) == work)[0]
        if found.artwork_id is None or found.alignment.inliers < MIN_INLIERS:
            return 0.0
        is_duplicate = _is_duplicate(jpeg, cached.read([found.artwork_id]))
        return None if is_duplicate else found.alignment.inlier_ratio

    names = sorted(name for name in words.ids if name in work_of)
    rng = np.random.default_rng(seed)
    chosen: NDArray[np.int64] = rng.permutation(np.resize(np.arange(len(names)), min(queries, len(names) * len(kinds))))
    queried = [(number, names[row]) for number, row in enumerate(chosen)]
    jpegs = pictures.read([name for _, name in queried])
    with ThreadPoolExecutor(cpu_count()) as pool:
        trials = [pool.submit(inlier_ratio, number, name, jpegs[name]) for number, name in queried if name in jpegs]
    ratios = sorted(ratio for trial in trials if (ratio := trial.result()) is not None)
    return MatchThreshold(ratios, words.vocabulary.id, len(words.ids))


def _is_duplicate(jpeg: bytes, other: Mapping[str, LocalFeatures]) -> bool:
    """Whether a stored picture, itself and not a photograph of it, shows nearly all of another."""
    grey = grey_picture(jpeg, STORED_SHORT_SIDE_PX)
    inliers = best_alignment(grey, describe(grey, STORED_POINTS), other).inliers
    return inliers > _DUPLICATE_RATIO * max(len(features.points) for features in other.values())


def open_threshold(lake: DataLake) -> MatchThreshold | None:
    """The threshold measured in a lake; None where there is none that can be read."""
    try:
        stored = {"rule": ""} | json.loads(lake.index(FILE).read_bytes())
        if "shares" in stored:  # its name in lakes of version 0.1
            stored["inlier_ratios"] = stored.pop("shares")
        return MatchThreshold(**stored)
    except (OSError, ValueError, TypeError):
        return None


def save_threshold(lake: DataLake, threshold: MatchThreshold) -> None:
    """Write a threshold into the lake."""
    write_whole(lake.index(FILE), json.dumps(asdict(threshold)).encode())
