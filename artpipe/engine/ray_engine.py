"""Shards as tasks of a Ray cluster.

Tasks read the lake by its address and return Arrow tables; the driver, which is the process that refreshes, is the only
one that writes. Ray runs a task again whose process or node dies.
"""

import gc
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

from artpipe import __version__
from artpipe.engine.memory import keep_freed_memory
from artpipe.engine.ray_cluster import (
    GIVE_UP_AFTER_S,
    NAMESPACE,
    ClusterError,
    TaskResources,
    connected,
    connection_lost,
    reached,
)
from artpipe.engine.shards import Part, Rows, Shard
from artpipe.errors import ArtpipeError

STALLED_AFTER_S = 60.0
_MADE_ANEW_S = 0.2
"""A pause before an object that died is made anew: the cluster may not know yet."""
_RETRIES = 5
"""How often Ray runs a task again whose process or node died."""
_OBJECTS_A_COLLECTION = 50_000
"""New objects before a task's process looks for garbage: with Python's 700, a sixth of the time in which it imports
PyTorch and the like goes there."""


class ShardFailedError(ArtpipeError):
    """A task of the cluster failed."""


class RayEngine:
    """Runs shards on a Ray cluster, at most twice as many at a time as there are slots.

    Args:
        address: as `connected` takes it.
        task_cpus: processors of a task.
        task_gpus: GPUs of a task.
        folder: of a lake that is no bucket; each node must have it.
        log: is given a line where the cluster makes the work wait.
    """

    is_local = False

    def __init__(
        self, address: str, task_cpus: float, task_gpus: float, folder: str | None, log: Callable[[str], None]
    ) -> None:
        self._address, self._needs = address, TaskResources(task_cpus, task_gpus)
        self._folder, self._log = folder, log

    def map(self, work: Callable[[Part, int], Any], shards: Sequence[Part]) -> Generator[tuple[Part, Any], Any, None]:
        """Run a work on each shard; yields the shards as they are done, each with its result.

        Raises:
            ClusterError: the cluster does not answer or no longer does, has another version, or no node on which a task
                fits.
            ShardFailedError: a task failed, or died again and again.
        """
        if not shards:
            return
        ray, needs = connected(self._address), self._needs
        task = ray.remote(num_cpus=needs.cpus, num_gpus=needs.gpus, max_retries=_RETRIES)(_run_shard)
        shipped, token, threads = ray.put(work), uuid.uuid4().hex, max(1, math.floor(needs.cpus))
        left, in_flight, waited_s = iter(shards), dict[Any, Part](), 0.0
        total = sum(len(shard) for shard in shards)
        self._log(f"{total} {shards[0].unit} go to the Ray cluster, {len(shards)} shards, {needs.slots(ray)} at a time")
        try:
            while True:
                if not ray.is_initialized():
                    raise ConnectionError("it was closed")  # noqa: TRY301 - as Ray says it in the middle of a call
                slots = needs.slots(ray)
                for shard in islice(left, max(0, 2 * max(slots, 1) - len(in_flight))):
                    in_flight[task.remote([shipped], token, shard, threads, self._folder, __version__)] = shard
                if not in_flight:
                    return
                if not slots and not waited_s:
                    self._log(f"waiting: {needs.too_few(ray)}")
                started = time.monotonic()
                done, _ = ray.wait(list(in_flight), num_returns=1, timeout=STALLED_AFTER_S)
                waited_s = 0.0 if done else waited_s + time.monotonic() - started
                if not done:
                    self._tell_stall(ray, slots, len(in_flight), waited_s)
                for ref in done:
                    shard = in_flight.pop(ref)
                    yield shard, _result(ray, ref, shard)
        except ConnectionError as error:  # of Ray's client
            in_flight.clear()  # they ended with their driver
            raise connection_lost(ray, self._address, error) from error
        finally:
            for ref in in_flight:
                with suppress(Exception):  # the cluster may be what failed
                    ray.cancel(ref, force=True)

    def unusable(self) -> str:
        """Why nothing can run there now: Ray is not installed, or nothing listens at the address; empty otherwise."""
        try:
            reached(self._address)
        except ClusterError as error:
            return str(error)
        return ""

    def _tell_stall(self, ray: Any, slots: int, tasks: int, waited_s: float) -> None:
        if not slots and waited_s >= GIVE_UP_AFTER_S:
            raise ClusterError(self._needs.too_few(ray))
        if not slots:
            self._log(f"still waiting: {self._needs.too_few(ray)}")
            return
        free = self._needs.fitting(ray.available_resources())
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
        with suppress(Exception):
            _, actor = self._found()
            getattr(actor, method).remote(*arguments)

    def _found(self, instead_of: Any = None) -> tuple[Any, Any]:
        """The Ray library and the object's actor, made where there is none."""
        with self._lock:
            ray = connected(self._address)
            if self._actor is None or self._actor is instead_of:
                self._actor = (
                    ray.remote(self._made_by)
                    .options(
                        name=self._name,
                        namespace=NAMESPACE,
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


def _result(ray: Any, ref: Any, shard: Shard | Rows) -> Any:
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
        raise ShardFailedError(f"the Ray cluster could not do {shard}: {what}") from error


_works: dict[str, Callable[[Any, int], Any]] = {}
"""The work that this process of a cluster does, by its token: what it opened for one shard serves the next."""


def _run_shard(
    shipped: list[Any], token: str, shard: Shard | Rows, threads: int, folder: str | None, version: str
) -> Any:
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
    if not _works:
        keep_freed_memory()
        gc.set_threshold(_OBJECTS_A_COLLECTION)
    if token not in _works:
        _works.clear()
        _works[token] = ray.get(shipped[0])
    try:
        return _works[token](shard, threads)
    except ArtpipeError as error:
        raise ArtpipeError(str(error)) from error  # a subclass may be made of other arguments than its message
