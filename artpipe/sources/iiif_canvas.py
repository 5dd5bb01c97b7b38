"""The pictures of a IIIF manifest: those painted on each of its canvases, alone, as a choice, or as parts."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

from artpipe.sources.iiif_image import ImageService, Json, as_list, id_of, image_address, pixels, read_service
from artpipe.sources.iiif_json import kind_of, texts
from artpipe.sources.iiif_reading import Reading
from artpipe.sources.remarks import Remarks
from artpipe.sources.web_addresses import absolute

MAX_DEPTH = 12
OPENLY_CUT_PX = 1024
"""Short side at which a part of a picture, or a size of a level 0 service, is asked for: the lake's own is smaller."""


def images_of(
    manifest: Mapping[str, Json], url: str, reading: Reading, remarks: Remarks, services: Mapping[str, ImageService]
) -> list[dict[str, Json]]:
    """The pictures of each canvas in order, as values of `contract.IMAGE`; at most `reading.max_images`."""
    canvases = list(canvases_of(manifest))
    images: list[dict[str, Json]] = []
    for number, canvas in enumerate(canvases):
        if len(images) >= reading.max_images:
            what = f"canvases left out, beyond the first {reading.max_images:,} images of a manifest (`max_images`)"
            remarks.add(what, url, len(canvases) - number)
            break
        name = "; ".join(texts(canvas.get("label"), reading.languages))[:100] if len(canvases) > 1 else ""
        paintings = list(paintings_of(canvas))
        is_covered = any(not is_part for _, is_part in paintings)
        part = "detail" if is_covered else "part"
        found = [
            {**image, "role": part if is_part else image["role"] or name or None}
            for body, is_part in paintings
            for image in _bodies(body, url, canvas, reading, remarks, services)
        ]
        if not found:
            remarks.add("canvases without an image", url)
        images += found
    return images[: reading.max_images]


def canvases_of(manifest: Mapping[str, Json]) -> Iterator[Mapping[str, Json]]:
    """The canvases of a manifest; of version 2, those of the first sequence that has any."""
    sequences = [each for each in as_list(manifest.get("sequences")) if isinstance(each, dict)]
    of_sequences = (as_list(sequence.get("canvases")) for sequence in sequences)
    canvases = as_list(manifest.get("items")) or next((found for found in of_sequences if found), [])
    yield from (canvas for canvas in canvases if isinstance(canvas, dict))


def paintings_of(canvas: Mapping[str, Json]) -> Iterator[tuple[Json, bool]]:
    """The body of each painting annotation, and whether it covers a part of the canvas alone."""
    pages = [page for page in as_list(canvas.get("items")) if isinstance(page, dict)]
    annotations = [each for page in pages for each in as_list(page.get("items"))] + as_list(canvas.get("images"))
    for annotation in annotations:
        if not isinstance(annotation, dict):
            continue
        motivations = list(filter(None, as_list(annotation.get("motivation")))) or ["painting"]
        if not any(str(motivation).split(":")[-1] == "painting" for motivation in motivations):
            continue
        target = next(iter(as_list(annotation.get("target") or annotation.get("on"))), None)
        is_part = "#xywh=" in (id_of(target) or "") or (isinstance(target, dict) and bool(target.get("selector")))
        for body in as_list(annotation.get("body") or annotation.get("resource")):
            yield body, is_part


