"""Downloads a source's files, such as the catalogue and the artist list, and keeps them in the lake byte for byte.

`catalog/` parses them. A file is requested conditionally, and a new one replaces the stored one only after it was
recognised: an error page never takes the place of a good catalogue.
"""

import hashlib
import io
import json
import shutil
import tempfile
from collections.abc import Callable, Generator, Iterable, Mapping
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from artpipe.crawler.outcome import Outcome, Request
from artpipe.errors import ArtpipeError
from artpipe.lake.damage import SET_ASIDE
from artpipe.lake.object_store import is_local, read_small
from artpipe.lake.paths import write_whole
from artpipe.sources.places import read_errors

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.crawler.client import GalleryClient

Content = TypeVar("Content")
_CHUNK_BYTES = 1 << 20
_HASHED_ANEW_BYTES = 1 << 20
METADATA = ".json"
"""What is added to a file's name for that of its metadata."""


@dataclass(frozen=True)
class DownloadedFile:
    """The metadata of a stored file, kept as JSON in the same folder."""

    url: str
    sha256: str
    size_bytes: int
    etag: str | None
    last_modified: str | None


def download_file(
    client: "GalleryClient",
    url: str,
    file: "UPath",
    check: Callable[[bytes], object],
    *,
    checked_bytes: int = -1,
    max_body_bytes: int | None = None,
) -> tuple[DownloadedFile, bool]:
    """Bring the stored copy of a file up to date.

    Args:
        client: sends the request.
        url: the original address.
        file: where the copy is stored; its metadata is a JSON file in the same folder.
        check: raises when the bytes are not the expected kind of file.
        checked_bytes: how many it is given from the beginning; by default all. Of these alone the memory is taken.
        max_body_bytes: the largest accepted file, where it differs from what the client accepts.

    Returns:
        The metadata of the stored file, and whether its content changed.

    Raises:
        GalleryUnreachableError: the gallery did not answer, or not with a file.
        ArtpipeError: whatever `check` raises; the stored copy is left as it was.
    """
    stored = stored_file(file)
    # The validators of another address say nothing about this one.
    known = stored if stored and stored.url == url else None
    with _body_file() as body:
        response = client.require(
            url,
            etag=known.etag if known else None,
            last_modified=known.last_modified if known else None,
            max_body_bytes=max_body_bytes,
            into=body,
        )
        if known and response.outcome is Outcome.NOT_MODIFIED:
            return known, False
        body.seek(0)
        check(body.read(checked_bytes))
        return _keep(file, body, url, response.etag, response.last_modified, stored)


@dataclass(frozen=True)
class OneOfMany(Generic[Content]):
    """What came of one file of `download_files`.

    Attributes:
        url: its address.
        file: the metadata of the stored copy; None where there is none.
        content: what `read` made of the stored copy.
        problem: why the source did not send the file; a stored copy is then an older one.
        outcome: of the request.
    """

    url: str
    file: DownloadedFile | None
    content: Content | None
    problem: str | None
    outcome: Outcome


def download_files(
    client: "GalleryClient",
    urls: Iterable[str],
    file_of: Callable[[str], "UPath"],
    read: Callable[[bytes, str], Content],
) -> Generator[OneOfMany[Content]]:
    """As `download_file`, for many files at a time; what came of each is said, in the order of completion.

    A file that the source has no more takes its stored copy along. After any other failure the copy stays.

    Args:
        client: sends the requests.
        urls: the original addresses.
        file_of: where the copy of an address is stored.
        read: takes a body and its address; raises `ArtpipeError` when it is not the expected kind of file.
    """

    def requests() -> Generator[Request]:
        for url in urls:
            stored = stored_file(file_of(url))
            stored = stored if stored and stored.url == url else None
            yield Request(url, stored.etag if stored else None, stored.last_modified if stored else None, stored)

    for request, response in client.get_many(requests()):
        url, file = request.url, file_of(request.url)
        stored = request.key if isinstance(request.key, DownloadedFile) else None
        problem = None
        if response.outcome is Outcome.OK:
            try:
                content = read(response.body, url)
            except ArtpipeError as error:
                problem = str(error)
            else:
                kept, _ = _keep(file, io.BytesIO(response.body), url, response.etag, response.last_modified, stored)
                yield OneOfMany(url, kept, content, None, response.outcome)
                continue
        elif response.outcome is not Outcome.NOT_MODIFIED:
            problem = response.error or str(response.outcome)
        if stored is None or response.outcome is Outcome.GONE:
            yield OneOfMany(url, None, None, problem, response.outcome)
            continue
        try:
            yield OneOfMany(url, stored, read(file.read_bytes(), url), problem, response.outcome)
        except ArtpipeError as error:
            yield OneOfMany(url, None, None, str(error), response.outcome)


