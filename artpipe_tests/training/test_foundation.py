"""The recipe `foundation`: a head on the blocks of a frozen vision transformer."""

import numpy as np
import torch

from artpipe.embedding.inference import InferenceCache
from artpipe.models.checkpoint import load_model
from artpipe.models.network import build_backbone
from artpipe.tasks import WGA_TASKS
from artpipe.training.config import TrainingConfig
from artpipe.training.features import update_features
from artpipe.training.loop import train_classifier

TINY, WIDTH = "test_vit", 64


def test_a_model_reads_as_many_blocks_when_it_is_loaded_as_when_it_was_trained(draw, lake, tmp_path):
    torch.manual_seed(0)
    torch.save(build_backbone(TINY, 32)[0].body.state_dict(), tmp_path / "weights.pth")
    config = TrainingConfig(
        backbone=TINY,
        weights=str(tmp_path / "weights.pth"),
        recipe_name="foundation",
        depths=2,
        image_px=32,
        device="cpu",
        loader_workers=0,
    )
    training_set, store = draw(36)
    features = update_features(training_set, store, lake, config)
    assert features.width == 3 * WIDTH, "its own output, and two blocks"
    trained = train_classifier(training_set, store, lake, WGA_TASKS, config, features=features.features)
    assert trained.card.depths == 2
    loaded = load_model(trained.folder)
    assert loaded.model.projection.in_features == features.width
    rows = training_set.head(8)
    embedded = InferenceCache(lake, trained.card, "cpu").infer(rows, store)
    cached = features.features.read(rows["jpeg_sha256"].to_list())
    assert cached is not None
    with torch.inference_mode():
        expected = torch.nn.functional.normalize(loaded.model.forward_head(cached[0].float())[0])
    assert np.einsum("ij,ij->i", embedded.vectors, expected.numpy()).min() > 0.995, "but for rounding to 16 bits"


def test_features_of_other_depths_are_others(draw, lake, tmp_path):
    torch.save(build_backbone(TINY, 32)[0].body.state_dict(), tmp_path / "weights.pth")
    training_set, store = draw(12)
    versions = {
        update_features(training_set, store, lake, config).version
        for depths in (0, 1, 2)
        if (config := TrainingConfig(TINY, str(tmp_path / "weights.pth"), "probe", depths, 32, device="cpu"))
    }
    assert len(versions) == 3
