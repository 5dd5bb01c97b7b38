import pytest
import torch

from artpipe.models import inference_form as module
from artpipe.models.backbones import MultiLevelBackbone
from artpipe.models.inference_form import fold_batch_norms
from artpipe.models.network import build_backbone


def made(name: str) -> MultiLevelBackbone:
    """A backbone with random weights whose batch norms have seen noise."""
    torch.manual_seed(0)
    backbone, _ = build_backbone(name, 48)
    for each in backbone.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            each.momentum = 1.0
    with torch.no_grad():
        backbone.train()(torch.randn(16, 3, 48, 48))
    return backbone.eval()


@pytest.mark.parametrize("backbone", ["mobilenet_v3_small", "test_efficientnet", "tf_efficientnet_lite0"])
def test_every_batch_norm_is_folded_into_its_convolution(backbone):
    backbone = made(backbone)
    folded = fold_batch_norms(backbone, 48)
    assert not [each for each in folded.modules() if isinstance(each, torch.nn.BatchNorm2d)]
    assert [each for each in backbone.modules() if isinstance(each, torch.nn.BatchNorm2d)], "the model stays as it was"
    pixels = torch.randn(2, 3, 48, 48)
    with torch.inference_mode():
        assert torch.allclose(folded(pixels), backbone(pixels), rtol=1e-3, atol=1e-3)


def test_folding_is_undone_where_it_would_change_features(monkeypatch):
    backbone = made("mobilenet_v3_small")

    def spoil(body: torch.nn.Module, _: torch.Tensor) -> None:
        next(body.parameters()).data.zero_()

    monkeypatch.setattr(module, "_fold", spoil)
    kept = fold_batch_norms(backbone, 48)
    assert bool(next(kept.parameters()).any())
