"""What a model predicts for a batch of pictures; light to import, so that search and web can name it without torch."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Predictions:
    """The embeddings of N pictures and the class probabilities of each task.

    Attributes:
        vectors: float32 (N, D); each row has length 1, so that a dot product is a cosine similarity.
        probabilities: float32 (N, classes) by task, in the order of the model card's classes; each row sums to 1.
        computed: how many of the pictures an inference cache did not know and ran through the network.
        features: the backbone's own pooled output, float32 (N, F); None where it was not asked for.
        is_painting: whether each picture looks like a painting, (N,); None where that is not known.
        positions: how much each picture looks turned by 0 to 3 quarters, float32 (N, 4); None where that is not known.
    """

    vectors: NDArray[np.float32]
    probabilities: dict[str, NDArray[np.float32]]
    computed: int = 0
    features: NDArray[np.float32] | None = None
    is_painting: NDArray[np.bool_] | None = None
    positions: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.vectors)

    def __getitem__(self, rows: slice) -> "Predictions":
        """The predictions of some of the pictures."""
        return Predictions(
            self.vectors[rows],
            {task: one[rows] for task, one in self.probabilities.items()},
            features=None if self.features is None else self.features[rows],
            is_painting=None if self.is_painting is None else self.is_painting[rows],
            positions=None if self.positions is None else self.positions[rows],
        )

    def of_tasks(self, tasks: Iterable[str]) -> "Predictions":
        """The predictions of these tasks; of one that the model was not trained on, (N, 0)."""
        none = np.empty((len(self), 0), np.float32)
        return replace(self, probabilities={task: self.probabilities.get(task, none) for task in tasks})

    @classmethod
    def joined(cls, parts: Iterable["Predictions"]) -> "Predictions":
        """All parts as one; at least one is needed."""
        batches = list(parts)
        tasks = batches[0].probabilities
        probabilities = {task: np.concatenate([each.probabilities[task] for each in batches]) for task in tasks}
        features = [each.features for each in batches if each.features is not None]
        verdicts = [each.is_painting for each in batches if each.is_painting is not None]
        positions = [each.positions for each in batches if each.positions is not None]
        return cls(
            np.concatenate([each.vectors for each in batches]),
            probabilities,
            features=np.concatenate(features) if len(features) == len(batches) else None,
            is_painting=np.concatenate(verdicts) if len(verdicts) == len(batches) else None,
            positions=np.concatenate(positions) if len(positions) == len(batches) else None,
        )


class PictureEncoder(Protocol):
    """A model that embeds and classifies pictures."""

    @property
    def model_id(self) -> str:
        """The hash of its weights and model card."""
        ...

    @property
    def labels(self) -> dict[str, list[str]]:
        """The class names of each task, in the order of its probabilities."""
        ...

    def encode(self, pictures: "Sequence[Image]") -> Predictions:
        """Embed and classify RGB pictures, read with the short side of the stored ones."""
        ...
