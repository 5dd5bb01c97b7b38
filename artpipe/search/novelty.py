"""Whether a picture is out of distribution: too far from the works most similar to it.

Cosine similarity alone cannot decide: a network trained on paintings embeds a page of text or a plain wall close to
some painting, since it has hardly any other direction for it. So the difference to the nearest works is measured in
units of how much the collection varies in each direction (a Mahalanobis distance): where paintings do not differ, a
small difference counts. The threshold is a quantile of the distances of held-out works from all others; training works
lie closer together than any new picture can. `measure_scale` makes the asset `novelty_scale`, `Collection.novelty`
applies it.

Source: Lee et al., arXiv:1807.03888 (distance by the features' covariance); Sun et al., arXiv:2204.06507 (neighbours).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artpipe.lake.arrays import read_arrays, write_arrays
from artpipe.lake.paths import DataLake
from artpipe.vectors.grouped import nearest_in_other_groups

if TYPE_CHECKING:
    from artpipe.vectors.nearest import Vector

SCALE_FILE = "novelty.npz"
FLAGGED_SHARE = 0.01
"""The false-positive rate: the share of works of the collection's own kind that is flagged."""
CANDIDATES = 50
"""The distance is taken from this many of the most similar works; from all works it is the same in practice."""
MIN_WORKS = 30
"""With fewer held-out works there is no threshold."""
_MAX_WORKS = 2000
_SHRINKAGE = 0.5
"""Of the mean variance, added to each direction's. On the recorded gallery, noise was flagged 35, 90 and 100 times in a
hundred at 1, 0.5 and 0.3, charts 65, 65 and 90, but details of held works 19, 29 and 45; by cosine 0, 20 and 10."""


@dataclass(frozen=True)
class Novelty:
    """How far a picture is from the collection.

    Attributes:
        nearest_similarity: cosine with the most similar work.
        distance: from the nearest work, in the collection's own units; None where these were not measured.
        threshold: 99 of 100 held-out works are no farther from all others; None where it was not measured.
    """

    nearest_similarity: float
    distance: float | None = None
    threshold: float | None = None

    @property
    def is_out_of_distribution(self) -> bool | None:
        """Whether it is farther than the threshold; None where either is not known."""
        if self.distance is None or self.threshold is None:
            return None
        return self.distance > self.threshold

    def as_json(self) -> dict[str, Any]:
        """All of it by name, the figures rounded."""
        return {
            "is_out_of_distribution": self.is_out_of_distribution,
            "nearest_similarity": round(self.nearest_similarity, 4),
            "distance": None if self.distance is None else round(self.distance, 3),
            "threshold": None if self.threshold is None else round(self.threshold, 3),
        }


@dataclass(frozen=True)
class NoveltyScale:
    """The collection's own units of distance, and the threshold in them.

    Attributes:
        model_id: of the model that made the vectors.
        matrix: float32 (D, D); a difference of vectors times it is in these units.
        threshold: see `Novelty`; None where fewer than `MIN_WORKS` works are held out.
        pictures: how many held-out pictures it was measured on.
    """

    model_id: str
    matrix: NDArray[np.float32]
    threshold: float | None
    pictures: int

    def distance(self, vector: "Vector", nearest: "Vector") -> float:
        """From a vector (D,) to the nearest of its candidates (K, D), at least one."""
        return float(np.linalg.norm((nearest - vector) @ self.matrix, axis=1).min())


def measure_scale(
    vectors: "Vector", work_ids: NDArray[Any], is_held_out: NDArray[np.bool_], model_id: str, seed: int = 0
) -> NoveltyScale:
    """Measure how a collection varies, and how far its held-out works are from the others.

    Args:
        vectors: float32 (N, D), each of length 1.
        work_ids: (N,) which work each picture shows; a work is never compared with itself.
        is_held_out: (N,) whether the model was fitted without the picture.
        model_id: of the model that made the vectors.
        seed: of the choice among very many works.
    """
    if not len(vectors):
        return NoveltyScale(model_id, np.eye(vectors.shape[1], dtype=np.float32), None, 0)
    matrix = _whitening(vectors)
    found = _distances(vectors, matrix, work_ids, is_held_out, seed)
    threshold = float(np.quantile(found, 1 - FLAGGED_SHARE)) if len(found) >= MIN_WORKS else None
    return NoveltyScale(model_id, matrix, threshold, len(found))


