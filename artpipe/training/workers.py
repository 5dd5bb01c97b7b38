"""Training in several processes, `ARTPIPE_TRAIN_WORKERS` of them: on this machine, or on a Ray cluster.

Each process is a rank and runs the loop of `epochs.py`. The checkpoint in the lake is all that they start from and
leave behind. When one dies, all end, start again, and go on after the last epoch: to the same weights.
"""

import logging
import time
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.distributed import FileStore  # pyright: ignore[reportPrivateImportUsage]
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes

from artpipe.errors import ArtpipeError, BadSettingError
from artpipe.models.network import choose_device
from artpipe.progress import SilentProgress, Step
from artpipe.training.ensemble import EnsembleTask
from artpipe.training.epochs import DivergedError, Epochs, TrainingRun
from artpipe.training.history import Epoch
from artpipe.training.memory import reused_memory
from artpipe.training.ranks import Ranks, joined, listen_on_loopback
from artpipe.training.task import ClassifierTask

logger = logging.getLogger(__name__)

RESTARTS = 3
"""How often the processes of a run are started again."""
_TELL_EVERY_S = 1.0

Message = int | Epoch | ArtpipeError
"""What a rank tells: how many more pictures were trained on, a finished epoch, or why it ends."""
Tell = Callable[[Message], None]


class TrainingProcessError(ArtpipeError):
    """A training process failed, and failed again each time it was started anew."""


def train_in_processes(
    run: TrainingRun, workers: int, step: Step, on_epoch: Callable[[Epoch], None] | None = None
) -> None:
    """Train until there is a reason to stop; the checkpoint in the lake has the result.

    Args:
        run: whose checkpoint is in the lake already.
        workers: how many processes.
        step: advances with each picture trained on.
        on_epoch: called after an epoch's checkpoint is written.

    Raises:
        BadSettingError: this machine lacks the processors.
        DivergedError: the loss became NaN or infinite.
        TrainingProcessError: a process failed, also after `RESTARTS` restarts.
    """
    reasons: list[str] = []

    def take(message: Message) -> None:
        if isinstance(message, int):
            step.advance(message)
        elif isinstance(message, Epoch):
            if on_epoch:
                on_epoch(message)
        elif isinstance(message, DivergedError):
            raise message
        else:
            reasons.append(str(message))

    _check_processors(run, workers)
    for attempt in range(RESTARTS + 1):
        try:
            _train_here(run, workers, take)
        except (ProcessRaisedException, ProcessExitedException) as error:
            reasons.append(str(error).strip().rpartition("\n")[2])
            if attempt < RESTARTS:
                logger.warning("a training process ended (%s); training goes on from the checkpoint", reasons[-1])
        else:
            return
    raise TrainingProcessError(
        f"training in {workers} processes failed {RESTARTS + 1} times, at last since: {reasons[-1]}; the checkpoint is "
        "kept. Run again to go on from there, or set ARTPIPE_TRAIN_WORKERS=1."
    )


def run_rank(run: TrainingRun, ranks: Ranks, tell: Tell) -> None:
    """What each process does once it has joined the others: go on from the checkpoint until there is reason to stop.

    Args:
        run: whose checkpoint is in the lake.
        ranks: this process among the others.
        tell: takes the messages to the process that started this one.
    """
    task_kind = EnsembleTask if run.config.is_ensemble else ClassifierTask
    class_rows = run.labels.counts(run.labels.encode(run.train_rows))
    reports = _Reports(tell)
    try:
        with reused_memory():
            task = task_kind(run.config, run.labels, class_rows, weights_source=run.weights_source)
            epochs = Epochs(task, run, ranks, on_epoch=reports.finished if ranks.is_first else None)
            epochs.resume()
            with SilentProgress().track("train", 0) as silent:
                epochs.train(reports if ranks.is_first else silent)
            reports.flush()
    except DivergedError as error:  # on every rank alike, and it would diverge again
        if ranks.is_first:
            tell(error)
    except ArtpipeError as error:
        tell(TrainingProcessError(str(error)))
        raise


class _Reports:
    """The progress of rank 0, told once a second."""

    def __init__(self, tell: Tell) -> None:
        self._tell, self._images, self._told_at = tell, 0, time.monotonic()

    def advance(self, count: int = 1) -> None:
        self._images += count
        if time.monotonic() - self._told_at >= _TELL_EVERY_S:
            self.flush()

    def finished(self, epoch: Epoch) -> None:
        self.flush()
        self._tell(epoch)

    def flush(self) -> None:
        if self._images:
            self._tell(self._images)
        self._images, self._told_at = 0, time.monotonic()


def _check_processors(run: TrainingRun, workers: int) -> None:
    device = choose_device(run.config.device).type
    here = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device, workers)
    if workers > here:
        raise BadSettingError(
            f"ARTPIPE_TRAIN_WORKERS={workers}: each process trains on a GPU of its own, and this machine has {here}; "
            f"set it to at most {here}, or ARTPIPE_DEVICE=cpu."
        )


def _train_here(run: TrainingRun, workers: int, take: Callable[[Message], None]) -> None:
    """Start the processes once, on this machine, and pass on what they tell until all have ended.

    Raises:
        ProcessRaisedException, ProcessExitedException: one failed; the others were ended.
    """
    pipes: list[tuple[Any, Any]] = [get_context("spawn").Pipe(duplex=False) for _ in range(workers)]
    with TemporaryDirectory(prefix="artpipe-ranks-") as folder:
        arguments = (workers, Path(folder) / "store", run, [writer for _, writer in pipes])
        started: Any = start_processes(_rank_here, arguments, workers, join=False)
        try:
            for _, writer in pipes:
                writer.close()
            try:
                while not started.join(timeout=0.1):
                    _drain([reader for reader, _ in pipes], take)
            finally:
                _drain([reader for reader, _ in pipes], take)
        finally:
            for process in started.processes:
                process.kill()
                process.join()
            for reader, _ in pipes:
                reader.close()


def _drain(readers: list[Any], take: Callable[[Message], None]) -> None:
    for reader in readers:
        while reader.poll():
            try:
                message = reader.recv()
            except (EOFError, OSError):  # the process has ended
                break
            take(message)


def _rank_here(rank: int, workers: int, store: Path, run: TrainingRun, writers: list[Any]) -> None:
    """The body of a process on this machine; it listens on loopback alone."""
    listen_on_loopback()
    torch.set_num_threads(max(1, torch.get_num_threads() // workers))
    is_on_gpu = choose_device(run.config.device).type == "cuda"
    if is_on_gpu:
        torch.cuda.set_device(rank)
    with joined(FileStore(str(store), workers), Ranks(rank, workers), "nccl" if is_on_gpu else "gloo") as ranks:
        run_rank(run, ranks, writers[rank].send)
