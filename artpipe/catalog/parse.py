"""The catalogue file as rows: zipped or plain, tabs or semicolons, Windows-1252, UTF-8 or UTF-16.

Only the columns are interpreted here; `clean` makes artworks of the rows. A row that cannot be parsed goes to the
quarantine table with its reason, so that rows in and rows out always add up.
"""

import codecs
import csv
import html
import io
import re
import zipfile
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

import polars as pl

from artpipe.catalog.repair import field_repairer
from artpipe.errors import ArtpipeError
from artpipe.schema import QUARANTINE

COLUMNS = (
    "author",
    "born-died",
    "title",
    "date",
    "technique",
    "location",
    "url",
    "form",
    "type",
    "school",
    "timeframe",
)
"""The columns that every catalogue must have, in any order; further columns are ignored."""

_ENTITY = r"&(?:[A-Za-z][A-Za-z0-9]*|#[0-9]+|#[xX][0-9A-Fa-f]+);"
MAX_UNPACKED_BYTES = 1_000_000_000
MAX_RAW_CHARS = 2_000
MAX_LINES_PER_ROW = 20  # a quotation that is still open after so many lines is a typo, not a long field
CP1252_CONTROLS = "artpipe-cp1252-controls"  # an error handler for Windows-1252
MAX_REPAIRED_ROWS = 2_000
NEXT_STEP = "check that ARTPIPE_GALLERY names a gallery laid out like wga.hu, and open its catalogue in a text editor."


class NotACatalogError(ArtpipeError):
    """The file is not a catalogue."""


class MissingColumnError(ArtpipeError):
    """The catalogue lacks a required column."""


class EmptyCatalogError(ArtpipeError):
    """The catalogue has no rows."""


@dataclass(frozen=True)
class CatalogFormat:
    """How the file is encoded; `str()` is for logs."""

    zipped: bool
    delimiter: str
    encoding: str

    def __str__(self) -> str:
        separated = {"\t": "tab-separated", ";": "semicolon-separated"}[self.delimiter]
        return f"{'zipped' if self.zipped else 'plain'}, {separated}, {self.encoding}"


@dataclass(frozen=True)
class ParsedCatalog:
    """The parsed rows and the others.

    Attributes:
        rows: text columns named as in the header, in lower case, and `row_number` (1 is the line below the header).
        quarantine: `QUARANTINE`, the rows that could not be parsed.
        format: the detected format of the file.
        repaired: rows with a delimiter inside a field that could be put back in one way only.
    """

    rows: pl.DataFrame
    quarantine: pl.DataFrame
    format: CatalogFormat
    repaired: int = 0


@dataclass(frozen=True)
class _Record:
    """One row while it is parsed: its fields, or the reason why it has none."""

    number: int
    raw: str
    fields: list[str] | None
    reason: str = ""


def parse_catalog(data: bytes, source: str = "the catalogue") -> ParsedCatalog:
    """Parse a catalogue file.

    Args:
        data: the file as it was downloaded.
        source: its name in an error, such as its address.

    Raises:
        NotACatalogError: a web page, a picture, a damaged zip: anything without a catalogue's header.
        MissingColumnError: a column of `COLUMNS` is not in the header.
        EmptyCatalogError: no bytes, or a header alone.
    """
    header, found, lines = _recognised(data, source)
    table = pl.DataFrame({"raw": lines}).with_row_index("row_number", offset=1)
    table = table.with_columns(pl.col("row_number").cast(pl.Int64)).filter(pl.col("raw").str.contains(r"\S"))
    return _parsed(table, header, found)


def check_catalog(data: bytes, source: str = "the catalogue") -> None:
    """Raise what `parse_catalog` would raise, without parsing the rows."""
    _recognised(data, source)


