"""The roots of the graph: the catalogues of the sources as they publish them, and the artist list of the gallery."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import dagster as dg

from artpipe.errors import ArtpipeError
from artpipe.lake.absence import note_absences, read_absences
from artpipe.lake.full_disk import FullDiskError
from artpipe.lake.paths import DataLake, UnwritableLakeError, file_version, write_whole
from artpipe.orchestration.asset import GALLERY_POOL, AssetStep, Result, observed_file, pipeline_asset
from artpipe.orchestration.storage import written_by_body
from artpipe.settings import Settings
from artpipe.sources.download import download_file, stored_file
from artpipe.sources.resources import GalleryResource
from artpipe.sources.wga import ARTIST_LIST_URL, CATALOG_URL

if TYPE_CHECKING:
    from upath import UPath

    from artpipe.catalog.rows import ReadSources

TAGS = {"stage": "source"}


@observed_file
def sources_file(settings: Settings) -> str:
    """The file that names the sources of the collection; there is none where it is that of one gallery."""
    return (file_version(settings.sources) if settings.sources else None) or "none"


def read_catalog(lake: DataLake) -> "UPath | ReadSources":
    """The file of a gallery's catalogue, or the rows of all sources."""
    file = lake.raw("catalog")
    from artpipe.sources.snapshot import is_snapshot, read_snapshot

    return read_snapshot(lake) if is_snapshot(file) else file


def _catalog_files(lake: DataLake) -> "Iterator[UPath]":
    from artpipe.sources.snapshot import is_snapshot, snapshot_files

    file = lake.raw("catalog")
    yield from snapshot_files(lake) if is_snapshot(file) else [lake.raw("catalog.json")]


@pipeline_asset(
    kinds={"http"},
    code_version="1",
    stored=written_by_body(lambda lake: lake.raw("catalog"), read_catalog).with_files(_catalog_files),
    deps=["sources_file"],
    always_runs=True,
    pool=GALLERY_POOL,
    tags=TAGS,
)
def raw_catalog(step: AssetStep, gallery: GalleryResource) -> Result:
    """The catalogue of every source, byte for byte; an unchanged one is not sent again."""
    from artpipe.catalog.parse import check_catalog

    if step.settings.sources:
        return _sources(step, gallery, step.settings.sources)
    return _root(step, gallery, "catalog", CATALOG_URL, check_catalog)


def _sources(step: AssetStep, gallery: GalleryResource, file: str) -> Result:
    from artpipe.sources.config import read_sources_file
    from artpipe.sources.snapshot import holds_copy, write_snapshot

    named = read_sources_file(file)
    unreachable: dict[str, str] = {}
    names = {source.name for source in named.sources}
    away = {name: one.reason for name, one in read_absences(step.lake).items() if name in names}
    asked_at = datetime.now(UTC)
    with gallery.client(step.lake, step.progress, step.settings) as client:
        for source in named.sources:
            step.log(f"source {source.name}: its catalogue is brought up to date")
            try:
                source.download(client, step.lake.raw_source(source.name), step.progress)
                away.pop(source.name, None)
            except (FullDiskError, UnwritableLakeError):
                raise
            except ArtpipeError as error:
                unreachable[source.name] = away[source.name] = str(error)
                if not source.hosts or len(unreachable) == len(named.sources) or not holds_copy(step.lake, source):
                    note_absences(step.lake, away, asked_at)
                    raise
                step.context.log.warning(f"source {source.name}: its stored copy is used: {error}")
        counts = client.counts
    note_absences(step.lake, away, asked_at)
    version = write_snapshot(step.lake, file, named, kept=unreachable)
    return Result(
        version=version,
        metadata={
            "sources": [source.name for source in named.sources],
            "unreachable": unreachable,
            "changed": version != step.held_version,
            "requests": counts.requests,
            "not_modified": counts.not_modified,
            "bodies": counts.bodies,
        },
    )


@pipeline_asset(
    kinds={"http"},
    code_version="1",
    stored=written_by_body(lambda lake: lake.raw("artists")).with_files(lambda lake: [lake.raw("artists.json")]),
    always_runs=True,
    pool=GALLERY_POOL,
    tags=TAGS,
)
def raw_artists(step: AssetStep, gallery: GalleryResource) -> Result:
    """The artist list page of the gallery, byte for byte; empty where the artists are named by the works alone."""
    from artpipe.catalog.artists import check_artist_list
    from artpipe.crawler.client import GalleryUnreachableError
    from artpipe.sources.config import read_sources_file

    if not step.settings.sources:
        return _root(step, gallery, "artists", ARTIST_LIST_URL, check_artist_list)
    if not any(one.is_gallery for one in read_sources_file(step.settings.sources).sources):
        write_whole(step.lake.raw("artists"), b"")
        return Result(version="none")
    try:
        return _root(step, gallery, "artists", ARTIST_LIST_URL, check_artist_list)
    except GalleryUnreachableError as error:  # the other sources go on
        stored = stored_file(step.lake.raw("artists"))
        if stored is None:
            raise
        step.context.log.warning(f"the stored list of artists is used: {error}")
        return Result(version=stored.sha256[:16], metadata={"unreachable": str(error)})


def _root(step: AssetStep, gallery: GalleryResource, name: str, url: str, check: Callable[[bytes], object]) -> Result:
    with gallery.client(step.lake, step.progress, step.settings) as client:
        found, changed = download_file(client, url, step.lake.raw(name), check)
        counts = client.counts
    return Result(
        version=found.sha256[:16],
        metadata={
            "url": dg.MetadataValue.url(found.url),
            "size_bytes": found.size_bytes,
            "last_modified": found.last_modified or "not given",
            "changed": changed,
            "requests": counts.requests,
            "not_modified": counts.not_modified,
            "bodies": counts.bodies,
        },
    )
