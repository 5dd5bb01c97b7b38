"""What is trained: the network with its loss, optimiser and weight average. `loop.py` runs it.

`ClassifierTask` is the usual case and `EnsembleTask`, in `ensemble.py`, extends it: everything in which training an
ensemble differs is a method here that it overrides.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from artpipe.models.card import WeightsSource
from artpipe.models.checkpoint import LoadedModel
from artpipe.models.labels import Labels
from artpipe.models.network import MultiTaskClassifier, build_model, choose_device
from artpipe.models.transforms import Normalise, mirrored
from artpipe.models.weights import load_backbone_weights
from artpipe.training.config import TrainingConfig
from artpipe.training.head import train_head
from artpipe.training.loss import MultiTaskLoss, class_weights, year_targets
from artpipe.training.optimizer import make_optimizer
from artpipe.training.warm_start import can_start_from, start_from

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

    from artpipe.training.dataset import PixelBatch

NORM_MOMENTUM = 0.1
"""Momentum of the batch norms' running statistics. MobileNetV3's own 0.01 is meant for a million pictures: on a few
hundred, the statistics of the random start would still dominate after several epochs."""


class ClassifierTask:
    """A classifier in training.

    Args:
        config: what to train and how.
        labels: the vocabulary of each task.
        class_rows: training rows of each class, by task.
        start: a warm start, used where its backbone and input transform are the config's.
        weights_source: where the weights of a checkpoint that is loaded next came from; none are loaded here.

    Attributes:
        config: the config, with `started_from` filled in by a warm start.
        network: the network that is trained.
        weights_source: where its initial weights came from.
        ema: the exponential moving average of its weights, where the recipe has one.
        frozen: the modules of the network that training leaves as they are.
        head_network: the network whose head is trained on cached features; `network`, unless it is an ensemble.
        head_weights_source: where the backbone weights of `head_network` came from.
        first_candidate: the first epoch whose weights may be the ones that are saved.
    """

    first_candidate = 1

    def __init__(
        self,
        config: TrainingConfig,
        labels: Labels,
        class_rows: Mapping[str, NDArray[np.int64]],
        start: LoadedModel | None = None,
        weights_source: WeightsSource | None = None,
    ) -> None:
        self.device = choose_device(config.device)
        self.labels = labels

        class_counts = {task: len(names) for task, names in labels.classes.items()}
        embedding_dim = self.network_embedding_dim(config)
        self.network, self.transform = build_model(
            config.backbone, class_counts, config.image_px, embedding_dim, config.dropout, config.depths
        )
        backbone = self.network.multi_level_backbone
        if weights_source is not None:
            self.weights_source = weights_source
        elif start is not None and can_start_from(start.card, config, self.transform):
            self.weights_source = start_from(self.network, labels, start)
            config = replace(config, started_from=start.card.model_id)
        else:
            self.weights_source = load_backbone_weights(backbone, config.backbone, config.weights)
        self.config = config
        for module in self.network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = NORM_MOMENTUM
        self.frozen = backbone.lowest_levels(config.recipe.frozen_levels)
        for module in self.frozen:
            module.requires_grad_(False)
        self.network.to(self.device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]

        decay = config.recipe.ema_decay
        self.ema = (
            AveragedModel(self.network, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True) if decay else None
        )
        self.loss = _configure_loss(config, labels, class_rows).to(self.device)
        self.optimizer = make_optimizer(self.network, config)
        self.normalise = Normalise(self.transform, self.device)
        self.head_network, self.head_weights_source = self.network, self.weights_source

    @property
    def evaluated(self) -> MultiTaskClassifier:
        """The network whose weights are validated and saved: the EMA, where there is one."""
        return self.network if self.ema is None else cast("MultiTaskClassifier", self.ema.module)

    def train_mode(self) -> None:
        """Dropout on, and batch statistics outside the frozen levels."""
        self.network.train()
        for module in self.frozen:
            module.eval()

    def running_statistics(self) -> list[Tensor]:
        """The running mean and variance of the batch norms that are in training, in the network and its average."""
        names = [
            f"{name}.{statistic}"
            for name, module in self.network.named_modules()
            if module.training and getattr(module, "running_mean", None) is not None
            for statistic in ("running_mean", "running_var")
        ]
        networks = [self.network] if self.ema is None else [self.network, self.ema.module]
        return [network.get_buffer(name) for network in networks for name in names]

    def fit_head(self, features: Tensor, labels: Tensor) -> float:
        """Train the head alone on features of `head_network`'s backbone, (views, N, pooled); the final loss."""
        loss = train_head(self.head_network, features, labels, self.loss, self.config.recipe.head_epochs)
        if self.head_network is not self.network and not self.config.started_from:
            self.network.load_state_dict(self.head_network.state_dict())
        if self.ema is not None:
            self.ema.module.load_state_dict(self.network.state_dict())
        return loss

    # What an ensemble does in another way:

    def network_embedding_dim(self, config: TrainingConfig) -> int:
        """The embedding length of `network`."""
        return config.embedding_dim

    def prepare_validation(self, loader: "DataLoader[PixelBatch]") -> None:
        """Called before the first validation, with the head trained or loaded from a checkpoint."""

    def validation_logits(self, logits: dict[str, Tensor], batch: int) -> dict[str, Tensor]:  # noqa: ARG002
        """The logits of the model to be saved on a numbered validation batch, from those of `evaluated`."""
        return logits

    def final_model(self, weights: Mapping[str, Tensor]) -> MultiTaskClassifier:
        """The model to save, made of the best epoch's weights; in evaluation mode."""
        self.network.load_state_dict(weights)
        return self.network.eval()

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint, all but the random state."""
        return {
            "model": self.network.state_dict(),
            "average": self.ema.state_dict() if self.ema is not None else None,
            "optimizer": self.optimizer.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """From a checkpoint."""
        self.network.load_state_dict(state["model"])
        if self.ema is not None:
            self.ema.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])


def _configure_loss(
    config: TrainingConfig, labels: Labels, class_rows: Mapping[str, NDArray[np.int64]]
) -> MultiTaskLoss:
    weights = {task: class_weights(rows, config.class_balance) for task, rows in class_rows.items()}
    targets: dict[str, Tensor] = {}
    if config.period_years:
        targets = {task: year_targets(middles, config.period_years) for task, middles in labels.middle_years.items()}
    return MultiTaskLoss(weights, config.label_smoothing, targets)


def predict_logits(
    network: MultiTaskClassifier, loader: "DataLoader[PixelBatch]", normalise: Normalise, views: int = 1
) -> list[dict[str, Tensor]]:
    """The logits of each batch by task, the mean over the first `views` of the picture and its mirror image."""
    batches: list[dict[str, Tensor]] = []
    with torch.no_grad():
        for batch in loader:
            pixels = [batch.squares, mirrored(batch.squares)][:views]
            logits = [network(normalise(view))[1] for view in pixels]
            batches.append({task: torch.stack([each[task] for each in logits]).mean(0) for task in network.tasks})
    return batches
