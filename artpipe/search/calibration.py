"""How many points a photograph of a painting that is not held agrees in: measured on the collection itself.

What a few agreeing points prove depends on the collection: painters repeat themselves, and a drawn gallery repeats its
figures. So works are photographed anew by `rephotograph.py`, each is hidden from the collection with all pictures of
its work, and the best agreement with any other work is kept.
"""

import io
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from artpipe.search.feature_table import FeatureTable
from artpipe.search.local_features import QUERY_POINTS, QUERY_SHORT_SIDE_PX, agreements, describe
from artpipe.search.pictures import StoredPictures
from artpipe.search.queries import stored_form
from artpipe.search.rephotograph import KINDS, rephotograph
from artpipe.search.visual_words import VisualWords

CANDIDATES_BY_VOTES = 20
_PHOTOGRAPHS = 300
_HIDDEN = 4


def strangers(
    words: VisualWords, features: FeatureTable, pictures: StoredPictures, work_of: Mapping[str, str], seed: int = 0
) -> NDArray[np.int32]:
    """The most agreeing points of each of up to 300 strangers, ascending.

    Args:
        words: of the collection.
        features: of the collection.
        pictures: of the collection.
        work_of: which work each picture shows.
        seed: of the choice of works and of their photographs.
    """
    from PIL import Image

    rng = np.random.default_rng(seed)
    names = sorted(name for name in words.ids if name in work_of)
    kinds = list(KINDS)
    wanted = min(_PHOTOGRAPHS, len(names) * len(kinds))
    asked = [names[number] for number in rng.permutation(np.resize(np.arange(len(names)), wanted))] if names else []
    jpegs = pictures.read(asked)
    counts: list[int] = []
    for number, name in enumerate(asked):
        if name not in jpegs:
            continue
        with Image.open(io.BytesIO(jpegs[name])) as picture:
            photograph = rephotograph(picture, kinds[number % len(kinds)], seed + number)
        found = describe(stored_form(photograph, QUERY_SHORT_SIDE_PX), QUERY_POINTS)
        voted = words.vote(found, _HIDDEN * CANDIDATES_BY_VOTES)
        others = [other for other in voted if work_of.get(other) != work_of[name]][:CANDIDATES_BY_VOTES]
        compared = agreements(found, list(features.read(others).values()), photograph.size)
        counts.append(max((one.inliers for one in compared), default=0))
    return np.sort(np.array(counts, dtype=np.int32))
