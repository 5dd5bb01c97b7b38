"""The roots of the graph: the catalogue and the artist list as the gallery publishes them."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from artpipe.lake.paths import DataLake
from artpipe.orchestration.lineage import Lineage
from artpipe.orchestration.resources import GALLERY_POOL, GalleryResource, progress_of
from artpipe.orchestration.reuse import begin
from artpipe.sources.download import download_file
from artpipe.sources.wga import ARTIST_LIST_URL, CATALOG_URL

GROUP = "sources"


@dg.asset(
    group_name=GROUP,
    kinds={"http"},
    code_version="1",
    owners=["team:artpipe"],
    tags={"stage": "source"},
    pool=GALLERY_POOL,
)
def raw_catalog(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    gallery: GalleryResource,
) -> dg.MaterializeResult[Any]:
    """The catalogue file of the gallery, byte for byte; an unchanged one is not sent again."""
    from artpipe.catalog.parse import check_catalog

    return _root(context, "catalog", CATALOG_URL, check_catalog, lake, lineage, gallery)


@dg.asset(
    group_name=GROUP,
    kinds={"http"},
    code_version="1",
    owners=["team:artpipe"],
    tags={"stage": "source"},
    pool=GALLERY_POOL,
)
def raw_artists(
    context: dg.AssetExecutionContext,
    lake: dg.ResourceParam[DataLake],
    lineage: dg.ResourceParam[Lineage],
    gallery: GalleryResource,
) -> dg.MaterializeResult[Any]:
    """The artist list page of the gallery, byte for byte; an unchanged one is not sent again."""
    from artpipe.catalog.artists import check_artist_list

    return _root(context, "artists", ARTIST_LIST_URL, check_artist_list, lake, lineage, gallery)


def _root(
    context: dg.AssetExecutionContext,
    name: str,
    url: str,
    check: Callable[[bytes], object],
    lake: DataLake,
    lineage: Lineage,
    gallery: GalleryResource,
) -> dg.MaterializeResult[Any]:
    begin(context, lineage)
    with gallery.client(lake, progress_of(context)) as client:
        found, changed = download_file(client, url, lake.raw(name), check)
        counts = client.counts
    version = found.sha256[:16]
    lineage.complete(context.asset_key.path[-1], version)
    return dg.MaterializeResult(
        data_version=dg.DataVersion(version),
        metadata={
            "url": dg.MetadataValue.url(found.url),
            "size_bytes": found.size_bytes,
            "last_modified": found.last_modified or "not told",
            "changed": changed,
            "requests": counts.requests,
            "not_modified": counts.not_modified,
            "bodies": counts.bodies,
        },
    )
