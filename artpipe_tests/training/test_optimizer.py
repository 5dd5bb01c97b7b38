"""One training step, the optimiser's parameter groups and the learning-rate schedule."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from artpipe.images.pixels import decode_square
from artpipe.models.network import build_model
from artpipe.models.transforms import Normalise
from artpipe.training.config import TrainingConfig
from artpipe.training.dataset import PixelBatch
from artpipe.training.loss import MultiTaskLoss
from artpipe.training.optimizer import make_optimizer, set_learning_rate, train_step

QUICK = TrainingConfig(backbone="test_efficientnet", weights="none", image_px=32, epochs=2, batch_size=16, device="cpu")


def test_one_batch_can_be_overfitted(jpeg):
    torch.manual_seed(0)
    kinds = ["portrait", "landscape", "other"] * 4
    squares = torch.from_numpy(np.stack([decode_square(jpeg(kind, "Baroque", i), 32) for i, kind in enumerate(kinds)]))
    labels = torch.tensor([[i % 3] for i in range(len(kinds))])
    batch = PixelBatch(squares, labels, torch.ones(12), torch.zeros(12), torch.arange(12))
    model, spec = build_model("test_efficientnet", {"type": 3}, 32)
    optimizer = make_optimizer(model, replace(QUICK, learning_rate=3e-3))
    loss_of, normalise = MultiTaskLoss({"type": torch.ones(3)}), Normalise(spec, torch.device("cpu"))
    model.train()
    losses = [float(train_step(model, loss_of, optimizer, normalise, batch, 5.0)) for _ in range(60)]
    assert losses[0] > 0.5
    assert losses[-1] < 0.05


def test_a_loss_that_is_not_finite_changes_no_weights():
    model, spec = build_model("test_efficientnet", {"type": 3}, 32)
    optimizer = make_optimizer(model, QUICK)
    batch = PixelBatch(
        torch.zeros(2, 32, 32, 3, dtype=torch.uint8),
        torch.tensor([[0], [1]]),
        torch.full((2,), float("nan")),
        torch.zeros(2),
        torch.arange(2),
    )
    initial = [each.detach().clone() for each in model.parameters()]
    normalise = Normalise(spec, torch.device("cpu"))
    loss = train_step(model, MultiTaskLoss({"type": torch.ones(3)}), optimizer, normalise, batch, 5.0)
    assert not bool(loss.isfinite())
    assert all(torch.equal(a, b) for a, b in zip(initial, model.parameters(), strict=True))


def test_a_backbone_may_learn_slower_than_the_heads_and_norms_do_not_decay():
    model, _ = build_model("test_efficientnet", {"type": 3}, 32)
    default = TrainingConfig(backbone="test_efficientnet", weights="imagenet", image_px=32)
    assert {group["lr"] for group in make_optimizer(model, default).param_groups} == {1e-3}
    config = replace(default, recipe_changes={"backbone_rate_share": 0.3})
    groups = make_optimizer(model, config).param_groups
    assert sorted({group["lr"] for group in groups}) == pytest.approx([3e-4, 1e-3])
    decayed = {id(each) for group in groups if group["weight_decay"] for each in group["params"]}
    assert all((id(each) in decayed) == (each.ndim > 1) for each in model.parameters())


def test_the_learning_rate_rises_and_falls():
    model, _ = build_model("test_efficientnet", {"type": 3}, 32)
    optimizer = make_optimizer(model, replace(QUICK, learning_rate=1.0))
    rates = [set_learning_rate(optimizer, step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1)
    assert rates[54] == pytest.approx(0.52, abs=0.01)
    assert rates[-1] < 0.001
