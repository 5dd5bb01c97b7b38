"""Work in shards: what an engine runs, and the engine that runs it on this machine.

A stage gives an engine a `Work` and the shards of its pictures, and commits each result itself: whoever runs the work
writes nothing to the lake. `ray_engine.py` is the other engine; `chosen.py` takes one by the settings.
"""

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from artpipe.engine.memory import reused_memory

SHARD_SIZE = 256
"""Pictures of a shard: some seconds of work, and the most that a killed run does again for each task."""


@dataclass(frozen=True)
class Shard:
    """Pictures that are worked on together; the unit of commit and of resume.

    Attributes:
        ids: the `artwork_id` of each.
        keys: what each is known by, such as its `jpeg_sha256`.
    """

    ids: tuple[str, ...]
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)


Work = Callable[[Shard, int], Any]
"""A picklable function of a shard and the number of threads it may use, which gives a PyArrow table with a row for each
picture. It reads the lake, and writes nothing to it."""


def planned(ids: Sequence[str], keys: Sequence[str]) -> list[Shard]:
    """The shards of some pictures: in their order, all of the same size but the last, whichever engine runs them."""
    starts = range(0, len(ids), SHARD_SIZE)
    return [Shard(tuple(ids[at : at + SHARD_SIZE]), tuple(keys[at : at + SHARD_SIZE])) for at in starts]


class Engine(Protocol):
    """Runs work."""

    is_local: bool
    """Whether on this machine alone, so that its caches are worth filling."""

    def unusable(self) -> str:
        """Why it cannot be used now, with the next step; empty where it can."""
        ...

    def map(self, work: Work, shards: Sequence[Shard]) -> Generator[tuple[Shard, Any], Any, None]:
        """Run a work on each shard; yields the shards, in any order, each with its result."""
        ...


class LocalEngine:
    """Runs the shards in this process, one after another."""

    is_local = True

    def unusable(self) -> str:
        """Nothing: this machine can always be used."""
        return ""

    def map(self, work: Work, shards: Sequence[Shard]) -> Generator[tuple[Shard, Any], Any, None]:
        """Run a work on each shard, in their order."""
        with reused_memory():
            for shard in shards:
                yield shard, work(shard, os.cpu_count() or 1)
