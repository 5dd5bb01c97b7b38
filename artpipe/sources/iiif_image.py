"""Image services of the IIIF Image API, versions 1 to 3: what a manifest says of one, and how it is asked for a size.

`iiif_manifest` reads services here; whoever downloads pictures asks `image_address` where.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

Json = Any

MAX_PIXELS = 2**31 - 1
_VERSION = re.compile(r"ImageService(\d)|/image/(\d)|image-api/(\d)")
_WHOLE = re.compile(r"(?P<base>https?://.+)/full/(?P<size>full|max)/0/(?P<quality>default|native)\.jpe?g")
_LEVEL = re.compile(r"level-?([012])", re.IGNORECASE)


@dataclass(frozen=True)
class ImageService:
    """An image service as a manifest or its `info.json` describes it.

    Attributes:
        base: its address, without a slash at the end.
        version: of the Image API, 1 to 3.
        level: of compliance, 0 to 2; None where nothing says.
        width_px: of the full image; None where nothing says.
        height_px: likewise.
        max_width_px: the largest width and height that it sends.
        max_area_px: the largest area that it sends.
        sizes: width and height of each size that it has ready.
        has_tiles: whether it names tiles.
    """

    base: str
    version: int
    level: int | None = None
    width_px: int | None = None
    height_px: int | None = None
    max_width_px: int | None = None
    max_area_px: int | None = None
    sizes: tuple[tuple[int, int], ...] = ()
    has_tiles: bool = False

    @property
    def is_tiles_only(self) -> bool:
        """Whether no whole picture can be had but the full one, if any: level 0 without sizes."""
        return self.level == 0 and not self.sizes and self.has_tiles


def pixels(value: Json, most: int = MAX_PIXELS) -> int | None:
    """A number of pixels; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = int(value)
    except (ValueError, OverflowError):
        return None
    return number if 0 < number <= most else None


def as_list(value: Json) -> list[Json]:
    """What JSON-LD gives as one value or as a list of them."""
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]


def id_of(value: Json) -> str | None:
    """The `id` or `@id` of an object, or the text itself; None where there is none."""
    if isinstance(value, dict):
        value = value.get("id") or value.get("@id")
    return value.strip() or None if isinstance(value, str) else None


def read_service(value: Json) -> ImageService | None:
    """The image service that a `service` property or an `info.json` describes; None where it is another kind."""
    base = id_of(value)
    if base is None or not isinstance(value, dict):
        return None
    profiles = as_list(value.get("profile"))
    said = [str(value.get(key, "")) for key in ("type", "@type", "@context", "protocol")]
    said += [profile for profile in profiles if isinstance(profile, str)]
    # One that says nothing of itself is where an image has its service, so it is one.
    if any(said) and not any(re.search(r"ImageService|image-?api|iiif\.io/api/image", text) for text in said):
        return None
    version = next((int(v) for text in said for v in _version(text)), 2)
    level = next((int(found[1]) for text in said for found in [_LEVEL.search(text)] if found), None)
    limits = [value, *(profile for profile in profiles if isinstance(profile, dict))]
    widths = [pixels(limit.get(key)) for limit in limits for key in ("maxWidth", "maxHeight")]
    areas = [pixels(limit.get("maxArea"), 2**63 - 1) for limit in limits]
    sizes = [
        (width, height)
        for size in as_list(value.get("sizes"))
        if isinstance(size, dict)
        for width, height in [(pixels(size.get("width")), pixels(size.get("height")))]
        if width and height
    ]
    return ImageService(
        base.rstrip("/").removesuffix("/info.json"),
        version if version in (1, 2, 3) else 3,
        level,
        pixels(value.get("width")),
        pixels(value.get("height")),
        min((width for width in widths if width), default=None),
        min((area for area in areas if area), default=None),
        tuple(sorted(sizes)),
        bool(value.get("tiles") or value.get("scale_factors")),
    )


def service_of_address(url: str) -> ImageService | None:
    """The service that an address such as `.../full/max/0/default.jpg` is a request of; None for any other address."""
    found = _WHOLE.fullmatch(url)
    if found is None:
        return None
    version = 1 if found["quality"] == "native" else 3 if found["size"] == "max" else 2
    return ImageService(found["base"], version)


def _version(text: str) -> list[str]:
    found = _VERSION.search(text)
    return [next(group for group in found.groups() if group)] if found else []


def image_address(
    service: str,
    version: int | None,
    width: int | None,
    height: int | None,
    *,
    short_side_px: int,
    max_width: int | None = None,
    max_area: int | None = None,
    sizes: Sequence[tuple[int, int]] = (),
    region: str = "full",
) -> str:
    """Where an image service is asked for a picture just large enough; never enlarged, and within its limits.

    A service of level 1 takes `w,`. Where the size of the picture is unknown, it is asked for the largest that fits
    into a square, which takes level 2.

    Args:
        service: the base address.
        version: of the Image API, 1 to 3; None: 2.
        width: of the full picture, or of the region.
        height: likewise.
        short_side_px: of the picture that is wanted.
        max_width: the largest width and height that the service sends.
        max_area: the largest area that it sends.
        sizes: those that it has ready; the smallest that is large enough is asked for.
        region: `full`, or `x,y,w,h`.

    Source: https://iiif.io/api/image/3.0/#42-size, https://iiif.io/api/image/2.1/#size and
    https://iiif.io/api/image/1.1/#size.
    """
    version = version or 2
    limit = max_width or MAX_PIXELS
    if ready := [size for size in sizes if max(size) <= limit and size[0] * size[1] <= (max_area or math.inf)]:
        chosen = min(ready, key=lambda size: (min(size) < short_side_px, abs(min(size) - short_side_px)))
        size = f"{chosen[0]},{chosen[1]}" if version >= 3 else f"{chosen[0]},"
    elif width and height:
        # Rounded up, the short side is not a pixel short; rounded down, a limit is kept. Floats would do neither.
        wanted = -(-width * short_side_px // min(width, height))
        most = limit * width // max(width, height)
        most = min(most, math.isqrt(max_area * width // height)) if max_area else most
        # `full` and `max` would bring the largest there is where the stated size is a stand-in, as it sometimes is.
        size = f"{max(1, min(width, wanted, most))},"
    else:
        side = min(2 * short_side_px, limit, math.isqrt(max_area) if max_area else MAX_PIXELS)
        size = f"!{side},{side}"
    quality = "native" if version == 1 else "default"
    return f"{service.rstrip('/')}/{region}/{size}/0/{quality}.jpg"