def _bodies(
    body: Json,
    url: str,
    canvas: Mapping[str, Json],
    reading: Reading,
    remarks: Remarks,
    services: Mapping[str, ImageService],
    region: str | None = None,
    depth: int = 0,
) -> Iterator[dict[str, Json]]:
    """The pictures of one body: an image, a choice of several, or a part of one."""
    kind = kind_of(body)
    if depth > MAX_DEPTH:
        remarks.add("images nested too deeply", url)
    elif kind == "Choice":
        offered = as_list(body.get("items")) or [*as_list(body.get("default")), *as_list(body.get("item"))]
        for item in offered if reading.choices == "all" else offered[:1]:
            for image in _bodies(item, url, canvas, reading, remarks, services, region, depth + 1):
                label = texts(item.get("label"), reading.languages) if isinstance(item, dict) else []
                yield {**image, "role": image["role"] or ("; ".join(label)[:100] or None)}
    elif kind == "SpecificResource":
        selectors = [each for each in as_list(body.get("selector")) if isinstance(each, dict)]
        cut = next((each["region"] for each in selectors if isinstance(each.get("region"), str)), None)
        source = body.get("source") or body.get("full")
        yield from _bodies(source, url, canvas, reading, remarks, services, cut if cut != "full" else region, depth + 1)
    elif kind in ("Image", "") or "image" in str(body.get("format", "")):
        image = _image(body, url, canvas, region, remarks, services)
        if image:
            yield image
    else:
        remarks.add("media other than images left out", url)


def _image(
    body: Json,
    url: str,
    canvas: Mapping[str, Json],
    region: str | None,
    remarks: Remarks,
    services: Mapping[str, ImageService],
) -> dict[str, Json] | None:
    found = as_list(body.get("service")) if isinstance(body, dict) else []
    service = next((read for each in found if (read := read_service(each))), None)
    address = absolute(url, id_of(body))
    width, height = (pixels(body.get(key)) if isinstance(body, dict) else None for key in ("width", "height"))
    if service and (base := absolute(url, service.base)):
        service = services.get(base, replace(service, base=base))
        return _of_service(service, address, (width, height), canvas, region, url, remarks)
    if address is None:
        remarks.add("images without an address of http or https left out", url)
        return None
    if region:
        remarks.add("parts of images left out, since the image has no service that cuts", url)
        return None
    return _record(address, width_px=width, height_px=height)


def _of_service(
    service: ImageService,
    address: str | None,
    stated: tuple[int | None, int | None],
    canvas: Mapping[str, Json],
    region: str | None,
    url: str,
    remarks: Remarks,
) -> dict[str, Json] | None:
    """A picture of a service: its base address, or an address of the picture where level 0 or a part demand it."""
    width, height = service.width_px or stated[0], service.height_px or stated[1]
    address_of = partial(
        image_address,
        service.base,
        service.version,
        short_side_px=OPENLY_CUT_PX,
        max_width=service.max_width_px,
        max_area=service.max_area_px,
    )
    if region:
        if service.level == 0:
            remarks.add("parts of images left out, since the image service has level 0", url)
            return None
        numbers = re.fullmatch(r"\d+,\d+,(\d+),(\d+)", region)
        width, height = (pixels(numbers[1]), pixels(numbers[2])) if numbers else (None, None)
        cut = _record(address_of(width, height, region=region), width_px=width, height_px=height)
        return {**cut, "role": "part"}
    if service.level == 0 and service.sizes:
        return _record(address_of(width, height, sizes=service.sizes), width_px=width, height_px=height)
    if service.level == 0:
        is_elsewhere = address is not None and not address.startswith(f"{service.base}/")
        if address and (is_elsewhere or not service.is_tiles_only):
            return _record(address, width_px=width, height_px=height)
        remarks.add("images refused: their image service has level 0 and tiles only, no whole picture", url)
        return None
    if not (width and height) and service.level == 1:
        # Level 1 cannot fit a picture into a box, and the canvas has its proportions.
        width, height = pixels(canvas.get("width")), pixels(canvas.get("height"))
    return {
        **_record(address, width_px=width, height_px=height),
        "service": service.base,
        "service_version": service.version,
        "max_width_px": service.max_width_px,
        "max_area_px": service.max_area_px,
    }


def _record(address: str | None, *, width_px: int | None, height_px: int | None) -> dict[str, Json]:
    """A value of `contract.IMAGE`."""
    return {
        "url": address,
        "service": None,
        "service_version": None,
        "width_px": width_px,
        "height_px": height_px,
        "max_width_px": None,
        "max_area_px": None,
        "role": None,
    }
