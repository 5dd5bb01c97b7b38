"""The files of a table as batches of records: CSV, JSON, JSON Lines and Parquet; `mapping` makes rows of them.

A batch is a frame with `NUMBER` (the line of a text file, else the place from 1) and a column for each wanted path,
a text or a list of texts. What cannot be read goes to the quarantine with its line.
"""

import csv
import json
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import polars as pl

from artpipe.catalog.parse import MissingColumnError
from artpipe.errors import ArtpipeError
from artpipe.sources.record_paths import NUMBER, as_texts, has_path, known_paths, parse_path, value_at
from artpipe.sources.text import (
    CHUNK_BYTES,
    SAMPLE_CHARS,
    NotATableError,
    TextFile,
    as_utf8,
    refuse_other_than_table,
    sniff_delimiter,
)

if TYPE_CHECKING:
    from upath import UPath

Format = Literal["csv", "json", "jsonl", "parquet"]
FORMATS: Mapping[str, Format] = {
    ".csv": "csv",
    ".tsv": "csv",
    ".tab": "csv",
    ".txt": "csv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
"""The form of a file by the ending of its name."""
BATCH_ROWS = 50_000
MAX_RAW_CHARS = 2_000
_USUAL_LISTS = ("data", "items", "records", "results", "objects", "artworks", "works")
_MAX_SAMPLE_RECORDS = 200


class NoRecordsError(ArtpipeError):
    """A file has no records, or not where they are looked for."""


@dataclass(frozen=True)
class TableForm:
    """How the files of a table are read; what is None is found out.

    Attributes:
        format: CSV stands for every text with a delimiter.
        delimiter: of CSV.
        encoding: of text.
        records: path of the list of records in JSON; `.` means that the file is one record.
    """

    format: Format | None = None
    delimiter: str | None = None
    encoding: str | None = None
    records: str | None = None


class Quarantined(NamedTuple):
    """A record that could not be read; the columns of `schema.QUARANTINE`."""

    row_number: int
    reason: str
    raw: str


@dataclass
class RecordReader:
    """Reads the files of one table.

    Args:
        form: what is known of the files.
        wanted: the paths to read, each with the place in the file of sources that names it.
        scratch: a folder for copies in UTF-8.
        batch_rows: the most records of a batch.
    """

    form: TableForm
    wanted: Mapping[str, str]
    scratch: Path
    batch_rows: int = BATCH_ROWS
    quarantine: list[Quarantined] = field(default_factory=list[Quarantined])

    def batches(self, file: "UPath", name: str) -> Iterator[pl.DataFrame]:
        """The records of a file.

        Args:
            file: local or not.
            name: what it is called in messages.

        Raises:
            NotATableError: it is none.
            NoRecordsError: there is no list of records in it.
            MissingColumnError: it lacks a wanted column.
        """
        format_ = self._format(file, name)
        if format_ == "parquet":
            return self._parquet(file, name)
        text = as_utf8(file, name, self.scratch, self.form.encoding)
        if format_ == "csv":
            return self._csv(text, name)
        return self._jsonl(text, name) if format_ == "jsonl" else self._json(text, name)

    def columns(self, file: "UPath", name: str) -> list[str]:
        """The columns of a file, or the paths that its first records have; it raises what `batches` does."""
        format_ = self._format(file, name)
        if format_ == "parquet":
            frame = self._scan_parquet(file, name).head(_MAX_SAMPLE_RECORDS).collect()
            return known_paths(frame.iter_rows(named=True)) or frame.columns
        text = as_utf8(file, name, self.scratch, self.form.encoding)
        if format_ == "csv":
            return self._layout(text, name)[0].header
        records = self._json_lines(text, name) if format_ == "jsonl" else self._json_records(text, name)
        return known_paths(record for _, record in islice(records, _MAX_SAMPLE_RECORDS))

    def _format(self, file: "UPath", name: str) -> Format:
        with file.open("rb") as opened:
            start = opened.read(CHUNK_BYTES)
        refuse_other_than_table(start, name)
        return self.form.format or _format_of(name, start)

    # CSV

    def _csv(self, text: TextFile, name: str) -> Iterator[pl.DataFrame]:
        layout, raw_header = self._layout(text, name)
        self._refuse_missing(name, layout.header)
        has_inner_newlines = None if text.has_damage else layout.reads_alike_by_polars(raw_header)
        if has_inner_newlines is None:
            yield from self._csv_by_line(layout, name)
        else:
            yield from self._csv_by_polars(layout, has_inner_newlines=has_inner_newlines)

    def _layout(self, text: TextFile, name: str) -> tuple["_Layout", list[str]]:
        """How a CSV file is laid out, and its header as it is written."""
        with text.path.open(encoding="utf-8-sig", newline="") as opened:
            sample = opened.read(SAMPLE_CHARS)
        delimiter = self.form.delimiter or sniff_delimiter(sample)
        skipped = int(sample.startswith("sep="))
        with text.path.open(encoding="utf-8-sig", newline="") as opened:
            first = next(_records_of(islice(opened, skipped, None), delimiter, skipped), None)
        if first is None or first.reason:
            raise NotATableError(f"{name} has no header that can be read; open it in a text editor.")
        raw_header = first.fields
        return _Layout(text, delimiter, skipped, _unique(raw_header)), raw_header

    def _csv_by_polars(self, layout: "_Layout", *, has_inner_newlines: bool) -> Iterator[pl.DataFrame]:
        newlines = pl.sum_horizontal(pl.all().str.count_matches("\n", literal=True).fill_null(0)).cast(pl.Int64())
        extra = newlines if has_inner_newlines else pl.lit(0, dtype=pl.Int64())
        query = layout.scan().select(extra.alias(NUMBER), *self.wanted)
        line = layout.first_line
        for batch in query.collect_batches(chunk_size=self.batch_rows, maintain_order=True):
            ends = (batch[NUMBER] + 1).cum_sum() + line
            numbers = ends - 1 - batch[NUMBER]
            line = int(ends[-1]) if batch.height else line
            yield batch.with_columns(numbers.alias(NUMBER))

    def _csv_by_line(self, layout: "_Layout", name: str) -> Iterator[pl.DataFrame]:
        width = len(layout.header)
        places = [layout.header.index(path) for path in self.wanted]

        def fitting() -> Iterator[list[Any]]:
            with layout.text.path.open(encoding="utf-8-sig", newline="") as opened:
                records = _records_of(islice(opened, layout.skipped, None), layout.delimiter, layout.skipped, width)
                next(records)
                for record in records:
                    if record.reason or (layout.text.has_damage and any("\ufffd" in cell for cell in record.fields)):
                        reason = record.reason or "holds bytes that cannot be decoded"
                        self._put_aside(record.line, f"line {record.line} {reason}", record.raw, name)
                    else:
                        yield [record.line, *(record.fields[place] for place in places)]

        schema = {NUMBER: pl.Int64(), **dict.fromkeys(self.wanted, pl.String())}
        numbered = fitting()
        while rows := list(islice(numbered, self.batch_rows)):
            yield pl.DataFrame(rows, schema=schema, orient="row")

    # JSON

    def _json(self, text: TextFile, name: str) -> Iterator[pl.DataFrame]:
        return self._frames(self._json_records(text, name), name, "record")

    def _jsonl(self, text: TextFile, name: str) -> Iterator[pl.DataFrame]:
        return self._frames(self._json_lines(text, name), name, "line")

    def _json_records(self, text: TextFile, name: str) -> Iterator[tuple[int, object]]:
        content = text.path.read_text(encoding="utf-8-sig")
        try:
            data = json.loads(content)
        except json.JSONDecodeError as error:
            if error.msg == "Extra data":  # one object a line, under the wrong name
                return self._json_lines(text, name)
            raise NotATableError(
                f"{name} is no JSON: {error.msg} at line {error.lineno}, column {error.colno}; fetch it again."
            ) from error
        except RecursionError as error:
            raise NotATableError(f"{name} is nested too deeply to be a table of works; check its content.") from error
        return iter(enumerate(list_of_records(data, self.form.records, name), 1))

    def _json_lines(self, text: TextFile, name: str) -> Iterator[tuple[int, object]]:
        with text.path.open(encoding="utf-8-sig") as opened:
            for number, line in enumerate(opened, 1):
                if not line.strip():
                    continue
                try:
                    yield number, json.loads(line)
                except (json.JSONDecodeError, RecursionError) as error:
                    self._put_aside(number, f"line {number} is no JSON: {error}", line, name)

    def _frames(self, numbered: Iterable[tuple[int, object]], name: str, unit: str) -> Iterator[pl.DataFrame]:
        steps = {path: parse_path(path) for path in self.wanted}
        seen: dict[str, bool | None] = dict.fromkeys(steps)
        sample: list[object] = []

        def objects() -> Iterator[tuple[int, object]]:
            for number, record in numbered:
                if isinstance(record, Mapping):
                    yield number, cast("object", record)
                else:
                    self._put_aside(number, f"{unit} {number} is no object", json.dumps(record), name)

        records = objects()
        while some := list(islice(records, self.batch_rows)):
            sample += [record for _, record in some[: _MAX_SAMPLE_RECORDS - len(sample)]]
            for path in [path for path, found in seen.items() if not found]:
                for _, record in some:
                    if (found := has_path(record, steps[path])) is not None:
                        seen[path] = found
                    if found:
                        break
            columns = [_column(path, [as_texts(value_at(record, steps[path])) for _, record in some]) for path in steps]
            yield pl.DataFrame([pl.Series(NUMBER, [number for number, _ in some], dtype=pl.Int64()), *columns])
        missing = [path for path, found in seen.items() if found is False]
        if missing:
            self._refuse_missing(name, [path for path in known_paths(sample) if path not in missing], missing)

    # Parquet

    def _scan_parquet(self, file: "UPath", name: str) -> pl.LazyFrame:
        is_local = file.protocol in ("", "file", "local")
        path = Path(str(file)) if is_local else self.scratch / f"{len(list(self.scratch.iterdir()))}.parquet"
        if not is_local:
            path.write_bytes(file.read_bytes())
        try:
            scan = pl.scan_parquet(path)
            scan.collect_schema()
        except (pl.exceptions.PolarsError, OSError) as error:
            raise NotATableError(f"{name} is no Parquet file that can be read ({error}); fetch it again.") from error
        return scan

    def _parquet(self, file: "UPath", name: str) -> Iterator[pl.DataFrame]:
        scan = self._scan_parquet(file, name)
        schema = scan.collect_schema()
        if all(path in schema and not schema[path].is_nested() for path in self.wanted):
            query = scan.select(pl.col(path).cast(pl.String()) for path in self.wanted)
            query = query.with_row_index(NUMBER, offset=1).cast({NUMBER: pl.Int64()})
            yield from query.collect_batches(chunk_size=self.batch_rows, maintain_order=True)
            return
        heads = {path if path in schema else str(parse_path(path)[0]) for path in self.wanted}
        self._refuse_missing(name, [*schema], [head for head in heads if head not in schema])
        rows = (
            row
            for batch in scan.select(*heads).collect_batches(chunk_size=5_000, maintain_order=True)
            for row in batch.iter_rows(named=True)
        )
        yield from self._frames(enumerate(rows, 1), name, "record")

    # What all of them do

    def _put_aside(self, number: int, reason: str, raw: str, name: str) -> None:
        self.quarantine.append(Quarantined(number, f"{name}: {reason}", raw.strip("\n")[:MAX_RAW_CHARS]))

    def _refuse_missing(self, name: str, known: Sequence[str], missing: Sequence[str] | None = None) -> None:
        missing = [path for path in self.wanted if path not in known] if missing is None else missing
        if not missing:
            return
        sentences: list[str] = []
        for path in missing:
            lower = {column.lower(): column for column in known}
            close = [lower[one] for one in get_close_matches(path.lower(), lower, n=3)]
            meant = f" (did you mean {' or '.join(map(repr, close))}?)" if close else ""
            sentences.append(
                f"{self.wanted.get(path, 'the mapping')} names {path!r}, which {name} does not have{meant}"
            )
        listed = ", ".join(known[:40]) + (", ..." if len(known) > 40 else "")
        raise MissingColumnError(f"{'; '.join(sentences)}. It has: {listed}.")


@dataclass(frozen=True)
class _Layout:
    """How the records of a text file are laid out."""

    text: TextFile
    delimiter: str
    skipped: int
    header: list[str]

    @property
    def first_line(self) -> int:
        """The line of the first record."""
        return self.skipped + 2

    def scan(self) -> pl.LazyFrame:
        """The records as polars reads them, every column a text."""
        return pl.scan_csv(
            self.text.path,
            separator=self.delimiter,
            has_header=False,
            schema=dict.fromkeys(self.header, pl.String()),
            skip_lines=self.skipped + 1,
            raise_if_empty=False,
            glob=False,
        )

    def reads_alike_by_polars(self, raw_header: Sequence[str]) -> bool | None:
        """Whether fields have newlines inside, or None where polars cannot read the file without losing something.

        Polars fills up a line that is too short, and says nothing. So the delimiters and line ends of the file are
        counted: each must stand between two fields, or inside one.
        """
        if any("\n" in name for name in raw_header):
            return None
        count_delimiters = pl.all().str.count_matches(self.delimiter, literal=True).sum()
        count_newlines = pl.all().str.count_matches("\n", literal=True).sum()
        query = self.scan().select(
            pl.len().alias("rows"),
            pl.sum_horizontal(count_delimiters).alias("delimiters"),
            pl.sum_horizontal(count_newlines).alias("newlines"),
        )
        try:
            rows, delimiters, newlines = query.collect(engine="streaming").row(0)
        except pl.exceptions.PolarsError:
            return None
        in_file, lines = self._counted()
        between = (rows + 1) * (len(self.header) - 1)
        inside = delimiters + sum(name.count(self.delimiter) for name in raw_header)
        fits = in_file == between + inside and lines == self.skipped + 1 + rows + newlines
        return newlines > 0 if fits else None

    def _counted(self) -> tuple[int, int]:
        """The delimiters and the lines of the file, below what is skipped."""
        delimiters, newlines, last = 0, 0, b"\n"
        with self.text.path.open("rb") as opened:
            for _ in range(self.skipped):
                newlines += opened.readline().count(b"\n")
            while chunk := opened.read(CHUNK_BYTES):
                delimiters += chunk.count(self.delimiter.encode())
                newlines += chunk.count(b"\n")
                last = chunk[-1:]
        return delimiters, newlines + (last != b"\n")


class _Line(NamedTuple):
    line: int
    fields: list[str]
    raw: str
    reason: str = ""


def _records_of(lines: Iterator[str], delimiter: str, skipped: int, width: int | None = None) -> Iterator[_Line]:
    """The records of delimited text, each with its line; blank lines are none.

    Where `width` is given, a record of another one has a reason. If one of its further lines is a record by itself, or
    the file ends, a quotation was never closed: the first line alone is put aside, and reading goes on at the next.
    """
    waiting: deque[str] = deque()
    used: list[str] = []

    def feed() -> Iterator[str]:
        while True:
            line = waiting.popleft() if waiting else next(lines, None)
            if line is None:
                if used:
                    used.append("")  # the file ends inside a quotation
                return
            used.append(line)
            yield line

    number = skipped + 1
    reader = csv.reader(feed(), delimiter=delimiter)
    while True:
        used.clear()
        try:
            fields = next(reader, None)
            reason = ""
        except csv.Error as error:
            fields, reason = [], f"cannot be read: {error}"
        if fields is None:
            return
        while width is not None and len(fields) > width and not fields[-1].strip():
            fields.pop()  # spreadsheets write trailing delimiters for deleted columns
        if width is not None and fields and len(fields) != width:
            reason = f"has {len(fields)} field{'' if len(fields) == 1 else 's'} instead of {width}"
        if (reason and any(_has_width(line, delimiter, width) for line in used[1:])) or used[-1:] == [""]:
            reason = "opens a quotation that does not close where a field ends"
            waiting.extendleft(line for line in reversed(used[1:]) if line)
            del used[1:]
            reader = csv.reader(feed(), delimiter=delimiter)
        if reason or any(map(str.strip, fields)):
            yield _Line(number, fields, "".join(used), reason)
        number += len(used)


def _has_width(line: str, delimiter: str, width: int | None) -> bool:
    try:
        return len(next(csv.reader([line], delimiter=delimiter, strict=True), [])) == width
    except csv.Error:
        return False


def _unique(names: Sequence[str]) -> list[str]:
    """The names of the header; an empty one is `column_3`, one that was there before gets a number."""
    found: dict[str, None] = {}
    for place, raw in enumerate(names, 1):
        name = raw.strip() or f"column_{place}"
        if name in found:
            name = f"{name}_{place}"
        found[name] = None
    return list(found)


def _column(name: str, values: list[Any]) -> pl.Series:
    if any(isinstance(value, list) for value in values):
        lists = [value if value is None or isinstance(value, list) else [value] for value in values]
        return pl.Series(name, lists, dtype=pl.List(pl.String()))
    return pl.Series(name, values, dtype=pl.String())


def _format_of(name: str, start: bytes) -> Format:
    if start.startswith(b"PAR1"):
        return "parquet"
    known = FORMATS.get(Path(name.partition("?")[0]).suffix.lower())
    if known:
        return known
    return "json" if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[") else "csv"


def list_of_records(data: object, path: str | None, name: str) -> list[object]:
    """The list of records in JSON.

    Args:
        data: the content of a file.
        path: where the list is; found out where None, `.`: the content is one record.
        name: of the file, in an error.

    Raises:
        NoRecordsError: there is none.
    """
    if path == ".":
        return [data]
    if path is not None:
        found = value_at(data, parse_path(path))
        if not isinstance(found, list):
            raise NoRecordsError(f"{name} has no list at {path!r} (`records`); {_lists_in(data)}.")
        return cast("list[object]", found)
    if isinstance(data, list):
        return cast("list[object]", data)
    if isinstance(data, Mapping):
        inner = cast("Mapping[str, object]", data)
        lists = {key: cast("list[object]", value) for key, value in inner.items() if _is_list_of_objects(value)}
        lists |= {key: [] for key in _USUAL_LISTS if inner.get(key) == []}
        for key in (*_USUAL_LISTS, *(lists if len(lists) == 1 else ())):
            if key in lists:
                return lists[key]
    raise NoRecordsError(f"{name}: it is not clear where its records are; set `records`: {_lists_in(data)}.")


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(item, Mapping) for item in cast("list[object]", value)[:3])


def _lists_in(data: object) -> str:
    lists = sorted({path.split("[]")[0] for path in known_paths([data]) if "[]" in path})
    if not lists:
        return "there is no list of objects in it; `records: .` reads the file as one record"
    return f"lists of objects are at {', '.join(lists[:8])}; `records: .` reads the file as one record"
