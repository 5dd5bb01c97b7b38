"""What was downloaded of several sources, as one input: the file of sources as it was, and the files of each.

`raw/catalog` is then a JSON object with the names and hashes of these files. To read the rows, nothing is needed but it
and the files. Headers are left out of it: they may hold keys.
"""

import hashlib
import json
from collections.abc import Container, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from artpipe.catalog.rows import ReadSource, ReadSources
from artpipe.errors import ArtpipeError
from artpipe.lake.paths import DataLake, write_whole
from artpipe.sources.download import content_files, content_sha256

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.sources.config import SourcesFile
    from artpipe.sources.contract import Source

_MARK = b'{"artpipe_sources"'


class ChangedFilesError(ArtpipeError):
    """The files of a source are no more those that `raw/catalog` names."""


def is_snapshot(file: "UPath") -> bool:
    """Whether a stored catalogue is one of several sources."""
    if not file.exists():
        return False
    with file.open("rb") as opened:
        return opened.read(len(_MARK)) == _MARK


def write_snapshot(lake: DataLake, path: str, named: "SourcesFile", kept: Container[str] = ()) -> str:
    """Keep what was downloaded, and return its version: a hash of the file of sources and of all files.

    Args:
        lake: where the sources' files are.
        path: of the file of sources.
        named: what it says.
        kept: the sources whose files are those of the last snapshot, by `holds_copy`.
    """
    files = {
        source.name: _last(lake)["files"][source.name] if source.name in kept else _hashes(lake.raw_source(source.name))
        for source in named.sources
    }
    content = {"artpipe_sources": named.without_secrets(), "path": path, "files": files}
    data = json.dumps(content, ensure_ascii=False).encode()
    write_whole(lake.raw("catalog"), data)
    content.pop("path")
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def read_snapshot(lake: DataLake) -> ReadSources:
    """The rows of every source, as it was downloaded.

    Raises:
        ChangedFilesError: the files are others, such as those of a later download that failed.
    """
    from artpipe.sources.config import sources_of

    content = _last(lake)
    named = sources_of(content["artpipe_sources"])
    for source in named.sources:
        if not _are_unchanged(lake, source, content["files"][source.name]):
            raise ChangedFilesError(
                f"the files of the source {source.name} changed after raw_catalog was made; "
                'materialise "raw_catalog", i.e. run `artpipe refresh`.'
            )
    return ReadSources(
        tuple(
            ReadSource(one.name, one.rights, one.read(lake.raw_source(one.name)), one.is_gallery)
            for one in named.sources
        ),
        named.tasks,
    )


def holds_copy(lake: DataLake, source: "Source") -> bool:
    """Whether a source's files are those of the last snapshot, in which it was declared as it is now."""
    from artpipe.sources.config import SourcesFile

    if not is_snapshot(lake.raw("catalog")):
        return False
    content = _last(lake)
    (declared,) = SourcesFile((source,), None).without_secrets()["sources"]
    files = content["files"].get(source.name)
    is_same = bool(files) and declared in content["artpipe_sources"]["sources"]
    return is_same and _are_unchanged(lake, source, files)


def snapshot_files(lake: DataLake) -> "Iterator[UPath]":
    """The files of the sources."""
    for name, files in _last(lake)["files"].items():
        for file in files:
            yield lake.raw_source(name) / file


def _last(lake: DataLake) -> dict[str, Any]:
    return json.loads(lake.raw("catalog").read_bytes())


def _are_unchanged(lake: DataLake, source: "Source", files: Mapping[str, str]) -> bool:
    """Whether a source's files have these hashes, and there are no others that are read."""
    from artpipe.sources.iiif import IiifSource
    from artpipe.sources.oai import OaiSource

    found = _hashes(lake.raw_source(source.name))
    if isinstance(source, IiifSource | OaiSource):
        # An index names what is read; the rest is of a download that was cut off, from where the next one goes on.
        found = {name: found.get(name) for name in files}
    return found == files


def _hashes(folder: "UPath") -> dict[str, str]:
    """The hash of each file of a source, by its path in the folder."""
    files = content_files(folder) if folder.exists() else []
    return {file.relative_to(folder).as_posix(): content_sha256(file)[:16] for file in files}
