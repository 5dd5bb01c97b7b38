"""Whole training runs of a tiny network on drawn pictures."""

import math
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
import pytest
import torch

from artpipe.embedding.embedder import Embedder
from artpipe.images.pixels import decode_square
from artpipe.lake.paths import DataLake
from artpipe.models.checkpoint import LoadedModel, load_model
from artpipe.models.ensemble import EnsembleBackbone
from artpipe.models.labels import Labels
from artpipe.models.network import build_backbone
from artpipe.models.transforms import Normalise
from artpipe.tasks import WGA_TASKS
from artpipe.training import epochs as epochs_module
from artpipe.training import temperature
from artpipe.training.config import TrainingConfig
from artpipe.training.epochs import DivergedError
from artpipe.training.history import Epoch
from artpipe.training.loop import (
    TrainedModel,
    train_classifier,
    training_set_version,
)
from artpipe.training.loss import MultiTaskLoss
from artpipe.training.reuse import find_trained_model
from artpipe.training.warm_start import can_start_from
from artpipe_tests.fixtures.drawn_pictures import Drawn, draw_gallery

QUICK = TrainingConfig(
    backbone="test_efficientnet", weights="none", image_px=32, epochs=2, batch_size=16, device="cpu", loader_workers=0
)


class Killed(BaseException):
    """Stands for the end of the process."""


@pytest.fixture(scope="module")
def from_file(tmp_path_factory) -> TrainingConfig:
    """Starts from a weights file, which holds random weights."""
    path = tmp_path_factory.mktemp("weights") / "weights.pth"
    with torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save(build_backbone("test_efficientnet", 32)[0].body.state_dict(), path)
    return replace(QUICK, weights=str(path))


@dataclass
class Run:
    """A finished run, for several tests to look at."""

    rows: pl.DataFrame
    store: Drawn
    epochs: list[Epoch]
    trained: TrainedModel
    loaded: LoadedModel


def run(folder, config: TrainingConfig, count: int) -> Run:
    rows, store = draw_gallery(count)
    epochs: list[Epoch] = []
    trained = train_classifier(rows, store, DataLake(folder / "lake"), WGA_TASKS, config, on_epoch=epochs.append)
    return Run(rows, store, epochs, trained, load_model(trained.folder))


@pytest.fixture(scope="module")
def ensemble_run(tmp_path_factory, from_file) -> Run:
    return run(tmp_path_factory.mktemp("ensemble"), from_file, 60)


@pytest.fixture(scope="module")
def probe_run(tmp_path_factory, from_file) -> Run:
    return run(tmp_path_factory.mktemp("probe"), replace(from_file, recipe_name="probe", epochs=None), 60)


def test_a_drawn_gallery_is_learned_from_its_training_rows(tmp_path):
    done = run(tmp_path, replace(QUICK, epochs=12, learning_rate=4e-3), 120)
    card = done.loaded.card
    assert card.metrics["validation_accuracy"]["type"] > 0.8, "colours tell the types apart"
    assert set(card.classes) == {"style", "type"}, "no period is labelled"
    assert card.training_set_version == training_set_version(done.rows)
    assert [entry["epoch"] for entry in card.history] == [each.epoch for each in done.epochs] == list(range(1, 13))
    assert not list((tmp_path / "lake").rglob("*.pt")), "a finished run leaves no checkpoint"


