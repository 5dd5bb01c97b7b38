"""Overrides: labels that a person corrected, and pairs of artworks that show one work.

Both are CSV files that people write, by hand or with `artpipe labels`, and both are validated here, line by line,
before anything is made from them. `corrections.py` applies the labels to the splits, `works.py` joins the works.
"""

import csv
import io
from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import polars as pl

from artpipe.catalog.names import similar_names
from artpipe.errors import ArtpipeError
from artpipe.lake.lease import Lock
from artpipe.lake.paths import expand_home, file_at, write_whole
from artpipe.settings import Settings
from artpipe.tasks import WGA_TASKS, Tasks, read_tasks

LABELS = pl.Schema(dict.fromkeys(("artwork_id", "task", "label", "by", "reason", "at"), pl.String()))
"""One row is the label of one task that a person gave an artwork; null where it is unknown."""

SAME_WORK = pl.Schema(dict.fromkeys(("left", "right", "by", "reason", "at"), pl.String()))
"""One row is two artworks that show one work."""

_OPTIONAL = ("by", "reason", "at")
_MAX_PROBLEMS_SHOWN = 5
_LOCK_S = 20.0
_Line = tuple[int, dict[str, str]]
Override = Mapping[str, str | None]
"""A line of a file of overrides, by column."""


class OverridesError(ArtpipeError):
    """A file of overrides, or a line to be written to one, is not valid."""


@dataclass(frozen=True)
class OverrideFiles:
    """Where a person's overrides are.

    Attributes:
        labels: path or address of the corrected labels.
        same_work: path or address of the pairs that show one work.
        different_works: path or address of the pairs that do not, though they were suggested.
        is_labels_named: a setting names the first one, so it must exist.
        tasks: of the labels.
    """

    labels: str
    same_work: str
    different_works: str = ""
    is_labels_named: bool = False
    tasks: Tasks = WGA_TASKS

    @classmethod
    def from_settings(cls, settings: Settings) -> "OverrideFiles":
        """The files that the settings name, or those of the lake."""
        lake = settings.data_lake
        named = settings.label_overrides
        labels = named or lake.overrides("labels")
        pairs = lake.overrides("same_work"), lake.overrides("different_works")
        return cls(labels, *pairs, is_labels_named=named is not None, tasks=read_tasks(lake))


@dataclass(frozen=True)
class Overrides:
    """The valid content of both files.

    Attributes:
        labels: table `LABELS`, one row an artwork and task, in the order of the file.
        same_work: table `SAME_WORK`.
        remarks: warnings, in words.
    """

    labels: pl.DataFrame
    same_work: pl.DataFrame
    remarks: tuple[str, ...] = ()


def read_overrides(files: OverrideFiles, artwork_ids: Collection[str]) -> Overrides:
    """Read and validate both files; a missing one is empty.

    Args:
        files: where they are.
        artwork_ids: every artwork of the catalogue; a line about another one has no effect and gives a remark.

    Raises:
        OverridesError: a line is not valid, or a setting names a file that does not exist; every such line is named. A
            line with a date may be about a task or a class that has gone since; it has no effect and gives a remark.
    """
    if files.is_labels_named and not file_at(files.labels).exists():
        raise OverridesError(
            f"ARTPIPE_LABEL_OVERRIDES names {files.labels}, which does not exist; correct it, or leave it out."
        )
    known = set(artwork_ids)
    labels, remarks_on_tasks = _declared(files, _checked(files.labels, LABELS, partial(_label_problem, files.tasks)))
    same_work = _checked(files.same_work, SAME_WORK, _pair_problem)
    kept, remarks = _last_lines(files.labels, labels)
    remarks = [*remarks_on_tasks, *remarks]
    for file, lines, columns in ((files.labels, labels, ("artwork_id",)), (files.same_work, same_work, SAME_WORK)):
        for number, line in lines:
            unknown = [line[name] for name in columns if name not in _OPTIONAL and line[name] not in known]
            remarks += [f"{file}, line {number}: the catalogue has no artwork {name!r}" for name in unknown]
    return Overrides(_table(kept, LABELS), _table([line for _, line in same_work], SAME_WORK), tuple(remarks))


def write_label(files: OverrideFiles, line: Mapping[str, str]) -> Override | None:
    """Write a label to the file, in place of an earlier one of the same artwork and task.

    Args:
        files: where it is; it is created where it does not exist.
        line: the values of `LABELS`; an empty label is unknown.

    Returns:
        The replaced line; None where there was none.

    Raises:
        OverridesError: this line, or one in the file, is not valid.
    """
    _refuse(_label_problem(files.tasks, line) or _not_declared(files.tasks, line))
    return _replace(files.labels, LABELS, files.tasks, line, line)


