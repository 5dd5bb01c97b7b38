"""Training, top to bottom: the frozen training set and the stored images go in, a saved model comes out.

A backbone with trained weights first gets its head, from cached features, and then learns together with it; one without
learns from the pictures at once. Only `train` rows fit weights and only `validation` rows decide when to stop; test
rows are not looked at here.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, cast

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils.data import DataLoader
from upath import UPath

from artpipe.errors import ArtpipeError
from artpipe.images.pixels import JpegSource, PixelCache
from artpipe.lake.paths import DataLake
from artpipe.models.checkpoint import LoadedModel, ModelCard, RunCheckpoint, save_model
from artpipe.models.ensemble import head_upon, side_by_side
from artpipe.models.labels import UNKNOWN, Labels
from artpipe.models.network import (
    MultiTaskClassifier,
    WeightsSource,
    build_backbone,
    build_model,
    choose_device,
    load_backbone_weights,
    looking_part,
)
from artpipe.models.transforms import Augmentation, Normalise, mirrored
from artpipe.progress import Progress, SilentProgress, Step
from artpipe.schema import TASKS
from artpipe.training.config import TrainingConfig, fingerprint
from artpipe.training.dataset import ArtDataset, EpochBatches, PixelBatch, loader_workers, make_loader
from artpipe.training.features import features_in_order, features_of, maker
from artpipe.training.head import LEARNING_RATE, train_head
from artpipe.training.loss import MultiTaskLoss, class_weights, period_targets
from artpipe.training.memory import reused_memory
from artpipe.training.run_state import Epoch, RunState
from artpipe.training.step import make_optimizer, set_learning_rate, train_step
from artpipe.training.temperature import FittedTemperature, calibrate
from artpipe.training.warm_start import can_start_from, start_from

LOOP_VERSION = 3
"""Raised when the same config would train other weights, so that no checkpoint of older code is resumed."""

NORM_MOMENTUM = 0.1
"""How fast batch norms follow the pictures. MobileNetV3's own 0.01 is meant for a million of them: on a few hundred,
the network would still be judged by the statistics of its random start after several epochs."""


class NothingToTrainError(ArtpipeError):
    """The training set has too few rows, or no label at all."""


class DivergedError(ArtpipeError):
    """The loss stopped being a number."""


@dataclass(frozen=True)
class TrainedModel:
    """A finished run: the model's card and the folder it was saved to."""

    card: ModelCard
    folder: UPath
    resumed_after_epoch: int = 0
    """The epoch after which a killed run was taken up again; 0 where none was."""


def train_classifier(
    training_set: pl.DataFrame,
    images: JpegSource,
    lake: DataLake,
    config: TrainingConfig,
    progress: Progress | None = None,
    on_epoch: Callable[[Epoch], None] | None = None,
    version: str | None = None,
    start: LoadedModel | None = None,
    features: pl.DataFrame | None = None,
) -> TrainedModel:
    """Train, save and describe a classifier; take up a killed run of the same training set and config.

    Args:
        training_set: rows of the schema `SPLITS`.
        images: the stored JPEGs, by `artwork_id`.
        lake: gets the model, the run's checkpoint and the cache of decoded pixels.
        config: what to train and how.
        progress: told of each picture decoded and each one trained on.
        on_epoch: called after an epoch's checkpoint is written.
        version: what the card calls the training set; by default `training_set_version` of the rows given.
        start: begin with this model's weights if it has the config's backbone and sees pictures in the same way.
        features: the table `features`; what is needed is computed here where it is of another backbone or size, or
            lacks a picture.

    Raises:
        NothingToTrainError: fewer than two training rows, or no label among them.
        UnknownBackboneError, BackboneInputError: see `backbones`.
        WeightsUnavailableError, WeightsMismatchError: see `model`.
        DivergedError: the loss became NaN or infinite; the last good checkpoint stays.
    """
    progress = progress or SilentProgress()
    labels = Labels.of(training_set)
    used = training_set.filter(pl.col("split").is_in(["train", "validation"])).sort("artwork_id")
    train_count = used.filter(pl.col("split") == "train").height
    if train_count < 2 or not labels.tasks:
        raise NothingToTrainError(
            f"the training set has {train_count} training rows with {len(labels.tasks)} of the labels "
            f'{", ".join(TASKS)}; at least 2 rows and 1 label are needed. Materialize "images" and "training_set" '
            "for more artworks."
        )
    usual_rng = torch.random.fork_rng(devices=range(torch.cuda.device_count()))
    with usual_rng, reused_memory():
        torch.manual_seed(config.seed)
        run = _Run.prepared(used, labels, lake, config, start)
        run.read_images(used, images, progress)
        return run.fit(version or training_set_version(training_set), features, progress, on_epoch)


