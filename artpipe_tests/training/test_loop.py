import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch

from artpipe.embedding.embedder import Embedder
from artpipe.embedding.predictions import Predictions
from artpipe.images.pixels import decode_square
from artpipe.models.checkpoint import load_model
from artpipe.models.network import build_backbone, build_model
from artpipe.models.transforms import Normalise
from artpipe.training import loop
from artpipe.training.config import TrainingConfig
from artpipe.training.dataset import PixelBatch
from artpipe.training.loop import DivergedError, Epoch, NothingToTrainError, train_classifier, training_set_version
from artpipe.training.loss import MultiTaskLoss
from artpipe.training.step import make_optimizer, set_learning_rate, train_step

QUICK = TrainingConfig(
    backbone="test_efficientnet", weights="none", image_px=32, epochs=2, batch_size=16, device="cpu", loader_workers=0
)


class Killed(BaseException):
    """Stands for the end of the process."""


def test_one_batch_can_be_learned_by_heart(jpeg):
    torch.manual_seed(0)
    kinds = ["portrait", "landscape", "other"] * 4
    squares = torch.from_numpy(np.stack([decode_square(jpeg(kind, "Baroque", i), 32) for i, kind in enumerate(kinds)]))
    labels = torch.tensor([[i % 3] for i in range(len(kinds))])
    batch = PixelBatch(squares, labels, torch.ones(12), torch.zeros(12), torch.arange(12))
    model, spec = build_model("test_efficientnet", {"type": 3}, 32)
    optimizer = make_optimizer(model, replace(QUICK, learning_rate=3e-3))
    loss_of, normalise = MultiTaskLoss({"type": torch.ones(3)}), Normalise(spec, torch.device("cpu"))
    model.train()
    losses = [float(train_step(model, loss_of, optimizer, normalise, batch, 5.0)) for _ in range(60)]
    assert losses[0] > 0.5
    assert losses[-1] < 0.05


def test_a_drawn_gallery_is_learned_from_its_training_rows(draw, lake):
    training_set, store = draw(120)
    epochs: list[Epoch] = []
    trained = train_classifier(
        training_set, store, lake, replace(QUICK, epochs=12, learning_rate=4e-3), on_epoch=epochs.append
    )
    card = load_model(trained.folder).card
    assert card.metrics["validation_accuracy"]["type"] > 0.8, "colours tell the types apart"
    assert set(card.classes) == {"style", "type"}, "nobody knows a period"
    assert card.training_set_version == training_set_version(training_set)
    assert [entry["epoch"] for entry in card.history] == [each.epoch for each in epochs]
    assert not list(lake.checkpoints.iterdir()), "a finished run leaves no checkpoint"


def test_temperatures_are_fitted_to_the_kept_weights_and_not_to_the_last(draw, lake, monkeypatch):
    from artpipe.training import temperature

    training_set, store = draw(60)
    monkeypatch.setattr(temperature, "FEWEST_ROWS", 10)
    scores = iter([0.9, 0.1])  # the first epoch is kept, the second one is the last
    usual = loop._Run._validate
    monkeypatch.setattr(loop._Run, "_validate", lambda *given: (usual(*given)[0], {"type": next(scores)}))
    asked: list[np.ndarray] = []
    fit = temperature.fit_temperature
    monkeypatch.setattr(
        temperature, "fit_temperature", lambda logits, labels: asked.append(logits) or fit(logits, labels)
    )
    trained = train_classifier(training_set, store, lake, replace(QUICK, learning_rate=0.02))
    loaded = load_model(trained.folder)
    assert loaded.card.best_epoch == 1
    rows = training_set.filter(pl.col("split") == "validation").sort("artwork_id")
    squares = np.stack([decode_square(jpeg, 32) for jpeg in store.jpegs(rows["artwork_id"].to_list())])
    with torch.inference_mode():
        _, logits = loaded.model(Normalise(loaded.card.transform, torch.device("cpu"))(torch.from_numpy(squares)))
    for found, task in zip(asked, loaded.card.classes, strict=True):
        assert np.allclose(found, logits[task].numpy(), atol=1e-4)
    told = loaded.card.metrics["calibration"]
    assert loaded.card.temperatures == {task: told[task]["temperature"] for task in loaded.card.classes}
    assert told["type"]["rows"] == rows.height
    assert told["type"]["loss_after"] <= told["type"]["loss_before"]


