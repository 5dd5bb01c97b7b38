import math

import numpy as np
import pytest
import torch

from artpipe.training.loss import MAX_CLASS_WEIGHT, MultiTaskLoss, class_weights, smoothed_targets, year_targets


def test_rows_without_a_label_do_not_count():
    loss = MultiTaskLoss({"style": torch.ones(2), "type": torch.ones(2)})
    logits = {"style": torch.tensor([[0.0, math.log(3)], [9.0, 0.0]]), "type": torch.zeros(2, 2)}
    labels = torch.tensor([[1, 0], [-1, -1]])
    # style: softmax of the first row gives class 1 three quarters; type: one half.
    assert loss(logits, labels).item() == pytest.approx(math.log(4 / 3) + math.log(2), abs=1e-6)


def test_a_batch_without_labels_has_zero_loss_and_gradient():
    loss = MultiTaskLoss({"style": torch.ones(3)}, label_smoothing=0.1)
    logits = torch.randn(2, 3, requires_grad=True)
    value = loss({"style": logits}, torch.tensor([[-1], [-1]]))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert float(logits.grad.abs().sum()) == 0


def test_a_class_with_a_larger_weight_has_a_larger_gradient():
    loss = MultiTaskLoss({"style": torch.tensor([1.0, 3.0])})
    logits = {"style": torch.tensor([[0.0, 0.0], [0.0, math.log(3)]])}
    # (1 x log 2 + 3 x log 4/3) / (1 + 3)
    expected = (math.log(2) + 3 * math.log(4 / 3)) / 4
    assert float(loss(logits, torch.tensor([[0], [1]]))) == pytest.approx(expected, abs=1e-6)


def test_class_weights_follow_the_root_of_the_frequency_and_average_to_one_over_rows():
    counts = np.array([900, 100])
    weights = class_weights(counts, 0.5).numpy()
    assert weights[1] / weights[0] == pytest.approx(3)
    assert (weights * counts).sum() / counts.sum() == pytest.approx(1)


def test_the_weight_of_a_rare_class_is_limited():
    weights = class_weights(np.array([100_000, 1]), 1.0).numpy()
    assert weights[1] / weights[0] == pytest.approx(MAX_CLASS_WEIGHT)


def test_no_balance_means_equal_weights():
    assert class_weights(np.array([900, 100, 0]), 0.0).tolist() == [1, 1, 1]


def test_predicting_a_neighbouring_period_costs_less_than_a_distant_one():
    loss = MultiTaskLoss({"period": torch.ones(3)}, targets={"period": year_targets((1600, 1700, 1900), 30.0)})
    sure = 5.0 * torch.eye(3)
    costs = [float(loss({"period": sure[[answer]]}, torch.tensor([[0]]))) for answer in range(3)]
    assert costs[0] < costs[1] < costs[2]


def test_targets_by_years_fall_by_e_with_each_stretch_of_years():
    targets = year_targets((1600, 1700, 1900), 100.0)
    assert targets.sum(1).numpy() == pytest.approx(1)
    assert float(targets[0, 0] / targets[0, 1]) == pytest.approx(math.e)
    assert float(targets[0, 0] / targets[0, 2]) == pytest.approx(math.exp(3))


def test_smoothing_spreads_its_share_over_all_classes():
    assert smoothed_targets(4, 0.2)[1].tolist() == pytest.approx([0.05, 0.85, 0.05, 0.05])
