"""The two files that everything starts from, the catalogue and the artist list, kept as the gallery sent them.

They go on to `catalog/`. A file is asked for conditionally, and a new one replaces the old one only after it has
been read successfully: an error page never takes the place of a good catalogue.
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
class RootFile:
    """A file of the gallery as it now lies in the lake."""

    url: str
    sha256: str
    size_bytes: int
    etag: str | None
    last_modified: str | None


def refresh_root(
    client: "GalleryClient", url: str, file: "UPath", verify: Callable[[bytes], object]
) -> tuple[RootFile, bool]:
    """Bring the stored copy of a root file up to date.

    Args:
        client: whom to ask.
        url: its original address.
        file: where it is kept; what is known of it lies beside it as JSON.
        verify: reads the bytes and raises when they are not what they should be.

    Returns:
        What lies in the lake now, and whether its content differs from before.

    Raises:
        GalleryUnreachableError: the gallery did not answer, or not with a file.
        ArtpipeError: whatever `verify` raises; the stored copy is left as it was.
    """
    story = file.with_name(f"{file.name}.json")
    held = _held(file, story)
    answer = client.require(url, etag=held.etag if held else None, last_modified=held.last_modified if held else None)
    if held and answer.outcome is Outcome.NOT_MODIFIED:
        return held, False
    verify(answer.body)
    sha256 = hashlib.sha256(answer.body).hexdigest()
    now = RootFile(url, sha256, len(answer.body), answer.etag, answer.last_modified)
    changed = held is None or held.sha256 != sha256
    if changed:
        write_whole(file, answer.body)
    write_whole(story, json.dumps(asdict(now), indent=1).encode())
    return now, changed


def _held(file: "UPath", story: "UPath") -> RootFile | None:
    """What is known of the stored copy, or None when there is none to trust."""
    if not (file.exists() and story.exists()):
        return None
    try:
        held = RootFile(**json.loads(story.read_bytes()))
    except (ValueError, TypeError):
        return None
    # The file and its story are two writes; a kill between them leaves a pair that does not match.
    return held if hashlib.sha256(file.read_bytes()).hexdigest() == held.sha256 else None
