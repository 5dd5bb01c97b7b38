import hashlib

import numpy as np
import pytest
import torch

from artpipe.images.pixels import PixelCache
from artpipe.models.transforms import Augmentation
from artpipe.training.dataset import ArtDataset, BatchPlan, EpochBatches, loader_workers, make_loader
from artpipe.training.ranks import Ranks


def dataset(draw, tmp_path, augmentation: Augmentation | None) -> ArtDataset:
    _, store = draw(10)
    keys = [hashlib.sha256(name.encode()).hexdigest() for name in store.files]
    cache = PixelCache(tmp_path, 16)
    cache.ensure(list(store.files), keys, store)
    return ArtDataset(cache, cache.rows(keys), np.arange(10).reshape(10, 1), augmentation, seed=0)


def test_every_example_comes_once_an_epoch_in_batches_of_nearly_one_size():
    batches = EpochBatches(100, 32)
    plans = list(batches)
    assert sorted(np.concatenate([plan.examples for plan in plans])) == list(range(100))
    assert [len(plan.examples) for plan in plans] == [25, 25, 25, 25]


def test_the_order_follows_from_the_seed_and_the_epoch():
    batches = EpochBatches(50, 10, seed=1)
    first = [plan.examples.tolist() for plan in batches]
    assert first == [plan.examples.tolist() for plan in batches]
    batches.epoch = 1
    assert first != [plan.examples.tolist() for plan in batches]


@pytest.mark.parametrize(("count", "sizes"), [(3, [3]), (5, [3, 2]), (1, [1]), (4, [2, 2])])
def test_no_batch_is_too_small_for_a_batch_norm(count, sizes):
    assert [len(plan.examples) for plan in EpochBatches(count, 2)] == sizes


def test_the_ranks_share_each_batch():
    whole = list(EpochBatches(50, 16, seed=1))
    shares = [list(EpochBatches(50, 16, ranks=Ranks(rank, 3), seed=1)) for rank in range(3)]
    for batch, *parts in zip(whole, *shares, strict=True):
        assert np.array_equal(np.concatenate([part.examples for part in parts]), batch.examples)
        assert max(len(part.examples) for part in parts) - min(len(part.examples) for part in parts) <= 1
    assert [EpochBatches(50, 16).size_of(step) for step in range(4)] == [len(batch.examples) for batch in whole]


@pytest.mark.parametrize("count", [6, 7, 11, 50])
def test_no_share_is_too_small_for_a_batch_norm(count):
    for rank in range(3):
        assert min(len(plan.examples) for plan in EpochBatches(count, 6, ranks=Ranks(rank, 3))) >= 2


def test_each_rank_augments_in_its_own_way(draw, tmp_path):
    made = dataset(draw, tmp_path, Augmentation())
    examples = np.arange(4)
    first, second, alone = (
        made.__getitems__(plan)
        for plan in (BatchPlan(0, 0, examples), BatchPlan(0, 0, examples, rank=1), BatchPlan(0, 0, examples))
    )
    assert not torch.equal(first.squares, second.squares)
    assert torch.equal(first.squares, alone.squares)


def test_no_examples_make_no_batches():
    assert list(EpochBatches(0, 8)) == []


def test_spawned_loader_processes_give_the_same_batches(draw, tmp_path):
    made = dataset(draw, tmp_path, Augmentation())
    in_process = list(make_loader(made, EpochBatches(10, 4), 0))
    spawned = list(make_loader(made, EpochBatches(10, 4), 1))
    assert len(in_process) == 3
    for one, other in zip(in_process, spawned, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_labels_stay_with_their_pictures(draw, tmp_path):
    made = dataset(draw, tmp_path, None)
    for batch in make_loader(made, EpochBatches(10, 4), 0):
        for square, label, example in zip(batch.squares, batch.labels, batch.examples, strict=True):
            assert int(label[0]) == int(example)
            assert np.array_equal(square.numpy(), made.cache.squares([made.rows[example]])[0])


def test_another_epoch_has_another_augmentation(draw, tmp_path):
    made, batches = dataset(draw, tmp_path, Augmentation()), EpochBatches(10, 10, is_shuffled=False)
    first = next(iter(make_loader(made, batches, 0)))
    batches.epoch = 1
    second = next(iter(make_loader(made, batches, 0)))
    assert not torch.equal(first.squares, second.squares)


def test_the_requested_number_of_loader_processes():
    assert loader_workers(3) == 3
    assert loader_workers(0) == 0
