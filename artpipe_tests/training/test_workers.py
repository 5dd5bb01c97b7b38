"""One model trained by two processes on this machine."""

import hashlib
import json
import multiprocessing
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import distributed

from artpipe.lake.paths import DataLake
from artpipe.models.card import WeightsSource
from artpipe.models.checkpoint import load_model
from artpipe.models.labels import Labels
from artpipe.models.network import build_backbone
from artpipe.progress import SilentProgress
from artpipe.tasks import WGA_TASKS
from artpipe.training import workers
from artpipe.training.config import TrainingConfig
from artpipe.training.epochs import DivergedError, Epochs, TrainingRun
from artpipe.training.loop import TrainedModel, train_classifier
from artpipe.training.rank_process import TrainingProcessError
from artpipe.training.ranks import Ranks, joined, listen_on_loopback
from artpipe.training.task import ClassifierTask
from artpipe.training.workers import train_in_processes
from artpipe_tests.fixtures.drawn_pictures import draw_gallery

LOOPBACK = "0100007F"
"""127.0.0.1 in Linux's list of sockets."""

TWO = TrainingConfig(
    backbone="test_efficientnet",
    weights="none",
    image_px=32,
    epochs=2,
    batch_size=16,
    device="cpu",
    loader_workers=0,
    train_workers=2,
    recipe_changes={"ema_decay": 0.9},
)


def run_of(folder: Path, config: TrainingConfig) -> TrainingRun:
    rows, store = draw_gallery(36)
    train, validation = (rows.filter(pl.col("split") == split).sort("artwork_id") for split in ("train", "validation"))
    labels = Labels.of(rows, WGA_TASKS)
    return TrainingRun(
        train, validation, store, DataLake(folder / "lake"), labels, config, WeightsSource("none", None), "run"
    )


def task_of(run: TrainingRun) -> ClassifierTask:
    return ClassifierTask(run.config, run.labels, run.labels.counts(run.labels.encode(run.train_rows)))


def hash_of(tensors: Iterable[torch.Tensor]) -> str:
    return hashlib.sha256(b"".join(each.detach().numpy().tobytes() for each in tensors)).hexdigest()


def listening_addresses() -> list[str]:
    """Where this process listens, as Linux writes addresses."""
    mine = {str(link.readlink()) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()}
    tables = [Path(f"/proc/self/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    rows = [row.split() for table in tables for row in table]
    return [row[1].partition(":")[0] for row in rows if row[3] == "0A" and f"socket:[{row[9]}]" in mine]


def record_weights(rank: int, folder: Path) -> None:
    """The body of one of two processes, of which only the first has the seed's initial weights."""
    listen_on_loopback()
    torch.set_num_threads(1)
    run = run_of(folder, TWO)
    hashes: list[list[str]] = []
    with joined(distributed.FileStore(str(folder / "store"), 2), Ranks(rank, 2), "gloo") as ranks:
        torch.manual_seed(TWO.seed + rank)
        task = task_of(run)

        def record(_) -> None:
            moments = [each["exp_avg"] for each in task.optimizer.state.values()]
            networks = [task.network, task.evaluated]  # the second is the average of its weights
            hashes.append([hash_of(moments), *(hash_of(each.state_dict().values()) for each in networks)])

        epochs = Epochs(task, run, ranks, on_epoch=record)
        with SilentProgress().track("train", 0) as step:
            epochs.train(step)
        listening = listening_addresses()
    losses = [epoch.train_loss for epoch in epochs.history.epochs]
    (folder / f"{rank}.json").write_text(json.dumps([hashes, losses, epochs.history.best_epoch, listening]))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list:
    """Of both ranks: the hashes after each epoch, its loss, the best epoch, and where the process listened."""
    folder = tmp_path_factory.mktemp("undisturbed")
    torch.multiprocessing.start_processes(record_weights, (folder,), 2)
    return [json.loads((folder / f"{rank}.json").read_text()) for rank in (0, 1)]


def test_after_each_epoch_the_weights_of_all_ranks_are_the_same(undisturbed):
    one, other = undisturbed
    assert one == other
    hashes = one[0]
    assert all(len(set(each)) == 2 for each in zip(*hashes, strict=True)), "each epoch changes them"


def test_the_ranks_listen_on_loopback_alone(undisturbed):
    assert {address for rank in undisturbed for address in rank[3]} == {LOOPBACK}


def trained(folder: Path, config: TrainingConfig, on_epoch=None) -> TrainedModel:
    rows, store = draw_gallery(36)
    return train_classifier(rows, store, DataLake(folder / "lake"), WGA_TASKS, config, on_epoch=on_epoch)


def test_a_run_whose_process_is_killed_ends_at_the_same_weights(undisturbed, tmp_path):
    epochs: list[int] = []
    others = multiprocessing.active_children()  # of other tests

    def kill(epoch) -> None:
        epochs.append(epoch.epoch)
        if len(epochs) == 1:
            rank = next(child for child in multiprocessing.active_children() if child not in others)
            rank.kill()

    done = trained(tmp_path, TWO, kill)
    assert epochs == [1, 2]
    hashes, losses, best_epoch, _ = undisturbed[0]
    assert [each["train_loss"] for each in done.card.history] == losses
    assert done.card.best_epoch == best_epoch
    assert hash_of(load_model(done.folder).model.state_dict().values()) == hashes[best_epoch - 1][2]
    assert done.card.config["train_workers"] == 2
    assert set(multiprocessing.active_children()) <= set(others)


def test_a_diverged_loss_ends_the_run_at_once(tmp_path):
    with pytest.raises(DivergedError, match=r"in epoch \d, batch \d of 2 .*Set ARTPIPE_LEARNING_RATE"):
        trained(tmp_path, replace(TWO, learning_rate=1e30))


def test_a_process_that_fails_each_time_is_told_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(workers, "RESTARTS", 0)
    run = run_of(tmp_path, replace(TWO, backbone="test_vit"))
    epochs = Epochs(task_of(run), run)
    epochs.save()
    with (
        SilentProgress().track("train", 0) as step,
        pytest.raises(TrainingProcessError, match=r"2 processes failed, also after 0 restarts: .*checkpoint is kept"),
    ):
        train_in_processes(replace(run, config=TWO), 2, step)  # the checkpoint of another backbone


def test_a_head_alone_is_trained_by_one_process(tmp_path):
    path = tmp_path / "weights.pth"
    torch.save(build_backbone("test_efficientnet", 32)[0].body.state_dict(), path)
    probe = replace(TWO, weights=str(path), recipe_name="probe", epochs=None)
    one, two = (trained(tmp_path / str(count), replace(probe, train_workers=count)) for count in (1, 2))
    assert one.card.model_id == two.card.model_id
    assert "train_workers" not in two.card.config
