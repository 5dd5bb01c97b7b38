"""The epochs of a training run, the weights of the best one, and when to stop."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from torch import Tensor, nn

from artpipe.training.config import Recipe


@dataclass(frozen=True)
class Epoch:
    """Metrics of one epoch. Validation values are None where there are no validation rows."""

    epoch: int
    """Counted from 1; the head's training on cached features, where there is one, is the first."""
    train_loss: float
    validation_loss: float | None
    accuracy: dict[str, float]
    """Share of validation rows with a known label whose top-1 prediction is right, by task."""
    learning_rate: float
    seconds: float
    images_per_s: float

    @property
    def score(self) -> tuple[float, float]:
        """What the best epoch maximises: mean accuracy over the tasks, then the negative validation loss."""
        return (
            sum(self.accuracy.values()) / max(len(self.accuracy), 1),
            -(self.validation_loss if self.validation_loss is not None else math.inf),
        )


@dataclass
class History:
    """The epochs so far and the weights of the best."""

    epochs: list[Epoch] = field(default_factory=list[Epoch])
    best_epoch: int = 0
    """0 while there is none."""
    best_weights: dict[str, Tensor] = field(default_factory=dict[str, Tensor])

    @property
    def best(self) -> Epoch | None:
        """The best epoch so far."""
        return self.epochs[self.best_epoch - 1] if self.best_epoch else None

    def add(self, epoch: Epoch, model: nn.Module, *, may_be_best: bool = True) -> None:
        """Append an epoch, and copy its weights where it is the best so far or there is no validation to compare."""
        self.epochs.append(epoch)
        best = self.best
        if may_be_best and (best is None or epoch.validation_loss is None or epoch.score > best.score):
            self.best_epoch = epoch.epoch
            self.best_weights = {key: value.detach().cpu().clone() for key, value in model.state_dict().items()}

    def finetuned_epochs(self, recipe: Recipe) -> int:
        """How many of the epochs trained the whole network; the head's own training is none of them."""
        return len(self.epochs) - bool(recipe.head_epochs)

    def stop_reason(self, recipe: Recipe, last_epoch: int | None = None) -> str:
        """Why training is over, early stopping included; empty while it is not.

        Args:
            recipe: how it is trained.
            last_epoch: of a refit, the best epoch of the model that it is the refit of.
        """
        if last_epoch is not None:
            return f"all {last_epoch} epochs of a refit" if len(self.epochs) >= last_epoch else ""
        if not recipe.epochs:
            return "the head alone was trained"
        is_complete = self.finetuned_epochs(recipe) >= recipe.epochs
        if self.epochs and self.epochs[-1].validation_loss is None:
            return "all epochs, without validation rows to stop by" if is_complete else ""
        if is_complete:
            return "all epochs"
        if self.best_epoch and len(self.epochs) - self.best_epoch >= recipe.patience:
            return f"no better validation accuracy for {recipe.patience} epochs"
        return ""

    def state_dict(self) -> dict[str, Any]:
        """For a checkpoint."""
        return {
            "history": [asdict(epoch) for epoch in self.epochs],
            "best_epoch": self.best_epoch,
            "best_weights": self.best_weights,
        }

    @classmethod
    def from_state_dict(cls, state: Mapping[str, Any]) -> "History":
        """From a checkpoint."""
        return cls([Epoch(**epoch) for epoch in state["history"]], state["best_epoch"], state["best_weights"])