def write_same_work(files: OverrideFiles, line: Mapping[str, str]) -> Override | None:
    """Write a pair of artworks that show one work to the file, in place of an earlier line about them.

    Args:
        files: where it is; it is created where it does not exist.
        line: the values of `SAME_WORK`.

    Returns:
        The replaced line; None where there was none.

    Raises:
        OverridesError: this line, or one in the file, is not valid.
    """
    _refuse(_pair_problem(line))
    return _replace(files.same_work, SAME_WORK, files.tasks, line, line)


def write_different_works(files: OverrideFiles, line: Mapping[str, str]) -> Override | None:
    """Write a pair of artworks that do not show one work, so that nobody is asked about them again.

    It has no effect on the splits. Arguments, result and errors are those of `write_same_work`.
    """
    _refuse(_pair_problem(line))
    return _replace(files.different_works, SAME_WORK, files.tasks, line, line)


def undo(file: str, tasks: Tasks, written: Override, before: Override | None = None) -> None:
    """Take a line back that was written to a file of overrides, and put back what it replaced.

    Args:
        file: one of `OverrideFiles`.
        tasks: of the labels.
        written: the line.
        before: what it replaced, if anything.

    Raises:
        OverridesError: the line is not there any more, or the file is not valid.
    """
    schema = LABELS if "task" in written else SAME_WORK
    _replace(file, schema, tasks, written, before, expected=written)


def read_pairs(file: str) -> pl.DataFrame:
    """The pairs of artworks in a file, table `SAME_WORK`; none where there is no file.

    Raises:
        OverridesError: a line is not valid.
    """
    return _table([line for _, line in _checked(file, SAME_WORK, _pair_problem)], SAME_WORK)


def _replace(
    file: str,
    schema: pl.Schema,
    tasks: Tasks,
    about: Override,
    line: Override | None,
    expected: Override | None = None,
) -> Override | None:
    """Replace the line about a label or a pair by another or by none; returns the replaced one.

    Args:
        file: the file of overrides.
        schema: its columns.
        tasks: of the labels.
        about: a line about the same label or pair.
        line: what to write instead.
        expected: what the replaced line must be.
    """
    with _locked(file):
        if schema is LABELS:
            known, _ = _last_lines(file, _checked(file, LABELS, partial(_label_problem, tasks)))
        else:
            known = [other for _, other in _checked(file, SAME_WORK, _pair_problem)]
        others = [other for other in known if _subject(other) != _subject(about)]
        replaced = _table([other for other in known if other not in others][-1:], schema).rows(named=True)
        if expected is not None and replaced != _table([expected], schema).rows(named=True):
            raise OverridesError(f"{file} has changed since, and nothing was undone; look at what it says now.")
        _write(file, _table([*others, line] if line else others, schema))
    return replaced[0] if replaced else None


def _subject(line: Override) -> object:
    """What a line is about."""
    if "task" in line:
        return line["artwork_id"], line["task"]
    return frozenset((line["left"], line["right"]))


@contextmanager
def _locked(file: str) -> Generator[None]:
    """Hold the lock of a file of overrides, so that of two writers none loses the other's line."""
    if "://" in file:
        from upath import UPath

        place = UPath(file)
        with Lock(file, place.with_name(f".{place.name}.lock") / "lease").held("a correction", patience_s=_LOCK_S):
            yield
        return
    from filelock import FileLock, Timeout

    path = Path(expand_home(file)).with_name(f".{Path(file).name}.lock")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire(timeout=_LOCK_S)
    except Timeout as error:
        raise OverridesError(f"{file} is being written by another process; try again.") from error
    except OSError as error:
        raise _unwritable(file, error) from error
    try:
        yield
    finally:
        lock.release()


def spelling_advice(name: str, known: Collection[str], otherwise: str) -> str:
    """Advice on an unknown name: the most similarly spelt names, or `otherwise` where none is close."""
    close = similar_names(name, known)
    return f"the closest: {', '.join(close)}" if close else otherwise


def one_of(names: Sequence[str]) -> str:
    """Names to choose from, in words: `style, period or type`."""
    *others, last = names or ("nothing",)
    return f"{', '.join(others)} or {last}" if others else last


def _label_problem(tasks: Tasks, line: Mapping[str, str]) -> str | None:
    if not line["artwork_id"]:
        return "it names no artwork_id; write one such as `a/artist/work`"
    # A line with a date was written by artpipe, and was valid then: the task or the class has gone since.
    return _date_problem(line) or (None if line["at"] else _not_declared(tasks, line))


