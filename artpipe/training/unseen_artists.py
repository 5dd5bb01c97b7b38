"""Calibration for artists that the model never saw, from heads that were trained without a part of the artists.

Validation works are by artists of the training set, and a temperature fitted on them alone leaves the model
over-confident about others: on the recorded gallery it moved the calibration error of style on unseen artists from .133
to .199. So a head is trained on cached features without each fourth of the artists, and the temperature is fitted on
both groups, each with half of the weight. The similarity to the training works or the length of the embedding, by which
the temperature could differ from picture to picture, told the groups apart too badly to gain anything.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from artpipe.models.labels import UNKNOWN
from artpipe.models.network import MultiTaskClassifier
from artpipe.training.head import train_head
from artpipe.training.loss import MultiTaskLoss
from artpipe.training.temperature import MIN_ROWS, fit_temperature, weighted_temperature

FOLDS = 4


@dataclass(frozen=True)
class HeadRows:
    """Pictures that a head is trained or tried on: features (views, N, pooled) and labels, int64 (N, tasks)."""

    features: Tensor
    labels: Tensor


def unseen_artist_factors(
    head: MultiTaskClassifier,
    train: HeadRows,
    artists: Sequence[str | None],
    validation: HeadRows,
    loss_of: MultiTaskLoss,
    epochs: int,
    views: int,
    seed: int,
) -> dict[str, float]:
    """By which factor each task's temperature on validation works is multiplied to suit unseen artists as well.

    Args:
        head: trained on all of `train`; it is not changed.
        train: the training rows.
        artists: of each training row; those without one are left out of no head.
        validation: the validation rows.
        loss_of: the loss of the heads.
        epochs: of each head.
        views: the first so many views of a picture have their logits averaged.
        seed: of the folds and the heads.

    Returns:
        Factors of the tasks with enough labels in both groups; of others none.
    """
    fold_of = artist_folds(artists, seed)
    if fold_of.max(initial=-1) < 1:
        return {}
    device = train.features.device
    known = _logits(head, validation.features[:views])
    unseen = {task: np.zeros((len(fold_of), count)) for task, count in head.class_counts.items()}
    for fold in range(FOLDS):
        left_out = torch.from_numpy(fold_of == fold)
        if not bool(left_out.any()) or int((~left_out).sum()) < 2:
            continue
        torch.manual_seed(seed)
        pooled, dropout = train.features.shape[2], head.dropout.p
        other = MultiTaskClassifier(nn.Identity(), pooled, head.class_counts, head.embedding_dim, dropout).to(device)
        train_head(other, train.features[:, ~left_out], train.labels[~left_out], loss_of, epochs)
        for task, logits in _logits(other, train.features[:views, left_out]).items():
            unseen[task][left_out.numpy()] = logits
    factors: dict[str, float] = {}
    for column, task in enumerate(head.tasks):
        truth, left_truth = validation.labels[:, column].numpy(), train.labels[:, column].numpy()
        is_left = (fold_of >= 0) & (left_truth != UNKNOWN)
        groups = ((known[task], truth), (unseen[task][is_left], left_truth[is_left]))
        if min(int((labels != UNKNOWN).sum()) for _, labels in groups) >= MIN_ROWS:
            factors[task] = weighted_temperature(groups) / fit_temperature(*groups[0])
    return factors


def artist_folds(artists: Sequence[str | None], seed: int) -> NDArray[np.int64]:
    """The fold of each row, (N,), all rows of an artist in one; -1 for rows without an artist."""
    names = sorted({name for name in artists if name is not None})
    drawn = np.random.default_rng(seed).permutation(len(names)) % FOLDS
    fold_of: Mapping[str | None, int] = dict(zip(names, drawn.tolist(), strict=True))
    return np.array([fold_of.get(name, -1) for name in artists], np.int64)


def _logits(head: MultiTaskClassifier, views: Tensor) -> dict[str, NDArray[np.float64]]:
    """The mean of the views' logits by task, (N, classes)."""
    device = next(head.head_layers.parameters()).device
    with torch.no_grad():
        each = [head.forward_head(view.to(device, torch.float32))[1] for view in views]
    return {task: torch.stack([one[task] for one in each]).mean(0).double().cpu().numpy() for task in head.tasks}
