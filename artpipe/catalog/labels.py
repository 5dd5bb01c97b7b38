"""Which tasks the labels of a collection make, with which classes, and the one label of a work for each of them."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import polars as pl

from artpipe.catalog.rows import LABEL_PREFIX
from artpipe.errors import did_you_mean
from artpipe.schema import PERIOD_BOUNDS, year_classes
from artpipe.tasks import Task, TaskDeclaration, Tasks

_MOST_NAMED = 8
Classify = Callable[[pl.DataFrame], list[pl.Series]]
"""The label that is kept of each row for each task that is not made from years."""


def decide_tasks(
    declared: Sequence[TaskDeclaration] | None, given: Sequence[str], batches: Iterable[pl.DataFrame]
) -> tuple[Tasks, Classify, list[str]]:
    """The tasks with their classes, how rows are labelled, and what is to be said of the tasks.

    Args:
        declared: the tasks; None: every column of labels is one, with the classes that enough works have, and `period`
            is made from the years.
        given: the tasks that have labels.
        batches: the columns of labels of all rows; a batch may lack some.
    """
    counts: dict[str, Counter[str]] = {name: Counter() for name in given}
    for batch in batches:
        for column in batch.columns:
            counts[column.removeprefix(LABEL_PREFIX)].update(_counts(batch[column]))
    if declared is None:
        declared = [TaskDeclaration(name=name) for name in given]
        if "period" not in given:
            declared = [*declared, TaskDeclaration(name="period", years=PERIOD_BOUNDS)]
    tasks: list[Task] = []
    notes: list[str] = []
    labelled: list[tuple[TaskDeclaration, tuple[str, ...]]] = []
    for one in declared:
        if one.years is not None:
            tasks.append(Task(one.name, one.classes or year_classes(one.years), True, one.years))
            continue
        found: Mapping[str, int] = counts.get(one.name, {})
        classes = one.classes or tuple(sorted(name for name, count in found.items() if count >= one.min_works))
        notes += _doubts(one, classes, found, None if one.name in counts else given)
        tasks.append(Task(one.name, classes, one.ordinal))
        labelled.append((one, classes))

    def classify(rows: pl.DataFrame) -> list[pl.Series]:
        return [_one_label(rows, one, classes, counts.get(one.name, {})) for one, classes in labelled]

    return Tasks(*tasks), classify, notes


def _doubts(
    task: TaskDeclaration, classes: Sequence[str], counts: Mapping[str, int], given: Sequence[str] | None
) -> Iterator[str]:
    """What is odd about a declared task; `given` are the tasks that have labels, where this one has none."""
    if given is not None:
        meant = did_you_mean(task.name, given) or (f"there are {', '.join(given)}." if given else "name it there.")
        yield f"`{task.name}` is in `labels` of no source; {meant}"
    elif not classes:
        most = f"; the most frequent has {max(counts.values()):,}" if counts else "; no work has a label"
        yield f"`{task.name}` has no class with {task.min_works} works{most}, so it is not predicted."
    elif task.classes and (absent := [name for name in classes if name not in counts]):
        others = [f"{name} {counts[name]:,}" for name in _most_frequent(counts) if name not in classes][:_MOST_NAMED]
        instead = f"; other labels are {', '.join(others)}" if others else ""
        yield f"`{task.name}`: no work has the class {' or '.join(absent)}{instead}."
    elif not task.classes and (rare := [name for name in _most_frequent(counts) if counts[name] < task.min_works]):
        shown = ", ".join(f"{name} {counts[name]:,}" for name in rare[:_MOST_NAMED])
        more = f" and {len(rare) - _MOST_NAMED:,} more" if len(rare) > _MOST_NAMED else ""
        yield (
            f"`{task.name}`: labels that fewer than {task.min_works} works have count as unknown ({shown}{more}); "
            "a lower `min_works` learns them."
        )


def _most_frequent(counts: Mapping[str, int]) -> list[str]:
    return sorted(counts, key=lambda name: (-counts[name], name))


def _counts(several: pl.Series) -> dict[str, int]:
    """How many works have each label."""
    labels = several.list.unique().explode().drop_nulls()
    counts: Iterable[tuple[str, int]] = labels.value_counts().iter_rows()
    return {name: count for name, count in counts if name}


def _one_label(
    rows: pl.DataFrame, task: TaskDeclaration, classes: Sequence[str], counts: Mapping[str, int]
) -> pl.Series:
    """The label that is kept of each work, by the task's rule; null where it has none of the classes."""
    column = f"{LABEL_PREFIX}{task.name}"
    if column not in rows.columns:
        return pl.Series(task.name, [None], pl.String).new_from_index(0, rows.height)
    several = rows[column]
    known = set(classes)
    rank = {name: (counts.get(name, 0), name) for name in classes}

    def keep(labels: Sequence[str]) -> str | None:
        found = [label for label in labels if label in known]
        if not found or (task.several == "none" and len(set(found)) > 1):
            return None
        if task.several == "most_common":
            return max(found, key=rank.__getitem__)
        if task.several == "rarest":
            return min(found, key=rank.__getitem__)
        return found[0]

    distinct = several.unique()
    kept = {tuple(labels): keep(labels) for labels in distinct.drop_nulls().to_list()}
    labels = [None if labels is None else kept[tuple(labels)] for labels in several.to_list()]
    return pl.Series(task.name, labels, pl.String)
