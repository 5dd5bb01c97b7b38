import urllib.error

import pytest
import torch
from safetensors.torch import save_file

from artpipe.errors import BadSettingError
from artpipe.models.backbones import BackboneInputError, UnknownBackboneError
from artpipe.models.network import (
    build_backbone,
    build_model,
    choose_device,
)
from artpipe.models.weights import WeightsMismatchError, WeightsUnavailableError, load_backbone_weights

CLASSES = {"style": 3, "type": 2}
TINY = "test_efficientnet"  # timm's own model for tests


def test_an_embedding_and_one_set_of_logits_for_each_task():
    model, spec = build_model("mobilenet_v3_small", CLASSES, 32)
    embeddings, logits = model.eval()(torch.zeros(2, 3, 32, 32))
    assert embeddings.shape == (2, 256)
    assert {task: tuple(each.shape) for task, each in logits.items()} == {"style": (2, 3), "type": (2, 2)}
    assert (spec.size, spec.mean) == (32, (0.485, 0.456, 0.406))


@pytest.mark.parametrize(("name", "own"), [("resnet18", 512), ("shufflenet_v2_x0_5", 1024), (TINY, 256)])
def test_other_backbones_lose_their_own_classifier(name, own):
    backbone, _ = build_backbone(name, 64)
    assert backbone.body(torch.zeros(1, 3, 64, 64)).shape == (1, own)


def test_an_embedding_has_the_requested_length():
    model, _ = build_model(TINY, CLASSES, 32, embedding_dim=24)
    assert model.embedding_dim == 24
    assert model.eval()(torch.zeros(2, 3, 32, 32))[0].shape == (2, 24)


def test_normalisation_comes_from_the_backbone():
    assert build_model("tf_efficientnet_lite0", {}, 32)[1].mean == (0.5, 0.5, 0.5)


def test_an_unknown_backbone_gets_close_names():
    with pytest.raises(UnknownBackboneError, match=r"did you mean .*mobilenet_v3_small"):
        build_model("mobilenet_v3_smal", CLASSES, 32)


def test_an_image_size_that_the_backbone_refuses_names_the_setting():
    with pytest.raises(BackboneInputError, match="unset ARTPIPE_TRAIN_IMAGE_PX, or set it to 224"):
        build_model("vit_b_32", {}, 48)


def test_a_file_of_weights_fills_the_backbone_whatever_its_classifier(tmp_path):
    donor, _ = build_model(TINY, CLASSES, 32)
    state = {**donor.backbone.body.state_dict(), "classifier.weight": torch.zeros(5, 5)}
    torch.save(state, tmp_path / "donor.pth")
    save_file({key: value.contiguous() for key, value in state.items()}, tmp_path / "donor.safetensors")
    for name in ("donor.pth", "donor.safetensors"):
        model, _ = build_model(TINY, CLASSES, 32)
        source = load_backbone_weights(model.backbone, TINY, str(tmp_path / name))
        assert source.name == name
        assert len(source.sha256 or "") == 64
        assert_same_backbone(donor, model)


def test_the_weights_of_a_trained_artpipe_model_can_be_loaded(tmp_path):
    donor, _ = build_model(TINY, CLASSES, 32)
    save_file({key: value.contiguous() for key, value in donor.state_dict().items()}, tmp_path / "model.safetensors")
    model, _ = build_model(TINY, {"period": 4}, 32)
    load_backbone_weights(model.backbone, TINY, str(tmp_path / "model.safetensors"))
    assert_same_backbone(donor, model)


def assert_same_backbone(one, other):
    there = other.backbone.state_dict()
    assert all(torch.equal(value, there[key]) for key, value in one.backbone.state_dict().items())


def test_weights_of_another_architecture_are_refused(tmp_path):
    donor, _ = build_model("resnet18", {}, 32)
    torch.save(donor.backbone.body.state_dict(), tmp_path / "resnet.pth")
    model, _ = build_model(TINY, CLASSES, 32)
    with pytest.raises(WeightsMismatchError, match=r"resnet.pth is not for the backbone 'test_efficientnet'"):
        load_backbone_weights(model.backbone, TINY, str(tmp_path / "resnet.pth"))


@pytest.mark.parametrize("name", ["text.pth", "text.safetensors"])
def test_a_file_without_weights_is_refused(tmp_path, name):
    (tmp_path / name).write_text("hello, this is not a state dict")
    model, _ = build_model(TINY, CLASSES, 32)
    with pytest.raises(WeightsMismatchError, match="cannot be read as weights"):
        load_backbone_weights(model.backbone, TINY, str(tmp_path / name))


def test_a_missing_file_is_named(tmp_path):
    model, _ = build_model(TINY, CLASSES, 32)
    with pytest.raises(WeightsUnavailableError, match=r"no weights file .*gone.pth"):
        load_backbone_weights(model.backbone, TINY, str(tmp_path / "gone.pth"))


def test_a_failed_download_names_both_alternatives(monkeypatch):
    def no_connection(*_args: object, **_kwargs: object) -> None:
        raise urllib.error.URLError("Name or service not known")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", no_connection)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", no_connection)
    model, _ = build_model("mobilenet_v3_small", CLASSES, 32)
    with pytest.raises(WeightsUnavailableError, match=r"BACKBONE_WEIGHTS=none .*BACKBONE_WEIGHTS=<file>"):
        load_backbone_weights(model.backbone, "mobilenet_v3_small", "imagenet")


def test_no_weights_leave_the_random_initialisation():
    model, _ = build_model(TINY, CLASSES, 32)
    initial = {key: value.clone() for key, value in model.state_dict().items()}
    assert load_backbone_weights(model.backbone, TINY, "none").sha256 is None
    assert all(torch.equal(value, initial[key]) for key, value in model.state_dict().items())


def test_a_device_can_be_named():
    assert choose_device("cpu").type == "cpu"


def test_weights_of_a_training_that_diverged_are_refused(tmp_path):
    backbone, _ = build_backbone(TINY, 32)
    state = backbone.body.state_dict()
    first = next(key for key, value in state.items() if value.is_floating_point())
    state[first].view(-1)[0] = float("nan")
    torch.save(state, tmp_path / "diverged.pth")
    with pytest.raises(WeightsMismatchError, match=f"not finite in 1 tensors, such as '{first}'"):
        load_backbone_weights(backbone, TINY, str(tmp_path / "diverged.pth"))


def test_a_device_that_is_not_here_is_refused_by_its_variable(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(BadSettingError, match="ARTPIPE_DEVICE=cuda: PyTorch sees no such device"):
        choose_device("cuda")
    assert choose_device("cpu") == torch.device("cpu")
