"""The processes that train one model together, from the view of one of them: its rank.

One training loop serves any number of ranks: `ALONE` is the single process of an ordinary run, which exchanges nothing.
Here is all that ranks exchange; `workers.py` starts them.
"""

import os
import socket
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.distributed import Store  # pyright: ignore[reportPrivateImportUsage]

TIMEOUT = timedelta(hours=1)
"""How long a rank waits for the others, such as for the first one while that validates."""


@dataclass(frozen=True)
class Ranks:
    """This process among those that train one model.

    Attributes:
        rank: 0 is the first: it validates, writes checkpoints and reports.
        size: how many there are; 1 is a process alone.
    """

    rank: int = 0
    size: int = 1

    @property
    def is_first(self) -> bool:
        """Whether this rank validates, writes checkpoints and reports."""
        return self.rank == 0

    def data_parallel(self, network: nn.Module) -> nn.Module:
        """The network such that `backward` averages the gradients over the ranks; its weights are rank 0's.

        Batch norms keep the statistics of their own rank; `average` them.
        """
        if self.size == 1:
            return network
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # newer releases of torch have another name for it
            return nn.parallel.DistributedDataParallel(network, broadcast_buffers=False)

    def mean(self, value: Tensor) -> Tensor:
        """The mean of a tensor over the ranks, the same to the bit on each."""
        if self.size == 1:
            return value
        total = value.detach().clone()
        distributed.all_reduce(total)
        return total / self.size

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each of these float tensors by its mean over the ranks."""
        if self.size == 1 or not tensors:
            return
        means = self.mean(torch.cat([tensor.flatten() for tensor in tensors]))
        for tensor, mean in zip(tensors, means.split([tensor.numel() for tensor in tensors]), strict=True):
            tensor.copy_(mean.view_as(tensor))

    def from_first(self, value: Any) -> Any:
        """What rank 0 passed, on every rank; what the others pass is ignored."""
        if self.size == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values)
        return values[0]


ALONE = Ranks()
"""The single process of an ordinary run."""


@contextmanager
def joined(store: Store, ranks: Ranks, backend: str) -> Generator[Ranks]:
    """Within, the ranks that share this store exchange tensors.

    Args:
        store: by which they find each other.
        ranks: this process among them.
        backend: `gloo`, or `nccl` between GPUs.
    """
    distributed.init_process_group(backend, store=store, rank=ranks.rank, world_size=ranks.size, timeout=TIMEOUT)
    try:
        yield ranks
    finally:
        distributed.destroy_process_group()


def listen_on_loopback() -> None:
    """Let gloo and NCCL, in this process, listen on the network interface of this machine alone."""
    loopback = next((name for _, name in socket.if_nameindex() if name.startswith("lo")), "lo")
    for variable in ("GLOO_SOCKET_IFNAME", "NCCL_SOCKET_IFNAME"):
        os.putenv(variable, loopback)
