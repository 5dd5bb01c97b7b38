"""Work in shards: what an engine runs, and the engine that runs it on this machine.

A stage gives an engine a `Work` and the shards of its pictures, and commits each result itself: whoever runs the work
writes nothing to the lake. `ray_engine.py` is the other engine; `chosen.py` takes one by the settings.
"""

import os
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, TypeVar

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

    unit: ClassVar[str] = "pictures"
    ids: tuple[str, ...]
    keys: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.ids)

    def __str__(self) -> str:
        return f"the {len(self)} pictures from {self.ids[0]!r} to {self.ids[-1]!r}"


@dataclass(frozen=True)
class Rows:
    """Rows of a matrix that the work itself holds, such as vectors to find the neighbours of.

    Attributes:
        first: number of the first.
        end: number after the last.
    """

    unit: ClassVar[str] = "vectors"
    first: int
    end: int

    def __len__(self) -> int:
        return self.end - self.first

    def __str__(self) -> str:
        return f"the vectors {self.first} to {self.end - 1}"

    @property
    def slice(self) -> "slice":
        """The rows as an index."""
        return slice(self.first, self.end)


Part = TypeVar("Part", Shard, Rows)
Work = Callable[[Shard, int], Any]
"""A picklable function of a shard and the number of threads it may use, which gives a PyArrow table with a row for each
picture. It reads the lake, and writes nothing to it. Work on `Rows` gives arrays with a row for each."""


def planned(ids: Sequence[str], keys: Sequence[str]) -> list[Shard]:
    """The shards of some pictures: in their order, all of the same size but the last, whichever engine runs them."""
    starts = range(0, len(ids), SHARD_SIZE)
    return [Shard(tuple(ids[at : at + SHARD_SIZE]), tuple(keys[at : at + SHARD_SIZE])) for at in starts]


def rows_of(count: int, at_once: int) -> list[Rows]:
    """So many rows in parts of the same size but the last."""
    return [Rows(first, min(first + at_once, count)) for first in range(0, count, at_once)]


class Engine(Protocol):
    """Runs work."""

    is_local: bool
    """Whether on this machine alone, so that its caches are worth filling."""

    def unusable(self) -> str:
        """Why it cannot be used now, with the next step; empty where it can."""
        ...

    def map(self, work: Callable[[Part, int], Any], shards: Sequence[Part]) -> Generator[tuple[Part, Any], Any, None]:
        """Run a work on each shard; yields the shards, in any order, each with its result."""
        ...


class LocalEngine:
    """Runs the shards in this process, one after another."""

    is_local = True

    def unusable(self) -> str:
        """Nothing: this machine can always be used."""
        return ""

    def map(self, work: Callable[[Part, int], Any], shards: Sequence[Part]) -> Generator[tuple[Part, Any], Any, None]:
        """Run a work on each shard, in their order."""
        with reused_memory():
            for shard in shards:
                yield shard, work(shard, os.cpu_count() or 1)
