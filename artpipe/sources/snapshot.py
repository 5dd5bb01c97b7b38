"""What was downloaded of several sources, as one input: the file of sources as it was, and the files of each.

`raw/catalog` is then a JSON object with the names and hashes of these files. To read the rows, nothing is needed but it
and the files. Headers are left out of it: they may hold keys.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from artpipe.catalog.rows import ReadSource, ReadSources
from artpipe.lake.paths import DataLake, write_whole

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.sources.config import SourcesFile

_MARK = b'{"artpipe_sources"'


def is_snapshot(file: "UPath") -> bool:
    """Whether a stored catalogue is one of several sources."""
    if not file.exists():
        return False
    with file.open("rb") as opened:
        return opened.read(len(_MARK)) == _MARK


def write_snapshot(lake: DataLake, path: str, named: "SourcesFile") -> str:
    """Keep what was downloaded, and return its version: a hash of the file of sources and of all files.

    Args:
        lake: where the sources' files are.
        path: of the file of sources.
        named: what it says.
    """
    files = {source.name: _hashes(lake.raw_source(source.name)) for source in named.sources}
    content = {"artpipe_sources": named.without_secrets(), "path": path, "files": files}
    data = json.dumps(content, ensure_ascii=False).encode()
    write_whole(lake.raw("catalog"), data)
    content.pop("path")
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def read_snapshot(lake: DataLake) -> ReadSources:
    """The rows of every source, as it was downloaded."""
    from artpipe.sources.config import sources_of

    content = json.loads(lake.raw("catalog").read_bytes())
    named = sources_of(content["artpipe_sources"])
    return ReadSources(
        tuple(
            ReadSource(one.name, one.rights, one.read(lake.raw_source(one.name)), one.is_gallery)
            for one in named.sources
        ),
        named.tasks,
    )


def snapshot_files(lake: DataLake) -> "Iterator[UPath]":
    """The files of the sources."""
    for name, files in json.loads(lake.raw("catalog").read_bytes())["files"].items():
        for file in files:
            yield lake.raw_source(name) / file


def _hashes(folder: "UPath") -> dict[str, str]:
    """The hash of each file in a folder, by its path there; how `name` was answered (`name.json`) is no content."""
    if not folder.exists():
        return {}
    found = {file for file in folder.rglob("*") if file.is_file() and not file.name.startswith(".")}
    files = sorted(file for file in found if file.suffix != ".json" or file.with_suffix("") not in found)
    return {file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()[:16] for file in files}
