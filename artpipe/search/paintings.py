"""Whether a picture looks like a painting at all, by what the backbone saw before it learned styles.

The embedding cannot tell: it was trained on paintings, and has no direction for anything else. The backbone's own
features were trained on pictures of all kinds, and keep apart what was painted, photographed and drawn by a computer.
Two rules, both by the mean cosine with the `NEIGHBOURS` nearest pictures:

- The picture is farther from the collection's works than held-out works are. This refuses photographs.
- It is nearer to pictures drawn by code (`drawn_pictures.py`) than held-out works are. This refuses flat colours,
  noise, text, plots, codes and screenshots.

Both thresholds are quantiles of held-out works, compared with works of other artists only, and shown as they are,
framed, from aside, and badly lit. `painting_fit.py` sets them for the asset `painting_detector`; the served model
applies them.

Source: Sun et al., arXiv:2204.06507 (out-of-distribution detection by nearest neighbours); Hendrycks et al.,
arXiv:1812.04606 (outlier exposure).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artpipe.lake.arrays import read_arrays, write_arrays
from artpipe.lake.paths import DataLake
from artpipe.search.positions import position_scores

if TYPE_CHECKING:
    from artpipe.embedding.predictions import Predictions

DETECTOR_FILE = "paintings.npz"
NEIGHBOURS = 5

Features = NDArray[np.float32]


@dataclass(frozen=True)
class PaintingDetector:
    """What a picture is compared with, and the thresholds.

    Attributes:
        model_id: of the model whose backbone gave the features.
        works: features of the collection's works, float32 (M, F), each of length 1.
        drawn: features of pictures drawn by code, float32 (K, F), each of length 1.
        least_similarity: to the works; a picture below it is no painting. None where it was not measured.
        most_contrast: similarity to drawn pictures less that to works; a picture above it is no painting.
        pictures: how many pictures of held-out works both were measured on.
        position_weights: float32 (F + 1, 4), see `positions.py`; None where they were not fitted.
    """

    model_id: str
    works: Features
    drawn: Features
    least_similarity: float | None
    most_contrast: float | None
    pictures: int
    position_weights: Features | None = None

    def is_painting(self, features: Features) -> NDArray[np.bool_] | None:
        """Whether each picture looks like a painting, (N,), from features (N, F); None where it was not measured."""
        if self.least_similarity is None or self.most_contrast is None:
            return None
        unit = of_length_1(features)
        # Not `@`: its threads would keep the cores from those of the network, which takes twice as long then.
        to_works = mean_similarity(np.einsum("nf,mf->nm", unit, self.works))
        contrast = mean_similarity(np.einsum("nf,mf->nm", unit, self.drawn)) - to_works
        return (to_works >= self.least_similarity) & (contrast <= self.most_contrast)

    def positions(self, features: Features) -> Features | None:
        """How much each picture looks turned by 0 to 3 quarters, (N, 4), from features (N, F); None if not known."""
        return None if self.position_weights is None else position_scores(self.position_weights, features)


def features_of(predictions: "Predictions") -> Features:
    """The backbone features of pictures that were encoded with them."""
    if predictions.features is None:
        raise ValueError("these predictions were made without features")
    return predictions.features


def save_detector(lake: DataLake, detector: PaintingDetector) -> None:
    """Write it beside the search index."""
    thresholds = (detector.least_similarity, detector.most_contrast)
    weights = detector.position_weights
    fitted: dict[str, Any] = {} if weights is None else {"position_weights": weights}
    arrays = {
        "model_id": detector.model_id,
        "works": detector.works.astype(np.float16),
        "drawn": detector.drawn.astype(np.float16),
        "thresholds": [np.nan if each is None else each for each in thresholds],
        "pictures": detector.pictures,
    }
    write_arrays(lake.index(DETECTOR_FILE), arrays | fitted)


def open_detector(lake: DataLake, model_id: str) -> PaintingDetector | None:
    """The detector for this model's features; None where it was not made yet or is of another model's."""
    detector = read_arrays(lake.index(DETECTOR_FILE), _detector_of)
    return detector if detector and detector.model_id == model_id else None


def _detector_of(stored: Mapping[str, Any]) -> PaintingDetector:
    least, most = (None if np.isnan(each) else float(each) for each in stored["thresholds"])
    return PaintingDetector(
        str(stored["model_id"]),
        stored["works"].astype(np.float32),
        stored["drawn"].astype(np.float32),
        least,
        most,
        int(stored["pictures"]),
        stored["position_weights"].astype(np.float32) if "position_weights" in stored else None,
    )


def mean_similarity(cosines: NDArray[np.floating]) -> Features:
    """The mean of the largest `NEIGHBOURS` cosines of each row; of all where there are fewer."""
    count = min(NEIGHBOURS, cosines.shape[1])
    return np.partition(cosines, -count, axis=1)[:, -count:].mean(axis=1).astype(np.float32)


def of_length_1(features: Features) -> Features:
    """Features (N, F) divided by their lengths."""
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    return (features / np.maximum(lengths, 1e-9)).astype(np.float32)
