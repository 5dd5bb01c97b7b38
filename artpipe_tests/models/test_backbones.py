import copy
import pickle
import threading

import pytest
import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from artpipe.models.backbones import MultiLevelBackbone, find_levels
from artpipe.models.network import build_backbone


class Steps(nn.Module):
    """Three modules: the first and second give maps of one shape, the third halves it and doubles the channels."""

    def __init__(self) -> None:
        super().__init__()
        self.low = nn.Sequential(nn.Conv2d(3, 4, 1), nn.ReLU())
        self.same = nn.Sequential(nn.Conv2d(4, 4, 1), nn.ReLU())
        self.high = nn.Sequential(nn.Conv2d(4, 8, 2, 2), nn.ReLU())
        self.last = nn.Linear(8, 5)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.last(self.high(self.same(self.low(pixels))).mean((2, 3)))


def test_a_level_ends_where_the_map_changes_its_shape():
    assert find_levels(Steps(), 16) == ("same", "high")


def test_a_map_that_the_network_pools_itself_is_not_a_level():
    steps = Steps()
    steps.last = nn.Identity()
    assert find_levels(steps, 16) == ("same",)


@pytest.mark.parametrize(
    ("name", "levels", "features"),
    [
        ("tf_efficientnet_lite0", 7, 1280 + 16 + 24 + 40 + 80 + 112 + 192 + 320),
        ("mobilenet_v3_small", 6, 576 + 16 + 16 + 24 + 40 + 48 + 96),
        ("resnet18", 3, 512 + 64 + 128 + 256),
        ("swin_t", 4, 768 + 96 + 192 + 384 + 768),  # its maps have their channels last
        ("vit_b_16", 0, 768),  # all its parts give one shape
    ],
)
def test_the_levels_of_well_known_networks(name, levels, features):
    backbone, _ = build_backbone(name, 224)
    assert len(backbone.levels) == levels
    with torch.inference_mode():
        assert backbone(torch.zeros(2, 3, 224, 224)).shape == (2, features)


def test_features_are_the_networks_own_and_then_the_mean_of_each_level():
    steps = Steps()
    backbone = MultiLevelBackbone(steps, ("same", "high"))
    pixels = torch.randn(2, 3, 16, 16)
    same = steps.same(steps.low(pixels))
    expected = torch.cat([steps(pixels), same.mean((2, 3)), steps.high(same).mean((2, 3))], dim=1)
    assert torch.allclose(backbone(pixels), expected, atol=1e-6)


def test_copies_and_threads_do_not_mix_their_forward_passes():
    backbone = MultiLevelBackbone(Steps(), ("same", "high"))
    other = copy.deepcopy(backbone)
    pixels = torch.randn(4, 3, 16, 16)
    expected = backbone(pixels)
    outputs: list[torch.Tensor] = []

    def run() -> None:
        with torch.inference_mode():
            for _ in range(50):
                outputs.extend((backbone(pixels), other(pixels)))

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outputs) == 400
    assert all(torch.allclose(each, expected) for each in outputs)


def test_a_backbone_sent_to_another_process_keeps_its_levels_whatever_is_hooked_there(monkeypatch):
    monkeypatch.setattr(RemovableHandle, "next_id", 50)
    backbone = MultiLevelBackbone(Steps(), ("same", "high"))
    expected = backbone(torch.ones(1, 3, 8, 8))
    sent = pickle.dumps(backbone)
    monkeypatch.setattr(RemovableHandle, "next_id", 0)  # as in a process that has hooked nothing yet
    received: MultiLevelBackbone = pickle.loads(sent)  # noqa: S301 - of this test
    level = received.body.get_submodule("high")
    for handle in [level.register_forward_hook(lambda *_: None) for _ in range(100)]:
        handle.remove()
    assert torch.equal(received(torch.ones(1, 3, 8, 8)), expected)


def test_the_lowest_levels_are_the_modules_that_compute_them():
    backbone = MultiLevelBackbone(Steps(), ("same", "high"))
    lowest = backbone.lowest_levels(1)
    assert [id(each) for each in lowest] == [id(backbone.body.low[0]), id(backbone.body.same[0])]
    assert backbone.lowest_levels(0) == []
    assert len(backbone.lowest_levels(9)) == 3
