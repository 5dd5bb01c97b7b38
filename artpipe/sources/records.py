"""The files of a table as batches of records: CSV, JSON, JSON Lines and Parquet; `mapping` makes rows of them.

A batch is a frame with `NUMBER` (the line of a text file, else the place from 1) and a column for each wanted path,
a text or a list of texts. What cannot be read goes to the quarantine with its line.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

import polars as pl

from artpipe.catalog.parse import MissingColumnError
from artpipe.catalog.rows import BATCH_ROWS
from artpipe.errors import ArtpipeError, did_you_mean
from artpipe.sources.delimited import Line, layout_of
from artpipe.sources.record_paths import NUMBER, as_texts, has_path, known_paths, parse_path, value_at
from artpipe.sources.text import (
    CHUNK_BYTES,
    NotATableError,
    TextFile,
    as_utf8,
    refuse_other_than_table,
)
from artpipe.sources.unpacked import unpacked

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
        file, name = unpacked(file, name, self.scratch, FORMATS)
        format_ = self._format(file, name)
        if format_ == "parquet":
            return self._parquet(file, name)
        text = as_utf8(file, name, self.scratch, self.form.encoding)
        if format_ == "csv":
            return self._csv(text, name)
        return self._jsonl(text, name) if format_ == "jsonl" else self._json(text, name)

    def columns(self, file: "UPath", name: str) -> list[str]:
        """The columns of a file, or the paths that its first records have; it raises what `batches` does."""
        file, name = unpacked(file, name, self.scratch, FORMATS)
        format_ = self._format(file, name)
        if format_ == "parquet":
            frame = self._scan_parquet(file, name).head(_MAX_SAMPLE_RECORDS).collect()
            return known_paths(frame.iter_rows(named=True)) or frame.columns
        text = as_utf8(file, name, self.scratch, self.form.encoding)
        if format_ == "csv":
            return layout_of(text, name, self.form.delimiter).header
        records = self._json_lines(text, name) if format_ == "jsonl" else self._json_records(text, name)
        return known_paths(record for _, record in islice(records, _MAX_SAMPLE_RECORDS))

    def _format(self, file: "UPath", name: str) -> Format:
        with file.open("rb") as opened:
            start = opened.read(CHUNK_BYTES)
        refuse_other_than_table(start, name)
        return self.form.format or _format_of(name, start)

    # CSV

    def _csv(self, text: TextFile, name: str) -> Iterator[pl.DataFrame]:
        layout = layout_of(text, name, self.form.delimiter)
        self._refuse_missing(name, layout.header)
        with_newlines = layout.columns_with_newlines()
        if with_newlines is not None:
            yield from layout.frames(list(self.wanted), self.batch_rows, with_newlines)
            return

        def put_aside(line: Line) -> None:
            self._put_aside(line.line, f"line {line.line} {line.reason}", line.raw, name)

        yield from layout.frames_by_line(list(self.wanted), self.batch_rows, put_aside)

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
            question = did_you_mean(path, known, most=3)
            meant = f" ({question})" if question else ""
            sentences.append(
                f"{self.wanted.get(path, 'the mapping')} names {path!r}, which {name} does not have{meant}"
            )
        listed = ", ".join(known[:40]) + (", ..." if len(known) > 40 else "")
        raise MissingColumnError(f"{'; '.join(sentences)}. It has: {listed}.")


def _column(name: str, values: list[Any]) -> pl.Series:
    if any(isinstance(value, list) for value in values):
        lists = [value if value is None or isinstance(value, list) else [value] for value in values]
        return pl.Series(name, lists, dtype=pl.List(pl.String()))
    return pl.Series(name, values, dtype=pl.String())


def _format_of(name: str, start: bytes) -> Format:
    if start.startswith(b"PAR1"):
        return "parquet"
    ending = Path(name.partition("?")[0]).suffix.lower()
    if ending in FORMATS and ending != ".txt":
        return FORMATS[ending]
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
        if not lists and len(below := [*_lists_below(inner)]) == 1:  # such as `results.bindings` of SPARQL
            return below[0]
    raise NoRecordsError(f"{name}: it is not clear where its records are; set `records`: {_lists_in(data)}.")


def _lists_below(data: Mapping[str, object]) -> Iterator[list[object]]:
    """The lists of objects that are inside of objects alone."""
    for value in data.values():
        if isinstance(value, Mapping):
            yield from _lists_below(cast("Mapping[str, object]", value))
        elif _is_list_of_objects(value):
            yield cast("list[object]", value)


def _is_list_of_objects(value: object) -> bool:
    return isinstance(value, list) and any(isinstance(item, Mapping) for item in cast("list[object]", value)[:3])


def _lists_in(data: object) -> str:
    lists = sorted({path.split("[]")[0] for path in known_paths([data]) if "[]" in path})
    if not lists:
        return "there is no list of objects in it; `records: .` reads the file as one record"
    return f"lists of objects are at {', '.join(lists[:8])}; `records: .` reads the file as one record"