def _recognised(data: bytes, source: str) -> tuple[list[str], CatalogFormat, list[str]]:
    """The column names, the format and the lines below the header, at least one of them with text."""
    unpacked, zipped = _unpacked(data, source)
    text, encoding = _decoded(unpacked)
    text = text.replace("\ufeff", "")  # a byte order mark, which files that were joined have in the middle
    if not text.strip():
        raise EmptyCatalogError(f"{source} is empty; {NEXT_STEP}")
    lines = _lines(text)
    first = next(i for i, line in enumerate(lines) if line.strip())
    if re.fullmatch(r"sep=.", lines[first].strip()) and first + 1 < len(lines):
        first += 1  # a line that spreadsheets write for their own use
    header, delimiter = _header(lines[first], source)
    found = CatalogFormat(zipped, delimiter, encoding)
    rows = lines[first + 1 :]
    if not any(map(str.strip, rows)):
        raise EmptyCatalogError(f"{source} has a header ({found}) and no row below it; {NEXT_STEP}")
    return header, found, rows


def _unpacked(data: bytes, source: str) -> tuple[bytes, bool]:
    if not data.startswith(b"PK\x03\x04") and not data.startswith(b"PK\x05\x06"):
        return data, False
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = [
                member
                for member in archive.infolist()
                if member.filename.lower().endswith((".txt", ".csv", ".tsv"))
                and not member.filename.startswith("__MACOSX")
            ]
            named = [member for member in members if "catalog" in member.filename.lower()]
            chosen = members if len(members) == 1 else named
            if len(chosen) != 1:
                inside = ", ".join(archive.namelist()[:5]) or "nothing"
                raise NotACatalogError(
                    f"{source} is a zip that should hold one .txt or .csv file and holds {inside}; {NEXT_STEP}"
                )
            if chosen[0].file_size > MAX_UNPACKED_BYTES:
                raise NotACatalogError(
                    f"{source} would unpack to {chosen[0].file_size:,} bytes, more than any catalogue; {NEXT_STEP}"
                )
            return archive.read(chosen[0]), True
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, OSError) as error:
        raise NotACatalogError(f"{source} is a zip that cannot be opened ({error}); fetch it again.") from error


