"""Vision transformers of each family that the recipe `foundation` names, tiny and with random weights from a file.

They are the classes that hold the real weights, built by timm with fewer and smaller blocks.
"""

from pathlib import Path
from typing import Any

import pytest
import requests
import timm
import torch
from safetensors.torch import save_file
from timm.models import generate_default_cfgs, register_model
from torch import Tensor, nn

from artpipe.models.backbones import BackboneInputError, named_body
from artpipe.models.network import build_backbone
from artpipe.models.weights import WeightsMismatchError, WeightsUnavailableError, load_backbone_weights

FAMILIES = {
    "tiny_dinov2": ("vit_small_patch14_reg4_dinov2", 56),
    "tiny_dinov3": ("vit_small_patch16_dinov3", 64),
    "tiny_siglip2": ("vit_base_patch16_siglip_256", 64),
    "tiny_clip": ("vit_base_patch32_clip_224", 64),
    "tiny_eva": ("eva02_tiny_patch14_224", 56),
}
BLOCKS, WIDTH = 4, 24
default_cfgs = generate_default_cfgs(
    {f"{name}.random": {"input_size": (3, px, px), "fixed_input_size": True} for name, (_, px) in FAMILIES.items()}
)


def tiny(name: str, options: dict[str, Any]) -> nn.Module:
    real, px = FAMILIES[name]
    size = {"img_size": px, "depth": BLOCKS, "embed_dim": WIDTH, "num_heads": 2, **options}
    return timm.create_model(real, **{**size, "pretrained": False})


@register_model
def tiny_dinov2(**options: Any) -> nn.Module:
    return tiny("tiny_dinov2", options)


@register_model
def tiny_dinov3(**options: Any) -> nn.Module:
    return tiny("tiny_dinov3", options)


@register_model
def tiny_siglip2(**options: Any) -> nn.Module:
    return tiny("tiny_siglip2", options)


@register_model
def tiny_clip(**options: Any) -> nn.Module:
    return tiny("tiny_clip", options)


@register_model
def tiny_eva(**options: Any) -> nn.Module:
    return tiny("tiny_eva", options)


def random_state(name: str) -> dict[str, Tensor]:
    with torch.random.fork_rng():
        torch.manual_seed(1)
        state = named_body(name)[0].state_dict()
        return {key: torch.randn_like(value) / 8 for key, value in state.items()}


@pytest.mark.parametrize("name", FAMILIES)
def test_every_tensor_of_a_file_reaches_its_place(tmp_path: Path, name: str):
    state = random_state(name)
    save_file({**state, "head.weight": torch.zeros(5, WIDTH)}, tmp_path / "weights.safetensors")
    px = FAMILIES[name][1]
    backbone, _ = build_backbone(name, px, depths=2)
    load_backbone_weights(backbone, name, str(tmp_path / "weights.safetensors"))
    loaded = backbone.body.state_dict()
    assert loaded.keys() == state.keys()
    assert [key for key, value in state.items() if not torch.equal(loaded[key], value)] == []
    with torch.inference_mode():
        assert backbone(torch.randn(2, 3, px, px)).shape == (2, 3 * WIDTH)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_transformer_takes_pictures_of_other_sizes_than_its_weights_were_trained_on(tmp_path: Path, name: str):
    state = random_state(name)
    save_file(state, tmp_path / "weights.safetensors")
    px = FAMILIES[name][1] * 2
    backbone, transform = build_backbone(name, px)
    load_backbone_weights(backbone, name, str(tmp_path / "weights.safetensors"))
    assert transform.size == px
    loaded = backbone.body.state_dict()
    resampled = {key for key, value in state.items() if loaded[key].shape != value.shape}
    assert resampled <= {"pos_embed"}
    assert all(torch.equal(loaded[key], state[key]) for key in state.keys() - resampled)


def test_the_blocks_that_are_read_are_spread_evenly_up_to_the_last():
    assert build_backbone("tiny_dinov2", 56, depths=2)[0].levels == ("blocks.1", "blocks.3")
    assert build_backbone("tiny_dinov2", 56, depths=9)[0].levels == tuple(f"blocks.{n}" for n in range(BLOCKS))
    assert build_backbone("tiny_dinov2", 56)[0].levels == ()


def test_patches_that_resemble_the_class_token_count_most():
    backbone, _ = build_backbone("tiny_clip", 64, depths=1)
    tokens = torch.zeros(1, 5, WIDTH)  # a class token and four patches
    tokens[0, 0, 0] = tokens[0, 1, 0] = 10.0
    tokens[0, 2:, 1] = 10.0

    with backbone.body.get_submodule("blocks.3").register_forward_hook(lambda *_: tokens, prepend=True):
        pooled = backbone(torch.zeros(1, 3, 64, 64))[0, WIDTH:]
    assert pooled[0] > 0.9 * 10, "the one patch that is like it, and not the three others"


def test_a_file_of_open_clips_own_names_is_converted(tmp_path: Path):
    state = random_state("tiny_siglip2")
    foreign = {f"visual.trunk.{key}": value for key, value in state.items()}
    of_words = {"logit_scale": torch.ones(()), "text.token_embedding.weight": torch.ones(3, 3)}
    torch.save({**foreign, **of_words}, tmp_path / "clip.pt")
    backbone, _ = build_backbone("tiny_siglip2", 64)
    load_backbone_weights(backbone, "tiny_siglip2", str(tmp_path / "clip.pt"))
    loaded = backbone.body.state_dict()
    assert all(torch.equal(loaded[key], value) for key, value in state.items())


def test_a_size_that_a_transformer_cannot_take_names_those_it_can():
    with pytest.raises(BackboneInputError, match=r"'tiny_dinov2' .* patches of 14 px.* set it to 56 or 98 or 112"):
        build_backbone("tiny_dinov2", 100)


def test_weights_of_another_family_are_refused_by_name(tmp_path: Path):
    save_file(random_state("tiny_eva"), tmp_path / "eva.safetensors")
    backbone, _ = build_backbone("tiny_dinov2", 56)
    with pytest.raises(WeightsMismatchError, match=r"eva.safetensors is not for the backbone 'tiny_dinov2'"):
        load_backbone_weights(backbone, "tiny_dinov2", str(tmp_path / "eva.safetensors"))


def test_without_a_connection_one_line_says_what_to_download_from_where(monkeypatch: pytest.MonkeyPatch):
    def no_connection(*_: object, **__: object) -> None:
        raise requests.ConnectionError("no route to host\nand more")

    backbone, _ = build_backbone("test_efficientnet", 32)
    monkeypatch.setattr("timm.create_model", no_connection)
    monkeypatch.setattr("requests.head", no_connection)
    name = "vit_base_patch16_siglip_256.v2_webli"
    address = f"https://huggingface.co/timm/{name}/resolve/main/model.safetensors"
    with pytest.raises(WeightsUnavailableError, match=f"no route to host\\).*BACKBONE_WEIGHTS=<file>.*{address}"):
        load_backbone_weights(backbone, name, "imagenet")