def test_temperatures_are_fitted_to_the_best_epoch_and_not_to_the_last(draw, lake, monkeypatch):
    training_set, store = draw(60)
    monkeypatch.setattr(temperature, "MIN_ROWS", 10)
    scores = iter([0.9, 0.1])  # the first epoch is the best, the second one is the last
    evaluate = epochs_module.evaluate
    monkeypatch.setattr(epochs_module, "evaluate", lambda *given: (evaluate(*given)[0], {"type": next(scores)}))
    fitted_on: list[np.ndarray] = []
    fit = temperature.fit_temperature
    monkeypatch.setattr(
        temperature, "fit_temperature", lambda logits, labels: fitted_on.append(logits) or fit(logits, labels)
    )
    loaded = load_model(
        train_classifier(training_set, store, lake, WGA_TASKS, replace(QUICK, learning_rate=0.02)).folder
    )
    assert loaded.card.best_epoch == 1
    rows = training_set.filter(pl.col("split") == "validation").sort("artwork_id")
    squares = np.stack([decode_square(jpeg, 32) for jpeg in store.jpegs(rows["artwork_id"].to_list())])
    with torch.inference_mode():
        _, logits = loaded.model(Normalise(loaded.card.transform, torch.device("cpu"))(torch.from_numpy(squares)))
    for found, task in zip(fitted_on, loaded.card.classes, strict=True):
        assert np.allclose(found, logits[task].numpy(), atol=1e-4)
    fitted = loaded.card.metrics["calibration"]
    assert loaded.card.temperatures == {task: fitted[task]["temperature"] for task in loaded.card.classes}
    assert fitted["type"]["rows"] == rows.height
    assert fitted["type"]["loss_after"] <= fitted["type"]["loss_before"]


def test_the_same_seed_gives_the_same_model_and_another_seed_another(draw, lake):
    training_set, store = draw(36)
    first = train_classifier(training_set, store, lake, WGA_TASKS, QUICK)
    shuffled = training_set.sample(fraction=1, shuffle=True, seed=3)
    assert train_classifier(shuffled, store, lake, WGA_TASKS, QUICK).card.model_id == first.card.model_id
    assert (
        train_classifier(training_set, store, lake, WGA_TASKS, replace(QUICK, seed=1)).card.model_id
        != first.card.model_id
    )


def killed(training_set, store, lake, config: TrainingConfig, after: int) -> None:
    def kill(epoch: Epoch) -> None:
        if epoch.epoch == after:
            raise Killed

    with pytest.raises(Killed):
        train_classifier(training_set, store, lake, WGA_TASKS, config, on_epoch=kill)


@pytest.mark.parametrize(("is_ensemble", "after"), [(False, 1), (True, 1), (True, 2)])
def test_a_killed_run_ends_at_the_same_weights(draw, tmp_path, from_file, is_ensemble, after):
    training_set, store = draw(36)
    config = replace(from_file if is_ensemble else QUICK, epochs=3)
    assert config.is_ensemble is is_ensemble
    whole = train_classifier(training_set, store, DataLake(tmp_path / "whole"), WGA_TASKS, config)
    lake = DataLake(tmp_path / "killed")
    killed(training_set, store, lake, config, after)
    torch.rand(7)  # random numbers that the next process draws in between change nothing
    epochs: list[int] = []
    resumed = train_classifier(
        training_set, store, lake, WGA_TASKS, config, on_epoch=lambda epoch: epochs.append(epoch.epoch)
    )
    assert resumed.resumed_after_epoch == after
    assert epochs == list(range(after + 1, len(whole.card.history) + 1))
    for name in ("train_loss", "validation_loss"):  # of every epoch, whichever is the best
        assert [each[name] for each in resumed.card.history] == [each[name] for each in whole.card.history]
    assert resumed.card.model_id == whole.card.model_id


def test_a_checkpoint_of_another_training_set_is_not_resumed(draw, lake):
    training_set, store = draw(36)
    killed(training_set, store, lake, QUICK, 1)
    assert train_classifier(training_set.head(30), store, lake, WGA_TASKS, QUICK).resumed_after_epoch == 0


def test_test_rows_do_not_influence_training(draw, lake):
    training_set, store = draw(48)
    tested = training_set.with_columns(
        pl.when(pl.int_range(pl.len()) >= 36).then(pl.lit("test")).otherwise(pl.col("split")).alias("split")
    )
    spoiled = tested.with_columns(
        pl.when(pl.col("split") == "test").then(pl.lit("Rococo")).otherwise(pl.col("style")).alias("style")
    )
    one, other = (train_classifier(each, store, lake, WGA_TASKS, QUICK) for each in (tested, spoiled))
    assert one.card.history[-1]["train_loss"] == other.card.history[-1]["train_loss"]
    assert one.card.metrics == other.card.metrics


