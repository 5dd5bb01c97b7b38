"""Training what is above the backbone on features that were computed once: seconds, not minutes.

A head that already knows the classes spares the backbone the shock of a random one: fine-tuning after it keeps more of
what the backbone had learned from millions of pictures (Kumar et al., arXiv:2202.10054).
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
        model: the network whose top is trained, in place.
        features: what the backbone gives for each view of each picture, (views, N, pooled), of any float type.
        labels: int64 (N, tasks), -1 where unknown.
        loss_of: what is made small.
        epochs: passes over the N pictures, each time in one view of them.

    Returns:
        The mean loss of the last epoch.
    """
    device = next(model.top.parameters()).device
    features, labels = features.to(device), labels.to(device)
    views, count = features.shape[:2]
    _standardise(model, features)
    optimizer = torch.optim.AdamW(model.top.parameters(), LEARNING_RATE, weight_decay=WEIGHT_DECAY)
    steps = -(-count // BATCH_SIZE)
    schedule = OneCycleLR(optimizer, LEARNING_RATE, total_steps=epochs * steps + 1)
    model.eval()
    model.dropout.train()
    losses: list[Tensor] = []
    for _ in range(epochs):
        losses = []
        for rows in torch.randperm(count).split(BATCH_SIZE):
            seen = features[torch.randint(views, rows.shape), rows].float()
            _, logits = model.judge(seen)
            loss = loss_of(logits, labels[rows])
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.detach())
    model.eval()
    return float(torch.stack(losses).mean()) if losses else float("nan")


def _standardise(model: MultiTaskClassifier, features: Tensor) -> None:
    """Have the network's norm know the mean and the spread of every feature."""
    seen = features.flatten(0, 1).float()
    model.norm.get_buffer("running_mean").copy_(seen.mean(0))
    if len(seen) > 1:
        model.norm.get_buffer("running_var").copy_(seen.var(0))
