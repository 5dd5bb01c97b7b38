"""In how many points a photograph of a painting that is not held agrees: measured on the collection itself.

What a few agreeing points prove depends on the collection: painters repeat themselves, and a drawn gallery repeats its
figures. So works are photographed anew by `rephotograph.py`, each is hidden from the collection with all pictures of
its work, and the best agreement with any other work is kept. A painting that the collection holds twice without knowing
is no stranger to itself: such pairs are left out.

It is measured again when the words were learnt anew, when photographs are compared otherwise, or when more than `DRIFT`
of the pictures changed.
"""

import json
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from os import cpu_count
from typing import TYPE_CHECKING

import numpy as np

from artpipe.images.pictures import StoredPictures
from artpipe.images.reading import read_picture
from artpipe.lake.paths import DataLake, write_whole
from artpipe.recognition.candidates import look_for
from artpipe.recognition.feature_table import FeatureTable
from artpipe.recognition.geometry import LEAST_POINTS, Agreement, best_agreement
from artpipe.recognition.local_features import (
    QUERY_SHORT_SIDE_PX,
    SENT_SHORT_SIDE_PX,
    STORED_POINTS,
    STORED_SHORT_SIDE_PX,
    LocalFeatures,
    describe,
    grey_picture,
)
from artpipe.recognition.rephotograph import KINDS, rephotograph
from artpipe.recognition.visual_words import VisualWords

if TYPE_CHECKING:
    from numpy.typing import NDArray

FILE = "same_painting.json"
FALSE_POSITIVES = 0.01
"""The rate at which a picture of a painting that is not held may be taken for one that is."""
LEAST_SHARE = 0.03
"""No smaller share decides, however few strangers were tried."""
DRIFT = 0.25
_RULE = "by-votes-1"
"""Changes when photographs are compared otherwise: a threshold holds only for the way in which it was measured."""
LEAST_PHOTOGRAPHS = 120
"""A few more than a hundred, so that one in a hundred can be told although some are left out."""
_MOST_PHOTOGRAPHS = 500
_WORKS_A_PHOTOGRAPH = 10
_TWICE = 0.5
"""The share of a picture's points from which on another stored picture is one of the same painting."""


@dataclass(frozen=True)
class Calibration:
    """What strangers agree in.

    Attributes:
        shares: `Agreement.share` of each stranger, ascending; 0 where it agrees in too few points to decide.
        vocabulary_id: of the words that found them.
        pictures: how many the collection held.
        changed: how many pictures were described or dropped since.
        rule: how they were compared.
    """

    shares: list[float]
    vocabulary_id: str
    pictures: int
    changed: int = 0
    rule: str = _RULE

    def is_enough(self, agreed: Agreement) -> bool:
        """Whether at most one stranger in a hundred agrees so far."""
        return agreed.points >= LEAST_POINTS and agreed.share >= self.least_share

    @property
    def least_share(self) -> float:
        """The least share of agreeing points at which `false_positive_rate` is one in a hundred.

        Fewer strangers than 99 prove no such rate; then the largest of their shares must be passed.
        """
        # One more stranger is counted than was seen, as `false_positive_rate` does: above the largest of n shares lies
        # the next stranger's once in n + 1.
        tolerated = max(int(FALSE_POSITIVES * (len(self.shares) + 1)) - 1, 0)
        return max(LEAST_SHARE, float(np.nextafter(self.shares[-1 - tolerated], 1))) if self.shares else LEAST_SHARE

    def false_positive_rate(self, share: float) -> float:
        """How often a picture of a painting that is not held agrees in at least such a share of points.

        One more than was seen is assumed, so that what never happened in 120 trials is not called impossible.
        """
        as_many = sum(other >= share for other in self.shares)
        return round((as_many + 1) / (len(self.shares) + 1), 4)

    def holds(self, vocabulary_id: str) -> bool:
        """Whether it may still be believed."""
        fits = (self.vocabulary_id, self.rule) == (vocabulary_id, _RULE)
        return fits and self.changed <= DRIFT * self.pictures


def photographs_of(works: int) -> int:
    """How many to try: more for a larger collection, where they cost little beside describing it.

    Of a few hundred strangers some may pass. So the threshold does not hang on the one whose picture is after all to be
    seen in another, on the wall of a painted room.
    """
    return min(max(LEAST_PHOTOGRAPHS, works // _WORKS_A_PHOTOGRAPH), _MOST_PHOTOGRAPHS)


def calibrate(
    words: VisualWords,
    features: FeatureTable,
    pictures: StoredPictures,
    work_of: Mapping[str, str],
    most: int,
    seed: int = 0,
) -> Calibration:
    """Try strangers.

    Args:
        words: of the collection.
        features: of the collection.
        pictures: of the collection.
        work_of: which work each picture shows.
        most: how many photographs to try.
        seed: of the choice of works and of their photographs.
    """
    kinds = list(KINDS)

    def tried(number: int, name: str, jpeg: bytes) -> float | None:
        photograph = rephotograph(read_picture(jpeg), kinds[number % len(kinds)], seed + number)
        grey = grey_picture(read_picture(photograph, SENT_SHORT_SIDE_PX), QUERY_SHORT_SIDE_PX)
        looked = look_for(grey, words, features, is_hidden=lambda other: work_of.get(other) == work_of[name])
        found, agreed = looked.artwork_id, looked.agreed
        if found is None or agreed.points < LEAST_POINTS:
            return 0.0
        return None if _shows(jpeg, features.read([found])) else agreed.share

    names = sorted(name for name in words.ids if name in work_of)
    wanted = min(most, len(names) * len(kinds))
    rng = np.random.default_rng(seed)
    chosen: NDArray[np.int64] = rng.permutation(np.resize(np.arange(len(names)), wanted))
    asked = [(number, names[row]) for number, row in enumerate(chosen)]
    jpegs = pictures.read([name for _, name in asked])
    with ThreadPoolExecutor(cpu_count()) as pool:
        trials = [pool.submit(tried, number, name, jpegs[name]) for number, name in asked if name in jpegs]
    shares = (trial.result() for trial in trials)
    return Calibration(sorted(share for share in shares if share is not None), words.vocabulary.id, len(words.ids))


def _shows(jpeg: bytes, held: Mapping[str, LocalFeatures]) -> bool:
    """Whether a stored picture, itself and not a photograph of it, shows nearly all of another."""
    grey = grey_picture(jpeg, STORED_SHORT_SIDE_PX)
    agreed = best_agreement(grey, describe(grey, STORED_POINTS), [held])[1].points
    return agreed > _TWICE * max(len(features.points) for features in held.values())


def open_calibration(lake: DataLake) -> Calibration | None:
    """What was measured in a lake; None where nothing was that can be read."""
    try:
        return Calibration(**{"rule": ""} | json.loads(lake.index(FILE).read_bytes()))
    except (OSError, ValueError, TypeError):
        return None


def save_calibration(lake: DataLake, calibration: Calibration) -> None:
    """Keep what was measured in the lake."""
    write_whole(lake.index(FILE), json.dumps(asdict(calibration)).encode())
