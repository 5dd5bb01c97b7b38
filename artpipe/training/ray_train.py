"""Training on a Ray cluster: each rank is a worker of Ray Train. Of this room, only this module imports Ray.

Ray Train starts the ranks, and all of them again when one dies or its node goes. Everything else is as on one machine:
the ranks start from the checkpoint in the lake, and leave the next one there.
"""

import fcntl
import math
import os
import socket
import struct
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from tempfile import TemporaryDirectory
from typing import Any

from artpipe.engine.ray_cluster import GIVE_UP_AFTER_S, ClusterError, TaskResources, connected, connection_lost
from artpipe.training.epochs import TrainingRun
from artpipe.training.rank_process import RESTARTS, Message, TrainingProcessError, run_rank
from artpipe.training.ranks import Ranks, joined

_LISTEN_EVERY_S = 0.5
_ADDRESS_OF_INTERFACE = 0x8915
"""Linux's SIOCGIFADDR."""


def train_on_ray(run: TrainingRun, workers: int, take: Callable[[Message], None]) -> None:
    """Train on the Ray cluster of the config, and pass on what the ranks tell until all have ended.

    Args:
        run: whose checkpoint is in the lake; every node can open that.
        workers: how many ranks.
        take: gets their messages.

    Raises:
        ClusterError: the cluster does not answer, has another version, or has no room for so many ranks.
        TrainingProcessError: Ray Train gave up.
    """
    ray = connected(str(run.config.ray_address))
    from ray.util.queue import Queue

    needs = _needs_of_rank(run)
    told = Queue(actor_options={"num_cpus": 0})
    # In a process of the cluster, since the driver may be none of its nodes; it ends with its task.
    training = ray.remote(num_cpus=0, max_retries=0)(_fit).remote(run, workers, told)
    has_started, started = False, time.monotonic()
    try:
        is_done = False
        while not is_done:
            is_done = bool(ray.wait([training], timeout=_LISTEN_EVERY_S)[0])
            for message in told.get_nowait_batch(told.qsize()):
                has_started = True
                take(message)
            is_late = not (has_started or is_done) and time.monotonic() - started >= GIVE_UP_AFTER_S
            if is_late and needs.slots(ray) < workers:  # Ray Train would wait without end
                raise ClusterError(needs.too_few(ray, workers))
        ray.get(training)
    except ray.exceptions.RayError as error:
        reason = str(getattr(error, "cause", None) or error).strip().rpartition("\n")[2]
        raise TrainingProcessError(reason) from error
    except ConnectionError as error:  # of Ray's client
        raise connection_lost(ray, str(run.config.ray_address), error) from error
    finally:
        with suppress(Exception):  # it has ended, or the cluster is gone
            ray.cancel(training, force=True)
            told.shutdown(force=True)


def _needs_of_rank(run: TrainingRun) -> TaskResources:
    return TaskResources(run.config.ray_task_cpus, math.ceil(run.config.ray_task_gpus))  # NCCL shares no GPU


def _fit(run: TrainingRun, workers: int, told: Any) -> None:
    """Run Ray Train until all ranks have ended well."""
    from ray.train import FailureConfig, RunConfig, ScalingConfig
    from ray.train.backend import Backend
    from ray.train.torch import TorchConfig, TorchTrainer

    @dataclass
    class JoinedByThemselves(TorchConfig):
        """The ranks join each other in `_rank`: by default PyTorch's store would listen on every interface."""

        @property
        def backend_cls(self) -> type[Backend]:  # pyright: ignore[reportIncompatibleMethodOverride]
            return Backend

    needs = _needs_of_rank(run)
    with TemporaryDirectory(prefix="artpipe-ray-train-") as folder:  # of Ray Train's own records
        TorchTrainer(
            _rank,
            train_loop_config={"run": run, "told": told},
            torch_config=JoinedByThemselves(),
            scaling_config=ScalingConfig(
                num_workers=workers,
                use_gpu=needs.gpus > 0,
                resources_per_worker={"CPU": needs.cpus, "GPU": needs.gpus},
            ),
            run_config=RunConfig(
                name="artpipe", storage_path=folder, failure_config=FailureConfig(max_failures=RESTARTS)
            ),
        ).fit()


def _rank(config: dict[str, Any]) -> None:
    """The body of a worker of Ray Train; it listens on its node's own address alone."""
    import ray
    import torch
    from ray.train import get_context
    from ray.train.collective import broadcast_from_rank_zero
    from torch.distributed import TCPStore  # pyright: ignore[reportPrivateImportUsage]

    run: TrainingRun = config["run"]
    context, is_on_gpu = get_context(), run.config.ray_task_gpus > 0
    ranks = Ranks(context.get_world_rank(), context.get_world_size())
    run = replace(run, config=replace(run.config, device="cuda" if is_on_gpu else "cpu"))
    torch.set_num_threads(max(1, int(run.config.ray_task_cpus)))
    here = ray.util.get_node_ip_address()
    for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        if interface := _interface_of(here):
            os.putenv(variable, interface)
    listener = socket.create_server((here, 0)) if ranks.is_first else None
    place: Any = broadcast_from_rank_zero(listener.getsockname() if listener else None)
    file = listener.detach() if listener else None
    store = TCPStore(place[0], place[1], ranks.size, ranks.is_first, master_listen_fd=file)
    with joined(store, ranks, "nccl" if is_on_gpu else "gloo"):
        run_rank(run, ranks, config["told"].put)


def _interface_of(address: str) -> str | None:
    """The network interface that has an address of this machine; None where that cannot be told."""
    for _, name in socket.if_nameindex():
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
            found = fcntl.ioctl(probe, _ADDRESS_OF_INTERFACE, struct.pack("256s", name.encode()))
            if socket.inet_ntoa(found[20:24]) == address:
                return name
    return None