def _declared(files: OverrideFiles, lines: Sequence[_Line]) -> tuple[list[_Line], list[str]]:
    """The lines about tasks and classes of the collection, and a remark for each other one."""
    problems = {number: problem for number, line in lines if (problem := _not_declared(files.tasks, line))}
    kept = [(number, line) for number, line in lines if number not in problems]
    return kept, [f"{files.labels}, line {number} has no effect: {text}" for number, text in problems.items()]


def _not_declared(tasks: Tasks, line: Mapping[str, str]) -> str | None:
    """Why the task or the label of a line is none of the collection; None where it is one."""
    name, label = line["task"], line["label"]
    if name not in tasks:
        return f"{name!r} is no task; write {one_of(tasks.names)}"
    classes = tasks[name].classes
    if label and label not in classes:
        return f"{label!r} is no {name}; " + spelling_advice(
            label, classes, f"write one of {', '.join(classes)}, or nothing where it is unknown"
        )
    return None


def _pair_problem(line: Mapping[str, str]) -> str | None:
    if not line["left"] or not line["right"] or line["left"] == line["right"]:
        return f"{line['left']!r} and {line['right']!r} are not two artworks; write two different artwork ids"
    return _date_problem(line)


def _date_problem(line: Mapping[str, str]) -> str | None:
    try:
        datetime.fromisoformat(line["at"] or "2000-01-01")
    except ValueError:
        return f"at {line['at']!r} is no date; write one such as 2026-11-01, or nothing"
    return None


def _refuse(problem: str | None) -> None:
    if problem:
        raise OverridesError(f"{problem}.")


def _last_lines(file: str, lines: Sequence[_Line]) -> tuple[list[dict[str, str]], list[str]]:
    """Of several lines about one artwork and task the last, and a remark for each that contradicts an earlier one."""
    kept: dict[tuple[str, str], _Line] = {}
    remarks: list[str] = []
    for number, line in lines:
        key = (line["artwork_id"], line["task"])
        earlier = kept.pop(key, None)
        if earlier is not None and earlier[1]["label"] != line["label"]:
            remarks.append(
                f"{file}, line {number}: {line['task']} {line['label'] or 'unknown'!r} of {line['artwork_id']} "
                f"replaces {earlier[1]['label'] or 'unknown'!r} of line {earlier[0]}"
            )
        kept[key] = (number, line)
    return [line for _, line in kept.values()], remarks


def _checked(file: str, schema: pl.Schema, problem_of: Callable[[Mapping[str, str]], str | None]) -> list[_Line]:
    """The lines of a file with their numbers.

    Raises:
        OverridesError: some are not valid.
    """
    lines = _lines(file, list(schema))
    problems = [f"line {number}: {problem}" for number, line in lines if (problem := problem_of(line))]
    if problems:
        more = len(problems) - _MAX_PROBLEMS_SHOWN
        shown = "; ".join(problems[:_MAX_PROBLEMS_SHOWN]) + (f"; and {more} more" if more > 0 else "")
        raise OverridesError(f"{file} is not valid; correct {shown}.")
    return lines


def _lines(file: str, columns: list[str]) -> list[_Line]:
    try:
        text = file_at(file).read_bytes().decode("utf-8-sig")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError as error:
        raise OverridesError(f"{file} is not UTF-8; save it as `CSV UTF-8`.") from error
    first = text.partition("\n")[0]
    # A spreadsheet writes semicolons where the comma is the decimal sign.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=";" if ";" in first else ",", strict=True)
    lines: list[_Line] = []
    try:
        header = [name.strip().casefold() for name in next(reader, [])]
        missing = [name for name in columns if name not in header and name not in _OPTIONAL]
        unknown = [name for name in header if name not in columns]
        if missing or unknown or len(set(header)) < len(header):
            raise OverridesError(f"{file}, line 1 should name the columns: {','.join(columns)}.")
        for values in reader:
            if len(values) > len(header):
                raise OverridesError(
                    f"{file}, line {reader.line_num} has {len(values)} values for {len(header)} columns; "
                    'put a text that holds commas into "quotes".'
                )
            line = dict.fromkeys(columns, "") | {n: v.strip() for n, v in zip(header, values, strict=False)}
            if any(line.values()):
                lines.append((reader.line_num, line))
    except csv.Error as error:
        raise OverridesError(f"{file}, line {reader.line_num} is no CSV ({error}); look at its quotes.") from error
    return lines


def _table(lines: Sequence[Override], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame([{name: line.get(name) or None for name in schema} for line in lines], schema=schema)


def _write(file: str, table: pl.DataFrame) -> None:
    from upath import UPath

    try:
        write_whole(UPath(file_at(file)), table.write_csv().encode())
    except OSError as error:
        raise _unwritable(file, error) from error


def _unwritable(file: str, error: OSError) -> OverridesError:
    return OverridesError(f"{file} cannot be written ({error.strerror or error}); make its folder writable.")