def test_the_same_seed_gives_the_same_model_and_another_seed_another(draw, lake):
    training_set, store = draw(36)
    first = train_classifier(training_set, store, lake, QUICK)
    shuffled = training_set.sample(fraction=1, shuffle=True, seed=3)
    assert train_classifier(shuffled, store, lake, QUICK).card.model_id == first.card.model_id
    assert train_classifier(training_set, store, lake, replace(QUICK, seed=1)).card.model_id != first.card.model_id


def test_a_killed_run_ends_at_the_same_weights(draw, tmp_path):
    from artpipe.lake.paths import DataLake

    training_set, store = draw(36)
    config = replace(QUICK, epochs=3)
    whole = train_classifier(training_set, store, DataLake(tmp_path / "whole"), config)

    def die_after_the_first(epoch: Epoch) -> None:
        if epoch.epoch == 1:
            raise Killed

    lake = DataLake(tmp_path / "killed")
    with pytest.raises(Killed):
        train_classifier(training_set, store, lake, config, on_epoch=die_after_the_first)
    torch.rand(7)  # what the next process draws in between changes nothing
    seen: list[int] = []
    resumed = train_classifier(training_set, store, lake, config, on_epoch=lambda epoch: seen.append(epoch.epoch))
    assert resumed.resumed_after_epoch == 1
    assert seen == [2, 3]
    assert resumed.card.model_id == whole.card.model_id


def test_a_checkpoint_of_another_training_set_is_not_resumed(draw, lake):
    training_set, store = draw(36)

    def die(_: Epoch) -> None:
        raise Killed

    with pytest.raises(Killed):
        train_classifier(training_set, store, lake, QUICK, on_epoch=die)
    fewer = training_set.head(30)
    assert train_classifier(fewer, store, lake, QUICK).resumed_after_epoch == 0


def test_test_rows_decide_nothing(draw, lake):
    training_set, store = draw(48)
    tested = training_set.with_columns(
        pl.when(pl.int_range(pl.len()) >= 36).then(pl.lit("test")).otherwise(pl.col("split")).alias("split")
    )
    spoiled = tested.with_columns(
        pl.when(pl.col("split") == "test").then(pl.lit("Rococo")).otherwise(pl.col("style")).alias("style")
    )
    one, other = (train_classifier(each, store, lake, QUICK) for each in (tested, spoiled))
    assert one.card.history[-1]["train_loss"] == other.card.history[-1]["train_loss"]
    assert one.card.metrics == other.card.metrics


def test_twelve_pictures_without_validation_train_all_epochs(draw, lake):
    training_set, store = draw(12, None)
    card = train_classifier(training_set, store, lake, QUICK).card
    assert card.ended == "all epochs, without validation rows to stop by"
    assert card.best_epoch == 2
    assert card.metrics == {"validation_accuracy": {}, "validation_loss": None, "calibration": {}}
    assert card.temperatures == {}


def test_training_stops_when_validation_no_longer_gains(draw, lake):
    training_set, store = draw(36)
    card = train_classifier(training_set, store, lake, replace(QUICK, epochs=50, patience=1, learning_rate=1e-9)).card
    assert card.ended == "no better validation accuracy for 1 epochs"
    assert len(card.history) < 50


def test_too_few_rows_and_no_labels_are_refused(draw, lake):
    training_set, store = draw(12, None)
    with pytest.raises(NothingToTrainError, match="1 training rows"):
        train_classifier(training_set.head(1), store, lake, QUICK)
    nameless = training_set.with_columns(pl.lit(None, pl.String).alias("style"), pl.lit(None, pl.String).alias("type"))
    with pytest.raises(NothingToTrainError, match="0 of the labels"):
        train_classifier(nameless, store, lake, QUICK)


