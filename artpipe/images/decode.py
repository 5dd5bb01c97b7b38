"""Untrusted bytes to a small, upright RGB JPEG, or a clear refusal.

`fetch.py` decodes what galleries send, `reading.py` what people search with. A picture is measured before it is
decoded, so that a decompression bomb never unfolds, and only plain picture formats are opened: Pillow would hand an
EPS file to Ghostscript.
"""

import hashlib
import io
import re
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from artpipe.errors import ArtpipeError
from artpipe.images.fingerprint import perceptual_hash

if TYPE_CHECKING:
    from PIL.Image import Image

MAX_PIXELS = 80_000_000
"""Below the limit at which Pillow itself warns."""
MIN_SIDE_PX = 24
MAX_ASPECT_RATIO = 20
"""A picture with a shorter side, or a longer shape, shows nothing that could be compared."""
FORMATS = ("JPEG", "PNG", "GIF", "WEBP", "TIFF", "BMP", "AVIF", "JPEG2000")
NAMED_FORMATS = "JPEG, PNG, WebP, GIF or TIFF"
QUALITY = 90
SUBSAMPLING = "4:2:0"
_ORIENTATION = 0x0112
# Markers of a JPEG's segments. How its colours are stored follows from whether the segments JFIF and Adobe are there.
_MARK, _JFIF, _ADOBE, _COMMENT, _START_OF_SCAN = 0xFF, 0xE0, 0xEE, 0xFE, 0xDA
_METADATA = frozenset({*range(_JFIF, 0xF0), _COMMENT})
_PLAIN_JFIF = b"\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
_END_OF_IMAGE = b"\xff\xd9"
_AFTER_SCAN = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n", b"GIF87a", b"GIF89a", b"II*\x00", b"MM\x00*")
# A JPEG of few pixels and many bytes contains something other than a picture.
_LEAST_BYTES_LIMIT = 64 * 1024
MAX_SCANS = 64
"""Every scan of a progressive JPEG passes over the whole picture: encoders write about ten, an attack hundreds."""
MAX_SCANNED_PIXELS = 16 * MAX_PIXELS
"""Pixels of all scans together: some seven seconds."""
MAX_PIXELS_MENDED = 25_000_000
"""A JPEG that lacks its end is decoded twice as a whole; larger ones are not."""
LACKS_END = "the file lacks its last bytes; every pixel is there"


class NotAnImageError(ArtpipeError):
    """The bytes are not an image of any supported format."""


class UnreadableImageError(ArtpipeError):
    """The bytes begin like an image and cannot be decoded to the end."""


class TooManyScansError(UnreadableImageError):
    """A progressive JPEG is stored in more passes than allowed."""


class TooManyPixelsError(ArtpipeError):
    """The picture has more pixels than allowed."""


class TooNarrowError(ArtpipeError):
    """The picture is too small, or too long for its width, to mean anything."""


@dataclass(frozen=True)
class DecodedImage:
    """A stored JPEG, with the upright size and the hashes of its original, and what is to be noted of that."""

    jpeg: bytes
    width_px: int
    height_px: int
    perceptual_hash: str
    sha256: str
    note: str | None = None


def decode_artwork(data: bytes, short_side_px: int, max_pixels: int = MAX_PIXELS) -> DecodedImage:
    """Decode an original and make the JPEG to store: short side at most `short_side_px`, never enlarged.

    An original that already is such a JPEG keeps its coefficients and loses nothing to a second compression; comments
    and other metadata go, so that they never make it another picture. It is decoded to the end all the same, so that
    every stored JPEG can be decoded. A JPEG that lacks its last bytes and no pixel is taken, with a note.

    Args:
        data: the file as it was downloaded.
        short_side_px: the short side of the result.
        max_pixels: pictures with more are refused before they are decoded.

    Raises:
        NotAnImageError, UnreadableImageError, TooManyPixelsError, TooNarrowError: the bytes cannot be used; the message
            has the reason.
    """
    image, whole = _opened(data, max_pixels)
    with _damage_as_unreadable():
        jpeg, upright, size = _stored_form(image, whole, short_side_px)
        note = LACKS_END if whole is not data else None
        return DecodedImage(jpeg, *size, perceptual_hash(upright), hashlib.sha256(data).hexdigest(), note)


