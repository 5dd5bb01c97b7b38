"""Training, top to bottom: the frozen training set and the stored images go in, a saved model comes out.

A backbone with pretrained weights first gets a head, trained on cached features, and is then fine-tuned together with
it; one without is trained on the pictures from the start. Only `train` rows fit weights, only `validation` rows choose
the best epoch, stop early and fit temperatures; test rows are never read. A refit is the exception: it learns from the
rows of every split, for as many epochs and with the temperatures that its measured sibling found.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from upath import UPath

from artpipe.engine.memory import reused_memory
from artpipe.images.pixels import JpegSource, PixelCache
from artpipe.lake.paths import DataLake
from artpipe.models.card import ModelCard
from artpipe.models.checkpoint import LoadedModel, save_model
from artpipe.models.labels import Labels
from artpipe.models.learned import known_learned
from artpipe.models.network import MultiTaskClassifier
from artpipe.models.rights import training_rights
from artpipe.progress import Progress, SilentProgress
from artpipe.schema import label_columns
from artpipe.splits.assign import split_counts
from artpipe.tasks import WGA_TASKS, Tasks
from artpipe.training.config import TrainingConfig, fingerprint
from artpipe.training.dataset import PixelBatch
from artpipe.training.ensemble import EnsembleTask
from artpipe.training.epochs import Epochs, TrainingRun
from artpipe.training.features import BackboneFeatures, compute_features, features_fingerprint
from artpipe.training.head import LEARNING_RATE
from artpipe.training.history import Epoch, History
from artpipe.training.task import ClassifierTask, predict_logits
from artpipe.training.temperature import FittedTemperature, calibrate
from artpipe.training.unseen_artists import HeadRows, unseen_artist_factors
from artpipe.training.untrained import LEAST_ROWS, save_untrained, why_untrainable
from artpipe.training.workers import train_in_processes

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

LOOP_VERSION = 3
"""Raised when the same config would train other weights, so that no checkpoint of older code is resumed."""


@dataclass(frozen=True)
class TrainedModel:
    """A finished run: the model's card and the folder it was saved to."""

    card: ModelCard
    folder: UPath
    resumed_after_epoch: int = 0
    """The epoch after which a killed run was resumed; 0 where none was."""


