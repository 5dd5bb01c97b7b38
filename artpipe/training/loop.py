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
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor
from upath import UPath

from artpipe.errors import ArtpipeError
from artpipe.images.pixels import JpegSource, PixelCache
from artpipe.lake.paths import DataLake
from artpipe.models.card import ModelCard
from artpipe.models.checkpoint import LoadedModel, RunCheckpoint, save_model
from artpipe.models.labels import UNKNOWN, Labels
from artpipe.models.learned import known_learned
from artpipe.models.network import MultiTaskClassifier
from artpipe.models.rights import training_rights
from artpipe.models.transforms import Augmentation
from artpipe.progress import Progress, SilentProgress, Step
from artpipe.schema import label_columns
from artpipe.splits.assign import split_counts
from artpipe.tasks import WGA_TASKS, Tasks
from artpipe.training.config import TrainingConfig, fingerprint
from artpipe.training.dataset import ArtDataset, EpochBatches, PixelBatch, loader_workers, make_loader
from artpipe.training.ensemble import EnsembleTask
from artpipe.training.features import BackboneFeatures, compute_features, features_fingerprint
from artpipe.training.head import LEARNING_RATE
from artpipe.training.history import Epoch, History
from artpipe.training.memory import reused_memory
from artpipe.training.optimizer import set_learning_rate, train_step
from artpipe.training.task import ClassifierTask, predict_logits
from artpipe.training.temperature import FittedTemperature, calibrate
from artpipe.training.unseen_artists import HeadRows, unseen_artist_factors
from artpipe.training.untrained import save_untrained, why_untrainable

if TYPE_CHECKING:
    from torch.utils.data import DataLoader

LOOP_VERSION = 3
"""Raised when the same config would train other weights, so that no checkpoint of older code is resumed."""


