"""The multi-task loss: class-weighted cross-entropy over the tasks, with unknown labels masked out."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from artpipe.models.labels import UNKNOWN

MAX_CLASS_WEIGHT = 10.0


def class_weights(counts: NDArray[np.int64], balance: float) -> Tensor:
    """Loss weights that follow a class's frequency to the power of `-balance`.

    At 0.5 a class that is 100 times rarer weighs 10 times more: enough to raise macro-F1, not so much that accuracy
    falls. The mean over training rows is 1, so that the learning rate keeps its meaning.

    Returns:
        float32 (classes,), at most `MAX_CLASS_WEIGHT` times the most frequent class's.
    """
    filled = np.maximum(counts, 1).astype(np.float64)
    weights = (filled / filled.max()) ** -balance
    weights = np.minimum(weights, MAX_CLASS_WEIGHT)
    mean = (weights * counts).sum() / max(counts.sum(), 1)
    return torch.from_numpy((weights / max(mean, 1e-12)).astype(np.float32))


def smoothed_targets(count: int, smoothing: float) -> Tensor:
    """Label smoothing: the target distribution of each true class, float32 (classes, classes)."""
    return (1 - smoothing) * torch.eye(count) + smoothing / max(count, 1)


def year_targets(middle_years: Sequence[float], years: float) -> Tensor:
    """Soft ordinal targets of each true class: a share for every other class that falls with its distance in time.

    Args:
        middle_years: the year in the middle of each class.
        years: distance between the middles of two classes over which the share falls by a factor of e.

    Returns:
        float32 (classes, classes); rows sum to 1.

    Source: Diaz and Marathe, Soft Labels for Ordinal Regression, CVPR 2019.
    """
    middles = torch.tensor(middle_years)
    return torch.softmax(-(middles[:, None] - middles[None, :]).abs() / years, dim=1)


class MultiTaskLoss(nn.Module):
    """The sum over tasks of the weighted cross-entropy of the rows whose label is known.

    Args:
        weights: class weights of each task, in the order of the label columns.
        targets: for a task, the target distribution of each true class, (classes, classes); by default
            `smoothed_targets`.
        label_smoothing: share of the target that is spread over all classes, for tasks without `targets`.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        label_smoothing: float = 0.0,
        targets: Mapping[str, Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.tasks = tuple(weights)
        for task, weight in weights.items():
            target = (targets or {}).get(task)
            if target is None:
                target = smoothed_targets(len(weight), label_smoothing)
            self.register_buffer(f"weight_{task}", weight)
            self.register_buffer(f"target_{task}", target)

    def forward(self, logits: Mapping[str, Tensor], labels: Tensor) -> Tensor:
        """The loss of a batch.

        Args:
            logits: (N, classes) by task.
            labels: int64 (N, tasks), -1 where unknown. A task without a known label in the batch adds 0.
        """
        total = labels.new_zeros((), dtype=torch.float32)
        for column, task in enumerate(self.tasks):
            truth = labels[:, column].clamp(min=0)
            weight: Tensor = self.get_buffer(f"weight_{task}")[truth] * (labels[:, column] != UNKNOWN)
            target: Tensor = self.get_buffer(f"target_{task}")[truth]
            losses = functional.cross_entropy(logits[task].float(), target, reduction="none")
            total = total + (losses * weight).sum() / weight.sum().clamp(min=1e-6)
        return total
