import math

import pytest
import torch

from artpipe.models.network import MultiTaskClassifier
from artpipe.training.head import train_head
from artpipe.training.loss import MultiTaskLoss


def planted(count: int, views: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    """Features on very different scales, one of which depends on the class."""
    torch.manual_seed(0)
    labels = torch.arange(count) % 3
    features = torch.randn(views, count, 6) * torch.tensor([1, 100, 0.01, 1, 1, 1])
    features[:, :, 2] += 0.1 * labels
    return features, labels[:, None]


def made() -> MultiTaskClassifier:
    torch.manual_seed(0)
    return MultiTaskClassifier(torch.nn.Identity(), 6, {"type": 3}, 16, dropout=0.1)


def test_a_head_learns_from_features_whatever_their_scale():
    model = made()
    features, labels = planted(300)
    loss_of = MultiTaskLoss({"type": torch.ones(3)})
    train_head(model, features.half(), labels, loss_of, epochs=150)
    _, logits = model.forward_head(features[0])
    assert float((logits["type"].argmax(1) == labels[:, 0]).float().mean()) > 0.95
    assert not model.training, "dropout is off again"


def test_rows_without_a_label_change_nothing_but_the_norm():
    model = made()
    features, labels = planted(60)
    initial = model.heads[0].weight.detach().clone()
    train_head(model, features, torch.full_like(labels, -1), MultiTaskLoss({"type": torch.ones(3)}), epochs=2)
    assert torch.allclose(model.heads[0].weight, initial, rtol=1e-2), "weight decay alone"
    assert torch.allclose(model.norm.running_mean, features.flatten(0, 1).mean(0), atol=1e-3)


def test_a_single_picture_sets_the_mean_and_leaves_the_variance_and_its_loss_falls():
    model = made()
    features, labels = planted(1, views=1)
    loss_of = MultiTaskLoss({"type": torch.ones(3)})
    first = train_head(model, features, labels, loss_of, epochs=1)
    assert first == pytest.approx(math.log(3), rel=0.05), "every class starts as likely as any other"
    assert torch.equal(model.norm.running_mean, features[0, 0])
    assert torch.equal(model.norm.running_var, torch.ones(6)), "one row has no variance"
    assert train_head(model, features, labels, loss_of, epochs=200) < 0.5 * first
