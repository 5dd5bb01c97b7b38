"""Pictures that people search with: a file, its bytes, a Pillow image or an array, decoded once to RGB.

Search, recognition and the web app all read pictures by `read_picture`; nothing is encoded again on the way.
"""

from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Union

import numpy as np
from numpy.typing import NDArray

from artpipe.errors import ArtpipeError
from artpipe.images.decode import MAX_PIXELS, MIN_SIDE_PX, NotAnImageError, decode_rgb

if TYPE_CHECKING:
    from typing import TypeAlias

    from PIL.Image import Image

Picture: "TypeAlias" = Union[str, Path, bytes, IO[bytes], "Image", NDArray[Any]]
"""The path of an image file, its bytes, an open file, a Pillow image, or pixels of shape (height, width, channels)."""

_CHANNELS = (1, 2, 3, 4)
_GREY = (np.uint8, np.uint16, np.bool_)
"""Types of numbers that a vector does not have: an array of (height, width) is a picture."""


def is_url(text: str) -> bool:
    """Whether the text is a web address."""
    return text.lower().startswith(("http://", "https://"))


def as_array(query: object) -> NDArray[Any] | None:
    """A query of numbers (an array, a tensor of any device, a Series, a list, an Arrow list) as an array; else None."""
    as_py = getattr(query, "as_py", None)
    if as_py is not None:
        query = as_py()
    if not isinstance(query, (list, tuple)) and not hasattr(query, "__array__"):
        return None
    detach = getattr(query, "detach", None)
    try:
        array = np.asarray(detach().cpu() if detach else query)
    except ValueError:  # a list of lists of different lengths
        return None
    if array.ndim == 4 and len(array) == 1:  # a batch of one picture
        array = array[0]
    is_mask = array.dtype == np.bool_ and array.ndim > 1
    return array if np.issubdtype(array.dtype, np.number) or is_mask else None


def is_pixels(numbers: NDArray[Any], dimension: int | None = None) -> bool:
    """Whether an array holds a picture, (height, width, channels) or levels of grey, rather than vectors.

    Args:
        numbers: as given by `as_array`.
        dimension: the length of a vector, where it is known: rows of another length are levels of grey.
    """
    if numbers.ndim != 2 or numbers.dtype.type in _GREY:
        return numbers.ndim in (2, 3)
    return dimension is not None and numbers.shape[1] != dimension and min(numbers.shape) >= MIN_SIDE_PX


def read_picture(picture: Picture, short_side_px: int | None = None, max_pixels: int = MAX_PIXELS) -> "Image":
    """Decode a picture once: upright, RGB, sRGB, on white where it is transparent.

    Args:
        picture: see `Picture`. An array holds one (grey), two (grey and alpha), three (RGB) or four (RGBA) channels,
            last or first, as integers to 255, as uint16 over its whole range, as floats from 0 to 1, or as booleans.
        short_side_px: shrink to this short side; never enlarged.
        max_pixels: files with more pixels are refused before they are decoded.

    Raises:
        NotAnImageError: it is a web address, no readable file, no picture, or an array of another kind.
        UnreadableImageError, TooManyPixelsError, TooNarrowError: it is a picture that cannot be used.
    """
    if (pixels := as_array(picture)) is not None:
        return decode_rgb(_from_array(pixels), short_side_px, max_pixels)
    from PIL import Image

    if isinstance(picture, (str, Path)):
        data = _file_bytes(picture)
        try:
            return decode_rgb(data, short_side_px, max_pixels)
        except ArtpipeError as error:
            raise type(error)(f"{picture} cannot be used: {error}") from error
    source = _content(picture) if hasattr(picture, "read") else picture  # a Pillow image has no `read`
    if isinstance(source, (bytearray, memoryview)):
        source = bytes(source)
    if not isinstance(source, (bytes, Image.Image)):
        several = "; several queries go to `like` or `similar_many`" if isinstance(picture, (list, tuple)) else ""
        raise NotAnImageError(
            f"a query of type {type(picture).__name__} is no picture; give a path, bytes, an open binary file, a "
            f"Pillow image or an array{several}."
        )
    return decode_rgb(source, short_side_px, max_pixels)


def _content(file: Any) -> object:
    try:
        content = file.read()
    except (OSError, ValueError) as error:  # ValueError: it is closed, or its bytes are no text
        why = "it is open as text" if isinstance(error, UnicodeDecodeError) else error
        raise NotAnImageError(f"the open file cannot be read ({why}); open it anew with open(path, 'rb').") from error
    if isinstance(content, str):
        raise NotAnImageError("the open file is one of text; open a picture with open(path, 'rb').")
    return content


def _file_bytes(path: str | Path) -> bytes:
    if isinstance(path, str) and is_url(path):
        raise NotAnImageError(
            f"{path} is a web address, and artpipe downloads no pictures to search with; download it and give the file."
        )
    try:
        return Path(path).expanduser().read_bytes()
    except (OSError, ValueError, RuntimeError) as error:  # a null character; nobody of the name after `~`
        raise NotAnImageError(
            f"{path} cannot be read ({getattr(error, 'strerror', None) or error}); give the path of an image file."
        ) from error


def _from_array(pixels: NDArray[Any]) -> "Image":
    from PIL import Image

    if pixels.ndim == 2:
        pixels = pixels[..., None]
    if pixels.ndim == 3 and pixels.shape[2] not in _CHANNELS and pixels.shape[0] in _CHANNELS:  # as PyTorch has them
        pixels = np.moveaxis(pixels, 0, 2)
    if pixels.ndim != 3 or pixels.shape[2] not in _CHANNELS or not pixels.size:
        raise _refused(pixels)
    if pixels.dtype == np.bool_:
        pixels = pixels * np.uint8(255)
    if pixels.dtype == np.uint16:
        pixels = np.round(pixels / 257)
    elif np.issubdtype(pixels.dtype, np.floating):
        if not (np.isfinite(pixels).all() and pixels.min() >= 0 and pixels.max() <= 1):
            raise NotAnImageError(
                f"an array of {pixels.dtype} holds values from {pixels.min():g} to {pixels.max():g}; "
                "scale it to 0 to 1, or give uint8."
            )
        pixels = np.round(pixels * 255)
    elif not (np.issubdtype(pixels.dtype, np.integer) and pixels.min() >= 0 and pixels.max() <= 255):
        raise _refused(pixels)
    eight_bit = np.ascontiguousarray(pixels, dtype=np.uint8)
    return Image.fromarray(eight_bit[..., 0] if eight_bit.shape[2] == 1 else eight_bit)


def _refused(pixels: NDArray[Any]) -> NotAnImageError:
    return NotAnImageError(
        f"an array of type {pixels.dtype} and shape {pixels.shape} is no picture; give integers from 0 to 255, or "
        "floats from 0 to 1, of shape (height, width, 3)."
    )