@pytest.mark.parametrize(("is_ensemble", "epochs"), [(False, 2), (True, 3)])
def test_twelve_pictures_without_validation_train_all_epochs(draw, lake, from_file, is_ensemble, epochs):
    training_set, store = draw(12, None)
    trained = train_classifier(training_set, store, lake, WGA_TASKS, from_file if is_ensemble else QUICK)
    card = load_model(trained.folder).card
    assert card.is_ensemble is is_ensemble
    assert card.ended == "all epochs, without validation rows to stop by"
    assert card.best_epoch == epochs
    assert card.metrics == {"validation_accuracy": {}, "validation_loss": None, "calibration": {}}
    assert card.temperatures == {}


def test_early_stopping_ends_training_when_validation_no_longer_gains(draw, lake):
    training_set, store = draw(36)
    card = train_classifier(
        training_set, store, lake, WGA_TASKS, replace(QUICK, epochs=50, patience=1, learning_rate=1e-9)
    ).card
    assert card.ended == "no better validation accuracy for 1 epochs"
    assert len(card.history) < 50


@pytest.mark.parametrize(
    ("rows", "labelled", "why"),
    [
        (0, True, "there are 0 training pictures, and 2 are needed"),
        (1, True, "there are 1 training pictures, and 2 are needed"),
        (12, False, "no training picture has a label (style, period, type)"),
    ],
)
def test_where_there_is_nothing_to_learn_the_model_embeds_and_predicts_nothing(
    draw, lake, from_file, rows, labelled, why
):
    training_set, store = draw(12, None)
    if not labelled:
        training_set = training_set.with_columns(style=pl.lit(None, pl.String), type=pl.lit(None, pl.String))
    training_set = training_set.head(rows)
    for config in (QUICK, from_file):  # from_file would train an ensemble
        card = train_classifier(training_set, store, lake, WGA_TASKS, config).card
        assert card.ended == f"nothing could be trained: {why}"
        labels = Labels.of(training_set, WGA_TASKS)
        assert find_trained_model(lake, card.training_set_version, config, labels) == card, "it is not made again"
        loaded = load_model(lake.model(card.model_id))
        squares = np.random.default_rng(0).integers(0, 255, (3, 32, 32, 3), dtype=np.uint8)
        predictions = Embedder.of(loaded).embed_pixels(squares)
        assert predictions.vectors.shape == (3, config.embedding_dim)
        assert predictions.probabilities == {}
        assert not can_start_from(card, config, card.transform)


def test_a_class_of_one_work_is_learned_with_the_rest(draw, lake):
    training_set, store = draw(18, None)
    rare = training_set.with_columns(
        pl.when(pl.int_range(pl.len()) == 0).then(pl.lit("Mannerism")).otherwise(pl.col("style")).alias("style")
    )
    card = train_classifier(rare, store, lake, WGA_TASKS, QUICK).card
    assert "Mannerism" in card.classes["style"]
    assert math.isfinite(card.history[-1]["train_loss"])


def test_a_loss_that_is_not_finite_ends_the_run_and_names_the_batch(draw, lake, monkeypatch):
    training_set, store = draw(36, None)
    forward, calls = MultiTaskLoss.forward, []

    def diverge_in_the_second_epoch(*given):
        calls.append(1)
        return torch.tensor(float("nan")) if len(calls) == 5 else forward(*given)

    monkeypatch.setattr(MultiTaskLoss, "forward", diverge_in_the_second_epoch)
    with pytest.raises(DivergedError, match=r"nan in epoch 2, batch 2 of 3 \(d/drawn/.*epoch 1 is kept.*LEARNING_RATE"):
        train_classifier(training_set, store, lake, WGA_TASKS, QUICK)
    assert len(list(lake.checkpoints.iterdir())) == 1


def test_a_probe_trains_the_head_and_leaves_the_backbone_frozen(probe_run, from_file):
    card = probe_run.loaded.card
    given = torch.load(from_file.weights, weights_only=True)
    saved = probe_run.loaded.model.backbone.body.state_dict()
    assert all(torch.equal(value, saved[key]) for key, value in given.items())
    assert [epoch.epoch for epoch in probe_run.epochs] == [1]
    assert card.ended == "the head alone was trained"
    assert card.is_head_only
    assert card.views == 2
    assert card.metrics["validation_accuracy"]["type"] > 0.8, "colours tell the types apart"


