"""The lake's served model as a `PictureEncoder`; the only module of `artpipe.search` that loads torch."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from PIL.Image import Image

from artpipe.embedding.embedder import BATCH_SIZE, Embedder
from artpipe.embedding.predictions import Predictions
from artpipe.images.pixels import Pixels, image_square
from artpipe.lake.paths import DataLake
from artpipe.models.checkpoint import load_model
from artpipe.models.served import NoModelError, served_card
from artpipe.search.paintings import PaintingDetector, features_of, open_detector


class ServedModel:
    """A `PictureEncoder` made of a trained classifier.

    Args:
        embedder: the network.
        lake: has the detector that tells whether a picture looks like a painting.
    """

    def __init__(self, embedder: Embedder, lake: DataLake) -> None:
        self.embedder, self._lake = embedder, lake
        self._detector: PaintingDetector | None = None

    @property
    def model_id(self) -> str:
        """The hash of its weights and model card."""
        return self.embedder.card.model_id

    @property
    def labels(self) -> dict[str, list[str]]:
        """The class names of each task, in the order of its probabilities."""
        return {task: list(names) for task, names in self.embedder.card.classes.items()}

    def encode(self, pictures: Sequence[Image]) -> Predictions:
        """Embed and classify RGB pictures, at least one; tell whether they look like paintings, and which way up."""
        found = self.encode_with_features(pictures)
        # It is made after the model, and by lakes of earlier releases at their next refresh.
        self._detector = self._detector or open_detector(self._lake, self.model_id)
        if self._detector is None:
            return found
        features = features_of(found)
        return replace(
            found, is_painting=self._detector.is_painting(features), positions=self._detector.positions(features)
        )

    def encode_with_features(self, pictures: Sequence[Image]) -> Predictions:
        """Embeddings, probabilities and backbone features of RGB pictures, at least one."""
        batches = (pictures[first : first + BATCH_SIZE] for first in range(0, len(pictures), BATCH_SIZE))
        embed = partial(self.embedder.embed_pixels, with_features=True)
        return Predictions.joined(embed(self._squares(batch)) for batch in batches)

    def _squares(self, pictures: Sequence[Image]) -> Pixels:
        return np.stack([image_square(picture, self.embedder.image_px) for picture in pictures])


def load_served_model(lake: DataLake, device: str = "auto", model_id: str | None = None) -> ServedModel:
    """Load the model that the lake's pointer names, or another one of the lake.

    Args:
        lake: where it was saved.
        device: `auto`, `cpu`, `cuda` or `mps`.
        model_id: another model than the served one.

    Raises:
        NoModelError: no model was trained yet, or the one named is gone.
        CorruptModelError: its files are missing or damaged.
    """
    if model_id is not None and not lake.model(model_id).exists():
        raise NoModelError(
            f"model {model_id}, which made the vectors, is no longer in {lake.root}; search by the id "
            "of an artwork instead of a picture."
        )
    loaded = load_model(lake.model(model_id or served_card(lake).model_id))
    return ServedModel(Embedder.of(loaded, device), lake)
