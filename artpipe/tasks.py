"""The tasks of a collection: what its classifier predicts, and the classes of each.

Tasks are data. The Web Gallery of Art has style, period and type; another source declares its own. They are decided
where the catalogue is cleaned, kept in the lake beside the artworks, and read from there by everything downstream.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from artpipe.lake.paths import DataLake, write_whole
from artpipe.schema import CLASSES, PERIOD_BOUNDS

if TYPE_CHECKING:
    from upath import UPath

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""A task names columns, query parameters and options, so it is written like a variable of Python."""


@dataclass(frozen=True)
class Task:
    """One thing that is predicted for each work.

    Attributes:
        name: such as `style`; it matches `NAME`.
        classes: in the order of display; empty where no work has a label.
        is_ordinal: whether the order of the classes means something, as that of periods does.
        year_bounds: the years at which one class ends and the next begins, where the label is made from the years of
            the work: one fewer than the classes, ascending. None where the catalogue gives the label.
    """

    name: str
    classes: tuple[str, ...]
    is_ordinal: bool = False
    year_bounds: tuple[int, ...] | None = None

    @property
    def title(self) -> str:
        """The name as people read it."""
        return self.name.replace("_", " ")


class TaskDeclaration(BaseModel):
    """A task as a person declares it in the file of sources; its classes may be learned from the catalogue."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=rf"^{NAME.pattern}$", description="such as `movement`")
    classes: tuple[str, ...] | None = Field(
        default=None, description="the classes; learned from the column where unset"
    )
    min_works: int = Field(default=20, ge=1, description="a learned class has at least so many works")
    ordinal: bool = Field(default=False, description="whether the order of the classes means something")
    years: tuple[int, ...] | None = Field(
        default=None, description="the label is made from the work's years: where one class ends and the next begins"
    )
    several: Literal["first", "most_common", "rarest", "none"] = Field(
        default="first", description="which label is kept of a work that has several; `none`: it counts as unknown"
    )


class Tasks(Mapping[str, Task]):
    """The tasks of a collection by name, in the order of the model's heads."""

    def __init__(self, *tasks: Task) -> None:
        self._tasks = {task.name: task for task in tasks}

    def __getitem__(self, name: str) -> Task:
        return self._tasks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._tasks)

    def __len__(self) -> int:
        return len(self._tasks)

    def __repr__(self) -> str:
        return f"Tasks({', '.join(self._tasks)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(self._tasks)

    @property
    def labelled(self) -> tuple[str, ...]:
        """The tasks whose labels the catalogue gives: those are columns of `artworks`."""
        return tuple(task.name for task in self._tasks.values() if task.year_bounds is None)


WGA_TASKS = Tasks(
    Task("style", CLASSES["style"]),
    Task("period", CLASSES["period"], is_ordinal=True, year_bounds=PERIOD_BOUNDS),
    Task("type", CLASSES["type"]),
)
"""What the Web Gallery of Art has, and what a lake without a file of tasks was made with."""


def tasks_file(lake: DataLake) -> "UPath":
    """Where a lake keeps its tasks."""
    return lake.table("artworks").with_name("tasks.json")


def read_tasks(lake: DataLake) -> Tasks:
    """The tasks of a lake; those of the Web Gallery of Art where it has none yet."""
    file = tasks_file(lake)
    if not file.exists():
        return WGA_TASKS
    return Tasks(
        *(
            Task(
                task["name"],
                tuple(task["classes"]),
                task["is_ordinal"],
                None if task["year_bounds"] is None else tuple(task["year_bounds"]),
            )
            for task in json.loads(file.read_bytes())
        )
    )


def write_tasks(lake: DataLake, tasks: Tasks) -> None:
    """Keep the tasks of a lake."""
    text = json.dumps([asdict(task) for task in tasks.values()], indent=1, ensure_ascii=False)
    write_whole(tasks_file(lake), text.encode())
