"""What a download needs to know of a file of IIIF: its kind, its members and pages, the changes that it lists."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from artpipe.sources.iiif_canvas import canvases_of, paintings_of
from artpipe.sources.iiif_image import Json, as_list, id_of, read_service
from artpipe.sources.iiif_json import NotIiifError, kind_of, parsed, short_id
from artpipe.sources.web_addresses import absolute

MAX_DEPTH = 10
"""Collections within collections."""
MANIFEST, COLLECTION, STREAM, STREAM_PAGE = "Manifest", "Collection", "OrderedCollection", "OrderedCollectionPage"
LISTS = ("items", "members", "collections", "manifests")
"""Where a collection has its members: in version 3, in 2.1, in 2.0."""


@dataclass(frozen=True)
class Document:
    """What the walk needs to know of a file.

    Attributes:
        kind: `MANIFEST`, `COLLECTION`, `STREAM` or `STREAM_PAGE`.
        members: addresses of its members, each with the work that it is a part of; None for one without an address.
        following: addresses of its further pages; of a stream, of the page before.
        changes: of a page of a stream, from old to new.
        services: addresses of the image services that say neither their size nor their level.
    """

    kind: str
    members: tuple[tuple[str | None, str | None], ...] = ()
    following: tuple[str, ...] = ()
    changes: tuple["Change", ...] = ()
    services: tuple[str, ...] = ()


@dataclass(frozen=True)
class Change:
    """An activity of a stream: what became of which manifest, and when; `target` is where it moved to."""

    kind: str
    url: str | None
    target: str | None
    ended: str | None


def document(body: bytes, url: str) -> Document:
    """What the walk needs to know of a manifest, a collection or a stream of changes.

    Raises:
        NotIiifError: it is none of them.
    """
    value = parsed(body, url)
    kind = kind_of(value)
    if kind == MANIFEST or (not kind and "sequences" in value):
        services = (
            absolute(url, service.base)
            for canvas in canvases_of(value)
            for painting, _ in paintings_of(canvas)
            for service in map(read_service, _services_within(painting))
            if service and (service.width_px is None or service.level is None)
        )
        return Document(MANIFEST, services=tuple(dict.fromkeys(base for base in services if base)))
    if kind in (STREAM, STREAM_PAGE) and ("orderedItems" in value or "last" in value or "first" in value):
        changes = tuple(_change(each, url) for each in as_list(value.get("orderedItems")) if isinstance(each, dict))
        pages = (absolute(url, id_of(value.get("prev" if kind == STREAM_PAGE else "last"))),)
        return Document(kind, following=tuple(page for page in pages if page), changes=changes)
    if kind == COLLECTION or (not kind and {"manifests", "members", "collections"} & value.keys()):
        pages = (absolute(url, id_of(value.get(key))) for key in ("first", "next"))
        embedded = (value["first"],) if isinstance(value.get("first"), dict) else ()
        members = tuple(member for each in (value, *embedded) for member in _members(each, url, url))
        return Document(COLLECTION, members, tuple(page for page in pages if page))
    what = f"a IIIF resource of type {kind!r}" if kind else "JSON without a type"
    raise NotIiifError(
        f"{url} is {what}, and neither a manifest nor a collection nor a stream of changes; give the address of one."
    )


def _members(
    collection: Mapping[str, Json], url: str, own: str, depth: int = 0
) -> Iterator[tuple[str | None, str | None]]:
    """Each member of a collection, with the work that it is a part of; collections written out in it are opened."""
    said = [*as_list(collection.get("behavior")), *as_list(collection.get("viewingHint"))]
    work = short_id(own) if "multi-part" in said else None
    for key in LISTS:
        for member in as_list(collection.get(key)):
            kind = kind_of(member)
            if kind not in ("", MANIFEST, COLLECTION):
                continue
            address = absolute(url, id_of(member))
            is_embedded = kind == COLLECTION and any(key in member for key in LISTS)
            if is_embedded and depth < MAX_DEPTH:
                for inner, of in _members(member, url, address or own, depth + 1):
                    yield inner, of or work
            else:
                yield address, work


def _change(activity: Mapping[str, Json], url: str) -> Change:
    subject = activity.get("object")
    kind = kind_of(activity)
    is_wanted = kind_of(subject) in ("", MANIFEST)
    return Change(
        kind,
        absolute(url, id_of(subject)) if is_wanted else None,
        absolute(url, id_of(activity.get("target"))) if is_wanted else None,
        str(activity.get("endTime") or activity.get("startTime") or "") or None,
    )


def _services_within(value: Json, depth: int = 0) -> Iterator[Json]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, dict):
        yield from as_list(value.get("service"))
        for key in ("items", "item", "default", "source", "full"):
            yield from _services_within(value.get(key), depth + 1)
    elif isinstance(value, list):
        for each in value:
            yield from _services_within(each, depth + 1)


def info_document(body: bytes, url: str) -> Document:
    """An `info.json`.

    Raises:
        NotIiifError: it describes no image service.
    """
    if read_service(parsed(body, url)) is None:
        raise NotIiifError(f"{url} describes no image service.")
    return Document("info")
