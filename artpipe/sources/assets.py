"""The roots of the graph: the catalogue and the artist list as the gallery publishes them."""

from collections.abc import Callable

import dagster as dg

from artpipe.orchestration.asset import GALLERY_POOL, AssetStep, Result, pipeline_asset
from artpipe.orchestration.storage import written_by_body
from artpipe.sources.download import download_file
from artpipe.sources.resources import GalleryResource
from artpipe.sources.wga import ARTIST_LIST_URL, CATALOG_URL

TAGS = {"stage": "source"}


@pipeline_asset(
    kinds={"http"},
    code_version="1",
    stored=written_by_body(lambda lake: lake.raw("catalog")).with_files(lambda lake: [lake.raw("catalog.json")]),
    always_runs=True,
    pool=GALLERY_POOL,
    tags=TAGS,
)
def raw_catalog(step: AssetStep, gallery: GalleryResource) -> Result:
    """The catalogue file of the gallery, byte for byte; an unchanged one is not sent again."""
    from artpipe.catalog.parse import check_catalog

    return _root(step, gallery, "catalog", CATALOG_URL, check_catalog)


@pipeline_asset(
    kinds={"http"},
    code_version="1",
    stored=written_by_body(lambda lake: lake.raw("artists")).with_files(lambda lake: [lake.raw("artists.json")]),
    always_runs=True,
    pool=GALLERY_POOL,
    tags=TAGS,
)
def raw_artists(step: AssetStep, gallery: GalleryResource) -> Result:
    """The artist list page of the gallery, byte for byte; an unchanged one is not sent again."""
    from artpipe.catalog.artists import check_artist_list

    return _root(step, gallery, "artists", ARTIST_LIST_URL, check_artist_list)


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