def train_classifier(
    training_set: pl.DataFrame,
    images: JpegSource,
    lake: DataLake,
    tasks: Tasks,
    config: TrainingConfig,
    progress: Progress | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    version: str | None = None,
    start: LoadedModel | None = None,
    features: BackboneFeatures | None = None,
    artworks: pl.DataFrame | None = None,
    refit_of: ModelCard | None = None,
) -> TrainedModel:
    """Train and save a classifier; a killed run of the same training set and config is resumed.

    Where the training rows give nothing to learn, an untrained model is saved, which predicts nothing; `ended` on its
    card says why.

    Args:
        training_set: rows of `splits`, as `splits_schema` says.
        images: the stored JPEGs, by `artwork_id`.
        lake: gets the model, the run's checkpoint and the cache of decoded pixels.
        tasks: that get a head, where training rows have labels of them.
        config: what to train and how.
        progress: advances with each picture decoded and each one trained on.
        on_epoch: called after an epoch's checkpoint is written.
        version: the training set's name on the card; by default `training_set_version` of the rows given.
        start: a warm start from this model if it has the config's backbone and input transform.
        features: the table of cached backbone features; they are computed here where it is of another backbone or
            size, or lacks a picture.
        artworks: table `artworks`, whose rights are noted on the card.
        refit_of: learn from every row, as this model of the same config and training set learned from `train`.

    Raises:
        UnknownBackboneError, BackboneInputError: see `models.backbones`.
        WeightsUnavailableError, WeightsMismatchError: see `models.weights`.
        DivergedError: the loss became NaN or infinite; the checkpoint of the last good epoch stays.
        BadSettingError, TrainingProcessError: see `train_in_processes`.
    """
    progress = progress or SilentProgress()
    version = version or training_set_version(training_set)
    if refit_of is not None:
        training_set = training_set.with_columns(split=pl.lit("train"))
    labels = Labels.of(training_set, tasks)
    rows = training_set.filter(pl.col("split").is_in(["train", "validation"])).sort("artwork_id")
    train_rows, validation_rows = (rows.filter(pl.col("split") == split) for split in ("train", "validation"))
    why_not = why_untrainable(train_rows, labels)
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())), reused_memory():
        torch.manual_seed(config.seed)
        if why_not:
            card = save_untrained(rows, images, lake, config, version, why_not, _library_versions(), progress)
            return TrainedModel(card, lake.model(card.model_id))

        # The network, its loss and its optimiser; a setting that cannot work fails here, before pictures are decoded.
        task_kind = EnsembleTask if config.is_ensemble else ClassifierTask
        task = task_kind(config, labels, labels.counts(labels.encode(train_rows)), start)
        config, recipe = task.config, task.config.recipe

        run = TrainingRun(
            train_rows=train_rows,
            validation_rows=validation_rows,
            images=images,
            lake=lake,
            labels=labels,
            config=config,
            weights_source=task.weights_source,
            fingerprint=fingerprint(
                LOOP_VERSION,
                version,
                config.identity(),
                task.weights_source.identity(),
                asdict(labels),
                *([refit_of.model_id] if refit_of else []),
            ),
            last_epoch=refit_of.best_epoch if refit_of else None,
        )
        epochs = Epochs(task, run, progress=progress, on_epoch=on_epoch)
        epochs.resume()  # a killed run, after its last epoch
        resumed_after_epoch = len(epochs.history.epochs)

        def head_features(of: pl.DataFrame) -> Tensor:
            return _head_features(task, features, epochs.cache, of["jpeg_sha256"].to_list(), progress)

        # The head alone, on cached features of the frozen backbone.
        if recipe.head_epochs and not epochs.history.epochs:
            started = time.perf_counter()
            loss = task.fit_head(head_features(train_rows), torch.from_numpy(epochs.train_set.labels))
            task.prepare_validation(epochs.validation_loader)
            epochs.finish(loss, LEARNING_RATE, recipe.head_epochs * train_rows.height, started)

        # The whole network, on the pictures.
        total_epochs = run.last_epoch or recipe.epochs + bool(recipe.head_epochs)
        images_left = (total_epochs - len(epochs.history.epochs)) * train_rows.height
        what = "refit on every work" if refit_of else "train"
        workers = min(config.train_workers, train_rows.height // LEAST_ROWS)
        with (progress if images_left else SilentProgress()).track(what, images_left, "images") as step:
            if workers > 1 and not epochs.stop_reason:
                epochs.save()  # the processes start from it
                train_in_processes(run, workers, step, on_epoch)
                epochs.resume()
            else:
                epochs.train(step)
        history = epochs.history

        # The best epoch's weights, with temperatures fitted to them, and the card.
        model = task.final_model(history.best_weights)
        factors: dict[str, float] = {}
        has_frozen_head = recipe.head_epochs and (config.is_ensemble or not recipe.epochs)
        if has_frozen_head and refit_of is None and validation_rows.height:
            train, validation = (
                HeadRows(head_features(each), torch.from_numpy(labels.encode(each)))
                for each in (train_rows, validation_rows)
            )
            artists = train_rows["artist_id"].to_list()
            factors = unseen_artist_factors(
                task.head_network, train, artists, validation, task.loss, recipe.head_epochs, recipe.views, config.seed
            )
        temperatures = _fit_temperatures(task, model, epochs.validation_loader, epochs.validation_set.labels, factors)
        card = _card(task, history, epochs.stop_reason, version, temperatures, split_counts(training_set))
        if refit_of is not None:
            card = replace(card, refit_of=refit_of.model_id, temperatures=refit_of.temperatures)
        learned = known_learned(lake, card.weights_source.model_id, rows)
        if learned is not None and artworks is not None:
            card = replace(card, rights=training_rights(learned, artworks))
        card, folder = save_model(lake, model.state_dict(), card, learned)
        if not config.keep_checkpoint:
            epochs.checkpoint.remove()
        return TrainedModel(card, folder, resumed_after_epoch)


def training_set_version(training_set: pl.DataFrame) -> str:
    """A hash of what there is to learn from: the pictures, their splits and their labels, in any order of rows."""
    tasks = label_columns(training_set)
    content = training_set.select("artwork_id", "split", *tasks, "jpeg_sha256").sort("artwork_id")
    # The names of these tasks never entered the hash, and models that were trained on them are found by it.
    return fingerprint(content.rows()) if tasks == WGA_TASKS.names else fingerprint(tasks, content.rows())


def _head_features(
    task: ClassifierTask, table: BackboneFeatures | None, cache: PixelCache, keys: list[str], progress: Progress
) -> Tensor:
    """Backbone features of the training rows, float16 (views, N, pooled): from the table if it has them all."""
    config = task.config
    made_by = features_fingerprint(config.backbone, task.head_weights_source, config.image_px, config.depths)
    known = table.read(keys, made_by) if table is not None else None
    if known is None:
        backbone = task.head_network.multi_level_backbone
        known = compute_features(backbone, task.transform, cache, keys, task.device, progress)
    return known


def _fit_temperatures(
    task: ClassifierTask,
    model: MultiTaskClassifier,
    loader: "DataLoader[PixelBatch]",
    labels: NDArray[np.int64],
    factors: Mapping[str, float],
) -> dict[str, FittedTemperature]:
    """Temperature scaling of each task, fitted on the model's logits of the validation rows; empty without rows."""
    if not len(loader):
        return {}
    batches = predict_logits(model, loader, task.normalise, task.config.recipe.views)
    return {
        name: calibrate(
            torch.cat([logits[name] for logits in batches]).cpu().numpy(), labels[:, column], factors.get(name, 1.0)
        )
        for column, name in enumerate(task.labels.tasks)
    }


def _library_versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in ("artpipe", "torch", "torchvision", "timm")}


def _card(
    task: ClassifierTask,
    history: History,
    ended: str,
    version: str,
    temperatures: Mapping[str, FittedTemperature],
    rows: Mapping[str, int],
) -> ModelCard:
    config, best = task.config, history.epochs[history.best_epoch - 1]
    return ModelCard(
        classes=task.labels.classes,
        transform=task.transform,
        backbone=config.backbone,
        embedding_dim=config.embedding_dim,
        weights_source=task.weights_source,
        training_set_version=version,
        seed=config.seed,
        config=config.identity(),
        temperatures={name: fitted.temperature for name, fitted in temperatures.items()},
        history=tuple(asdict(epoch) for epoch in history.epochs),
        metrics={
            "validation_accuracy": best.accuracy,
            "validation_loss": best.validation_loss,
            "calibration": {name: asdict(fitted) for name, fitted in temperatures.items()},
        },
        best_epoch=best.epoch,
        ended=ended,
        library_versions=_library_versions(),
        rows=rows,
        trained_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        middle_years=task.labels.middle_years,
    )