class DivergedError(ArtpipeError):
    """The loss became NaN or infinite."""


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

        # Decoded pixels, in batches.
        cache = PixelCache(lake.cache("pixels"), config.image_px)
        cache.ensure(rows["artwork_id"].to_list(), rows["jpeg_sha256"].to_list(), images, progress)
        train_set = _dataset(train_rows, cache, labels, config.seed, Augmentation(area_from=recipe.crop_area_from))
        validation_set = _dataset(validation_rows, cache, labels, config.seed)
        batches = EpochBatches(len(train_set), recipe.batch_size, seed=config.seed)
        loader = make_loader(
            train_set, batches, loader_workers(config.loader_workers), is_pinned=task.device.type == "cuda"
        )
        validation_batches = EpochBatches(len(validation_set), max(recipe.batch_size, 64), is_shuffled=False)
        validation_loader = make_loader(validation_set, validation_batches, 0)

        # A killed run resumes after its last epoch.
        checkpoint = RunCheckpoint(
            lake,
            fingerprint(
                LOOP_VERSION,
                version,
                config.identity(),
                task.weights_source.identity(),
                asdict(labels),
                *([refit_of.model_id] if refit_of else []),
            ),
        )
        history = _resume(checkpoint, task, validation_loader)
        resumed_after_epoch = len(history.epochs)

        def finish_epoch(train_loss: float, learning_rate: float, images_seen: int, started: float) -> None:
            """Validate, keep the weights if they are the best so far, and write the checkpoint."""
            images_per_s = images_seen / (time.perf_counter() - started)
            validation_loss, accuracy = evaluate(task, validation_loader)
            epoch = Epoch(
                epoch=len(history.epochs) + 1,
                train_loss=train_loss,
                validation_loss=validation_loss,
                accuracy=accuracy,
                learning_rate=learning_rate,
                seconds=round(time.perf_counter() - started, 3),
                images_per_s=round(images_per_s, 2),
            )
            history.add(epoch, task.evaluated, may_be_best=epoch.epoch >= task.first_candidate)
            checkpoint.save(task.state_dict() | history.state_dict() | _random_state(task.device))
            if on_epoch:
                on_epoch(epoch)

        # The head alone, on cached features of the frozen backbone.
        if recipe.head_epochs and not history.epochs:
            started = time.perf_counter()
            inputs = _head_features(task, features, cache, train_rows["jpeg_sha256"].to_list(), progress)
            loss = task.fit_head(inputs, torch.from_numpy(train_set.labels))
            task.prepare_validation(validation_loader)
            finish_epoch(loss, LEARNING_RATE, recipe.head_epochs * len(train_set), started)

        # The whole network, on the pictures.
        last_epoch = refit_of.best_epoch if refit_of else None
        total_epochs = last_epoch or recipe.epochs + bool(recipe.head_epochs)
        images_left = (total_epochs - len(history.epochs)) * len(train_set)
        what = "refit on every work" if refit_of else "train"
        with (progress if images_left else SilentProgress()).track(what, images_left, "images") as step:
            while not (ended := history.stop_reason(recipe, last_epoch)):
                started = time.perf_counter()
                batches.epoch = history.finetuned_epochs(recipe)
                loss, learning_rate = train_one_epoch(task, loader, batches, train_rows["artwork_id"], step)
                finish_epoch(loss, learning_rate, len(train_set), started)

        # The best epoch's weights, with temperatures fitted to them, and the card.
        model = task.final_model(history.best_weights)
        factors: dict[str, float] = {}
        has_frozen_head = recipe.head_epochs and (config.is_ensemble or not recipe.epochs)
        if has_frozen_head and refit_of is None and len(validation_set):
            train, validation = (
                HeadRows(
                    _head_features(task, features, cache, each["jpeg_sha256"].to_list(), progress),
                    torch.from_numpy(labels.encode(each)),
                )
                for each in (train_rows, validation_rows)
            )
            artists = train_rows["artist_id"].to_list()
            epochs, views = recipe.head_epochs, recipe.views
            factors = unseen_artist_factors(
                task.head_network, train, artists, validation, task.loss, epochs, views, config.seed
            )
        temperatures = _fit_temperatures(task, model, validation_loader, validation_set.labels, factors)
        card = _card(task, history, ended, version, temperatures, split_counts(training_set))
        if refit_of is not None:
            card = replace(card, refit_of=refit_of.model_id, temperatures=refit_of.temperatures)
        learned = known_learned(lake, card.weights_source.model_id, rows)
        if learned is not None and artworks is not None:
            card = replace(card, rights=training_rights(learned, artworks))
        card, folder = save_model(lake, model.state_dict(), card, learned)
        if not config.keep_checkpoint:
            checkpoint.remove()
        return TrainedModel(card, folder, resumed_after_epoch)


def training_set_version(training_set: pl.DataFrame) -> str:
    """A hash of what there is to learn from: the pictures, their splits and their labels, in any order of rows."""
    tasks = label_columns(training_set)
    content = training_set.select("artwork_id", "split", *tasks, "jpeg_sha256").sort("artwork_id")
    # The names of these tasks never entered the hash, and models that were trained on them are found by it.
    return fingerprint(content.rows()) if tasks == WGA_TASKS.names else fingerprint(tasks, content.rows())


def train_one_epoch(
    task: ClassifierTask,
    loader: "DataLoader[PixelBatch]",
    batches: EpochBatches,
    artwork_ids: pl.Series,
    step: Step,
) -> tuple[float, float]:
    """One pass over the training rows; the mean loss and the last learning rate.

    Raises:
        DivergedError: the loss became NaN or infinite; the message names the batch.
    """
    task.train_mode()
    config = task.config
    total_steps = config.recipe.epochs * len(batches)
    losses: list[Tensor] = []
    learning_rate = 0.0
    for number, batch in enumerate(loader):
        step_number = batches.epoch * len(batches) + number
        learning_rate = set_learning_rate(task.optimizer, step_number, total_steps, config.warmup_share)
        losses.append(train_step(task.network, task.loss, task.optimizer, task.normalise, batch, config.gradient_clip))
        if task.ema is not None:
            task.ema.update_parameters(task.network)
        # Reading a value waits for the GPU, so do it seldom there.
        if task.device.type == "cpu" or number % 16 == 15 or number == len(batches) - 1:
            _refuse_divergence(losses, batches, artwork_ids, config.recipe.learning_rate)
        step.advance(len(batch.labels))
    return float(torch.stack(losses).mean()), learning_rate


