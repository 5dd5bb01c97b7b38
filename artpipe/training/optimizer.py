"""The optimiser, its learning-rate schedule, and one training step."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from artpipe.models.network import MultiTaskClassifier
from artpipe.models.transforms import Normalise
from artpipe.training.config import TrainingConfig
from artpipe.training.dataset import PixelBatch
from artpipe.training.loss import MultiTaskLoss
from artpipe.training.ranks import ALONE, Ranks

ADAM_BETAS = (0.9, 0.99)


def train_step(
    model: nn.Module,
    loss_of: MultiTaskLoss,
    optimizer: torch.optim.Optimizer,
    normalise: Normalise,
    batch: PixelBatch,
    gradient_clip: float,
    ranks: Ranks = ALONE,
) -> Tensor:
    """Update the weights from one batch, unless its loss is not finite; returns the loss, detached.

    Of several ranks, each gives its share of the batch and the network as `Ranks.data_parallel` wraps it; the loss is
    the mean of theirs.
    bfloat16 is used on CUDA alone: on a CPU the backward pass is slower in it (106 against 143 images a second).
    """
    device = normalise.device
    pixels = normalise(batch.squares, batch.gains, batch.offsets)
    with torch.autocast(device.type, torch.bfloat16, enabled=device.type == "cuda"):
        _, logits = model(pixels)
    loss: Tensor = loss_of(logits, batch.labels.to(device, non_blocking=True))
    mean_loss = ranks.mean(loss.detach())  # one loss for all, so that all take the step or none does
    if device.type == "cpu" and not bool(mean_loss.isfinite()):
        return mean_loss
    optimizer.zero_grad(set_to_none=True)
    loss.backward()
    nn.utils.clip_grad_norm_((each for each in model.parameters() if each.requires_grad), gradient_clip)
    optimizer.step()
    return mean_loss


def make_optimizer(model: MultiTaskClassifier, config: TrainingConfig) -> torch.optim.Optimizer:
    """AdamW without weight decay on norms and biases; the backbone's rate is a share of the head's."""
    recipe = config.recipe
    groups: list[dict[str, Any]] = []
    for module, share in ((model.backbone, recipe.backbone_rate_share), (model.head_layers, 1.0)):
        for is_decayed in (True, False):
            members = [each for each in module.parameters() if each.requires_grad and (each.ndim > 1) == is_decayed]
            if members:
                peak = recipe.learning_rate * share
                decay = config.weight_decay if is_decayed else 0.0
                groups.append({"params": members, "lr": peak, "peak": peak, "weight_decay": decay})
    return torch.optim.AdamW(groups, betas=ADAM_BETAS, fused=True)


def set_learning_rate(optimizer: torch.optim.Optimizer, step: int, total_steps: int, warmup_share: float) -> float:
    """Linear warm-up, then cosine decay to zero; returns the rate of the heads."""
    warmup = max(1, round(total_steps * warmup_share))
    if step < warmup:
        share = (step + 1) / warmup
    else:
        share = 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total_steps - warmup)))
    rate = 0.0
    for group in optimizer.param_groups:
        rate = group["lr"] = group["peak"] * share
    return rate
