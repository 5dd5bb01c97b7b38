"""The roots of the graph: the catalogue and the artist list as the gallery publishes them."""

from typing import Any

import dagster as dg

from artpipe.gallery.roots import RootFile, refresh_root
from artpipe.gallery.site import ARTIST_LIST_URL, CATALOG_URL
from artpipe.lake import DataLake
from artpipe.resources import GALLERY_POOL, GalleryResource, progress_of

GROUP = "gallery"


@dg.asset(
    group_name=GROUP,
    kinds={"http"},
    code_version="1",
    owners=["team:artpipe"],
    tags={"stage": "source"},
    pool=GALLERY_POOL,
)
def raw_catalog(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[DataLake], gallery: GalleryResource
) -> dg.MaterializeResult[Any]:
    """The catalogue file of the gallery, byte for byte; an unchanged one is not sent again."""
    from artpipe.catalog.parse import parse_catalog

    with gallery.client(lake, progress_of(context)) as client:
        found, changed = refresh_root(client, CATALOG_URL, lake.raw("catalog"), parse_catalog)
    return _result(found, changed=changed)


@dg.asset(
    group_name=GROUP,
    kinds={"http"},
    code_version="1",
    owners=["team:artpipe"],
    tags={"stage": "source"},
    pool=GALLERY_POOL,
)
def raw_artists(
    context: dg.AssetExecutionContext, lake: dg.ResourceParam[DataLake], gallery: GalleryResource
) -> dg.MaterializeResult[Any]:
    """The artist list page of the gallery, byte for byte; an unchanged one is not sent again."""
    from artpipe.catalog.artists import parse_artist_list

    with gallery.client(lake, progress_of(context)) as client:
        found, changed = refresh_root(client, ARTIST_LIST_URL, lake.raw("artists"), parse_artist_list)
    return _result(found, changed=changed)


def _result(found: RootFile, *, changed: bool) -> dg.MaterializeResult[Any]:
    return dg.MaterializeResult(
        data_version=dg.DataVersion(found.sha256[:16]),
        metadata={
            "url": dg.MetadataValue.url(found.url),
            "size_bytes": found.size_bytes,
            "last_modified": found.last_modified or "not told",
            "changed": changed,
        },
    )
