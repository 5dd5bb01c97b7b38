import shutil
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from artpipe.embedding.inference import InferenceCache
from artpipe.engine.shards import LocalEngine
from artpipe.lake.parquet import write_table
from artpipe.lake.paths import DataLake
from artpipe.models.network import build_backbone
from artpipe.tasks import WGA_TASKS
from artpipe.training.config import TrainingConfig
from artpipe.training.features import VIEWS, BackboneFeatures, update_features
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


def held(features: BackboneFeatures) -> dict[str, str]:
    return {name: row.hex() for name, row in zip(*rows_of(features), strict=True)}


def rows_of(features: BackboneFeatures) -> tuple[list[str], list[bytes]]:
    names = sorted(features.table.keys())
    return names, [row for (row,) in features.table.take(names, ["features"]).values()]


def test_features_are_of_two_views(draw, lake, config):
    training_set, store = draw(24)
    update = update_features(training_set, store, lake, config)
    assert sorted(update.features.table.keys()) == training_set["artwork_id"].sort().to_list()
    assert update.computed == update.rows == training_set.height
    keys = training_set["jpeg_sha256"].to_list()[::-1]
    features = update.features.read(keys)
    assert features is not None
    assert features.shape == (VIEWS, training_set.height, update.width)
    assert not torch.equal(features[0], features[1])
    assert torch.equal(update.features.read([keys[3], keys[0], keys[3]])[0], features[0][[3, 0, 3]])


def test_features_are_read_only_where_all_are_there(draw, lake, config):
    training_set, store = draw(24)
    features = update_features(training_set.head(20), store, lake, config).features
    assert features.read(training_set["jpeg_sha256"].to_list()) is None
    assert features.read(training_set["jpeg_sha256"][:20].to_list(), "another backbone") is None


def test_only_new_pictures_are_computed_and_removed_ones_go(draw, tmp_path, config):
    training_set, store = draw(36)
    lake, other = DataLake(tmp_path / "lake"), DataLake(tmp_path / "other")
    previous = update_features(training_set.head(30), store, lake, config)
    after = update_features(training_set.tail(30), store, lake, config)
    assert after.computed == 6
    assert held(after.features) == held(update_features(training_set.tail(30), store, other, config).features)
    assert after.version != previous.version


def test_an_update_without_new_pictures_computes_nothing_and_changes_nothing(draw, lake, config):
    training_set, store = draw(24)
    previous = update_features(training_set, store, lake, config)
    before = held(previous.features)
    after = update_features(training_set.reverse(), store, lake, config)
    assert (after.computed, after.version) == (0, previous.version)
    assert held(after.features) == before
    assert update_features(training_set, store, lake, config, force=True).computed == training_set.height


def test_a_killed_update_goes_on_where_it_was(draw, lake, config, monkeypatch):
    monkeypatch.setattr("artpipe.engine.shards.SHARD_SIZE", 8)
    training_set, store = draw(24)
    whole = held(update_features(training_set, store, DataLake(lake.root / "other"), config).features)

    class Killed(LocalEngine):
        def map(self, work, shards):
            yield from super().map(work, shards[:2])
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        update_features(training_set, store, lake, config, engine=Killed())
    after = update_features(training_set, store, lake, config)
    assert after.computed == 8
    assert held(after.features) == whole


def test_another_image_size_is_computed_again(draw, lake, config):
    training_set, store = draw(24)
    previous = update_features(training_set, store, lake, config)
    after = update_features(training_set, store, lake, replace(config, image_px=48))
    assert after.computed == previous.computed
    assert after.version != previous.version


def test_a_backbone_without_weights_has_no_features_in_a_table_that_is_there(draw, lake, config):
    training_set, store = draw(24)
    update = update_features(training_set, store, lake, replace(config, weights="none"))
    assert (update.rows, update.computed, update.width, store.jpegs_read) == (0, 0, 0, 0)
    assert lake.lance("backbone_features").exists()


def test_the_parquet_file_of_an_older_lake_is_taken_over(draw, tmp_path, config):
    training_set, store = draw(24)
    old, new = DataLake(tmp_path / "old"), DataLake(tmp_path / "new")
    made = update_features(training_set, store, old, config)
    names, rows = rows_of(made.features)
    keys = made.features.table.keys()
    pooled = [np.frombuffer(row, np.float16).reshape(VIEWS, -1) for row in rows]
    older = pl.DataFrame(
        {
            "made_by": [keys[name].partition(":")[0] for name in names],
            "jpeg_sha256": [keys[name].partition(":")[2] for name in names],
            "features": np.stack(pooled),
        },
        schema_overrides={"features": pl.Array(pl.Float16, pooled[0].shape)},
    )
    write_table(new.table("backbone_features"), older)
    store.jpegs_read = 0
    after = update_features(training_set, store, new, config)
    assert (after.computed, store.jpegs_read, after.version) == (0, 0, made.version)
    assert held(after.features) == held(made.features)
    assert not new.table("backbone_features").exists()


def test_cached_features_give_the_same_model_and_unusable_ones_are_ignored(draw, tmp_path, lake, config):
    training_set, store = draw(36)
    fresh = train_classifier(training_set, store, lake, WGA_TASKS, config).card.model_id
    usable, other, fewer = (DataLake(tmp_path / name) for name in ("usable", "other", "fewer"))
    update_features(training_set, store, usable, config)
    update_features(training_set, store, other, replace(config, image_px=48))
    update_features(training_set.tail(20), store, fewer, config)
    for cached in map(BackboneFeatures, (usable, other, fewer)):
        assert train_classifier(training_set, store, lake, WGA_TASKS, config, features=cached).card.model_id == fresh
    table = BackboneFeatures(usable).table
    keys = table.keys()
    ((row,), *_) = table.take(list(keys), ["features"]).values()
    table.upsert(keys, {"features": [bytes(len(row))] * len(keys)})
    other_model = train_classifier(training_set, store, lake, WGA_TASKS, config, features=BackboneFeatures(usable)).card
    assert other_model.model_id != fresh, "cached features are what the head is trained on"


def test_a_model_with_a_frozen_backbone_predicts_from_cached_features(draw, lake, config):
    training_set, store = draw(24)
    probe = replace(config, recipe_name="probe", epochs=None)
    card = train_classifier(training_set, store, lake, WGA_TASKS, probe).card
    from_pixels = InferenceCache(lake, card, "cpu").infer(training_set, store)
    update_features(training_set.head(20), store, lake, config)
    shutil.rmtree(lake.cache("inference"))
    shutil.rmtree(lake.cache("pixels"))
    store.jpegs_read = 0
    from_features = InferenceCache(lake, card, "cpu").infer(training_set, store)
    assert store.jpegs_read == 4, "only pictures without cached features are decoded"
    assert np.allclose(from_features.vectors, from_pixels.vectors, atol=0.02)
    assert np.allclose(from_features.probabilities["type"], from_pixels.probabilities["type"], atol=0.02)
