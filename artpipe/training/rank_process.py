"""One rank of several: the body of each process that trains, wherever it was started.

It tells the process that started it of its progress; weights go by the checkpoint in the lake.
"""

import time
from collections.abc import Callable

from artpipe.engine.memory import reused_memory
from artpipe.errors import ArtpipeError
from artpipe.progress import SilentProgress
from artpipe.training.ensemble import EnsembleTask
from artpipe.training.epochs import DivergedError, Epochs, TrainingRun
from artpipe.training.history import Epoch
from artpipe.training.ranks import Ranks
from artpipe.training.task import ClassifierTask

RESTARTS = 3
"""How often the processes of a run are started again."""
_TELL_EVERY_S = 1.0

Message = int | Epoch | ArtpipeError
"""What a rank tells: how many more pictures were trained on, a finished epoch, or why it ends."""
Tell = Callable[[Message], None]


class TrainingProcessError(ArtpipeError):
    """A training process failed, and failed again each time it was started anew."""


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
