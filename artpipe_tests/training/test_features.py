import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from artpipe.embedding.inference import InferenceCache
from artpipe.models.network import build_backbone
from artpipe.tasks import WGA_TASKS
from artpipe.training.config import TrainingConfig
from artpipe.training.features import VIEWS, features_in_order, update_features
from artpipe.training.loop import train_classifier

TINY = "test_efficientnet"


@pytest.fixture
def config(tmp_path) -> TrainingConfig:
    """Starts from a weights file, which holds random weights."""
    torch.manual_seed(0)
    backbone, _ = build_backbone(TINY, 32)
    torch.save(backbone.body.state_dict(), tmp_path / "weights.pth")
    return TrainingConfig(
        backbone=TINY, weights=str(tmp_path / "weights.pth"), image_px=32, device="cpu", loader_workers=0, epochs=1
    )


def test_features_are_of_two_views(draw, lake, config):
    training_set, store = draw(24)
    update = update_features(training_set, None, store, lake, config)
    assert update.table["jpeg_sha256"].to_list() == training_set["jpeg_sha256"].sort().to_list()
    assert update.computed == training_set.height
    keys = training_set["jpeg_sha256"].to_list()[::-1]
    features = features_in_order(update.table, keys)
    assert features.shape == (VIEWS, training_set.height, update.width)
    assert not torch.equal(features[0], features[1])
    one = update.table.filter(pl.col("jpeg_sha256") == keys[0])["features"].to_numpy()[0]
    assert np.array_equal(features[:, 0], one)


def test_only_new_pictures_are_computed_and_removed_ones_go(draw, lake, config):
    training_set, store = draw(36)
    previous = update_features(training_set.head(30), None, store, lake, config)
    after = update_features(training_set.tail(30), previous.table, store, lake, config)
    assert after.computed == 6
    assert after.table.equals(update_features(training_set.tail(30), None, store, lake, config).table)
    assert after.version != previous.version


def test_an_update_without_new_pictures_computes_nothing_and_changes_nothing(draw, lake, config):
    training_set, store = draw(24)
    previous = update_features(training_set, None, store, lake, config)
    after = update_features(training_set.reverse(), previous.table, store, lake, config)
    assert (after.computed, after.version) == (0, previous.version)
    assert after.table.equals(previous.table)


def test_another_image_size_is_computed_again(draw, lake, config):
    training_set, store = draw(24)
    previous = update_features(training_set, None, store, lake, config)
    after = update_features(training_set, previous.table, store, lake, replace(config, image_px=48))
    assert after.computed == previous.computed
    assert after.version != previous.version


def test_a_backbone_without_weights_has_no_features(draw, lake, config):
    training_set, store = draw(24)
    update = update_features(training_set, None, store, lake, replace(config, weights="none"))
    assert (update.table.height, update.computed, update.width, store.jpegs_read) == (0, 0, 0, 0)


def test_cached_features_give_the_same_model_and_unusable_ones_are_ignored(draw, lake, config):
    training_set, store = draw(36)
    fresh = train_classifier(training_set, store, lake, WGA_TASKS, config).card.model_id
    usable = update_features(training_set, None, store, lake, config).table
    other = update_features(training_set, None, store, lake, replace(config, image_px=48)).table
    fewer = update_features(training_set.tail(20), None, store, lake, config).table
    for cached in (usable, other, fewer):
        assert train_classifier(training_set, store, lake, WGA_TASKS, config, features=cached).card.model_id == fresh
    zeros = pl.Series("features", np.zeros_like(usable["features"].to_numpy()), usable.schema["features"])
    other_model = train_classifier(
        training_set, store, lake, WGA_TASKS, config, features=usable.with_columns(zeros)
    ).card
    assert other_model.model_id != fresh, "cached features are what the head is trained on"


def test_a_model_with_a_frozen_backbone_predicts_from_cached_features(draw, lake, config):
    training_set, store = draw(24)
    probe = replace(config, recipe_name="probe", epochs=None)
    card = train_classifier(training_set, store, lake, WGA_TASKS, probe).card
    from_pixels = InferenceCache(lake, card, "cpu").infer(training_set, store)
    cached = update_features(training_set.head(20), None, store, lake, config).table
    lake.table("backbone_features").parent.mkdir(parents=True)
    cached.write_parquet(str(lake.table("backbone_features")))
    shutil.rmtree(lake.cache("inference"))
    shutil.rmtree(lake.cache("pixels"))
    store.jpegs_read = 0
    from_features = InferenceCache(lake, card, "cpu").infer(training_set, store)
    assert store.jpegs_read == 4, "only pictures without cached features are decoded"
    assert np.allclose(from_features.vectors, from_pixels.vectors, atol=0.02)
    assert np.allclose(from_features.probabilities["type"], from_pixels.probabilities["type"], atol=0.02)
