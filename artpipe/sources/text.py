"""What bytes of a table are as text: its encoding, its line ends, its delimiter.

`records` reads the tables from UTF-8 files, which this module makes where a file is anything else.
"""

import codecs
import csv
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from artpipe.catalog.parse import CP1252_CONTROLS
from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    from upath import UPath

DELIMITERS = (",", ";", "\t", "|")
CHUNK_BYTES = 1 << 20
SAMPLE_CHARS = 200_000
_MAX_SAMPLE_ROWS = 50
GZIP, ZIP = b"\x1f\x8b", b"PK\x03\x04"
_NO_TABLES = (
    (b"\xd0\xcf\x11\xe0", "is an old Excel workbook; save it as CSV (UTF-8), and name that file"),
    (b"%PDF", "is a PDF, not a table"),
    (b"BZh", "is compressed by bzip2; unpack it first, or compress it by gzip"),
    (b"\xfd7zXZ", "is compressed by xz; unpack it first, or compress it by gzip"),
    (b"\x28\xb5\x2f\xfd", "is compressed by Zstandard; unpack it first, or compress it by gzip"),
    (b"7z\xbc\xaf", "is a 7z archive; unpack it first"),
    (
        b"version https://git-lfs",
        "is a pointer of Git LFS, not the file itself; use the address below media.githubusercontent.com/media/",
    ),
)


class NotATableError(ArtpipeError):
    """A file is no table: a web page, a workbook, nothing at all."""


@dataclass(frozen=True)
class TextFile:
    """A table's file as UTF-8 without a byte order mark at its place of reading.

    Attributes:
        path: on this machine.
        encoding: of the original.
        has_damage: whether bytes could not be decoded; each is U+FFFD now.
    """

    path: Path
    encoding: str
    has_damage: bool = False


def refuse_other_than_table(start: bytes, name: str) -> None:
    """Refuse a file whose first bytes show that it is no table.

    Raises:
        NotATableError: it is empty, a web page, a workbook, a picture or the like.
    """
    if not start.strip():
        raise NotATableError(f"{name} is empty; check that it is the file that you mean.")
    for magic, what in _NO_TABLES:
        if start.startswith(magic):
            raise NotATableError(f"{name} {what}.")
    if start[257:262] == b"ustar":
        raise NotATableError(f"{name} is a tar archive; unpack it, and name the table of works.")
    if start.startswith(ZIP):
        refuse_zip_of_another_kind(start, name)
        return
    if start.startswith(GZIP):
        try:
            content = zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(start, CHUNK_BYTES)
        except zlib.error as error:
            raise NotATableError(f"{name} cannot be unpacked ({error}); fetch it again.") from error
        refuse_other_than_table(content, name)
        return
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<?xml", b"<body", b"<!--")):
        shown = text[:40].decode("ascii", "replace")
        raise NotATableError(
            f"{name} is a web page or XML, not a table (it starts with {shown!r}); "
            "open the address in a browser, and name the one of the file itself."
        )


def refuse_zip_of_another_kind(start: bytes, name: str) -> None:
    """Refuse a workbook, which is a zip archive by its first bytes.

    Raises:
        NotATableError: it is one.
    """
    if b"[Content_Types].xml" in start or start[30:].startswith(b"mimetypeapplication/"):
        raise NotATableError(f"{name} is an Excel workbook or the like; save it as CSV (UTF-8), and name that file.")


def as_utf8(file: "UPath", name: str, scratch: Path, encoding: str | None = None) -> TextFile:
    """A file as UTF-8 on this machine: the file itself where it is that already, else a copy in `scratch`.

    Args:
        file: the table's file, local or not.
        name: what it is called in an error.
        scratch: an existing folder for copies.
        encoding: of the file; found out where None.

    Raises:
        NotATableError: it is no text, or not in that encoding.
    """
    with file.open("rb") as opened:
        start = opened.read(CHUNK_BYTES)
    refuse_other_than_table(start, name)
    found = encoding or _encoding(file, start)
    is_local = file.protocol in ("", "file", "local")
    has_old_line_ends = b"\n" not in start and b"\r" in start
    if found == "utf-8" and is_local and not has_old_line_ends:
        return TextFile(Path(str(file)), found)
    copy = scratch / f"{len(list(scratch.iterdir()))}.txt"
    try:
        damaged = _convert(file, copy, found)
    except LookupError as error:
        raise NotATableError(f"{name}: {found!r} is no encoding; leave `encoding` out, or use utf-8 or cp1252.") from (
            error
        )
    return TextFile(copy, found.partition("+")[0], damaged)


def _chunks(file: "UPath") -> Iterator[bytes]:
    with file.open("rb") as opened:
        while chunk := opened.read(CHUNK_BYTES):
            yield chunk


def _encoding(file: "UPath", start: bytes) -> str:
    """`utf-8`, `utf-16`, `cp1252`, `utf-8+damage` where a few bytes are damaged, `utf-8+nul` where some are NUL."""
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    has_nul = False
    for order, place in (("le", 1), ("be", 0)):
        if start[place::2].count(0) > len(start) / 4:
            return f"utf-16-{order}"
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        for chunk in _chunks(file):
            decoder.decode(chunk)
            has_nul = has_nul or b"\0" in chunk
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        pass
    else:
        return "utf-8+nul" if has_nul else "utf-8"
    # Windows-1252 text is hardly ever valid UTF-8 by chance: where most letters are, the rest are damaged bytes.
    lenient = codecs.getincrementaldecoder("utf-8")("replace")
    letters = stray = 0
    for chunk in _chunks(file):
        text = lenient.decode(chunk)
        damaged = text.count("\ufffd")
        stray += damaged
        letters += sum(char > "\x7f" for char in text) - damaged
    return "utf-8+damage" if start.startswith(codecs.BOM_UTF8) or letters > 4 * stray else "cp1252"


def _convert(file: "UPath", copy: Path, encoding: str) -> bool:
    """Write a file anew as UTF-8 with newlines and without NUL; whether some bytes could not be decoded."""
    known, errors = encoding.partition("+")[0], "replace"
    if known == "cp1252":
        errors = CP1252_CONTROLS
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(known)(errors), translate=True)
    damaged = False
    with copy.open("w", encoding="utf-8", newline="") as out:
        for chunk in (*_chunks(file), b""):
            text = decoder.decode(chunk, final=not chunk)
            damaged = damaged or "\ufffd" in text
            out.write(text.replace("\0", ""))
    return damaged and errors == "replace"


def sniff_delimiter(sample: str) -> str:
    """The delimiter of a table, by which of them gives its first rows the same number of fields, and the most."""
    first = sample.partition("\n")[0].strip()
    if first.startswith("sep=") and len(first) == len("sep=") + 1:
        return first[-1]

    def quality(delimiter: str) -> tuple[int, float, int]:
        try:
            rows = [row for row in csv.reader(io.StringIO(sample), delimiter=delimiter) if row][:_MAX_SAMPLE_ROWS]
        except csv.Error:
            return (0, 0.0, 0)
        width = len(rows[0]) if rows else 0
        same = sum(len(row) == width for row in rows) / max(len(rows), 1)
        return (int(width > 1), same if width > 1 else 0.0, width)

    return max(DELIMITERS, key=quality)
