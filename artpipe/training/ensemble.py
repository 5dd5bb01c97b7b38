"""Training an ensemble: the pretrained network gets a head and stays frozen, a copy of it is fine-tuned.

Validation measures the mean of both networks' logits, as the saved model gives it; see `artpipe.models.ensemble`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from artpipe.models.card import WeightsSource
from artpipe.models.checkpoint import LoadedModel
from artpipe.models.ensemble import join_members
from artpipe.models.labels import Labels
from artpipe.models.network import MultiTaskClassifier, build_backbone
from artpipe.models.weights import load_backbone_weights
from artpipe.training.config import TrainingConfig
from artpipe.training.task import ClassifierTask, predict_logits

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

    from artpipe.training.dataset import PixelBatch


class EnsembleTask(ClassifierTask):
    """An ensemble in training: `network` is fine-tuned, `pretrained` is not.

    Attributes:
        pretrained: the backbone with its initial weights; its head is trained on cached features. Fine-tuning starts
            from that head, unless a warm start brought a trained one.
        pretrained_logits: its logits of each validation batch, which never change.
    """

    first_candidate = 2  # in the first epoch only the pretrained half is trained

    def __init__(
        self,
        config: TrainingConfig,
        labels: Labels,
        class_rows: Mapping[str, NDArray[np.int64]],
        start: LoadedModel | None = None,
        weights_source: WeightsSource | None = None,
    ) -> None:
        super().__init__(config, labels, class_rows, start, weights_source)
        backbone, _ = build_backbone(config.backbone, config.image_px, config.depths)
        self.head_weights_source = weights_source or load_backbone_weights(backbone, config.backbone, config.weights)
        network = self.network
        self.head_network = self.pretrained = MultiTaskClassifier(
            backbone, network.projection.in_features, network.class_counts, network.embedding_dim, network.dropout.p
        ).eval()
        self.pretrained.to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        self.pretrained_logits: list[dict[str, Tensor]] = []

    def network_embedding_dim(self, config: TrainingConfig) -> int:
        """Each network gives half of the ensemble's embedding."""
        return config.embedding_dim // 2

    def prepare_validation(self, loader: "DataLoader[PixelBatch]") -> None:
        """Compute the pretrained logits once."""
        if len(loader):
            self.pretrained_logits = predict_logits(self.pretrained, loader, self.normalise)

    def validation_logits(self, logits: dict[str, Tensor], batch: int) -> dict[str, Tensor]:
        """The mean of both networks' logits."""
        pretrained = self.pretrained_logits[batch]
        return {task: (logits[task] + pretrained[task]) / 2 for task in logits}

    def final_model(self, weights: Mapping[str, Tensor]) -> MultiTaskClassifier:
        """The ensemble of the pretrained network and the fine-tuned one."""
        return join_members(self.pretrained, super().final_model(weights))

    def state_dict(self) -> dict[str, Any]:
        """With the pretrained network and its head."""
        return super().state_dict() | {"before": self.pretrained.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        super().load_state_dict(state)
        self.pretrained.load_state_dict(state["before"])