def test_the_temperatures_of_a_probe_are_suited_to_artists_that_were_left_out(draw, lake, from_file):
    rows, store = draw(480)
    artist = pl.int_range(pl.len()) % 7
    by_artist = rows.with_columns(  # a style that shows in no picture
        artist_id=pl.format("artist {}", artist),
        style=pl.when(artist % 2 == 0).then(pl.lit("Baroque")).otherwise(pl.lit("Rococo")),
    )
    config = replace(from_file, recipe_name="probe", epochs=None, recipe_changes={"head_epochs": 60})
    card = train_classifier(by_artist, store, lake, WGA_TASKS, config).card
    assert card.metrics["calibration"]["style"]["unseen_artists"] > 1
    unknown = by_artist.with_columns(artist_id=pl.lit(None, pl.String))
    card = train_classifier(unknown, store, lake, WGA_TASKS, config).card
    assert card.metrics["calibration"]["style"]["unseen_artists"] == 1


def test_fine_tuning_leaves_the_lowest_levels_frozen(draw, lake, from_file):
    training_set, store = draw(36)
    changes = {"frozen_levels": 2, "head_epochs": 0}
    trained = train_classifier(training_set, store, lake, WGA_TASKS, replace(from_file, recipe_changes=changes))
    saved = load_model(trained.folder).model.backbone.body.state_dict()
    given = torch.load(from_file.weights, weights_only=True)
    same = {key.rpartition(".")[0] for key, value in given.items() if torch.equal(value, saved[key])}
    changed = {key.rpartition(".")[0] for key, value in given.items() if not torch.equal(value, saved[key])}
    assert {"conv_stem", "bn1"} <= same - changed
    assert all(not name.startswith(("blocks.0", "blocks.1")) for name in changed)
    assert any(name.startswith("blocks.4") for name in changed)


def test_the_ema_of_the_weights_is_saved(draw, lake, from_file):
    training_set, store = draw(36)

    def projection(learning_rate: float, decay: float) -> torch.Tensor:
        changes = {"ema_decay": decay, "head_epochs": 0}
        config = replace(from_file, epochs=1, learning_rate=learning_rate, recipe_changes=changes)
        return load_model(
            train_classifier(training_set, store, lake, WGA_TASKS, config).folder
        ).model.projection.weight.detach()

    start, last, average = projection(1e-12, 0.0), projection(1e-3, 0.0), projection(1e-3, 0.999)
    assert 0 < float((average - start).norm()) < 0.9 * float((last - start).norm()), "it moves more slowly"


def test_an_ensemble_joins_the_pretrained_and_the_finetuned_network(ensemble_run, from_file):
    card, backbone = ensemble_run.loaded.card, ensemble_run.loaded.model.backbone
    assert isinstance(backbone, EnsembleBackbone)
    given = torch.load(from_file.weights, weights_only=True)
    pretrained, finetuned = (each.body.state_dict() for each in (backbone.pretrained, backbone.finetuned))
    assert all(torch.equal(value, pretrained[key]) for key, value in given.items())
    assert any(not torch.equal(value, finetuned[key]) for key, value in given.items())
    assert [epoch.epoch for epoch in ensemble_run.epochs] == [1, 2, 3]
    assert card.best_epoch in (2, 3), "after the first, only half of the model is trained"
    assert not card.is_head_only
    assert ensemble_run.loaded.model.embedding_dim == card.embedding_dim == from_file.embedding_dim


def test_the_validation_accuracy_of_an_ensemble_is_that_of_the_saved_model(ensemble_run):
    card, store = ensemble_run.loaded.card, ensemble_run.store
    rows = ensemble_run.rows.filter(pl.col("split") == "validation")
    embedder = Embedder.of(ensemble_run.loaded, "cpu", "float32")
    embedder.card = replace(card, config={**card.config, "views": 1})  # as in validation
    files = store.jpegs(rows["artwork_id"].to_list())
    found = embedder.embed_pixels(np.stack([decode_square(file, embedder.image_px) for file in files]))
    truth = np.array([card.classes["type"].index(name) for name in rows["type"]])
    assert (found.probabilities["type"].argmax(1) == truth).mean() == card.metrics["validation_accuracy"]["type"]
