"""Shards as tasks of a Ray cluster: the only module that imports Ray.

Tasks read the lake by its address and return Arrow tables; the driver, which is the process that refreshes, is the only
one that writes. Ray runs a task again whose process or node dies.
"""

import logging
import math
import socket
import threading
import time
import uuid
from collections.abc import Callable, Generator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from artpipe import __version__
from artpipe.engine.shards import Shard, Work
from artpipe.errors import ArtpipeError

STALLED_AFTER_S = 60.0
GIVE_UP_AFTER_S = 120.0
"""How long to wait for a node on which a task fits, such as one that is being started."""
_ANSWER_WITHIN_S = 5.0
_NAMESPACE = "artpipe"
_MADE_ANEW_S = 0.2
"""A pause before an object that died is made anew: the cluster may not know yet."""
_RETRIES = 5
"""How often Ray runs a task again whose process or node died."""


class ClusterError(ArtpipeError):
    """The Ray cluster does not answer, or cannot run artpipe's tasks."""


class ShardFailedError(ArtpipeError):
    """A task of the cluster failed."""


class RayEngine:
    """Runs shards on a Ray cluster, at most twice as many at a time as there are slots.

    Args:
        address: `ray://host:port`, `host:port` of a cluster that this machine is a node of, or `auto` for that one.
        task_cpus: processors of a task.
        task_gpus: GPUs of a task.
        folder: of a lake that is no bucket; each node must have it.
        log: is given a line where the cluster makes the work wait.
    """

    is_local = False

    def __init__(
        self, address: str, task_cpus: float, task_gpus: float, folder: str | None, log: Callable[[str], None]
    ) -> None:
        self._address, self._cpus, self._gpus = address, task_cpus, task_gpus
        self._folder, self._log = folder, log

    def map(self, work: Work, shards: Sequence[Shard]) -> Generator[tuple[Shard, Any], Any, None]:
        """Run a work on each shard; yields the shards as they are done, each with its result.

        Raises:
            ClusterError: the cluster does not answer, has another version, or no node on which a task fits.
            ShardFailedError: a task failed, or died again and again.
        """
        if not shards:
            return
        ray = self.connected()
        task = ray.remote(num_cpus=self._cpus, num_gpus=self._gpus, max_retries=_RETRIES)(_run_shard)
        shipped, token, threads = ray.put(work), uuid.uuid4().hex, max(1, math.floor(self._cpus))
        left, in_flight, waited_s = iter(shards), dict[Any, Shard](), 0.0
        try:
            while True:
                slots = self._slots(ray)
                for shard in islice(left, max(0, 2 * max(slots, 1) - len(in_flight))):
                    in_flight[task.remote([shipped], token, shard, threads, self._folder, __version__)] = shard
                if not in_flight:
                    return
                if not slots and not waited_s:
                    self._log(f"waiting: {self._too_small(ray)}")
                started = time.monotonic()
                done, _ = ray.wait(list(in_flight), num_returns=1, timeout=STALLED_AFTER_S)
                waited_s = 0.0 if done else waited_s + time.monotonic() - started
                if not done:
                    self._tell_stall(ray, slots, len(in_flight), waited_s)
                for ref in done:
                    shard = in_flight.pop(ref)
                    yield shard, _result(ray, ref, shard)
        finally:
            for ref in in_flight:
                with suppress(Exception):  # the cluster may be what failed
                    ray.cancel(ref, force=True)

    def connected(self) -> Any:
        """The Ray library, connected to the cluster.

        Raises:
            ClusterError: Ray is not installed, the cluster does not answer, or it has another version.
        """
        try:
            import ray
        except ImportError as error:
            raise ClusterError(
                f"ARTPIPE_RAY_ADDRESS={self._address} needs Ray, which is not installed; `pip install 'artpipe[ray]'`, "
                "or unset it to compute on this machine."
            ) from error
        if ray.is_initialized():
            return ray
        try:
            self._refuse_dead()
            ray.init(address=self._address, namespace=_NAMESPACE, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, OSError, RuntimeError, ValueError) as error:
            raise ClusterError(self._explained(error)) from error
        return ray

    def _refuse_dead(self) -> None:
        """Ask whether anything listens: Ray itself would try for minutes.

        Raises:
            ClusterError: nothing does.
        """
        from ray._private.services import canonicalize_bootstrap_address_or_die  # what `ray.init` takes it for

        address = self._address
        if not address.startswith("ray://"):
            address = canonicalize_bootstrap_address_or_die(address)
        place = urlsplit(address if "://" in address else f"//{address}")
        try:
            socket.create_connection((place.hostname or "", place.port or 10001), _ANSWER_WITHIN_S).close()
        except OSError as error:
            raise ClusterError(
                f"no Ray cluster answers at {address} ({error}), which is ARTPIPE_RAY_ADDRESS={self._address}; start "
                "one with `ray start --head`, correct the address, or unset it to compute on this machine."
            ) from error

    def _explained(self, error: Exception) -> str:
        text = " ".join(str(error).split())
        if "ersion mismatch" in text:
            return (
                f"the Ray cluster at {self._address} has another version than this machine ({text}); give both the "
                "same image, or the same Python and `pip install --constraint constraints.txt 'artpipe[ray]'`."
            )
        if "node_ip_address" in text or ("node" in text.lower() and "ray start" in text):
            return (
                f"this machine is no node of the Ray cluster at {self._address} ({text}); set "
                "ARTPIPE_RAY_ADDRESS=ray://HOST:10001, or make it one with `ray start --address=...`."
            )
        return f"the Ray cluster at ARTPIPE_RAY_ADDRESS={self._address} cannot be used: {text}"

    def _slots(self, ray: Any) -> int:
        """How many tasks the nodes have room for."""
        return sum(self._fitting(node["Resources"]) for node in ray.nodes() if node["Alive"])

    def _fitting(self, resources: "dict[str, float]") -> int:
        by_cpu = resources.get("CPU", 0.0) // self._cpus
        return int(min(by_cpu, resources.get("GPU", 0.0) // self._gpus) if self._gpus else by_cpu)

    def _too_small(self, ray: Any) -> str:
        """Why no task can run, with the next step."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        has = ", ".join(f"{each.get('CPU', 0):g} CPUs and {each.get('GPU', 0):g} GPUs" for each in nodes)
        return (
            f"no node of the Ray cluster has the {self._cpus:g} CPUs and {self._gpus:g} GPUs of a task (nodes: {has}); "
            "add one, or lower ARTPIPE_RAY_TASK_CPUS or ARTPIPE_RAY_TASK_GPUS."
        )

    def _tell_stall(self, ray: Any, slots: int, tasks: int, waited_s: float) -> None:
        if not slots and waited_s >= GIVE_UP_AFTER_S:
            raise ClusterError(self._too_small(ray))
        if not slots:
            self._log(f"still waiting: {self._too_small(ray)}")
            return
        free = self._fitting(ray.available_resources())
        self._log(
            f"no progress for {waited_s:.0f} s while slots are short: {tasks} shards wait, and {free} of the {slots} "
            "slots of the Ray cluster are free; add nodes, or see `ray status`"
        )


class ClusterObject:
    """An object that lives once in a cluster, longer than who made it; a new one takes its place where it died.

    Args:
        address: of the cluster, as of `RayEngine`.
        name: of the object; another version of artpipe has another object.
        made_by: its class, which the nodes import.
    """

    def __init__(self, address: str, name: str, made_by: type) -> None:
        self._engine = RayEngine(address, 1.0, 0.0, None, lambda _: None)
        self._address, self._name, self._made_by = address, f"{name}-{__version__}", made_by
        self._lock, self._actor = threading.Lock(), None

    def ask(self, method: str, *arguments: Any) -> Any:
        """What a method of the object returns; it is called again where the object died meanwhile.

        Raises:
            ClusterError: the cluster does not answer.
        """
        ray, actor = self._found()
        for _ in range(_RETRIES):
            try:
                return ray.get(getattr(actor, method).remote(*arguments), timeout=STALLED_AFTER_S)
            except ray.exceptions.RayActorError:
                time.sleep(_MADE_ANEW_S)
                _, actor = self._found(instead_of=actor)
            except (ray.exceptions.RayError, ConnectionError) as error:
                raise ClusterError(self._lost(str(error) or type(error).__name__)) from error
        raise ClusterError(self._lost(f"what it keeps as {self._name!r} died {_RETRIES} times"))

    def tell(self, method: str, *arguments: Any) -> None:
        """Call a method, and do not wait for it; a cluster that is gone is no error."""
        _, actor = self._found()
        with suppress(Exception):
            getattr(actor, method).remote(*arguments)

    def _found(self, instead_of: Any = None) -> tuple[Any, Any]:
        """The Ray library and the object's actor, made where there is none."""
        with self._lock:
            ray = self._engine.connected()
            if self._actor is None or self._actor is instead_of:
                self._actor = (
                    ray.remote(self._made_by)
                    .options(
                        name=self._name,
                        namespace=_NAMESPACE,
                        lifetime="detached",
                        get_if_exists=True,
                        num_cpus=0,
                        max_restarts=-1,
                        max_task_retries=-1,
                    )
                    .remote()
                )
            return ray, self._actor

    def _lost(self, why: str) -> str:
        return (
            f"the Ray cluster at ARTPIPE_RAY_ADDRESS={self._address} does not answer ({why.splitlines()[0]}); see "
            "`ray status`, or unset it to compute on this machine."
        )


def _result(ray: Any, ref: Any, shard: Shard) -> Any:
    """What a task returned.

    Raises:
        ShardFailedError: it failed; the traceback of its process is the cause.
    """
    try:
        return ray.get(ref)
    except ray.exceptions.RayError as error:
        cause: Any = getattr(error, "cause", None) or error
        what = str(cause).strip() or type(cause).__name__
        if not isinstance(cause, ArtpipeError):
            what = f"{type(cause).__name__}: {what.splitlines()[0]}"
        if "No module named 'artpipe" in what:
            what = "its node lacks artpipe, or has another version; give all nodes the same image, or install the same"
        if isinstance(error, ray.exceptions.WorkerCrashedError | ray.exceptions.OutOfMemoryError):
            what = f"its process died {_RETRIES + 1} times, perhaps for want of memory ({what.splitlines()[0]})"
        raise ShardFailedError(
            f"the Ray cluster could not do the {len(shard)} pictures from {shard.ids[0]!r} to {shard.ids[-1]!r}: {what}"
        ) from error


_works: dict[str, Work] = {}
"""The work that this process of a cluster does, by its token: what it opened for one shard serves the next."""


def _run_shard(shipped: list[Any], token: str, shard: Shard, threads: int, folder: str | None, version: str) -> Any:
    """What a task does, in a process of the cluster."""
    import ray

    if version != __version__:
        raise ClusterError(
            f"the node {socket.gethostname()} has artpipe {__version__}, and what drives it {version}; give both the "
            "same image, or install the same version."
        )
    if folder is not None and not Path(folder).is_dir():
        raise ClusterError(
            f"the node {socket.gethostname()} has no folder {folder}, where the lake is; share the folder between the "
            "nodes at the same path, or set ARTPIPE_LAKE to a bucket."
        )
    if token not in _works:
        _works.clear()
        _works[token] = ray.get(shipped[0])
    try:
        return _works[token](shard, threads)
    except ArtpipeError as error:
        raise ArtpipeError(str(error)) from error  # a subclass may be made of other arguments than its message
