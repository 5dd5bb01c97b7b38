"""One model trained by two workers of Ray Train, on a cluster of this machine."""

import os
import signal
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from torch import distributed

from artpipe.engine.ray_cluster import ClusterError
from artpipe.training.config import Recipe, TrainingConfig
from artpipe_tests.fixtures.ray_cluster import SmallCluster
from artpipe_tests.training.test_workers import TWO, trained, undisturbed

__all__ = ["undisturbed"]  # a fixture: what two processes of this machine make

# Not imported here: Ray reads its environment when it is imported.
pytestmark = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed: pip install 'artpipe[ray]'")


@dataclass(frozen=True)
class KilledAfterAnEpoch(TrainingConfig):
    """Kills the process of rank 0, once, when that goes on after the checkpoint of an epoch."""

    folder: str = ""

    @property
    def recipe(self) -> Recipe:
        marker = Path(self.folder) / "killed"
        if distributed.is_initialized() and distributed.get_rank() == 0 and not marker.exists():
            (checkpoint,) = Path(self.folder).rglob("*.pt")
            if torch.load(checkpoint, weights_only=True)["history"]:
                marker.touch()
                os.kill(os.getpid(), signal.SIGKILL)
        return super().recipe


def test_a_rank_of_the_cluster_that_is_killed_starts_again_and_ends_as_two_processes_here_do(
    undisturbed, ray_cluster: SmallCluster, tmp_path
):
    epochs: list[int] = []
    killed = KilledAfterAnEpoch(**vars(TWO) | {"ray_address": ray_cluster.address, "folder": str(tmp_path)})
    with ray_cluster.another_node():
        card = trained(tmp_path, killed, lambda epoch: epochs.append(epoch.epoch)).card
    assert (tmp_path / "killed").exists()
    assert epochs[-1] == 2
    assert [each["train_loss"] for each in card.history] == undisturbed[0][1]


def test_a_cluster_without_room_for_all_ranks_ends_the_run(ray_cluster: SmallCluster, tmp_path, monkeypatch):
    monkeypatch.setattr("artpipe.training.ray_train.GIVE_UP_AFTER_S", 0.0)
    with pytest.raises(ClusterError, match=r"1 CPUs and 0 GPUs of a task for 1 of 2 .* lower ARTPIPE_TRAIN_WORKERS"):
        trained(tmp_path, replace(TWO, ray_address=ray_cluster.address))


def test_a_dead_address_is_told_in_one_line(tmp_path):
    import ray

    ray.shutdown()
    with pytest.raises(ClusterError, match=r"no Ray cluster answers at .*127.0.0.1:9 .*`ray start --head`"):
        trained(tmp_path, replace(TWO, ray_address="127.0.0.1:9"))