def copy_file(source: "UPath", file: "UPath", check: Callable[[bytes], object], *, checked_bytes: int = -1) -> None:
    """As `download_file`, for a file of this machine or of an object store.

    Its size, and its ETag or the time of its last change, tell whether it changed.

    Args:
        source: the original.
        file: where the copy is stored, with its metadata beside it.
        check: raises when the bytes are not the expected kind of file.
        checked_bytes: how many it is given from the beginning; by default all.
    """
    stored = stored_file(file)
    with read_errors(source):
        stat = source.stat()
    info: Mapping[str, object] = getattr(stat, "as_info", dict)()
    etag = next((str(info[key]) for key in ("ETag", "etag") if info.get(key)), None)
    modified = None if etag else str(getattr(stat, "st_mtime", None))
    found = (str(source), int(stat.st_size), etag, modified)
    if stored and (stored.url, stored.size_bytes, stored.etag, stored.last_modified) == found:
        return
    with _body_file() as body:
        with read_errors(source), source.open("rb") as opened:
            shutil.copyfileobj(opened, body, _CHUNK_BYTES)
        body.seek(0)
        check(body.read(checked_bytes))
        _keep(file, body, str(source), etag, modified, stored)


_Body = tempfile.SpooledTemporaryFile[bytes]


def _body_file() -> _Body:
    """Takes a body, which may be too large for memory."""
    return tempfile.SpooledTemporaryFile(max_size=_CHUNK_BYTES)


def metadata_file(file: "UPath") -> "UPath":
    """Where the metadata of a stored file is."""
    return file.with_name(f"{file.name}{METADATA}")


def content_files(folder: "UPath") -> "list[UPath]":
    """The stored files in a folder and below it, in order: without their metadata, and without what begins with `.`."""
    found = {
        file.relative_to(folder).as_posix(): file
        for file in folder.rglob("*")
        if file.is_file() and not file.name.startswith(".") and SET_ASIDE not in file.name
    }
    return [
        found[name] for name in sorted(found) if not (name.endswith(METADATA) and name.removesuffix(METADATA) in found)
    ]


def _keep(
    file: "UPath",
    body: "_Body | io.BytesIO",
    url: str,
    etag: str | None,
    last_modified: str | None,
    stored: DownloadedFile | None,
) -> tuple[DownloadedFile, bool]:
    """Store a body unless its stored copy is the same, and its metadata; whether it differs from that copy."""
    size = body.seek(0, io.SEEK_END)
    body.seek(0)
    sha256 = hashlib.file_digest(body, "sha256").hexdigest()
    has_changed = stored is None or stored.sha256 != sha256
    if has_changed:
        write_whole(file, body)
    metadata = DownloadedFile(url, sha256, size, etag, last_modified)
    write_whole(metadata_file(file), json.dumps(asdict(metadata), indent=1).encode())
    return metadata, has_changed


def stored_file(file: "UPath") -> DownloadedFile | None:
    """The metadata of the stored copy, or None where there is no copy that matches its metadata."""
    try:
        stored = DownloadedFile(**json.loads(read_small(metadata_file(file))))
        # File and metadata are two writes; a kill between them leaves a pair that does not match.
        return stored if content_sha256(file) == stored.sha256 else None
    except (FileNotFoundError, ValueError, TypeError):
        return None


def content_sha256(file: "UPath") -> str:
    """The SHA-256 of a file of the lake; of a large one it is found out once, until the file is another."""
    if is_local(file) and (stat := Path(str(file)).stat()).st_size > _HASHED_ANEW_BYTES:
        return _sha256_once(str(file), stat.st_mtime_ns, stat.st_size, stat.st_ino)
    return _sha256(file)


@lru_cache(maxsize=256)
def _sha256_once(path: str, _changed_at: int, _size: int, _number: int) -> str:
    return _sha256(Path(path))


def _sha256(file: "UPath | Path") -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]
