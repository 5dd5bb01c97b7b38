"""Tables of text with a delimiter as frames of texts, each record with its line.

Polars reads a file that is well formed; any other is read line by line, so that what cannot be read is put aside with
its line and nothing else is lost.
"""

import csv
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any, NamedTuple

import polars as pl

from artpipe.sources.record_paths import NUMBER
from artpipe.sources.text import CHUNK_BYTES, SAMPLE_CHARS, NotATableError, TextFile, sniff_delimiter

_BLOCK_BYTES = 8 << 20
_LONGEST_QUOTATION_BYTES = 4 * _BLOCK_BYTES
_QUOTE, _NEWLINE = b'"', b"\n"


def layout_of(text: TextFile, name: str, delimiter: str | None) -> "Layout":
    """How a file is laid out.

    Args:
        text: the file.
        name: what it is called in an error.
        delimiter: found out where None.

    Raises:
        NotATableError: it has no header.
    """
    with text.path.open(encoding="utf-8-sig", newline="") as opened:
        sample = opened.read(SAMPLE_CHARS)
    delimiter = delimiter or sniff_delimiter(sample)
    skipped = int(sample.startswith("sep="))
    with text.path.open(encoding="utf-8-sig", newline="") as opened:
        first = next(records_of(islice(opened, skipped, None), delimiter, skipped), None)
    if first is None or first.reason:
        raise NotATableError(f"{name} has no header that can be read; open it in a text editor.")
    return Layout(text, delimiter, skipped, first.fields, _unique(first.fields))


@dataclass(frozen=True)
class Layout:
    """How the records of a text file are laid out.

    Attributes:
        text: the file.
        delimiter: between two fields.
        skipped: lines before the header.
        raw_header: the header as it is written.
        header: its names, each another one.
    """

    text: TextFile
    delimiter: str
    skipped: int
    raw_header: list[str]
    header: list[str]

    @property
    def first_line(self) -> int:
        """The line of the first record."""
        return self.skipped + 2

    def frames(self, wanted: list[str], batch_rows: int, with_newlines: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The records as polars reads them, each with its line.

        Args:
            wanted: the columns.
            batch_rows: the most records of a frame.
            with_newlines: what `columns_with_newlines` gave.
        """
        newlines = [pl.col(name).str.count_matches("\n", literal=True).fill_null(0) for name in with_newlines]
        extra = pl.sum_horizontal(pl.lit(0), *newlines).cast(pl.Int64())
        line = self.first_line
        for block in self._blocks([name for name in self.header if name in {*wanted, *with_newlines}]):
            for batch in block.select(extra.alias(NUMBER), *wanted).iter_slices(batch_rows):
                ends = (batch[NUMBER] + 1).cum_sum() + line
                yield batch.with_columns((ends - 1 - batch[NUMBER]).alias(NUMBER))
                line = int(ends[-1])

    def frames_by_line(
        self, wanted: list[str], batch_rows: int, put_aside: Callable[["Line"], None]
    ) -> Iterator[pl.DataFrame]:
        """As `frames`, read by Python: a record that cannot be read is put aside, and the others are not lost."""
        width = len(self.header)
        places = [self.header.index(path) for path in wanted]

        def fitting() -> Iterator[list[Any]]:
            with self.text.path.open(encoding="utf-8-sig", newline="") as opened:
                records = records_of(islice(opened, self.skipped, None), self.delimiter, self.skipped, width)
                next(records)
                for record in records:
                    if record.reason:
                        put_aside(record)
                    elif self.text.has_damage and any("\ufffd" in cell for cell in record.fields):
                        put_aside(record._replace(reason="holds bytes that cannot be decoded"))
                    else:
                        yield [record.line, *(record.fields[place] for place in places)]

        schema = {NUMBER: pl.Int64(), **dict.fromkeys(wanted, pl.String())}
        numbered = fitting()
        while rows := list(islice(numbered, batch_rows)):
            yield pl.DataFrame(rows, schema=schema, orient="row")

    def columns_with_newlines(self) -> list[str] | None:
        """The columns whose fields have newlines inside, or None where polars cannot read all that is in the file.

        Polars fills up a line that is too short, and says nothing. So the delimiters and line ends of the file are
        counted: each must stand between two fields, or inside one.
        """
        if self.text.has_damage or any("\n" in name for name in self.raw_header):
            return None
        rows, counts = 0, dict.fromkeys(((name, what) for name in self.header for what in (self.delimiter, "\n")), 0)
        each = [pl.col(name).str.count_matches(what, literal=True).sum() for name, what in counts]
        try:
            for block in self._blocks(self.header):
                found = block.select(count.alias(str(place)) for place, count in enumerate(each)).row(0)
                rows += block.height
                counts = {key: count + more for (key, count), more in zip(counts.items(), found, strict=True)}
        except pl.exceptions.PolarsError:
            return None
        delimiters = sum(counts[name, self.delimiter] for name in self.header)
        with_newlines = [name for name in self.header if counts[name, "\n"]]
        newlines = sum(counts[name, "\n"] for name in with_newlines)
        in_file, lines = self._counted()
        between = (rows + 1) * (len(self.header) - 1)
        inside = delimiters + sum(name.count(self.delimiter) for name in self.raw_header)
        fits = in_file == between + inside and lines == self.skipped + 1 + rows + newlines
        return with_newlines if fits else None

    def _blocks(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """These columns of the records, a few megabytes at a time: polars by itself reads far ahead."""
        with self.text.path.open("rb") as opened:
            for _ in range(self.skipped + 1):
                opened.readline()
            rest = b""
            while chunk := opened.read(_BLOCK_BYTES):
                rest += chunk
                if end := _end_of_records(rest):
                    yield self._parsed(rest[:end], columns)
                    rest = rest[end:]
                elif len(rest) > _LONGEST_QUOTATION_BYTES:
                    raise pl.exceptions.ComputeError("a quotation is not closed")
            if rest:
                yield self._parsed(rest, columns)

    def _parsed(self, block: bytes, columns: Sequence[str]) -> pl.DataFrame:
        return pl.read_csv(
            block,
            separator=self.delimiter,
            has_header=False,
            schema=dict.fromkeys(self.header, pl.String()),
            columns=[place for place, name in enumerate(self.header) if name in columns],
            raise_if_empty=False,
        )

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


def _end_of_records(block: bytes) -> int:
    """Where the last whole record of a block ends: after a newline that no quotation is open before; 0: nowhere."""
    quotes, end = block.count(_QUOTE), len(block)
    while end >= 0:
        quote = block.rfind(_QUOTE, 0, end)
        newline = block.rfind(_NEWLINE, quote + 1, end)
        if quotes % 2 == 0 and newline >= 0:
            return newline + 1
        quotes, end = quotes - 1, quote
    return 0


class Line(NamedTuple):
    """A record with its fields as they are written, or with the reason why it cannot be read."""

    line: int
    fields: list[str]
    raw: str
    reason: str = ""


def records_of(lines: Iterator[str], delimiter: str, skipped: int, width: int | None = None) -> Iterator[Line]:
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
            yield Line(number, fields, "".join(used), reason)
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