def training_set_version(training_set: pl.DataFrame) -> str:
    """A hash of what there is to learn from: the pictures, their splits and their labels, in any order of rows."""
    told = training_set.select("artwork_id", "split", *TASKS, "jpeg_sha256").sort("artwork_id")
    return fingerprint(told.rows())


@dataclass
class _Run:
    """Everything that one run holds while it lasts."""

    config: TrainingConfig
    lake: DataLake
    labels: Labels
    device: torch.device
    model: MultiTaskClassifier
    before: MultiTaskClassifier | None
    """The backbone as it was, with a head of its own, where it is to judge beside what it becomes."""
    before_source: WeightsSource
    frozen: list[nn.Module]
    average: AveragedModel | None
    card: ModelCard
    loss: MultiTaskLoss
    optimizer: torch.optim.Optimizer
    cache: PixelCache
    encoded: NDArray[np.int64]
    train_rows: NDArray[np.int64]
    validation_rows: NDArray[np.int64]
    used: pl.DataFrame
    artwork_ids: list[str]
    keys: list[str]
    before_says: list[dict[str, Tensor]] = field(default_factory=list[dict[str, Tensor]])
    """What the backbone as it was makes of each batch of validation rows."""

    @classmethod
    def prepared(
        cls,
        used: pl.DataFrame,
        labels: Labels,
        lake: DataLake,
        config: TrainingConfig,
        start: LoadedModel | None = None,
    ) -> "_Run":
        """Build the network and its optimizer; what can be wrong with the settings comes to light here."""
        counts = {task: len(names) for task, names in labels.classes.items()}
        dimensions = config.dimensions // 2 if config.is_twofold else config.dimensions
        model, transform = build_model(config.backbone, counts, config.image_px, dimensions, config.dropout)
        if start is not None and can_start_from(start.card, config, transform):
            source = start_from(model, labels, start)
            config = replace(config, started_from=source.model_id)
        else:
            source = load_backbone_weights(looking_part(model), config.backbone, config.weights)
        before, before_source = None, source
        if config.is_twofold:
            looking, _ = build_backbone(config.backbone, config.image_px)
            before_source = load_backbone_weights(looking, config.backbone, config.weights)
            before = head_upon(looking, model).eval()
        for module in model.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.momentum = NORM_MOMENTUM
        device = choose_device(config.device)
        recipe = config.recipe
        frozen = looking_part(model).lower_part(recipe.frozen_levels)
        for module in frozen:
            module.requires_grad_(False)
        model = model.to(device, memory_format=torch.channels_last)  # pyright: ignore[reportCallIssue]
        encoded = labels.encode(used)
        is_train = (used["split"] == "train").to_numpy()
        weights = {
            task: class_weights(count, config.class_balance) for task, count in labels.counts(encoded[is_train]).items()
        }
        targets: dict[str, Tensor] = {}
        if config.period_years and "period" in labels.classes:
            targets["period"] = period_targets(labels.classes["period"], config.period_years)
        average = (
            AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(recipe.average_decay), use_buffers=True)
            if recipe.average_decay
            else None
        )
        card = ModelCard(
            classes=labels.classes,
            transform=transform,
            backbone=config.backbone,
            features=config.dimensions,
            weights_source=source,
            training_set_version="",
            seed=config.seed,
            config=config.story(),
            library_versions={name: version(name) for name in ("artpipe", "torch", "torchvision", "timm")},
            rows={"train": int(is_train.sum()), "validation": int((~is_train).sum())},
        )
        return cls(
            config=config,
            lake=lake,
            labels=labels,
            device=device,
            model=model,
            before=before if before is None else before.to(device, memory_format=torch.channels_last),  # pyright: ignore[reportCallIssue]
            before_source=before_source,
            frozen=frozen,
            average=average,
            card=card,
            loss=MultiTaskLoss(weights, config.label_smoothing, targets).to(device),
            optimizer=make_optimizer(model, config),
            cache=PixelCache(lake.cache("pixels"), config.image_px),
            encoded=encoded,
            train_rows=np.flatnonzero(is_train),
            validation_rows=np.flatnonzero(~is_train),
            used=used,
            artwork_ids=used["artwork_id"].to_list(),
            keys=used["jpeg_sha256"].to_list(),
        )

    def read_images(self, used: pl.DataFrame, images: JpegSource, progress: Progress) -> None:
        """Have every picture decoded in the cache."""
        self.cache.ensure(used["artwork_id"].to_list(), used["jpeg_sha256"].to_list(), images, progress)

    @property
    def judged(self) -> MultiTaskClassifier:
        """The network whose weights are measured and kept: the moving average, where there is one."""
        return self.model if self.average is None else cast("MultiTaskClassifier", self.average.module)

    def fit(
        self,
        data_version: str,
        features: pl.DataFrame | None,
        progress: Progress,
        on_epoch: Callable[[Epoch], None] | None,
    ) -> TrainedModel:
        """Run what is left of the head's training and of the epochs, then save the best."""
        recipe = self.config.recipe
        # As much of the story as decides the weights, the file that they start from included.
        name = fingerprint(LOOP_VERSION, data_version, self.config.story(), self.card.weights_source.story())
        checkpoint = RunCheckpoint(self.lake, name)
        state = self._resumed(checkpoint)
        resumed_after = len(state.history)

        batches = EpochBatches(len(self.train_rows), recipe.batch_size, seed=self.config.seed)
        workers = loader_workers(self.config.loader_workers)
        augmentation = Augmentation(area_from=recipe.crop_area_from)
        is_pinned = self.device.type == "cuda"
        loader = make_loader(self._dataset(self.train_rows, augmentation), batches, workers, is_pinned=is_pinned)
        checked = EpochBatches(len(self.validation_rows), max(recipe.batch_size, 64), is_shuffled=False)
        validation = make_loader(self._dataset(self.validation_rows, None), checked, 0)
        normalise = Normalise(self.card.transform, self.device)

        def take_note(started: float, spent_s: float, train_loss: float, rate: float, looked_at: int) -> None:
            validation_loss, accuracy = self._validate(validation, normalise)
            record = Epoch(
                epoch=len(state.history) + 1,
                train_loss=train_loss,
                validation_loss=validation_loss,
                accuracy=accuracy,
                learning_rate=rate,
                seconds=round(time.perf_counter() - started, 3),
                images_per_s=round(looked_at / spent_s, 2),
            )
            is_before = self.before is not None and not state.history
            state.add(record, self.judged, may_be_kept=not is_before)
            checkpoint.save(self._to_save(state))
            if on_epoch:
                on_epoch(record)

        if recipe.head_epochs and not state.history:
            started = time.perf_counter()
            loss = self._train_head(features, progress)
            spent_s = time.perf_counter() - started
            take_note(started, spent_s, loss, LEARNING_RATE, recipe.head_epochs * len(self.train_rows))
        left = (recipe.epochs - self._epochs_done(state)) * len(self.train_rows)
        with (progress if left else SilentProgress()).track("train", left, "images") as step:
            while not (ended := self._end(state)):
                started = time.perf_counter()
                batches.epoch = self._epochs_done(state)
                train_loss, rate = self._epoch(loader, batches, normalise, step)
                take_note(started, time.perf_counter() - started, train_loss, rate, len(self.train_rows))
        kept = self._kept(state)
        temperatures = self._temperatures(kept, validation, normalise)
        card, folder = self._save(kept, state, data_version, ended, temperatures)
        if not self.config.keep_checkpoint:
            checkpoint.remove()
        return TrainedModel(card, folder, resumed_after)

    def _train_head(self, known: pl.DataFrame | None, progress: Progress) -> float:
        """Fit the head on the backbone's features of the training rows; the loss it came to."""
        keys = [self.keys[row] for row in self.train_rows]
        first = self.model if self.before is None else self.before
        made_by = maker(self.config.backbone, self.before_source, self.config.image_px)
        if known is None or not set(keys) <= set(known.filter(pl.col("made_by") == made_by)["jpeg_sha256"]):
            unique = sorted(set(keys))
            known = features_of(looking_part(first), self.card.transform, self.cache, unique, self.device, progress)
        seen = features_in_order(known, keys)
        labels = torch.from_numpy(self.encoded[self.train_rows])
        loss = train_head(first, seen, labels, self.loss, self.config.recipe.head_epochs)
        if not self.config.started_from:
            self.model.load_state_dict(first.state_dict())
        if self.average is not None:
            self.average.module.load_state_dict(self.model.state_dict())
        return loss

    def _epochs_done(self, state: RunState) -> int:
        """Passes over the pictures; the head's own training is none."""
        return len(state.history) - bool(self.config.recipe.head_epochs)

    def _dataset(self, rows: NDArray[np.int64], augmentation: Augmentation | None) -> ArtDataset:
        cached = self.cache.rows(self.keys)
        return ArtDataset(self.cache, cached[rows], self.encoded[rows], augmentation, self.config.seed)

    def _end(self, state: RunState) -> str:
        """Why training is over; empty while it is not."""
        recipe = self.config.recipe
        done = self._epochs_done(state)
        if not recipe.epochs:
            return "the head alone was trained"
        if not len(self.validation_rows):
            return "all epochs, without validation rows to stop by" if done >= recipe.epochs else ""
        if done >= recipe.epochs:
            return "all epochs"
        if state.best_epoch and len(state.history) - state.best_epoch >= recipe.patience:
            return f"no better validation accuracy for {recipe.patience} epochs"
        return ""

    def _epoch(
        self, loader: "DataLoader[PixelBatch]", batches: EpochBatches, normalise: Normalise, step: Step
    ) -> tuple[float, float]:
        """One pass over the training rows; the mean loss and the last learning rate."""
        self.model.train()
        for module in self.frozen:
            module.eval()
        total_steps = self.config.recipe.epochs * len(batches)
        losses: list[Tensor] = []
        rate = 0.0
        for number, batch in enumerate(loader):
            rate = set_learning_rate(
                self.optimizer, batches.epoch * len(batches) + number, total_steps, self.config.warmup_share
            )
            loss = train_step(self.model, self.loss, self.optimizer, normalise, batch, self.config.gradient_clip)
            if self.average is not None:
                self.average.update_parameters(self.model)
            losses.append(loss)
            # On a GPU every look at a value waits for it, so look seldom.
            if self.device.type == "cpu" or number % 16 == 15 or number == len(batches) - 1:
                self._check_finite(losses, batches)
            step.advance(len(batch.labels))
        return float(torch.stack(losses).mean()), rate

    def _check_finite(self, losses: list[Tensor], batches: EpochBatches) -> None:
        finite = torch.stack(losses).isfinite()
        if bool(finite.all()):
            return
        number = int((~finite).nonzero()[0])
        plan = next(plan for plan in batches if plan.step == number)
        names = [self.artwork_ids[self.train_rows[example]] for example in plan.examples[:5]]
        raise DivergedError(
            f"the loss became {float(losses[number])} in epoch {batches.epoch + 1}, batch {number + 1} of "
            f"{len(batches)} ({', '.join(names)}, ...); the checkpoint of epoch {batches.epoch} is kept. "
            f"Set ARTPIPE_LEARNING_RATE below {self.config.recipe.learning_rate:g}, or look at these pictures."
        )

    def _validate(
        self, loader: "DataLoader[PixelBatch]", normalise: Normalise
    ) -> tuple[float | None, dict[str, float]]:
        """Loss and accuracy on the validation rows; a task that none of them knows is absent."""
        if not len(self.validation_rows):
            return None, {}
        network = self.judged.eval()
        if self.before is not None and not self.before_says:
            self.before_says = self._said_by(self.before, loader, normalise)
        losses: list[float] = []
        right: list[NDArray[np.bool_]] = []
        known: list[NDArray[np.bool_]] = []
        with torch.no_grad():  # and not inference_mode: training writes to the same input buffer again
            for number, batch in enumerate(loader):
                truth = batch.labels.to(self.device)
                _, logits = network(normalise(batch.squares))
                if self.before_says:
                    logits = {task: (logits[task] + self.before_says[number][task]) / 2 for task in logits}
                losses.append(float(self.loss(logits, truth)) * len(truth))
                guess = torch.stack([logits[task].argmax(1) for task in self.labels.tasks], dim=1)
                right.append((guess == truth).cpu().numpy())
                known.append((truth != UNKNOWN).cpu().numpy())
        rights, knowns = np.concatenate(right), np.concatenate(known)
        accuracy = {
            task: float(rights[knowns[:, column], column].mean())
            for column, task in enumerate(self.labels.tasks)
            if knowns[:, column].any()
        }
        return sum(losses) / len(rights), accuracy

    def _said_by(
        self, network: MultiTaskClassifier, loader: "DataLoader[PixelBatch]", normalise: Normalise, views: int = 1
    ) -> list[dict[str, Tensor]]:
        """The logits of each batch, the mean over the views."""
        said: list[dict[str, Tensor]] = []
        with torch.no_grad():
            for batch in loader:
                seen = [batch.squares, mirrored(batch.squares)][:views]
                judged = [network(normalise(view))[1] for view in seen]
                said.append({task: torch.stack([one[task] for one in judged]).mean(0) for task in judged[0]})
        return said

    def _kept(self, state: RunState) -> MultiTaskClassifier:
        """The best network, beside what it was where that is wanted; in evaluation mode."""
        self.model.load_state_dict(state.best_weights)
        self.model.eval()
        return self.model if self.before is None else side_by_side(self.before, self.model)

    def _temperatures(
        self, kept: MultiTaskClassifier, loader: "DataLoader[PixelBatch]", normalise: Normalise
    ) -> dict[str, FittedTemperature]:
        """What each task's logits are to be divided by, fitted on the validation rows as the kept weights see them."""
        if not len(self.validation_rows):
            return {}
        said = self._said_by(kept, loader, normalise, self.config.recipe.views)
        truth = self.encoded[self.validation_rows]
        return {
            task: calibrate(torch.cat([logits[task] for logits in said]).cpu().numpy(), truth[:, column])
            for column, task in enumerate(self.labels.tasks)
        }

    def _save(
        self,
        kept: MultiTaskClassifier,
        state: RunState,
        data_version: str,
        ended: str,
        temperatures: dict[str, FittedTemperature],
    ) -> tuple[ModelCard, UPath]:
        best = state.history[state.best_epoch - 1]
        card = replace(
            self.card,
            training_set_version=data_version,
            history=tuple(asdict(epoch) for epoch in state.history),
            temperatures={task: fitted.temperature for task, fitted in temperatures.items()},
            metrics={
                "validation_accuracy": best.accuracy,
                "validation_loss": best.validation_loss,
                "calibration": {task: asdict(fitted) for task, fitted in temperatures.items()},
            },
            best_epoch=best.epoch,
            ended=ended,
            trained_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        )
        return save_model(self.lake, kept.state_dict(), card, self.used)

    def _resumed(self, checkpoint: RunCheckpoint) -> RunState:
        """The state of a killed run, put back into the networks and the optimizer, or a fresh one."""
        held = checkpoint.load()
        if held is None:
            return RunState()
        for module, name in ((self.model, "model"), (self.before, "before"), (self.average, "average")):
            if module is not None:
                module.load_state_dict(held[name])
        self.optimizer.load_state_dict(held["optimizer"])
        torch.set_rng_state(held["rng"])
        if self.device.type == "cuda" and held["cuda_rng"] is not None:
            torch.cuda.set_rng_state(held["cuda_rng"])
        return RunState([Epoch(**epoch) for epoch in held["history"]], held["best_epoch"], held["best_weights"])

    def _to_save(self, state: RunState) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {
            "model": self.model.state_dict(),
            "before": self.before.state_dict() if self.before is not None else None,
            "average": self.average.state_dict() if self.average is not None else None,
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state() if self.device.type == "cuda" else None,
            "history": [asdict(epoch) for epoch in state.history],
            "best_epoch": state.best_epoch,
            "best_weights": state.best_weights,
        }
