"""How far a training run has come: its epochs, and the weights of the best."""

import math
from dataclasses import dataclass, field

from torch import Tensor, nn


@dataclass(frozen=True)
class Epoch:
    """What one epoch came to. Validation values are None where there are no validation rows."""

    epoch: int
    """Counted from 1; the head's training on cached features, where there is one, is the first."""
    train_loss: float
    validation_loss: float | None
    accuracy: dict[str, float]
    """Share of validation rows with a known label whose first guess is right, by task."""
    learning_rate: float
    seconds: float
    images_per_s: float

    @property
    def score(self) -> tuple[float, float]:
        """What the best epoch has most of: mean accuracy over the tasks, then a low validation loss."""
        return (
            sum(self.accuracy.values()) / max(len(self.accuracy), 1),
            -(self.validation_loss if self.validation_loss is not None else math.inf),
        )


@dataclass
class RunState:
    """How far a run has come, beside what is in the network and the optimizer."""

    history: list[Epoch] = field(default_factory=list[Epoch])
    best_epoch: int = 0
    """0 while there is none."""
    best_weights: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    def add(self, record: Epoch, model: nn.Module, *, may_be_kept: bool = True) -> None:
        """Take note of an epoch, and of its weights where it is the best so far or there is nothing to judge it by."""
        best = self.history[self.best_epoch - 1] if self.best_epoch else None
        self.history.append(record)
        if not may_be_kept:
            return
        if best is None or record.validation_loss is None or record.score > best.score:
            self.best_epoch = record.epoch
            self.best_weights = {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}
