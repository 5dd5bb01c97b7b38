"""What a person knows better than the catalogue: labels put right, and pictures that show one work.

Both are CSV files that people write, by hand or with `artpipe labels`, and both are checked here, line by line, before
anything is made from them. `corrections.py` puts the labels into the splits, `works.py` joins the works.
"""

import csv
import difflib
import io
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake, file_at, write_whole
from artpipe.schema import CLASSES, TASKS
from artpipe.settings import Settings

LABELS = pl.Schema(dict.fromkeys(("artwork_id", "task", "label", "by", "reason", "at"), pl.String()))
"""One row is what a person says an artwork's label is; null where the label is unknown, to them and to us."""

SAME_WORK = pl.Schema(dict.fromkeys(("left", "right", "by", "reason", "at"), pl.String()))
"""One row is two artworks that show one work."""

_OPTIONAL = ("by", "reason", "at")
_MOST_PROBLEMS_TOLD = 5
_Line = tuple[int, dict[str, str]]


class OverridesError(ArtpipeError):
    """A file of overrides, or something to be written into one, is not as it should be."""


@dataclass(frozen=True)
class OverrideFiles:
    """Where a person's overrides are.

    Attributes:
        labels: path or address of the labels put right.
        same_work: of the pictures that show one work.
        is_labels_named: a setting names the first one, so it must be there.
    """

    labels: str
    same_work: str
    is_labels_named: bool = False

    @classmethod
    def from_settings(cls, settings: Settings) -> "OverrideFiles":
        """The files that the settings name, or those of the lake."""
        lake = DataLake(settings.lake_root)
        named = settings.label_overrides
        return cls(named or lake.overrides("labels"), lake.overrides("same_work"), is_labels_named=named is not None)


@dataclass(frozen=True)
class Overrides:
    """What a person said, checked.

    Attributes:
        labels: table `LABELS`, one row an artwork and task, in the order of the file.
        same_work: table `SAME_WORK`.
        remarks: what is no error and still worth a look, in words.
    """

    labels: pl.DataFrame
    same_work: pl.DataFrame
    remarks: tuple[str, ...] = ()


def read_overrides(files: OverrideFiles, artwork_ids: Collection[str]) -> Overrides:
    """Read and check both files; one that is not there says nothing.

    Args:
        files: where they are.
        artwork_ids: every artwork of the catalogue; a line about another one has no effect and is remarked on.

    Raises:
        OverridesError: a line cannot be taken, or a setting names a file that is not there; every such line is named.
    """
    if files.is_labels_named and not file_at(files.labels).exists():
        raise OverridesError(
            f"ARTPIPE_LABEL_OVERRIDES names {files.labels}, which is not there; correct it, or leave it out."
        )
    known = set(artwork_ids)
    labels = _checked(files.labels, LABELS, _label_problem)
    same_work = _checked(files.same_work, SAME_WORK, _pair_problem)
    kept, remarks = _last_said(files.labels, labels)
    for file, lines, columns in ((files.labels, labels, ("artwork_id",)), (files.same_work, same_work, SAME_WORK)):
        for number, line in lines:
            unknown = [line[name] for name in columns if name not in _OPTIONAL and line[name] not in known]
            remarks += [f"{file}, line {number}: the catalogue has no artwork {name!r}" for name in unknown]
    return Overrides(_table(kept, LABELS), _table([line for _, line in same_work], SAME_WORK), tuple(remarks))


def say_label(files: OverrideFiles, said: Mapping[str, str]) -> Mapping[str, str | None] | None:
    """Write a label into the file, in place of what it said of the same artwork and task.

    Args:
        files: where it is; it is made where it is not there yet.
        said: the values of `LABELS`; an empty label says that it is unknown.

    Returns:
        The line that was replaced; None where there was none.

    Raises:
        OverridesError: this cannot be taken, or a line that the file holds already cannot.
    """
    _refuse(_label_problem(said))
    kept, _ = _last_said(files.labels, _checked(files.labels, LABELS, _label_problem))
    keys = ("artwork_id", "task")
    others = [line for line in kept if any(line[key] != said[key] for key in keys)]
    before = [line for line in kept if line not in others]
    _write(files.labels, _table([*others, said], LABELS))
    return _table(before, LABELS).row(0, named=True) if before else None


