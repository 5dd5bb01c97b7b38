"""Inference: pictures to embeddings of length 1 and class probabilities, as fast as the forward pass allows.

The backbone runs in its inference form; embeddings and probabilities are always float32.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artpipe.embedding.predictions import Predictions
from artpipe.models.card import ModelCard
from artpipe.models.checkpoint import LoadedModel
from artpipe.models.ensemble import own_features
from artpipe.models.inference_form import Precision, inference_form
from artpipe.models.network import MultiTaskClassifier, choose_device
from artpipe.models.transforms import Normalise, mirrored

if TYPE_CHECKING:
    from artpipe.images.pixels import Pixels

BATCH_SIZE = 64


class Embedder:
    """A trained network in its inference form.

    Args:
        model: the classifier; it is copied and not changed.
        device: `auto`, `cpu`, `cuda` or `mps`.
        precision: `auto` is bfloat16 on CUDA and on processors that multiply in it, else float32.
    """

    def __init__(
        self, model: MultiTaskClassifier, card: ModelCard, device: str = "auto", precision: Precision = "auto"
    ) -> None:
        self.card = card
        self.device = choose_device(device)
        self.backbone, self.dtype = inference_form(model.backbone, card.transform.size, self.device, precision)
        self.head = model.without_backbone().to(self.device, torch.float32).eval()
        self._normalise = Normalise(card.transform, self.device, self.dtype)
        self._own_features = own_features(model.backbone, card.transform.size)

    @classmethod
    def of(cls, loaded: LoadedModel, device: str = "auto", precision: Precision = "auto") -> "Embedder":
        """An embedder for a model as `load_model` gives it."""
        return cls(loaded.model, loaded.card, device, precision)

    @property
    def precision(self) -> str:
        """The number type of the forward pass: `float32` or `bfloat16`."""
        return str(self.dtype).removeprefix("torch.")

    @property
    def image_px(self) -> int:
        """Side of its square input."""
        return self.card.transform.size

    def embed_pixels(
        self, squares: "Pixels | Tensor | Sequence[Tensor]", *, with_features: bool = False
    ) -> Predictions:
        """Embed one batch.

        Args:
            squares: uint8 (N, image_px, image_px, 3), as made by `decode_square` or read from a `PixelCache`, or N
                tensors of one square.
            with_features: whether the features of the backbone's own output are returned too, see `own_features`.

        Raises:
            ValueError: an embedding is zero and has no direction, or is not finite.
        """
        return self.predict_from_features(self.features_of(squares), with_features=with_features)

    def features_of(self, squares: "Pixels | Tensor | Sequence[Tensor]") -> list[Tensor]:
        """The backbone's features of one batch in each view of the model, (N, pooled); takes what `embed_pixels` does.

        `predict_from_features` takes them on.
        """
        batch = torch.from_numpy(squares) if isinstance(squares, np.ndarray) else squares
        with torch.inference_mode():
            views = [batch, mirrored(batch)][: self.card.views]
            # Each view's features are computed before the next is normalised: on a CPU they share the input buffer.
            return [self.backbone(self._normalise(view)) for view in views]

    def predict_from_features(self, views: Iterable[Tensor], *, with_features: bool = False) -> Predictions:
        """Embeddings and probabilities from the backbone's features, computed now or cached.

        Args:
            views: the features of the same N pictures in each view, (N, pooled) of any float type.
            with_features: whether those of the backbone's own output are returned too, see `own_features`.

        Raises:
            ValueError: an embedding is zero and has no direction, or is not finite.
        """
        views = list(views)
        with torch.inference_mode():
            outputs = [self.head.forward_head(features.to(self.device, torch.float32)) for features in views]
            embeddings = torch.stack([embeddings for embeddings, _ in outputs]).mean(0)
            lengths = torch.linalg.vector_norm(embeddings, dim=1, keepdim=True)
            bad = (~((lengths > 0) & lengths.isfinite())).flatten().nonzero().flatten().tolist()
            if bad:
                raise ValueError(
                    f"picture {bad[0]} of this batch has an embedding of length {float(lengths[bad[0]])}, "
                    "which has no direction"
                )
            # The mean of the views' logits and not of their probabilities: the temperatures were fitted on it.
            probabilities: dict[str, NDArray[np.float32]] = {}
            for task in self.head.tasks:
                logits = torch.stack([each[task] for _, each in outputs]).mean(0)
                scaled = logits / self.card.temperatures.get(task, 1.0)
                probabilities[task] = scaled.softmax(dim=1).cpu().numpy()
        own = views[0][:, : self._own_features].float().cpu().numpy() if with_features else None
        return Predictions((embeddings / lengths).cpu().numpy(), probabilities, features=own)

    def embed(self, squares: "Pixels", batch_size: int = BATCH_SIZE) -> Predictions:
        """Embed pictures a batch at a time; see `embed_pixels`."""
        return Predictions.joined(
            self.embed_pixels(squares[first : first + batch_size]) for first in range(0, len(squares), batch_size)
        )
