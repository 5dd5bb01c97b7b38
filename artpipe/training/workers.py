"""Training in several processes, `ARTPIPE_TRAIN_WORKERS` of them: on this machine, or on a Ray cluster.

Each process is a rank and runs the loop of `epochs.py`. The checkpoint in the lake is all that they start from and
leave behind. When one dies, all end, start again, and go on after the last epoch: to the same weights.
"""

import logging
from collections.abc import Callable
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch.distributed import FileStore  # pyright: ignore[reportPrivateImportUsage]
from torch.multiprocessing.spawn import ProcessExitedException, ProcessRaisedException, start_processes

from artpipe.errors import BadSettingError
from artpipe.models.network import choose_device
from artpipe.progress import Step
from artpipe.training.epochs import DivergedError, TrainingRun
from artpipe.training.history import Epoch
from artpipe.training.rank_process import RESTARTS, Message, TrainingProcessError, run_rank
from artpipe.training.ranks import Ranks, joined, listen_on_loopback

logger = logging.getLogger(__name__)


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
        ClusterError: the Ray cluster does not answer, or has no room for so many.
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

    try:
        if run.config.ray_address is None:
            _train_here(run, workers, take)
        else:
            from artpipe.training.ray_train import train_on_ray

            train_on_ray(run, workers, take)
    except TrainingProcessError as error:
        reason = (reasons or [str(error)])[-1]
        raise TrainingProcessError(
            f"training in {workers} processes failed, also after {RESTARTS} restarts: {reason}; the checkpoint is "
            "kept. Run again to go on from there, or set ARTPIPE_TRAIN_WORKERS=1."
        ) from error


def _train_here(run: TrainingRun, workers: int, take: Callable[[Message], None]) -> None:
    """Train on this machine, and pass on what the ranks tell.

    Raises:
        TrainingProcessError: a process failed, also after all restarts.
    """
    _check_processors(run, workers)
    for attempt in range(RESTARTS + 1):
        try:
            _start_once(run, workers, take)
        except (ProcessRaisedException, ProcessExitedException) as error:
            reason = str(error).strip().rpartition("\n")[2]
            if attempt == RESTARTS:
                raise TrainingProcessError(reason) from error
            logger.warning("a training process ended (%s); training goes on from the checkpoint", reason)
        else:
            return


def _check_processors(run: TrainingRun, workers: int) -> None:
    device = choose_device(run.config.device).type
    here = {"cuda": torch.cuda.device_count(), "mps": 1}.get(device, workers)
    if workers > here:
        raise BadSettingError(
            f"ARTPIPE_TRAIN_WORKERS={workers}: each process trains on a GPU of its own, and this machine has {here}; "
            f"set it to at most {here}, or ARTPIPE_DEVICE=cpu."
        )


def _start_once(run: TrainingRun, workers: int, take: Callable[[Message], None]) -> None:
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