def test_a_class_of_one_work_is_learned_with_the_rest(draw, lake):
    training_set, store = draw(18, None)
    rare = training_set.with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("Mannerism")).otherwise(pl.col("style")).alias("style")
    )
    card = train_classifier(rare, store, lake, QUICK).card
    assert "Mannerism" in card.classes["style"]
    assert math.isfinite(card.history[-1]["train_loss"])


def test_a_loss_that_is_no_number_ends_the_run_and_names_the_batch(draw, lake, monkeypatch):
    training_set, store = draw(36, None)
    usual, calls = loop.train_step, []

    def break_in_the_second_epoch(*given):
        calls.append(1)
        return torch.tensor(float("nan")) if len(calls) == 5 else usual(*given)

    monkeypatch.setattr(loop, "train_step", break_in_the_second_epoch)
    with pytest.raises(DivergedError, match=r"nan in epoch 2, batch 2 of 3 \(d/drawn/.*epoch 1 is kept.*LEARNING_RATE"):
        train_classifier(training_set, store, lake, QUICK)
    assert len(list(lake.checkpoints.iterdir())) == 1


def test_a_broken_loss_changes_no_weights():
    model, spec = build_model("test_efficientnet", {"type": 3}, 32)
    optimizer = make_optimizer(model, QUICK)
    batch = PixelBatch(
        torch.zeros(2, 32, 32, 3, dtype=torch.uint8),
        torch.tensor([[0], [1]]),
        torch.full((2,), float("nan")),
        torch.zeros(2),
        torch.arange(2),
    )
    before = [each.detach().clone() for each in model.parameters()]
    normalise = Normalise(spec, torch.device("cpu"))
    loss = train_step(model, MultiTaskLoss({"type": torch.ones(3)}), optimizer, normalise, batch, 5.0)
    assert not bool(loss.isfinite())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_backbone_may_learn_slower_than_the_heads_and_norms_do_not_decay():
    model, _ = build_model("test_efficientnet", {"type": 3}, 32)
    usual = TrainingConfig(backbone="test_efficientnet", weights="imagenet", image_px=32)
    assert {group["lr"] for group in make_optimizer(model, usual).param_groups} == {1e-3}
    config = replace(usual, recipe_changes={"backbone_rate_share": 0.3})
    groups = make_optimizer(model, config).param_groups
    assert sorted({group["lr"] for group in groups}) == pytest.approx([3e-4, 1e-3])
    decayed = {id(each) for group in groups if group["weight_decay"] for each in group["params"]}
    assert all((id(each) in decayed) == (each.ndim > 1) for each in model.parameters())


