"""The tasks of a collection: what its classifier predicts, and the classes of each.

Tasks are data. The Web Gallery of Art has style, period and type; another source declares its own. They are decided
where the catalogue is cleaned, kept in the lake beside the artworks, and read from there by everything downstream.
"""

import hashlib
import itertools
import json
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from artpipe.lake.paths import DataLake, write_whole
from artpipe.schema import ARTWORKS, CLASSES, PERIOD_BOUNDS, SPLITS

if TYPE_CHECKING:
    from upath import UPath

_LENGTH = 100
"""Years of a class that has neither a beginning nor an end, and no neighbour to take its length from."""

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
"""A task names columns, query parameters and options, so it is written like a variable of Python."""


RESERVED: Mapping[str, frozenset[str]] = {
    "a column of the lake's tables": frozenset((*ARTWORKS, *SPLITS, "model_id", "vector")) - {"style", "type"},
    "a column that is added to labels for a while": frozenset(("label", "override", "is_overridden", "row", "x", "y")),
    "a parameter of an address": frozenset(
        (
            "looks",
            "words",
            "image",
            "like",
            "unlike",
            "page",
            "size",
            "crop",
            "corners",
            "by",
            "width",
            "only",
            "work",
            "works",
        )
    ),
    "a field of a filter": frozenset(("labels",)),
    "a field of a hit or of a prediction": frozenset(
        ("rank", "similarity", "relevance", "file", "is_painting", "is_sure", "recognised", "is_out_of_distribution")
    )
    | {"nearest_similarity", "distance", "threshold"},
    "what a part of the map is called after": frozenset(("word",)),
}
"""Names that a task cannot have, because something beside its labels has them, by what that is."""
_RESERVED_PARTS = re.compile(r"predicted_.*|.*_(probability|held|then)")
"""Such names are made from the names of tasks."""


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

    def change_since(self, then: "Task") -> str:
        """How it differs from what it was, in words; empty where it does not."""
        added, gone = (
            [name for name in one.classes if name not in other.classes] for one, other in ((self, then), (then, self))
        )
        if added or gone:
            parts = (
                f"has {', '.join(added)} now" if added else "",
                f"has no {', '.join(gone)} any more" if gone else "",
            )
            return f"{self.title} {' and '.join(filter(None, parts))}"
        return "" if self == then else f"the classes of {self.title} are in another order or have other years"

    def years_of(self, name: str) -> tuple[int, int] | None:
        """The first year of a class and the first year after it; an open class is as long as its neighbour.

        None where years do not make the label, or it is none of the classes.
        """
        if not self.year_bounds or name not in self.classes:
            return None
        years = self.year_bounds
        lengths = [later - earlier for earlier, later in itertools.pairwise(years)] or [_LENGTH]
        bounds = (years[0] - lengths[0], *years, years[-1] + lengths[-1])
        number = self.classes.index(name)
        return bounds[number], bounds[number + 1]

    def middle_years(self, classes: Sequence[str]) -> tuple[float, ...] | None:
        """The year in the middle of each class, by `years_of`; None where one of them has no years."""
        spans = [span for name in classes if (span := self.years_of(name)) is not None]
        return tuple(sum(span) / 2 for span in spans) if len(spans) == len(classes) else None


def heading(name: str) -> str:
    """The name of a task as a heading."""
    return name.replace("_", " ").capitalize()


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

    @field_validator("name")
    @classmethod
    def _not_reserved(cls, name: str) -> str:
        """Refuse a name that something else has."""
        reason = next((what for what, names in RESERVED.items() if name in names), None)
        if reason is None and _RESERVED_PARTS.fullmatch(name):
            reason = "like a name that is made from those of tasks"
        if reason:
            raise ValueError(f"no task can be called {name!r}, which is {reason}; call it {name}_class, for example")
        return name

    @model_validator(mode="after")
    def _classes_fit(self) -> "TaskDeclaration":
        """Refuse classes and years that do not fit each other."""
        if self.classes is not None and (len(set(self.classes)) < len(self.classes) or not all(self.classes)):
            raise ValueError("a class is there twice, or has no name")
        if self.years is not None:
            if not self.years or any(later <= earlier for earlier, later in itertools.pairwise(self.years)):
                raise ValueError("years must be at least one, each later than the one before")
            if self.classes is not None and len(self.classes) != len(self.years) + 1:
                raise ValueError(
                    f"{len(self.years)} years divide time into {len(self.years) + 1} classes, and {len(self.classes)} "
                    "are named"
                )
        return self


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

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tasks) and list(self._tasks.values()) == list(other._tasks.values())

    def __hash__(self) -> int:
        return hash(tuple(self._tasks.values()))

    def __repr__(self) -> str:
        return f"Tasks({', '.join(self._tasks)})"

    @property
    def names(self) -> tuple[str, ...]:
        """The names in order."""
        return tuple(self._tasks)

    def among(self, columns: Collection[str]) -> "Tasks":
        """The tasks that a table with these columns has labels of: it may have been made before one was declared."""
        return Tasks(*(task for name, task in self.items() if name in columns))

    @property
    def version(self) -> str:
        """A hash of the tasks and their classes."""
        text = json.dumps([asdict(task) for task in self._tasks.values()])
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def changes_since(self, then: "Tasks") -> str:
        """How these tasks differ from former ones, in words; empty where they do not."""
        if self.names != then.names:
            return f"the tasks are {', '.join(self) or 'none'} now"
        return "; ".join(change for name, task in self.items() if (change := task.change_since(then[name])))

    @property
    def caption(self) -> str | None:
        """What captions say of a work and the map is coloured by: the first task that the catalogue gives labels of."""
        return next(iter(self.labelled), None)

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


def artworks_schema(tasks: Tasks) -> pl.Schema:
    """The columns of `artworks` of a collection with these tasks: those of every collection, and the labels."""
    fixed = {name: kind for name, kind in ARTWORKS.items() if name not in WGA_TASKS.labelled}
    return pl.Schema({**fixed, **dict.fromkeys(tasks.labelled, pl.String())}) if tasks != WGA_TASKS else ARTWORKS


def read_tasks(lake: DataLake) -> Tasks:
    """The tasks of a lake; those of the Web Gallery of Art where it has none yet."""
    found = read_tasks_file(lake.tasks)
    return WGA_TASKS if found is None else found


def read_tasks_file(file: "UPath") -> Tasks | None:
    """The tasks that a file holds; None where there is none."""
    if not file.exists():
        return None
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


def write_tasks(file: "UPath", tasks: Tasks) -> None:
    """Keep tasks in a file."""
    text = json.dumps([asdict(task) for task in tasks.values()], indent=1, ensure_ascii=False)
    write_whole(file, text.encode())
