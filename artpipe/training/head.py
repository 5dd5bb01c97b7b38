"""Training the head alone on cached backbone features: seconds, not minutes.

Fine-tuning from a trained head distorts the pretrained features less than from a random one: linear probing, then
fine-tuning (LP-FT). Source: Kumar et al., arXiv:2202.10054.
"""

import torch
from torch import Tensor
from torch.optim.lr_scheduler import OneCycleLR

from artpipe.models.network import MultiTaskClassifier
from artpipe.training.loss import MultiTaskLoss

BATCH_SIZE = 128
LEARNING_RATE = 2e-3
WEIGHT_DECAY = 0.1


def train_head(
    model: MultiTaskClassifier, features: Tensor, labels: Tensor, loss_of: MultiTaskLoss, epochs: int
) -> float:
    """Fit the projection and the heads; the backbone is not touched.

    Args:
        model: its projection and heads are trained in place.
        features: the backbone's features of each view of each picture, (views, N, pooled), of any float type.
        labels: int64 (N, tasks), -1 where unknown.
        loss_of: the loss to minimise.
        epochs: passes over the N pictures, each picture in a random view.

    Returns:
        The mean loss of the last epoch.
    """
    device = next(model.head_layers.parameters()).device
    features, labels = features.to(device), labels.to(device)
    views, count = features.shape[:2]
    standardise(model, features)
    optimizer = torch.optim.AdamW(model.head_layers.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = -(-count // BATCH_SIZE)
    schedule = OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * steps + 1)
    model.eval()
    model.dropout.train()
    losses: list[Tensor] = []
    for _ in range(epochs):
        losses = []
        for rows in torch.randperm(count).split(BATCH_SIZE):
            batch = features[torch.randint(views, rows.shape), rows].float()
            _, logits = model.forward_head(batch)
            loss = loss_of(logits, labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
    model.eval()
    return float(torch.stack(losses).mean()) if losses else float("nan")


def standardise(model: MultiTaskClassifier, features: Tensor) -> None:
    """Set the norm's statistics to the mean and variance of every feature."""
    rows = features.flatten(0, 1).float()
    model.norm.get_buffer("running_mean").copy_(rows.mean(0))
    if len(rows) > 1:
        model.norm.get_buffer("running_var").copy_(rows.var(0))
