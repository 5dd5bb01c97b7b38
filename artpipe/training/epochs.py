"""The epochs of a training run: train on the pictures, validate, keep the best weights, write the checkpoint.

The same loop serves a run in one process and each rank of several. A killed run resumes after its last epoch.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from artpipe.errors import ArtpipeError
from artpipe.images.pixels import JpegSource, PixelCache
from artpipe.lake.paths import DataLake
from artpipe.models.card import WeightsSource
from artpipe.models.checkpoint import RunCheckpoint
from artpipe.models.labels import UNKNOWN, Labels
from artpipe.models.transforms import Augmentation
from artpipe.progress import Progress, Step
from artpipe.training.config import TrainingConfig
from artpipe.training.dataset import ArtDataset, EpochBatches, PixelBatch, loader_workers, make_loader
from artpipe.training.history import Epoch, History
from artpipe.training.optimizer import set_learning_rate, train_step
from artpipe.training.ranks import ALONE, Ranks
from artpipe.training.task import ClassifierTask

if TYPE_CHECKING:
    from torch.utils.data import DataLoader


class DivergedError(ArtpipeError):
    """The loss became NaN or infinite."""


@dataclass(frozen=True)
class TrainingRun:
    """What a training run is made of, for each of its ranks.

    Attributes:
        train_rows: of the training set, in the order of `artwork_id`.
        validation_rows: likewise.
        images: the stored JPEGs.
        lake: gets the checkpoint, and keeps the cache of decoded pixels.
        labels: the vocabulary of each task.
        config: what to train and how.
        weights_source: where the initial weights came from.
        fingerprint: of all that decides the weights; it names the checkpoint.
        last_epoch: of a refit, the epoch to end after.
    """

    train_rows: pl.DataFrame
    validation_rows: pl.DataFrame
    images: JpegSource
    lake: DataLake
    labels: Labels
    config: TrainingConfig
    weights_source: WeightsSource
    fingerprint: str
    last_epoch: int | None = None


class Epochs:
    """The epochs of a training run, as one rank goes through them.

    Args:
        task: what is trained.
        run: the training run.
        ranks: this process among those that train.
        progress: advances with each picture that is decoded.
        on_epoch: called after an epoch's checkpoint is written.

    Attributes:
        cache: the decoded pixels.
        train_set: the training pictures, augmented.
        validation_set: the validation pictures.
        validation_loader: its batches.
        history: the epochs so far.
    """

    def __init__(
        self,
        task: ClassifierTask,
        run: TrainingRun,
        ranks: Ranks = ALONE,
        progress: Progress | None = None,
        on_epoch: Callable[[Epoch], None] | None = None,
    ) -> None:
        self.task, self.run, self.ranks, self.on_epoch = task, run, ranks, on_epoch
        config, recipe = run.config, run.config.recipe
        rows = pl.concat([run.train_rows, run.validation_rows]).sort("artwork_id")
        self.cache = PixelCache(run.lake.cache("pixels"), config.image_px)
        self.cache.ensure(rows["artwork_id"].to_list(), rows["jpeg_sha256"].to_list(), run.images, progress)
        self.train_set = self._dataset(run.train_rows, Augmentation(area_from=recipe.crop_area_from))
        self.validation_set = self._dataset(run.validation_rows, None)
        self.batches = EpochBatches(len(self.train_set), recipe.batch_size, ranks=ranks, seed=config.seed)
        self.loader = make_loader(
            self.train_set,
            self.batches,
            loader_workers(config.loader_workers, ranks.size),
            is_pinned=task.device.type == "cuda",
        )
        validation_batches = EpochBatches(len(self.validation_set), max(recipe.batch_size, 64), is_shuffled=False)
        self.validation_loader = make_loader(self.validation_set, validation_batches, 0)
        self.checkpoint = RunCheckpoint(run.lake, run.fingerprint)
        self.history = History()

    def _dataset(self, rows: pl.DataFrame, augmentation: Augmentation | None) -> ArtDataset:
        cache_rows, labels = self.cache.rows(rows["jpeg_sha256"].to_list()), self.run.labels.encode(rows)
        return ArtDataset(self.cache, cache_rows, labels, augmentation, self.run.config.seed)

    def resume(self) -> None:
        """Load a killed run's checkpoint into task, history and random generators; without one, nothing changes."""
        state = self.checkpoint.load()
        if state is None:
            return
        task = self.task
        task.load_state_dict(state)
        if self.ranks.is_first:  # a loader draws random numbers, so before the generators are set
            task.prepare_validation(self.validation_loader)
        torch.set_rng_state(state["rng"])
        if task.device.type == "cuda" and state["cuda_rng"] is not None:
            torch.cuda.set_rng_state(state["cuda_rng"])
        self.history = History.from_state_dict(state)

    def save(self) -> None:
        """Write the checkpoint."""
        device = self.task.device
        random_state = {
            "rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state() if device.type == "cuda" else None,
        }
        self.checkpoint.save(self.task.state_dict() | self.history.state_dict() | random_state)

    @property
    def stop_reason(self) -> str:
        """Why training is over; empty while it is not."""
        return self.history.stop_reason(self.run.config.recipe, self.run.last_epoch)

    def train(self, step: Step) -> None:
        """Train the whole network until there is a reason to stop.

        Args:
            step: advances with each picture trained on, by any rank.
        """
        network = self.ranks.data_parallel(self.task.network)
        while not self.stop_reason:
            started = time.perf_counter()
            self.batches.epoch = self.history.finetuned_epochs(self.run.config.recipe)
            if self.ranks.size > 1:  # the random numbers of each rank, in a resumed run too
                draws = np.random.SeedSequence((self.run.config.seed, self.batches.epoch, self.ranks.rank))
                torch.manual_seed(int(draws.generate_state(1)[0]))
            loss, learning_rate = self._train_one_epoch(network, step)
            self.ranks.average(self.task.running_statistics())
            self.finish(loss, learning_rate, len(self.train_set), started)

    def finish(self, train_loss: float, learning_rate: float, images_seen: int, started: float) -> None:
        """Validate, keep the weights if they are the best so far, and write the checkpoint; rank 0 tells the others."""
        images_per_s = images_seen / (time.perf_counter() - started)
        epoch = None
        if self.ranks.is_first:
            validation_loss, accuracy = evaluate(self.task, self.validation_loader)
            epoch = Epoch(
                epoch=len(self.history.epochs) + 1,
                train_loss=train_loss,
                validation_loss=validation_loss,
                accuracy=accuracy,
                learning_rate=learning_rate,
                seconds=round(time.perf_counter() - started, 3),
                images_per_s=round(images_per_s, 2),
            )
        epoch = self.ranks.from_first(epoch)
        assert epoch is not None  # noqa: S101 - rank 0 made it
        task = self.task
        self.history.add(epoch, task.evaluated, may_be_best=epoch.epoch >= task.first_candidate)
        if self.ranks.is_first:
            self.save()
        if self.on_epoch:
            self.on_epoch(epoch)

    def _train_one_epoch(self, network: torch.nn.Module, step: Step) -> tuple[float, float]:
        """One pass over the training rows; the mean loss and the last learning rate."""
        task, batches, config = self.task, self.batches, self.run.config
        task.train_mode()
        total_steps = config.recipe.epochs * len(batches)
        losses: list[Tensor] = []
        learning_rate = 0.0
        for number, batch in enumerate(self.loader):
            step_number = batches.epoch * len(batches) + number
            learning_rate = set_learning_rate(task.optimizer, step_number, total_steps, config.warmup_share)
            losses.append(
                train_step(network, task.loss, task.optimizer, task.normalise, batch, config.gradient_clip, self.ranks)
            )
            if task.ema is not None:
                task.ema.update_parameters(task.network)
            # Reading a value waits for the GPU, so do it seldom there.
            if task.device.type == "cpu" or number % 16 == 15 or number == len(batches) - 1:
                self._refuse_divergence(losses)
            step.advance(batches.size_of(number))
        return float(torch.stack(losses).mean()), learning_rate

    def _refuse_divergence(self, losses: list[Tensor]) -> None:
        is_finite = torch.stack(losses).isfinite()
        if bool(is_finite.all()):
            return
        number = int((~is_finite).nonzero()[0])
        batches, artwork_ids = self.batches, self.run.train_rows["artwork_id"]
        plan = next(plan for plan in batches if plan.step == number)
        names = ", ".join(artwork_ids[int(example)] for example in plan.examples[:5])
        raise DivergedError(
            f"the loss became {float(losses[number])} in epoch {batches.epoch + 1}, batch {number + 1} of "
            f"{len(batches)} ({names}, ...); the checkpoint of epoch {batches.epoch} is kept. "
            f"Set ARTPIPE_LEARNING_RATE below {self.run.config.recipe.learning_rate:g}, or inspect these pictures."
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
