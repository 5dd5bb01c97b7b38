import copy
import hashlib
import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from artpipe.embedding.embedder import Embedder
from artpipe.embedding.predictions import Predictions
from artpipe.images.pixels import PixelCache, decode_square
from artpipe.models.card import ModelCard, WeightsSource
from artpipe.models.ensemble import join_members
from artpipe.models.inference_form import multiplies_bfloat16
from artpipe.models.network import MultiTaskClassifier, build_model

CLASSES = {"style": ("Baroque", "Rococo", "Realism"), "type": ("portrait", "landscape")}


def made(backbone: str = "mobilenet_v3_small", px: int = 48) -> tuple[MultiTaskClassifier, ModelCard]:
    """A network with random weights whose batch norms have statistics of noise, so that embeddings differ."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, transform = build_model(backbone, {task: len(names) for task, names in CLASSES.items()}, px)
        for each in model.modules():
            if isinstance(each, torch.nn.BatchNorm2d):
                each.momentum = 1.0
        with torch.no_grad():
            model.train()(torch.randn(16, 3, px, px))
    card = ModelCard(CLASSES, transform, backbone, model.embedding_dim, WeightsSource("none", None), "v", 0, {})
    return model.eval(), card


def squares(count: int, px: int = 48) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, px, px, 3), dtype=np.uint8)


def jpegs(count: int) -> list[bytes]:
    files = []
    for number in range(count):
        out = io.BytesIO()
        Image.fromarray(squares(count, 60)[number]).save(out, "JPEG")
        files.append(out.getvalue())
    return files


def test_vectors_have_length_one_and_probabilities_sum_to_one():
    found = Embedder(*made(), device="cpu").embed_pixels(squares(5))
    assert found.vectors.shape == (5, 256)
    assert found.vectors.dtype == np.float32
    assert np.linalg.norm(found.vectors, axis=1) == pytest.approx(1, abs=1e-5)
    assert {task: each.shape for task, each in found.probabilities.items()} == {"style": (5, 3), "type": (5, 2)}
    assert found.probabilities["style"].sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_the_inference_form_gives_what_the_network_gives():
    model, card = made()
    embedder = Embedder(model, card, "cpu", "float32")
    given = torch.from_numpy(squares(3))
    std, mean = torch.tensor(card.transform.std), torch.tensor(card.transform.mean)
    with torch.inference_mode():
        embeddings, logits = model(((given / 255 - mean) / std).permute(0, 3, 1, 2))
    found = embedder.embed_pixels(given)
    assert np.allclose(found.vectors, torch.nn.functional.normalize(embeddings).numpy(), atol=1e-4)
    assert np.allclose(found.probabilities["type"], logits["type"].softmax(1).numpy(), atol=1e-4)


def test_features_are_the_output_of_the_backbone_itself_and_of_an_ensemble_that_of_the_pretrained_one():
    model, card = made()
    given = torch.from_numpy(squares(3))
    plain = Embedder(model, card, "cpu", "float32").embed_pixels(given, with_features=True)
    std, mean = torch.tensor(card.transform.std), torch.tensor(card.transform.mean)
    with torch.inference_mode():
        own = model.multi_level_backbone.body(((given / 255 - mean) / std).permute(0, 3, 1, 2))
    assert np.allclose(plain.features, own.numpy(), rtol=1e-3, atol=1e-3)
    finetuned = copy.deepcopy(model)
    with torch.no_grad():
        for weights in finetuned.backbone.parameters():
            weights.mul_(0.9)
    joint = Embedder(join_members(model, finetuned), replace(card, embedding_dim=512), "cpu", "float32")
    assert np.allclose(joint.embed_pixels(given, with_features=True).features, plain.features, rtol=1e-3, atol=1e-3)
    assert joint.embed_pixels(given).features is None


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_logits_are_divided_by_the_temperature_of_their_task(precision):
    model, card = made()
    plain = Embedder(model, card, "cpu", precision).embed_pixels(squares(4))
    scaled = Embedder(model, replace(card, temperatures={"style": 2.0}), "cpu", precision).embed_pixels(squares(4))
    raised = np.sqrt(plain.probabilities["style"])
    assert scaled.probabilities["style"] == pytest.approx(raised / raised.sum(axis=1, keepdims=True), abs=1e-5)
    assert np.array_equal(scaled.probabilities["type"], plain.probabilities["type"])
    assert np.array_equal(scaled.vectors, plain.vectors)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_vector_does_not_depend_on_its_batch(precision):
    embedder = Embedder(*made(), device="cpu", precision=precision)
    given = squares(16)
    together = embedder.embed_pixels(given).vectors
    alone = np.concatenate([embedder.embed_pixels(given[i : i + 1]).vectors for i in range(16)])
    assert (together * alone).sum(axis=1) == pytest.approx(1, abs=1e-5 if precision == "float32" else 1e-3)


def test_bfloat16_points_the_same_way():
    model, card = made()
    given = squares(4)
    fine = Embedder(model, card, "cpu", "float32").embed_pixels(given).vectors
    coarse = Embedder(model, card, "cpu", "bfloat16").embed_pixels(given).vectors
    assert ((fine * coarse).sum(axis=1) > 0.995).all()


def test_with_two_views_a_picture_and_its_mirror_image_have_the_same_embedding():
    model, card = made()
    given = squares(3)
    mirror = given[:, :, ::-1].copy()
    for views, is_same in ((1, False), (2, True)):
        embedder = Embedder(model, replace(card, config={"views": views}), "cpu", "float32")
        found, other = embedder.embed_pixels(given), embedder.embed_pixels(mirror)
        assert np.allclose(found.vectors, other.vectors, atol=1e-5) is is_same
        assert np.allclose(found.probabilities["style"], other.probabilities["style"], atol=1e-6) is is_same


def test_cached_pixels_give_the_same_vectors_in_order_in_batches(tmp_path):
    embedder = Embedder(*made(), device="cpu", precision="float32")
    files = jpegs(7)
    keys = [hashlib.sha256(each).hexdigest() for each in files]

    class Store:
        def jpegs(self, ids):
            return [files[int(each)] for each in ids]

    cache = PixelCache(tmp_path, embedder.image_px)
    cache.ensure([str(i) for i in range(7)], keys, Store())
    found = embedder.embed(cache.squares(cache.rows(keys)), batch_size=3)
    one_by_one = [embedder.embed_pixels(decode_square(each, embedder.image_px)[None]) for each in files]
    expected = Predictions.joined(one_by_one)
    assert np.allclose(found.vectors, expected.vectors, atol=1e-4)


def test_different_pictures_get_different_vectors():
    vectors = Embedder(*made(), device="cpu").embed_pixels(squares(4)).vectors
    assert ((vectors @ vectors.T) - np.eye(4)).max() < 0.98


def test_an_embedding_without_direction_is_refused():
    class ZeroFeatures(torch.nn.Module):
        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            return torch.zeros(len(pixels), 4)

    _, card = made()
    zero = MultiTaskClassifier(ZeroFeatures(), 4, {"style": 3}, 8)
    torch.nn.init.zeros_(zero.projection.bias)
    with pytest.raises(ValueError, match="has no direction"):
        Embedder(zero, card, "cpu").embed_pixels(squares(2))


def test_the_precision_is_a_property():
    model, card = made()
    assert Embedder(model, card, "cpu", "bfloat16").precision == "bfloat16"
    expected = "bfloat16" if multiplies_bfloat16() else "float32"
    assert Embedder(model, card, "cpu").precision == expected


class Canonical(torch.nn.Module):
    """Two features that can be worked out by hand: mean red and mean blue, after normalisation."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels.mean(dim=(2, 3))[:, [0, 2]]


def test_one_canonical_vector_is_pinned():
    _, card = made()
    model = MultiTaskClassifier(Canonical(), 2, {"style": 3}, 2)
    model.projection.load_state_dict({"weight": torch.eye(2), "bias": torch.zeros(2)})
    embedder = Embedder(model, card, "cpu", "float32")
    picture = np.zeros((1, 48, 48, 3), np.uint8)
    picture[..., 0] = 255  # red is (1 - 0.485) / 0.229 = 2.249, blue (0 - 0.406) / 0.225 = -1.804
    # GELU makes 2.2214 and -0.0643 of them.
    assert embedder.embed_pixels(picture).vectors[0] == pytest.approx([0.9996, -0.0289], abs=1e-4)