def test_the_learning_rate_rises_and_falls():
    model, _ = build_model("test_efficientnet", {"type": 3}, 32)
    optimizer = make_optimizer(model, replace(QUICK, learning_rate=1.0))
    rates = [set_learning_rate(optimizer, step, 100, 0.1) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[9] == pytest.approx(1)
    assert rates[54] == pytest.approx(0.52, abs=0.01)
    assert rates[-1] < 0.001


@pytest.fixture
def from_file(tmp_path) -> TrainingConfig:
    """Begins with a file of weights, which are random all the same."""
    torch.manual_seed(0)
    looking, _ = build_backbone("test_efficientnet", 32)
    torch.save(looking.body.state_dict(), tmp_path / "weights.pth")
    return replace(QUICK, weights=str(tmp_path / "weights.pth"))


def test_a_probe_trains_the_head_and_leaves_the_backbone_as_it_is(draw, lake, from_file):
    training_set, store = draw(60)
    epochs: list[Epoch] = []
    trained = train_classifier(
        training_set, store, lake, replace(from_file, recipe_name="probe", epochs=None), on_epoch=epochs.append
    )
    loaded = load_model(trained.folder)
    given = torch.load(from_file.weights, weights_only=True)
    there = loaded.model.backbone.body.state_dict()
    assert all(torch.equal(value, there[key]) for key, value in given.items())
    assert [epoch.epoch for epoch in epochs] == [1]
    assert loaded.card.ended == "the head alone was trained"
    assert loaded.card.views == 2
    assert loaded.card.metrics["validation_accuracy"]["type"] > 0.8, "colours tell the types apart"


def test_fine_tuning_leaves_the_lowest_levels_as_they_are(draw, lake, from_file):
    training_set, store = draw(36)
    changes = {"frozen_levels": 2, "head_epochs": 0}
    trained = train_classifier(training_set, store, lake, replace(from_file, recipe_changes=changes))
    there = load_model(trained.folder).model.backbone.body.state_dict()
    given = torch.load(from_file.weights, weights_only=True)
    same = {key.rpartition(".")[0] for key, value in given.items() if torch.equal(value, there[key])}
    moved = {key.rpartition(".")[0] for key, value in given.items() if not torch.equal(value, there[key])}
    assert {"conv_stem", "bn1"} <= same - moved
    assert all(not name.startswith(("blocks.0", "blocks.1")) for name in moved)
    assert any(name.startswith("blocks.4") for name in moved)


def test_the_average_of_the_weights_is_what_is_kept(draw, lake, from_file):
    training_set, store = draw(36)

    def projection(learning_rate: float, decay: float) -> torch.Tensor:
        changes = {"average_decay": decay, "head_epochs": 0}
        config = replace(from_file, epochs=1, learning_rate=learning_rate, recipe_changes=changes)
        return load_model(train_classifier(training_set, store, lake, config).folder).model.projection.weight.detach()

    start, last, average = projection(1e-12, 0.0), projection(1e-3, 0.0), projection(1e-3, 0.999)
    assert 0 < float((average - start).norm()) < 0.9 * float((last - start).norm()), "it moves more slowly"


def test_a_killed_fine_tuning_ends_at_the_same_weights(draw, tmp_path, from_file):
    from artpipe.lake.paths import DataLake

    training_set, store = draw(36)
    config = replace(from_file, epochs=3)
    whole = train_classifier(training_set, store, DataLake(tmp_path / "whole"), config)

    def kill(epoch: Epoch) -> None:
        if epoch.epoch == 2:
            raise Killed

    lake = DataLake(tmp_path / "killed")
    with pytest.raises(Killed):
        train_classifier(training_set, store, lake, config, on_epoch=kill)
    resumed = train_classifier(training_set, store, lake, config)
    assert resumed.resumed_after_epoch == 2
    assert resumed.card.model_id == whole.card.model_id


def test_the_network_as_it_was_judges_beside_what_it_became(draw, lake, from_file):
    training_set, store = draw(60)
    epochs: list[Epoch] = []
    trained = train_classifier(training_set, store, lake, from_file, on_epoch=epochs.append)
    loaded = load_model(trained.folder)
    given = torch.load(from_file.weights, weights_only=True)
    before = loaded.model.backbone.before.body.state_dict()
    after = loaded.model.backbone.after.body.state_dict()
    assert all(torch.equal(value, before[key]) for key, value in given.items())
    assert any(not torch.equal(value, after[key]) for key, value in given.items())
    assert [epoch.epoch for epoch in epochs] == [1, 2, 3]
    assert trained.card.best_epoch in (2, 3), "the head alone is half of the model, and not all of it"
    assert not trained.card.is_head_alone
    assert loaded.model.features == trained.card.features == from_file.dimensions


def test_the_validation_of_two_networks_is_that_of_the_saved_model(draw, lake, from_file):
    training_set, store = draw(60)
    card = train_classifier(training_set, store, lake, from_file).card
    rows = training_set.filter(pl.col("split") == "validation")
    embedder = Embedder.of(load_model(lake.model(card.model_id)), "cpu", "float32")
    embedder.card = replace(embedder.card, config={**card.config, "views": 1})  # as it is validated
    found = Predictions.joined(embedder.embed_jpegs(store.jpegs(rows["artwork_id"].to_list())))
    truth = np.array([card.classes["type"].index(name) for name in rows["type"]])
    assert (found.probabilities["type"].argmax(1) == truth).mean() == card.metrics["validation_accuracy"]["type"]


def test_twelve_pictures_without_validation_are_fine_tuned_too(draw, lake, from_file):
    training_set, store = draw(12, None)
    trained = train_classifier(training_set, store, lake, from_file)
    assert trained.card.ended == "all epochs, without validation rows to stop by"
    assert trained.card.best_epoch == 3, "the head, and two passes over the pictures"
    assert load_model(trained.folder).card.is_twofold
