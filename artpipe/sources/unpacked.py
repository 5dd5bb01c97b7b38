"""Tables that are compressed: gzip, and a zip archive with one table."""

import gzip
import zipfile
import zlib
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, cast

from artpipe.sources.text import GZIP, ZIP, NotATableError, refuse_zip_of_another_kind

if TYPE_CHECKING:
    from collections.abc import Collection

    from upath import UPath

_MAX_BYTES = 16_000_000_000
_CHUNK_BYTES = 1 << 20


def unpacked(file: "UPath", name: str, scratch: Path, suffixes: "Collection[str]") -> "tuple[UPath, str]":
    """A file, or what is compressed in it as a copy in `scratch`, and what it is called in messages.

    Args:
        file: local or not.
        name: what it is called; without `.gz` it tells the form of the content.
        scratch: an existing folder for copies.
        suffixes: how the names of tables end, which are looked for in an archive.

    Raises:
        NotATableError: it is damaged, too large, or an archive with no table or with several.
    """
    from upath import UPath

    with file.open("rb") as opened:
        start = opened.read(_CHUNK_BYTES)
    if not start.startswith((GZIP, ZIP)):
        return file, name
    copy = scratch / f"{len(list(scratch.iterdir()))}.unpacked"
    try:
        with (
            file.open("rb") as opened,
            _content(cast("IO[bytes]", opened), start, name, suffixes) as (inner, label),
            copy.open("wb") as out,
        ):
            while chunk := inner.read(_CHUNK_BYTES):
                out.write(chunk)
                if out.tell() > _MAX_BYTES:
                    raise NotATableError(f"{name} has more than {_MAX_BYTES:,} bytes when unpacked.")
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise NotATableError(f"{name} cannot be unpacked ({error}); fetch it again, or unpack it first.") from error
    return unpacked(UPath(copy), label, scratch, suffixes)


@contextmanager
def _content(
    opened: IO[bytes], start: bytes, name: str, suffixes: "Collection[str]"
) -> "Generator[tuple[IO[bytes], str]]":
    """The content of a compressed file, and what it is called."""
    if start.startswith(GZIP):
        with gzip.open(opened) as inner:
            yield cast("IO[bytes]", inner), name.removesuffix(".gz")
        return
    refuse_zip_of_another_kind(start, name)
    with zipfile.ZipFile(opened) as archive:
        files = [one for one in archive.namelist() if not one.startswith("__MACOSX/")]
        tables = [one for one in files if Path(one.removesuffix(".gz")).suffix.lower() in suffixes]
        if len(tables) != 1:
            has = f"several tables ({', '.join(tables[:8])})" if tables else f"no table ({', '.join(files[:8])})"
            raise NotATableError(f"{name} is a zip archive with {has}; unpack it, and name the table of works.")
        with archive.open(tables[0]) as inner:
            yield inner, f"{name}/{tables[0]}"