def _refuse_divergence(
    losses: list[Tensor], batches: EpochBatches, artwork_ids: pl.Series, learning_rate: float
) -> None:
    is_finite = torch.stack(losses).isfinite()
    if bool(is_finite.all()):
        return
    number = int((~is_finite).nonzero()[0])
    plan = next(plan for plan in batches if plan.step == number)
    names = ", ".join(artwork_ids[int(example)] for example in plan.examples[:5])
    raise DivergedError(
        f"the loss became {float(losses[number])} in epoch {batches.epoch + 1}, batch {number + 1} of {len(batches)} "
        f"({names}, ...); the checkpoint of epoch {batches.epoch} is kept. "
        f"Set ARTPIPE_LEARNING_RATE below {learning_rate:g}, or inspect these pictures."
    )


def evaluate(task: ClassifierTask, loader: "DataLoader[PixelBatch]") -> tuple[float | None, dict[str, float]]:
    """Validation loss and top-1 accuracy by task; None without rows, and no entry for a task without known labels."""
    if not len(loader):
        return None, {}
    network = task.evaluated.eval()
    losses: list[float] = []
    hits: list[NDArray[np.bool_]] = []
    known: list[NDArray[np.bool_]] = []
    with torch.no_grad():  # and not inference_mode: training writes to the same input buffer again
        for number, batch in enumerate(loader):
            truth = batch.labels.to(task.device)
            logits = task.validation_logits(network(task.normalise(batch.squares))[1], number)
            losses.append(float(task.loss(logits, truth)) * len(truth))
            predicted = torch.stack([logits[name].argmax(1) for name in task.labels.tasks], dim=1)
            hits.append((predicted == truth).cpu().numpy())
            known.append((truth != UNKNOWN).cpu().numpy())
    is_hit, is_known = np.concatenate(hits), np.concatenate(known)
    accuracy = {
        name: float(is_hit[is_known[:, column], column].mean())
        for column, name in enumerate(task.labels.tasks)
        if is_known[:, column].any()
    }
    return sum(losses) / len(is_hit), accuracy


def _dataset(
    rows: pl.DataFrame, cache: PixelCache, labels: Labels, seed: int, augmentation: Augmentation | None = None
) -> ArtDataset:
    return ArtDataset(cache, cache.rows(rows["jpeg_sha256"].to_list()), labels.encode(rows), augmentation, seed)


def _head_features(
    task: ClassifierTask, table: BackboneFeatures | None, cache: PixelCache, keys: list[str], progress: Progress
) -> Tensor:
    """Backbone features of the training rows, float16 (views, N, pooled): from the table if it has them all."""
    config = task.config
    made_by = features_fingerprint(config.backbone, task.head_weights_source, config.image_px)
    known = table.read(keys, made_by) if table is not None else None
    if known is None:
        backbone = task.head_network.multi_level_backbone
        known = compute_features(backbone, task.transform, cache, keys, task.device, progress)
    return known


def _random_state(device: torch.device) -> dict[str, Any]:
    return {
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state() if device.type == "cuda" else None,
    }


def _resume(checkpoint: RunCheckpoint, task: ClassifierTask, validation_loader: "DataLoader[PixelBatch]") -> History:
    """Load a killed run's state into the task and the random generators; an empty history where there is none."""
    state = checkpoint.load()
    if state is None:
        return History()
    task.load_state_dict(state)
    task.prepare_validation(validation_loader)  # a loader draws random numbers, so before the generators are set
    torch.set_rng_state(state["rng"])
    if task.device.type == "cuda" and state["cuda_rng"] is not None:
        torch.cuda.set_rng_state(state["cuda_rng"])
    return History.from_state_dict(state)


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