def stored_jpeg(data: bytes, short_side_px: int, max_pixels: int = MAX_PIXELS) -> bytes:
    """The JPEG of `decode_artwork` alone, for query pictures; raises as it does."""
    image, whole = _opened(data, max_pixels)
    with _damage_as_unreadable():
        return _stored_form(image, whole, short_side_px)[0]


def decode_rgb(source: "bytes | Image", short_side_px: int | None = None, max_pixels: int = MAX_PIXELS) -> "Image":
    """Decode a picture once: upright, RGB, sRGB, on white where it is transparent.

    Args:
        source: an image file's bytes, or a Pillow image, which is left as it is.
        short_side_px: shrink to this short side; never enlarged.
        max_pixels: pictures with more are refused before they are decoded.

    Raises:
        NotAnImageError, UnreadableImageError, TooManyPixelsError, TooNarrowError: it cannot be used; the message has
            the reason.
    """
    image = _opened(source, max_pixels)[0] if isinstance(source, bytes) else source
    refuse_narrow(*image.size)
    with _damage_as_unreadable():
        if short_side_px is not None and isinstance(source, bytes):
            _draft(image, short_side_px)
        upright = _upright_rgb(image)
        return upright if short_side_px is None else _shrunk(upright, short_side_px)


@contextmanager
def pillow_quiet() -> Generator[None]:
    """Silence Pillow's warnings about damaged metadata: only damaged pixels are an error.

    Warning filters are global to the process, so enter this around threads, never inside them.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


@contextmanager
def _damage_as_unreadable() -> Generator[None]:
    """Turn every exception of the decoders into `UnreadableImageError`."""
    try:
        yield
    except ArtpipeError:
        raise
    except Exception as error:
        # Pillow's readers raise struct.error, IndexError, zlib.error and more on damaged files.
        raise UnreadableImageError(
            f"the image is damaged ({str(error) or type(error).__name__}); give another copy of it."
        ) from error


def _opened(data: bytes, max_pixels: int) -> "tuple[Image, bytes]":
    """The image with only its header read, and its bytes, to which the end is added that a JPEG may lack."""
    from PIL import Image

    if not data:
        raise NotAnImageError(f"the file is empty; give a {NAMED_FORMATS}.")
    try:
        image = _with_header_read(data)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixelsError(f"the picture has far more than {max_pixels:,} pixels; give a smaller one.") from error
    except Exception as error:
        if data.startswith(_SIGNATURES):
            raise UnreadableImageError("the image ends within its header; give another copy of it.") from error
        start = data[:15].decode("ascii", "replace").strip()
        raise NotAnImageError(f"this is not an image (it begins with {start!r}); give a {NAMED_FORMATS}.") from error
    if image.width * image.height > max_pixels:
        raise TooManyPixelsError(
            f"the picture has {image.width:,} x {image.height:,} pixels, more than {max_pixels:,}; give a smaller one."
        )
    refuse_narrow(*image.size)
    if image.format == "JPEG":
        most = min(MAX_SCANS, MAX_SCANNED_PIXELS // (image.width * image.height))
        if (scans := _scans(data, most)) > most:
            raise TooManyScansError(
                f"the JPEG is stored in {scans:,} scans, more than {most}; save it as a plain JPEG."
            )
        if image.width * image.height <= MAX_PIXELS_MENDED and (whole := _with_end(data)) is not None:
            return _with_header_read(whole), whole
    return image, data


def _with_header_read(data: bytes) -> "Image":
    """An image of one of `FORMATS`; of a JPEG that others follow, which Pillow calls an MPO, the first as a JPEG."""
    from PIL import Image
    from PIL.JpegImagePlugin import JpegImageFile

    image = Image.open(io.BytesIO(data), formats=FORMATS)
    return JpegImageFile(io.BytesIO(data)) if image.format == "MPO" else image


def _scans(jpeg: bytes, most: int) -> int:
    """How many scans a JPEG has, by its markers; those of a thumbnail in its metadata are not counted."""
    found = jpeg.count(bytes((_MARK, _START_OF_SCAN)))
    return found if found <= most else sum(marker == _START_OF_SCAN for marker, _, _ in _segments(jpeg))


def _segments(jpeg: bytes) -> Generator[tuple[int, int, int]]:
    """The marker of each segment and where it begins and ends, a scan with its data; as far as they can be followed."""
    at = 2
    while at + 4 <= len(jpeg) and jpeg[at] == _MARK:
        marker, end = jpeg[at + 1], at + 2 + int.from_bytes(jpeg[at + 2 : at + 4])
        if marker == _START_OF_SCAN:  # a scan ends where the next segment begins
            found = _AFTER_SCAN.search(jpeg, end)
            end = len(jpeg) if found is None else found.start()
        yield marker, at, end
        at = end


def _with_end(jpeg: bytes) -> bytes | None:
    """A JPEG that lacks its end marker with that marker; None where it does not lack it, or lacks pixels too."""
    from PIL import Image, ImageChops

    if jpeg.rfind(_END_OF_IMAGE) > jpeg.rfind(bytes((_MARK, _START_OF_SCAN))):
        return None
    body = jpeg.removesuffix(bytes((_MARK,)))
    pictures: list[Image.Image] = []
    # What is missing is decoded as whatever follows: where that makes no difference, nothing is missing.
    for filling in (b"", b"\x55\xaa\x33\x99\x0f" * 40):
        picture = Image.open(io.BytesIO(body + filling + _END_OF_IMAGE), formats=("JPEG",))
        try:
            picture.load()
        except Exception:  # noqa: BLE001 - any damage
            return None
        pictures.append(picture)
    return None if ImageChops.difference(*pictures).getbbox(alpha_only=False) else body + _END_OF_IMAGE


def refuse_narrow(width_px: int, height_px: int) -> None:
    """Refuse a picture of a size that shows nothing that could be compared.

    Raises:
        TooNarrowError: it is of one.
    """
    short, long = sorted((width_px, height_px))
    if short < MIN_SIDE_PX or long > MAX_ASPECT_RATIO * short:
        raise TooNarrowError(
            f"the picture has {width_px:,} x {height_px:,} pixels, which is too narrow to compare; give one of "
            f"at least {MIN_SIDE_PX} pixels a side, and at most {MAX_ASPECT_RATIO} times as long as wide."
        )


def _orientation(image: "Image") -> int:
    """The EXIF orientation, 1 (upright) to 8; 1 where the EXIF block is damaged."""
    try:
        found = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - any damage, see above
        return 1
    return found if isinstance(found, int) and 1 <= found <= 8 else 1


def _upright_rgb(image: "Image") -> "Image":
    """Decode to the end, rotate upright, composite on white, and convert to sRGB."""
    import PIL.Image
    from PIL import ImageOps

    image.load()
    if _orientation(image) != 1:
        image = ImageOps.exif_transpose(image)
    profile = image.info.get("icc_profile")
    if image.mode.startswith("I") or image.mode == "F":
        image = _eight_bit(image)
    elif image.has_transparency_data:
        with_alpha = image.convert("RGBA")
        image = PIL.Image.alpha_composite(PIL.Image.new("RGBA", with_alpha.size, "white"), with_alpha).convert("RGB")
    elif image.mode == "P":
        image = image.convert("RGB")
    if profile and not _is_srgb(profile):
        image = _to_srgb(image, profile)
    return image if image.mode == "RGB" else image.convert("RGB")


@lru_cache(maxsize=16)
def _is_srgb(profile: bytes | None) -> bool:
    """Whether a colour profile is sRGB, as a picture without one is assumed to be."""
    from PIL import ImageCms

    if not profile:
        return True
    try:
        return "srgb" in ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).lower()
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return False


def _to_srgb(image: "Image", profile: bytes) -> "Image":
    """Convert from the embedded colour profile to sRGB; unchanged where the profile is unusable."""
    from PIL import ImageCms

    if image.mode not in ("RGB", "CMYK", "L"):
        return image
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, TypeError, ValueError):
        return image
    return converted or image


def _eight_bit(image: "Image") -> "Image":
    """Grey values of 16 or 32 bits, or floating point (from 0 to 1, or like those of 8 or 16 bits), as eight bits."""
    import numpy as np
    import PIL.Image

    values = np.nan_to_num(np.asarray(image, dtype=np.float32))
    is_wide = image.mode.startswith("I;16") or values.max() > 255
    scale = 1 / 257 if is_wide else 255.0 if image.mode == "F" and values.max() <= 1 else 1.0
    return PIL.Image.fromarray((values * scale).round().clip(0, 255).astype(np.uint8))


def _stored_form(image: "Image", data: bytes, short_side_px: int) -> "tuple[bytes, Image, tuple[int, int]]":
    """The JPEG to store, the upright RGB image it was made from, and the upright size of the original."""
    size = image.size
    is_jpeg = image.format == "JPEG"
    orientation = _orientation(image) if is_jpeg else 1
    stripped = without_metadata(data) if is_jpeg else None
    keeps_bytes = (
        stripped is not None
        and image.mode == "RGB"
        and orientation == 1
        and min(size) <= short_side_px
        and len(data) <= max(3 * image.width * image.height, _LEAST_BYTES_LIMIT)
        and _is_srgb(image.info.get("icc_profile"))
    )
    if not keeps_bytes:
        _draft(image, short_side_px)
    upright = _upright_rgb(image)
    # A draft is smaller than its original; other formats may be turned while they are loaded.
    width_px, height_px = upright.size if not is_jpeg else size[::-1] if orientation >= 5 else size
    jpeg = stripped if keeps_bytes and stripped is not None else stored_copy(upright, short_side_px)
    return jpeg, upright, (width_px, height_px)


def without_metadata(jpeg: bytes) -> bytes | None:
    """A JPEG of the same pixels without comments, EXIF, XMP, colour profile, thumbnails and what follows its end.

    Returns:
        The JPEG; None where its segments cannot be followed.
    """
    kept = [jpeg[:2]]
    end = 2
    for marker, start, end in _segments(jpeg):
        if marker == _JFIF:
            kept.append(_PLAIN_JFIF)
        elif marker == _ADOBE or marker not in _METADATA:
            kept.append(jpeg[start:end])
        if marker == _START_OF_SCAN and jpeg.startswith(_END_OF_IMAGE, end):
            return b"".join([*kept, _END_OF_IMAGE])
    return None


def _draft(image: "Image", short_side_px: int) -> None:
    """Let libjpeg halve a large JPEG while it decodes: 1600 x 1200 pixels take 13 ms instead of 30.

    Half as much again as requested is left to the better filter that takes the last step.
    """
    if image.format == "JPEG":
        side_px = short_side_px + short_side_px // 2
        image.draft(None, (side_px, side_px))


def _shrunk(image: "Image", short_side_px: int) -> "Image":
    from PIL.Image import Resampling

    scale = short_side_px / min(image.size)
    if scale >= 1:
        return image
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    return image.resize(size, Resampling.LANCZOS, reducing_gap=3.0)


def stored_copy(image: "Image", short_side_px: int) -> bytes:
    """An upright RGB picture as the JPEG to store."""
    out = io.BytesIO()
    _shrunk(image, short_side_px).save(
        out, "JPEG", quality=QUALITY, subsampling=SUBSAMPLING, icc_profile=None, exif=b""
    )
    return out.getvalue()