def _decoded(data: bytes) -> tuple[str, str]:
    """The text and the name of its encoding; in UTF-8 a stray byte becomes U+FFFD and its row is quarantined."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):  # what Excel calls Unicode text
        return data.decode("utf-16", errors="replace"), "UTF-16"
    try:
        return data.decode("utf-8-sig"), "UTF-8"
    except UnicodeDecodeError:
        text = data.decode("utf-8-sig", errors="replace")
    stray = text.count("\ufffd")
    # Windows-1252 text is hardly ever valid UTF-8 by chance: where most letters are, the rest are damaged bytes.
    letters = sum(1 for char in re.findall(r"[^\x00-\x7f]", text) if char != "\ufffd")
    if data.startswith(b"\xef\xbb\xbf") or letters > 4 * stray:
        return text, "UTF-8"
    return data.decode("cp1252", errors=CP1252_CONTROLS), "Windows-1252"


def _cp1252_controls(error: UnicodeError) -> tuple[str | bytes, int]:
    """Map the five bytes that Windows-1252 leaves undefined to control characters and back, as browsers do."""
    if isinstance(error, UnicodeDecodeError):
        return error.object[error.start : error.end].decode("latin-1"), error.end
    if isinstance(error, UnicodeEncodeError):
        return error.object[error.start : error.end].encode("latin-1"), error.end
    raise error


codecs.register_error(CP1252_CONTROLS, _cp1252_controls)


def _lines(text: str) -> list[str]:
    # Not str.splitlines: it also splits at characters that occur inside fields.
    lines = text.split("\n") if "\n" in text else text.split("\r")
    return [line.removesuffix("\r") for line in lines]


def _header(line: str, source: str) -> tuple[list[str], str]:
    start = line.lstrip()
    if start.startswith("<"):
        raise NotACatalogError(f"{source} is a web page, not a catalogue (it starts with {start[:40]!r}); {NEXT_STEP}")
    delimiter = "\t" if line.count("\t") >= line.count(";") else ";"
    names = [name.strip().strip('"').strip().lower() for name in line.split(delimiter)]
    while len(names) > 1 and not names[-1]:
        names.pop()
    missing = [column for column in COLUMNS if column not in names]
    if len(missing) == len(COLUMNS):
        raise NotACatalogError(
            f"{source} is not a catalogue: its first line should name columns such as AUTHOR and TITLE, "
            f"separated by tabs or semicolons, and reads {line[:60]!r}; {NEXT_STEP}"
        )
    if missing:
        listed = ", ".join(name.upper() for name in missing)
        raise MissingColumnError(
            f"{source} lacks the column{'s' if len(missing) > 1 else ''} {listed} "
            f"(found: {', '.join(name.upper() for name in names)}); "
            "export it again with all columns, or rename the column in its header."
        )
    seen: dict[str, int] = {}
    for i, name in enumerate(names):
        unnamed = name in seen or name in ("", "row_number")
        seen[f"column_{i + 1}" if unnamed else name] = i
    return list(seen), delimiter


def _parsed(table: pl.DataFrame, header: list[str], found: CatalogFormat) -> ParsedCatalog:
    width, delimiter = len(header), found.delimiter
    delimiters = pl.col("raw").str.count_matches(delimiter, literal=True)
    # A stray byte would put a wrong letter into a title for ever, so the row is quarantined.
    damaged = pl.col("raw").str.contains("\ufffd", literal=True)
    if not found.encoding.startswith("UTF"):
        damaged = pl.lit(False)
    table = table.with_columns(is_plain=(delimiters == width - 1) & ~damaged, damaged=damaged)
    quoted = _is_quoted(table, width, delimiter)
    if quoted:
        table = table.with_columns(is_plain=pl.col("is_plain") & ~pl.col("raw").str.contains('"', literal=True))
    plain = table.filter("is_plain")
    rows = plain.select(
        "row_number", pl.col("raw").str.split_exact(delimiter, width - 1).struct.rename_fields(header).alias("fields")
    ).unnest("fields")
    others = table.filter(~pl.col("is_plain"))
    records = [_trimmed(record, width) for record in _records(others, width, delimiter, quoted=quoted)]
    misfits = [record for record in records if record.fields is not None and len(record.fields) != width]
    repair = field_repairer(header, delimiter)
    # Where thousands of rows do not fit, the header is wrong and not the rows.
    repaired = {} if len(misfits) > MAX_REPAIRED_ROWS else {r.number: repair(r.fields or []) for r in misfits}
    further: list[list[object]] = []
    quarantined: list[tuple[int, str, str]] = []
    for record in records:
        fields = record.fields
        if fields is not None and len(fields) != width:
            fields = repaired.get(record.number)
        if fields is not None:
            further.append([record.number, *fields])
            continue
        count = len(record.fields or [])
        reason = record.reason or f"{count} field{'' if count == 1 else 's'} instead of {width}"
        quarantined.append((record.number, reason, record.raw[:MAX_RAW_CHARS]))
    if further:
        rows = pl.concat([rows, pl.DataFrame(further, schema=rows.schema, orient="row")]).sort("row_number")
    return ParsedCatalog(
        rows=_without_entities(rows.select("row_number", *header)),
        quarantine=pl.DataFrame(quarantined, schema=QUARANTINE, orient="row").sort("row_number"),
        format=found,
        repaired=sum(fields is not None for fields in repaired.values()),
    )


def _without_entities(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows with the characters that HTML entities in their fields stand for."""
    # Most columns have none, and replacing is much slower than searching.
    found = rows.select(pl.col(pl.String).str.contains(_ENTITY).any())
    columns = [column for column in found.columns if found[column].item()]
    if not columns:
        return rows
    return rows.with_columns(pl.col(columns).map_elements(unescaped, return_dtype=pl.String, skip_nulls=True))


