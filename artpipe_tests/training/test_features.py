import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from artpipe.embedding.embedder import Embedder
from artpipe.embedding.inference import InferenceCache
from artpipe.models.network import build_backbone
from artpipe.training.config import TrainingConfig
from artpipe.training.features import VIEWS, features_in_order, update_features
from artpipe.training.loop import train_classifier

TINY = "test_efficientnet"


@pytest.fixture
def config(tmp_path) -> TrainingConfig:
    """Begins with a file of weights, which are random all the same."""
    torch.manual_seed(0)
    looking, _ = build_backbone(TINY, 32)
    torch.save(looking.body.state_dict(), tmp_path / "weights.pth")
    return TrainingConfig(
        backbone=TINY, weights=str(tmp_path / "weights.pth"), image_px=32, device="cpu", loader_workers=0, epochs=1
    )


def test_pictures_are_looked_at_in_two_views(draw, lake, config):
    training_set, store = draw(24)
    update = update_features(training_set, None, store, lake, config)
    assert update.table["jpeg_sha256"].to_list() == training_set["jpeg_sha256"].sort().to_list()
    assert update.computed == training_set.height
    keys = training_set["jpeg_sha256"].to_list()[::-1]
    seen = features_in_order(update.table, keys)
    assert seen.shape == (VIEWS, training_set.height, update.width)
    assert not torch.equal(seen[0], seen[1])
    one = update.table.filter(pl.col("jpeg_sha256") == keys[0])["features"].to_numpy()[0]
    assert np.array_equal(seen[:, 0], one)


def test_only_new_pictures_are_looked_at_and_gone_ones_go(draw, lake, config):
    training_set, store = draw(36)
    before = update_features(training_set.head(30), None, store, lake, config)
    after = update_features(training_set.tail(30), before.table, store, lake, config)
    assert after.computed == 6
    assert after.table.equals(update_features(training_set.tail(30), None, store, lake, config).table)
    assert after.version != before.version


def test_nothing_new_costs_nothing_and_is_the_same(draw, lake, config):
    training_set, store = draw(24)
    before = update_features(training_set, None, store, lake, config)
    after = update_features(training_set.reverse(), before.table, store, lake, config)
    assert (after.computed, after.version) == (0, before.version)
    assert after.table.equals(before.table)


def test_another_size_is_looked_at_anew(draw, lake, config):
    training_set, store = draw(24)
    before = update_features(training_set, None, store, lake, config)
    after = update_features(training_set, before.table, store, lake, replace(config, image_px=48))
    assert after.computed == before.computed
    assert after.version != before.version


def test_a_backbone_that_knows_nothing_is_not_asked(draw, lake, config):
    training_set, store = draw(24)
    update = update_features(training_set, None, store, lake, replace(config, weights="none"))
    assert (update.table.height, update.computed, update.width, store.asked) == (0, 0, 0, 0)


def test_kept_features_of_another_size_or_of_fewer_pictures_teach_nothing(draw, lake, config):
    training_set, store = draw(36)
    fresh = train_classifier(training_set, store, lake, config).card.model_id
    other = update_features(training_set, None, store, lake, replace(config, image_px=48)).table
    fewer = update_features(training_set.tail(20), None, store, lake, config).table
    for kept in (other, fewer):
        assert train_classifier(training_set, store, lake, config, features=kept).card.model_id == fresh


def test_kept_features_train_the_very_model_that_fresh_ones_do(draw, lake, config):
    training_set, store = draw(36)
    kept = update_features(training_set, None, store, lake, config).table
    with_kept = train_classifier(training_set, store, lake, config, features=kept).card
    assert train_classifier(training_set, store, lake, config).card.model_id == with_kept.model_id


def test_a_model_that_is_a_head_alone_judges_kept_features_as_it_would_the_pictures(draw, lake, config, monkeypatch):
    training_set, store = draw(24)
    probe = replace(config, recipe_name="probe", epochs=None)
    card = train_classifier(training_set, store, lake, probe).card
    looked = InferenceCache(lake, card, "cpu").infer(training_set, store)
    kept = update_features(training_set.head(20), None, store, lake, config).table
    lake.table("backbone_features").parent.mkdir(parents=True)
    kept.write_parquet(str(lake.table("backbone_features")))
    ran: list[int] = []
    usual = Embedder.embed_pixels
    monkeypatch.setattr(Embedder, "embed_pixels", lambda self, given: ran.append(len(given)) or usual(self, given))
    shutil.rmtree(lake.cache("inference"))
    judged = InferenceCache(lake, card, "cpu").infer(training_set, store)
    assert sum(ran) == 4, "only pictures without features are looked at"
    assert np.allclose(judged.vectors, looked.vectors, atol=0.02)
    assert np.allclose(judged.probabilities["type"], looked.probabilities["type"], atol=0.02)