def say_same_work(files: OverrideFiles, said: Mapping[str, str]) -> None:
    """Write into the file that two artworks show one work.

    Args:
        files: where it is; it is made where it is not there yet.
        said: the values of `SAME_WORK`.

    Raises:
        OverridesError: this cannot be taken, or a line that the file holds already cannot.
    """
    _refuse(_pair_problem(said))
    pair = {said["left"], said["right"]}
    lines = [line for _, line in _checked(files.same_work, SAME_WORK, _pair_problem)]
    others = [line for line in lines if {line["left"], line["right"]} != pair]
    _write(files.same_work, _table([*others, said], SAME_WORK))


def closest(name: str, known: Collection[str], otherwise: str) -> str:
    """Advice on a name that is not known: the closest ones, or something else where none is close."""
    by_folded = {text.casefold(): text for text in known}
    close = difflib.get_close_matches(name.casefold(), list(by_folded), n=3, cutoff=0.6)
    return f"the closest: {', '.join(by_folded[text] for text in close)}" if close else otherwise


def _label_problem(line: Mapping[str, str]) -> str | None:
    task, label = line["task"], line["label"]
    if not line["artwork_id"]:
        return "it names no artwork_id; write one such as `a/artist/work`"
    if task not in TASKS:
        return f"{task!r} is no task; write {', '.join(TASKS[:-1])} or {TASKS[-1]}"
    if label and label not in CLASSES[task]:
        return f"{label!r} is no {task}; " + closest(
            label, CLASSES[task], f"write one of {', '.join(CLASSES[task])}, or nothing where it is unknown"
        )
    return _date_problem(line)


def _pair_problem(line: Mapping[str, str]) -> str | None:
    if not line["left"] or not line["right"] or line["left"] == line["right"]:
        return f"{line['left']!r} and {line['right']!r} are no two artworks; write two different artwork ids"
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


def _last_said(file: str, lines: Sequence[_Line]) -> tuple[list[dict[str, str]], list[str]]:
    """Of several lines about one artwork and task the last, and a remark for each that says otherwise."""
    kept: dict[tuple[str, str], _Line] = {}
    remarks: list[str] = []
    for number, line in lines:
        key = (line["artwork_id"], line["task"])
        before = kept.pop(key, None)
        if before is not None and before[1]["label"] != line["label"]:
            remarks.append(
                f"{file}, line {number}: {line['task']} {line['label'] or 'unknown'!r} of {line['artwork_id']} goes "
                f"before {before[1]['label'] or 'unknown'!r} of line {before[0]}"
            )
        kept[key] = (number, line)
    return [line for _, line in kept.values()], remarks


def _checked(file: str, schema: pl.Schema, problem_of: Callable[[Mapping[str, str]], str | None]) -> list[_Line]:
    """The lines of a file with their numbers.

    Raises:
        OverridesError: some cannot be taken.
    """
    lines = _lines(file, list(schema))
    problems = [f"line {number}: {problem}" for number, line in lines if (problem := problem_of(line))]
    if problems:
        more = len(problems) - _MOST_PROBLEMS_TOLD
        told = "; ".join(problems[:_MOST_PROBLEMS_TOLD]) + (f"; and {more} more" if more > 0 else "")
        raise OverridesError(f"{file} cannot be used until it is put right: {told}.")
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
        strange = [name for name in header if name not in columns]
        if missing or strange or len(set(header)) < len(header):
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


def _table(lines: Sequence[Mapping[str, str]], schema: pl.Schema) -> pl.DataFrame:
    return pl.DataFrame([{name: line[name] or None for name in schema} for line in lines], schema=schema)


def _write(file: str, table: pl.DataFrame) -> None:
    from upath import UPath

    try:
        write_whole(UPath(file_at(file)), table.write_csv().encode())
    except OSError as error:
        raise OverridesError(
            f"{file} cannot be written ({error.strerror or error}); make its folder writable."
        ) from error
