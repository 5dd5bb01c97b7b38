"""Downloads a source's files, such as the catalogue and the artist list, and keeps them in the lake byte for byte.

`catalog/` parses them. A file is requested conditionally, and a new one replaces the stored one only after it was
recognised: an error page never takes the place of a good catalogue.
"""

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from artpipe.crawler.outcome import Outcome
from artpipe.lake.paths import write_whole

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.crawler.client import GalleryClient


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
    max_body_bytes: int | None = None,
) -> tuple[DownloadedFile, bool]:
    """Bring the stored copy of a file up to date.

    Args:
        client: sends the request.
        url: the original address.
        file: where the copy is stored; its metadata is a JSON file in the same folder.
        check: raises when the bytes are not the expected kind of file.
        max_body_bytes: the largest accepted file, where it differs from what the client accepts.

    Returns:
        The metadata of the stored file, and whether its content changed.

    Raises:
        GalleryUnreachableError: the gallery did not answer, or not with a file.
        ArtpipeError: whatever `check` raises; the stored copy is left as it was.
    """
    metadata_file = file.with_name(f"{file.name}.json")
    stored = _stored(file, metadata_file)
    response = client.require(
        url,
        etag=stored.etag if stored else None,
        last_modified=stored.last_modified if stored else None,
        max_body_bytes=max_body_bytes,
    )
    if stored and response.outcome is Outcome.NOT_MODIFIED:
        return stored, False
    check(response.body)
    sha256 = hashlib.sha256(response.body).hexdigest()
    downloaded = DownloadedFile(url, sha256, len(response.body), response.etag, response.last_modified)
    has_changed = stored is None or stored.sha256 != sha256
    if has_changed:
        write_whole(file, response.body)
    write_whole(metadata_file, json.dumps(asdict(downloaded), indent=1).encode())
    return downloaded, has_changed


def _stored(file: "UPath", metadata_file: "UPath") -> DownloadedFile | None:
    """The metadata of the stored copy, or None where there is no copy that matches its metadata."""
    if not (file.exists() and metadata_file.exists()):
        return None
    try:
        stored = DownloadedFile(**json.loads(metadata_file.read_bytes()))
    except (ValueError, TypeError):
        return None
    # File and metadata are two writes; a kill between them leaves a pair that does not match.
    return stored if hashlib.sha256(file.read_bytes()).hexdigest() == stored.sha256 else None