def transferred(
    scale: NoveltyScale,
    vectors: "Vector",
    of_refit: "Vector",
    work_ids: NDArray[Any],
    is_trained: NDArray[np.bool_],
    model_id: str,
    seed: int = 0,
) -> NoveltyScale:
    """The scale of a refit, whose vectors no work is new to, from that of the model that it is the refit of.

    The works that both were fitted on tell how much longer a distance is in the refit's units.

    Args:
        scale: of the measured model.
        vectors: the measured model's, float32 (N, D).
        of_refit: the refit's of the same pictures, float32 (N, D).
        work_ids: (N,) which work each picture shows.
        is_trained: (N,) whether the measured model was fitted on the picture.
        model_id: of the refit.
        seed: as for `measure_scale`.
    """
    if not len(of_refit):
        return NoveltyScale(model_id, np.eye(of_refit.shape[1], dtype=np.float32), None, 0)
    matrix = _whitening(of_refit)
    before = _distances(vectors, scale.matrix, work_ids, is_trained, seed)
    after = _distances(of_refit, matrix, work_ids, is_trained, seed)
    ratio = float(np.median(after) / max(np.median(before), 1e-12)) if before else 1.0
    threshold = None if scale.threshold is None else scale.threshold * ratio
    return NoveltyScale(model_id, matrix, threshold, scale.pictures)


def _distances(
    vectors: "Vector", matrix: NDArray[np.float32], work_ids: NDArray[Any], chosen: NDArray[np.bool_], seed: int
) -> list[float]:
    """How far each of the chosen pictures is from the nearest other work, of a sample where there are very many."""
    rows = np.flatnonzero(chosen)
    if len(rows) > _MAX_WORKS:
        rows = np.sort(np.random.default_rng(seed).choice(rows, _MAX_WORKS, replace=False))
    found: list[float] = []
    for row, near, similarity in zip(
        rows, *nearest_in_other_groups(vectors, work_ids.tolist(), rows, CANDIDATES), strict=True
    ):
        others = near[np.isfinite(similarity)]
        if len(others):
            found.append(float(np.linalg.norm((vectors[others] - vectors[row]) @ matrix, axis=1).min()))
    return found


def save_scale(lake: DataLake, scale: NoveltyScale) -> None:
    """Write it beside the search index."""
    threshold = np.nan if scale.threshold is None else scale.threshold
    write_arrays(lake.index(SCALE_FILE), vars(scale) | {"threshold": threshold})


def open_scale(lake: DataLake, model_id: str) -> NoveltyScale | None:
    """The scale of this model's vectors; None where it was not measured yet or is of another model's."""
    scale = read_arrays(lake.index(SCALE_FILE), _scale_of)
    return scale if scale and scale.model_id == model_id else None


def _scale_of(stored: Mapping[str, Any]) -> NoveltyScale:
    # Lakes of earlier releases call the threshold `usual_up_to`.
    threshold = float(stored["threshold" if "threshold" in stored else "usual_up_to"])
    known = None if np.isnan(threshold) else threshold
    return NoveltyScale(str(stored["model_id"]), stored["matrix"], known, int(stored["pictures"]))


def _whitening(vectors: "Vector") -> NDArray[np.float32]:
    """The whitening matrix of the collection, with its variances shrunk towards their mean."""
    mean = vectors.mean(axis=0, dtype=np.float64)
    products = np.zeros((vectors.shape[1], vectors.shape[1]))
    for first in range(0, len(vectors), 8192):  # a chunk at a time, to keep the float64 copies small
        centred = vectors[first : first + 8192] - mean
        products += centred.T @ centred
    variances, directions = np.linalg.eigh(products / len(vectors))
    shrunk = np.maximum(variances, 0) + max(_SHRINKAGE * float(variances.mean()), 1e-12)
    return (directions / np.sqrt(shrunk)).astype(np.float32)
