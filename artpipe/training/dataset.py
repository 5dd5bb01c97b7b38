"""Batches of pixels and labels for the training loop, read from the pixel cache.

The seed, the epoch, the step and the rank alone decide a batch and its augmentation: neither the number of loader
processes nor a resumed run changes it.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from artpipe.images.pixels import PixelCache
from artpipe.models.transforms import Augmentation, crop_and_flip
from artpipe.training.ranks import ALONE, Ranks

MAX_LOADER_WORKERS = 8


@dataclass(frozen=True)
class BatchPlan:
    """Which examples make up one batch."""

    epoch: int
    step: int
    examples: NDArray[np.int64]
    rank: int = 0
    """Of several that share the batch, the rank whose examples these are."""


class PixelBatch(NamedTuple):
    """One batch; N images and one column of labels for each task."""

    squares: Tensor
    """uint8 (N, S, S, 3)."""
    labels: Tensor
    """int64 (N, tasks), -1 where unknown."""
    gains: Tensor
    offsets: Tensor
    examples: Tensor
    """int64 (N,), indices into the dataset."""


class ArtDataset(Dataset[PixelBatch]):
    """Pixels of a pixel cache with their labels, fetched a batch at a time.

    Args:
        rows: the cache row of each example.
        labels: int64 (examples, tasks).
        augmentation: None for the pictures as they are.
    """

    def __init__(
        self,
        cache: PixelCache,
        rows: NDArray[np.int64],
        labels: NDArray[np.int64],
        augmentation: Augmentation | None,
        seed: int,
    ) -> None:
        self.cache, self.rows, self.labels = cache, rows, labels
        self.augmentation, self.seed = augmentation, seed

    def __len__(self) -> int:
        return len(self.rows)

    def __getitems__(self, plan: BatchPlan) -> PixelBatch:
        """The examples of a plan, augmented with its own random generator; a DataLoader passes its sampler's items."""
        count = len(plan.examples)
        squares = torch.from_numpy(self.cache.squares(self.rows[plan.examples]))
        gains, offsets = torch.ones(count), torch.zeros(count)
        if self.augmentation is not None:
            of_rank = (plan.rank,) if plan.rank else ()
            rng = np.random.default_rng((self.seed, plan.epoch, plan.step, *of_rank))
            draws = self.augmentation.draw(rng, count, self.cache.image_px)
            squares = crop_and_flip(list(squares), draws)
            gains, offsets = torch.from_numpy(draws.gains), torch.from_numpy(draws.offsets)
        labels = torch.from_numpy(self.labels[plan.examples])
        return PixelBatch(squares, labels, gains, offsets, torch.from_numpy(plan.examples))


class EpochBatches(Sampler[BatchPlan]):
    """The batches of an epoch, nearly equal in size: no row is left out, and none is too small for a batch norm.

    Args:
        count: how many examples there are, at least two for each rank.
        batch_size: the most examples of a batch, over all ranks.
        ranks: of each batch, this rank gets its share alone; the shares of all ranks are the batch.
        is_shuffled: a new order every epoch, from the seed and `epoch`.
    """

    def __init__(
        self, count: int, batch_size: int, *, ranks: Ranks = ALONE, seed: int = 0, is_shuffled: bool = True
    ) -> None:
        self.count, self.ranks, self.seed, self.is_shuffled = count, ranks, seed, is_shuffled
        self.epoch = 0
        self.steps = max(min(-(-count // batch_size), count // (2 * ranks.size)), min(count, 1))

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[BatchPlan]:
        rng = np.random.default_rng((self.seed, self.epoch))
        order = rng.permutation(self.count) if self.is_shuffled else np.arange(self.count)
        for step, examples in enumerate(np.array_split(order, self.steps) if self.steps else ()):
            share = np.array_split(examples, self.ranks.size)[self.ranks.rank]
            yield BatchPlan(self.epoch, step, share, self.ranks.rank)

    def size_of(self, step: int) -> int:
        """How many examples a batch has, over all ranks."""
        return self.count // self.steps + (step < self.count % self.steps)


def loader_workers(requested: int | None, ranks: int = 1) -> int:
    """How many loader processes a rank starts: by default none where they would compete with training for the cores.

    On two cores, reading and augmenting a batch takes a few per cent of its step, less than a process costs.
    """
    cores = (os.cpu_count() or 1) // ranks
    return requested if requested is not None else 0 if cores <= 2 else min(MAX_LOADER_WORKERS, cores - 2)


def make_loader(
    dataset: ArtDataset, batches: EpochBatches, workers: int, *, is_pinned: bool = False
) -> "DataLoader[PixelBatch]":
    """A DataLoader over planned batches. Its processes are spawned: a forked LanceDB hangs."""
    return DataLoader(
        dataset,
        batch_sampler=cast("Sampler[list[Any]]", batches),
        num_workers=workers,
        collate_fn=_keep,
        multiprocessing_context="spawn" if workers else None,
        persistent_workers=workers > 0,
        pin_memory=is_pinned,
    )


def _keep(batch: Sequence[Any]) -> Any:
    return batch
