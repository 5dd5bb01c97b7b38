from dataclasses import replace

import polars as pl
import pytest
import torch

from artpipe.models.card import ModelCard, TransformSpec, WeightsSource
from artpipe.models.checkpoint import load_model, save_model
from artpipe.models.labels import Labels
from artpipe.models.learned import LEARNED, LEARNED_FILE, load_learned
from artpipe.models.network import build_backbone, build_model
from artpipe.models.served import Pointer, Serving, write_pointer
from artpipe.tasks import WGA_TASKS
from artpipe.training.config import FINETUNE, TrainingConfig
from artpipe.training.loop import train_classifier
from artpipe.training.warm_start import can_start_from, model_to_start_from, start_from

TINY = "test_efficientnet"
QUICK = TrainingConfig(
    backbone=TINY, weights="none", image_px=32, epochs=1, batch_size=16, device="cpu", loader_workers=0, warm_start=True
)


def saved(lake, classes: dict[str, tuple[str, ...]], seed: int = 0):
    torch.manual_seed(seed)
    model, transform = build_model(TINY, {task: len(names) for task, names in classes.items()}, 32)
    card = ModelCard(classes, transform, TINY, model.embedding_dim, WeightsSource("none", None), "v", seed, {})
    return load_model(save_model(lake, model.state_dict(), card)[1])


def test_heads_are_copied_class_by_class_and_new_classes_start_fresh(lake):
    start = saved(lake, {"style": ("Baroque", "Rococo", "Realism"), "type": ("portrait",)})
    labels = Labels({"style": ("Mannerism", "Realism", "Baroque"), "period": ("1550-1650",)})
    torch.manual_seed(7)
    model, _ = build_model(TINY, {"style": 3, "period": 1}, 32)
    fresh = [head.weight.detach().clone() for head in model.heads]
    source = start_from(model, labels, start)
    assert source == WeightsSource("model", None, start.card.model_id)
    assert torch.equal(model.heads[0].weight[1], start.model.heads[0].weight[2]), "Realism"
    assert torch.equal(model.heads[0].weight[2], start.model.heads[0].weight[0]), "Baroque"
    assert torch.equal(model.heads[0].bias[2], start.model.heads[0].bias[0])
    assert torch.equal(model.heads[0].weight[0], fresh[0][0]), "Mannerism is new"
    assert torch.equal(model.heads[1].weight, fresh[1]), "the whole task is new"
    state, copied = start.model.backbone.state_dict(), model.backbone.state_dict()
    assert all(torch.equal(state[key], copied[key]) for key in state)


@pytest.mark.parametrize(("backbone", "size", "can"), [(TINY, 32, True), ("resnet18", 32, False), (TINY, 64, False)])
def test_only_the_same_backbone_and_transform_can_be_started_from(lake, backbone: str, size: int, can: bool):
    card = saved(lake, {"type": ("portrait",)}).card
    assert (
        can_start_from(
            card, replace(QUICK, backbone=backbone), TransformSpec(size, card.transform.mean, card.transform.std)
        )
        is can
    )


def test_a_warm_start_is_recorded_on_the_card_and_is_deterministic(draw, lake):
    training_set, store = draw(24)
    first = train_classifier(training_set, store, lake, WGA_TASKS, QUICK).card
    assert first.weights_source == WeightsSource("none", None), "nothing was served yet"
    write_pointer(lake, Pointer(Serving(first.model_id)))
    start = model_to_start_from(lake)
    assert start is not None
    second = train_classifier(training_set, store, lake, WGA_TASKS, QUICK, start=start).card
    assert second.weights_source == WeightsSource("model", None, first.model_id)
    assert second.config["backbone_rate_share"] == FINETUNE.backbone_rate_share, "it is not trained from scratch"
    assert train_classifier(training_set, store, lake, WGA_TASKS, QUICK, start=start).card.model_id == second.model_id
    assert second.model_id != first.model_id


def test_a_served_model_of_another_backbone_is_not_started_from(draw, lake):
    training_set, store = draw(24)
    start = saved(lake, {"type": ("portrait",)})
    other = replace(start, card=replace(start.card, backbone="resnet18"))
    card = train_classifier(training_set, store, lake, WGA_TASKS, QUICK, start=other).card
    assert card.weights_source == WeightsSource("none", None)


def test_a_model_is_saved_with_its_training_and_validation_rows(draw, lake):
    training_set, store = draw(30)
    tested = training_set.with_columns(
        pl.when(pl.int_range(pl.len()) >= 24).then(pl.lit("test")).otherwise(pl.col("split")).alias("split")
    )
    trained = train_classifier(tested, store, lake, WGA_TASKS, QUICK)
    learned = load_learned(trained.folder)
    assert learned is not None
    assert set(learned["artwork_id"]) == set(tested.filter(pl.col("split") != "test")["artwork_id"])
    assert learned.schema == LEARNED
    assert trained.card.rows == {"train": 18, "validation": 6, "test": 6, "unseen_artists": 0}


def test_a_model_that_started_from_one_without_a_record_has_none_either(draw, lake):
    training_set, store = draw(24)
    first = train_classifier(training_set, store, lake, WGA_TASKS, QUICK)
    start = load_model(first.folder)
    (first.folder / LEARNED_FILE).unlink()
    second = train_classifier(training_set, store, lake, WGA_TASKS, QUICK, start=start)
    assert second.card.weights_source.model_id == first.card.model_id
    assert load_learned(second.folder) is None, "its own rows alone would pass for all that it saw"


def test_a_damaged_served_model_is_not_started_from(lake):
    assert model_to_start_from(lake) is None
    served = saved(lake, {"type": ("portrait",)}).card.model_id
    write_pointer(lake, Pointer(Serving(served)))
    (lake.model(served) / "model.safetensors").write_bytes(b"damaged")
    assert model_to_start_from(lake) is None


def test_a_warm_start_from_an_ensemble_takes_its_finetuned_member(draw, lake, tmp_path):
    training_set, store = draw(36)
    torch.manual_seed(0)
    backbone, _ = build_backbone(TINY, 32)
    torch.save(backbone.body.state_dict(), tmp_path / "weights.pth")
    config = replace(QUICK, weights=str(tmp_path / "weights.pth"))
    first = train_classifier(training_set, store, lake, WGA_TASKS, config)
    start = load_model(first.folder)
    second = train_classifier(training_set, store, lake, WGA_TASKS, replace(config, learning_rate=1e-12), start=start)
    assert second.card.weights_source.model_id == first.card.model_id
    backbone = load_model(second.folder).model.backbone
    learned, given = start.model.backbone.finetuned.body.state_dict(), torch.load(config.weights, weights_only=True)
    assert torch.equal(backbone.finetuned.body.state_dict()["conv_stem.weight"], learned["conv_stem.weight"])
    assert all(torch.equal(value, backbone.pretrained.body.state_dict()[key]) for key, value in given.items())


def test_a_probe_starts_from_no_model(lake):
    card = saved(lake, {"type": ("portrait",)}).card
    probe = replace(QUICK, weights="imagenet", recipe_name="probe", epochs=None)
    assert not can_start_from(card, probe, card.transform)
