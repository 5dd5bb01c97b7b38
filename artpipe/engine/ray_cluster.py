"""The connection to a Ray cluster, and what its nodes have room for.

`ray_engine.py` runs shards there, `training/ray_train.py` trains.
"""

import logging
import os
import socket
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from artpipe.errors import ArtpipeError

NAMESPACE = "artpipe"
GIVE_UP_AFTER_S = 120.0
"""How long to wait for a node on which a task fits, such as one that is being started."""
NO_AUTO_CONNECT = "RAY_ENABLE_AUTO_CONNECT"
"""Set to 0 before Ray is imported: after a lost connection its functions would connect to any other cluster, or start
one."""
_ANSWER_WITHIN_S = 5.0


class ClusterError(ArtpipeError):
    """The Ray cluster does not answer, or cannot run artpipe's tasks."""


def connected(address: str) -> Any:
    """The Ray library, connected to the cluster; the process stays so.

    Args:
        address: `ray://host:port`, `host:port` of a cluster that this machine is a node of, or `auto` for that one.

    Raises:
        ClusterError: Ray is not installed, the cluster does not answer, or it has another version.
    """
    ray = reached(address)
    if ray.is_initialized():
        return ray
    try:
        ray.init(address=address, namespace=NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, OSError, RuntimeError, ValueError) as error:
        raise ClusterError(_explained(address, error)) from error
    return ray


def reached(address: str) -> Any:
    """The Ray library, where something listens at the address: Ray itself would try for minutes.

    Raises:
        ClusterError: Ray is not installed, or nothing listens.
    """
    os.environ.setdefault(NO_AUTO_CONNECT, "0")
    try:
        import ray
        from ray._private.services import canonicalize_bootstrap_address_or_die  # what `ray.init` takes it for
    except ImportError as error:
        raise ClusterError(
            f"ARTPIPE_RAY_ADDRESS={address} needs Ray, which is not installed; `pip install 'artpipe[ray]'`, or unset "
            "it to compute on this machine."
        ) from error
    if ray.is_initialized():
        return ray
    found = address
    try:
        if not address.startswith("ray://"):
            found = canonicalize_bootstrap_address_or_die(address)
        place = urlsplit(found if "://" in found else f"//{found}")
        socket.create_connection((place.hostname or "", place.port or 10001), _ANSWER_WITHIN_S).close()
    except (OSError, RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())
        raise ClusterError(
            f"no Ray cluster answers at {found} ({why}), which is ARTPIPE_RAY_ADDRESS={address}; start one with "
            "`ray start --head`, correct the address, or unset it to compute on this machine."
        ) from error
    return ray


def connection_lost(ray: Any, address: str, error: ConnectionError) -> ClusterError:
    """The error to raise where a cluster no longer answers; the process may connect again then."""
    ray.shutdown()
    return ClusterError(
        f"the connection to the Ray cluster at ARTPIPE_RAY_ADDRESS={address} was lost ({error}); what was done is "
        "kept. See whether its head runs, then run again to go on from there."
    )


def _explained(address: str, error: Exception) -> str:
    text = " ".join(str(error).split())
    if "ersion mismatch" in text:
        return (
            f"the Ray cluster at {address} has another version than this machine ({text}); give both the same image, "
            "or the same Python and `pip install --constraint constraints.txt 'artpipe[ray]'`."
        )
    if "node_ip_address" in text or ("node" in text.lower() and "ray start" in text):
        return (
            f"this machine is no node of the Ray cluster at {address} ({text}); set ARTPIPE_RAY_ADDRESS="
            "ray://HOST:10001, or make it one with `ray start --address=...`."
        )
    text = text.partition(" Traceback (most recent call last)")[0]
    return (
        f"the Ray cluster at ARTPIPE_RAY_ADDRESS={address} cannot be used: {text}; see `ray status` there, or unset it "
        "to compute on this machine."
    )


@dataclass(frozen=True)
class TaskResources:
    """What a task needs of a node.

    Attributes:
        cpus: processors.
        gpus: GPUs.
    """

    cpus: float
    gpus: float

    def slots(self, ray: Any) -> int:
        """How many tasks the nodes of the cluster have room for, busy or not."""
        return sum(self.fitting(resources) for resources in _nodes(ray))

    def fitting(self, resources: dict[str, float]) -> int:
        """How many tasks fit in some resources, by Ray's names."""
        by_cpu = resources.get("CPU", 0.0) // self.cpus
        return int(min(by_cpu, resources.get("GPU", 0.0) // self.gpus) if self.gpus else by_cpu)

    def too_few(self, ray: Any, tasks: int = 1) -> str:
        """Why the nodes have no room for so many tasks at once, with the next step."""
        has = ", ".join(f"{each.get('CPU', 0):g} CPUs and {each.get('GPU', 0):g} GPUs" for each in _nodes(ray))
        needed = f"the {self.cpus:g} CPUs and {self.gpus:g} GPUs of a task"
        what = f"no node of the Ray cluster has {needed}"
        lower = "ARTPIPE_RAY_TASK_CPUS or ARTPIPE_RAY_TASK_GPUS"
        if tasks > 1:
            what = f"the Ray cluster has {needed} for {self.slots(ray)} of {tasks} training processes"
            lower = f"ARTPIPE_TRAIN_WORKERS, {lower}"
        return f"{what} (nodes: {has}); add one, or lower {lower}."


def _nodes(ray: Any) -> list[dict[str, float]]:
    return [node["Resources"] for node in ray.nodes() if node["Alive"]]
