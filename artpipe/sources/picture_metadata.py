"""What is written inside a picture's file: its size, and title, creator and rights by XMP, IPTC or EXIF.

XMP is read by lxml from the packet that Pillow finds: its own `getxmp` needs a further library to be safe.
"""

import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from artpipe.errors import ArtpipeError
from artpipe.sources.plain_text import plain_text

if TYPE_CHECKING:
    from lxml.etree import _Element  # pyright: ignore[reportPrivateUsage] - lxml has no public name for it
    from PIL.Image import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".tif", ".tiff", ".webp", ".gif", ".bmp", ".jp2", ".avif"})
"""Endings of the names of pictures."""
_TURNED = (5, 6, 7, 8)
"""Orientations of EXIF by which width and height change places."""
MAX_XMP_BYTES = 2_000_000
_EXIF = {"title": (0x9C9B, 0x010E), "creators": (0x013B, 0x9C9D), "rights": (0x8298,)}
"""XPTitle and ImageDescription, Artist and XPAuthor, Copyright."""
_IPTC = {"title": (2, 5), "creators": (2, 80), "rights": (2, 116)}
_CAMERA = re.compile(
    r"(?:olympus|konica|minolta|sony|samsung|digital|camera|picture|dsc|created with|screenshot|\W)+", re.IGNORECASE
)
"""Titles that cameras and programs write by themselves."""
_DC = "{http://purl.org/dc/elements/1.1/}"
_RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"
_RIGHTS = "{http://ns.adobe.com/xap/1.0/rights/}"
_CC = "{http://creativecommons.org/ns#}"


class NotAPictureError(ArtpipeError):
    """A file that is no picture."""


@dataclass(frozen=True)
class WrittenInside:
    """Size of a picture, upright, and texts: `title`, `creators`, `rights`, `rights_uri`."""

    width_px: int
    height_px: int
    written: Mapping[str, list[str]]


def read_picture(file: Path) -> WrittenInside:
    """Read what is written inside a file; its pixels are not decoded.

    Raises:
        NotAPictureError: it is no picture.
        OSError: it cannot be read.
    """
    from PIL import Image, UnidentifiedImageError

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of size and of damaged metadata; whoever decodes the pixels decides
            with Image.open(file) as image:
                ways = (_xmp, _iptc, _exif)
                found = [_quietly(way, image) for way in ways]
                width, height = image.size
                is_turned = _orientation(image) in _TURNED
    except UnidentifiedImageError as error:
        raise NotAPictureError("it is no picture, whatever its name; remove it or rename it") from error
    except Image.DecompressionBombError as error:
        raise NotAPictureError(f"it is too large ({error})") from error
    except OSError as error:
        if error.errno is not None:
            raise
        raise NotAPictureError(f"it is damaged ({error})") from error
    except Exception as error:
        raise NotAPictureError(f"it is damaged ({type(error).__name__}: {error})") from error
    names = ("title", "creators", "rights", "rights_uri")
    best = {name: next((texts[name] for texts in found if texts.get(name)), []) for name in names}
    width, height = (height, width) if is_turned else (width, height)
    return WrittenInside(width, height, {name: texts for name, texts in best.items() if texts})


def _quietly(way: Any, image: "Image") -> dict[str, list[str]]:
    """What one kind of metadata says; damaged metadata says nothing."""
    try:
        return {name: kept for name, texts in way(image) if (kept := [p for text in texts if (p := plain_text(text))])}
    except Exception:  # noqa: BLE001 - Pillow's readers raise many kinds of error for damaged metadata
        return {}


def _orientation(image: "Image") -> int:
    try:
        return image.getexif().get(0x0112, 1)
    except Exception:  # noqa: BLE001 - Pillow's readers raise many kinds of error for damaged metadata
        return 1


def _exif(image: "Image") -> Iterator[tuple[str, list[str]]]:
    tags = image.getexif()
    for name, numbers in _EXIF.items():
        texts = (_decoded(tags.get(number), is_utf_16=number > 0x9000) for number in numbers)
        yield name, [text for text in texts if text and not (name == "title" and _CAMERA.fullmatch(text))][:1]


def _iptc(image: "Image") -> Iterator[tuple[str, list[str]]]:
    from PIL.IptcImagePlugin import getiptcinfo

    found: Mapping[tuple[int, int], Any] = getiptcinfo(image) or {}  # pyright: ignore[reportArgumentType] - opened from a file
    for name, tag in _IPTC.items():
        values = found.get(tag)
        yield name, [_decoded(value) for value in (values if isinstance(values, list) else [values]) if value]


def _decoded(value: object, *, is_utf_16: bool = False) -> str:
    """A text of EXIF or IPTC: UTF-8 in practice, else Latin-1; those of Windows are UTF-16."""
    if isinstance(value, bytes):
        if is_utf_16:
            return value.decode("utf-16-le", "replace").strip("\0 ")
        try:
            return value.decode().strip("\0 ")
        except UnicodeDecodeError:
            return value.decode("latin-1").strip("\0 ")
    return value.strip("\0 ") if isinstance(value, str) else ""


def _xmp(image: "Image") -> Iterator[tuple[str, list[str]]]:
    from lxml import etree

    packet = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    if not packet and hasattr(image, "tag_v2"):
        packet = image.tag_v2.get(700) or b""  # pyright: ignore[reportAttributeAccessIssue] - of TIFF alone
    packet = packet.encode() if isinstance(packet, str) else bytes(packet)
    if not packet or len(packet) > MAX_XMP_BYTES:
        return
    parser = etree.XMLParser(resolve_entities=False, no_network=True, recover=True)
    root = etree.fromstring(packet.strip(b"\0 \n\r\t"), parser)
    yield "title", _items(root, f"{_DC}title")[:1]
    yield "creators", _items(root, f"{_DC}creator")
    yield "rights", _items(root, f"{_DC}rights")[:1]
    links = [text for name in (f"{_RIGHTS}WebStatement", f"{_CC}license") for text in _items(root, name)]
    yield "rights_uri", links


def _items(root: "_Element", name: str) -> list[str]:
    """The texts of a property: an element with a list, an element, or an attribute."""
    texts = [each.get(name, "") for each in root.iter(f"{_RDF}Description")]
    for element in root.iter(name):
        texts += [element.get(f"{_RDF}resource", ""), element.text or ""]
        texts += [item.text or "" for item in element.iter(f"{_RDF}li")]
    return [text for text in texts if text.strip()]