def unescaped(text: str) -> str:
    """`&amp;`, `&eacute;` and `&#333;` as the characters they stand for; an address's `&copy=1` has no semicolon."""
    return re.sub(_ENTITY, lambda entity: html.unescape(entity[0]), text)


def _trimmed(record: _Record, width: int) -> _Record:
    """Drop the trailing delimiters that spreadsheets write for deleted columns."""
    fields = record.fields
    while fields and len(fields) > width and not fields[-1].strip():
        fields = fields[:-1]
    return replace(record, fields=fields)


def _is_quoted(table: pl.DataFrame, width: int, delimiter: str) -> bool:
    """Whether a `"` at the start of a field opens a quotation, or is part of the text.

    An export that quotes fields doubles the quotes inside them and quotes every field that has one; a plain export
    leaves `Museum "Name", Town` as it is.
    """
    with_quotes = table.filter(pl.col("raw").str.contains('"', literal=True))
    if with_quotes.is_empty():
        return False
    lines: list[tuple[int, str, bool]] = []
    bare = gained = 0
    for number, raw, _ in _numbered(with_quotes):
        fields = raw.split(delimiter)
        if len(fields) == width:
            bare += any('"' in field and not field.startswith('"') for field in fields)
            continue
        try:
            gained += len(_strict(raw, delimiter)) == width
        except csv.Error:
            # Its quotation may close on a later line.
            lines = lines or _numbered(table)
            at = bisect_left(lines, number, key=itemgetter(0))
            record, _ = _quoted_record(lines[at : at + MAX_LINES_PER_ROW], width, delimiter)
            gained += len(record.fields or []) == width
    if gained or bare:
        return gained > bare
    return delimiter == ";" or bool(with_quotes["raw"].str.contains('""').any())


def _numbered(table: pl.DataFrame) -> list[tuple[int, str, bool]]:
    """The number of each line, its text, and whether it is damaged."""
    return list(zip(table["row_number"].to_list(), table["raw"].to_list(), table["damaged"].to_list(), strict=True))


def _strict(line: str, delimiter: str) -> list[str]:
    return next(csv.reader([line], delimiter=delimiter, strict=True), [])


def _records(table: pl.DataFrame, width: int, delimiter: str, *, quoted: bool) -> Iterator[_Record]:
    """The rows that are not plain: quoted ones, which may span several lines, and those of a wrong width."""
    lines = _numbered(table)
    at = 0
    while at < len(lines):
        number, raw, is_damaged = lines[at]
        at += 1
        if is_damaged:
            yield _Record(number, raw, None, "holds bytes that cannot be decoded")
        elif not quoted or '"' not in raw:
            yield _Record(number, raw, raw.split(delimiter))
        else:
            record, used = _quoted_record(lines[at - 1 : at - 1 + MAX_LINES_PER_ROW], width, delimiter)
            at += used - 1
            yield record


def _quoted_record(lines: Sequence[tuple[int, str, bool]], width: int, delimiter: str) -> tuple[_Record, int]:
    """The record that starts with the first of `lines`, and how many of them it takes."""
    number, raw, _ = lines[0]
    joined = ""
    for used, (line_number, line, is_damaged) in enumerate(lines, start=1):
        # The lines skipped were blank or plain rows: an open quotation must not swallow those.
        if is_damaged or line_number != number + used - 1:
            break
        joined = f"{joined}\n{line}" if joined else line
        try:
            fields = _strict(joined, delimiter)
        except csv.Error:
            if raw.count(delimiter) == width - 1:
                return _Record(number, raw, raw.split(delimiter)), 1
            continue
        # Lines are joined only where that makes a row of the right width.
        if used == 1 or len(fields) == width:
            return _Record(number, joined, fields), used
        break
    return _Record(number, raw, None, "a quotation that is never closed"), 1
