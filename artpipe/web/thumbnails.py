"""Stored pictures in a few widths for browsers, with an ETag; the thumbnails used last stay in memory."""

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass

from artpipe.images.store import ImageStore, MissingImageError
from artpipe.lake.paths import DataLake
from artpipe.search.collection import UnknownArtworkError

WIDTHS = (160, 320, 640)
"""Another width becomes the next larger of these, so that the cache cannot fill up with sizes."""
_CACHE_BYTES = 64 * 1024**2
_JPEG_QUALITY = 82


@dataclass(frozen=True)
class SizedJpeg:
    """A JPEG, and the hash of the stored picture that it was made from."""

    jpeg: bytes
    sha256: str
    width_px: int | None

    @property
    def etag(self) -> str:
        """The ETag of the JPEG."""
        return f'"{self.sha256[:24]}-{self.width_px or 0}"'


class Thumbnails:
    """The stored pictures of a lake, resized, with an LRU cache."""

    def __init__(self, lake: DataLake) -> None:
        self._store = ImageStore(lake)
        self._lock = threading.Lock()
        self._cache: OrderedDict[tuple[str, int], SizedJpeg] = OrderedDict()
        self._cached_bytes = 0

    def get(self, artwork_id: str, width_px: int | None = None) -> SizedJpeg:
        """The picture of a work, at most this wide and never enlarged.

        Raises:
            UnknownArtworkError: it is not stored.
        """
        try:
            stored = self._store.originals([artwork_id])[0]
        except MissingImageError as error:
            raise UnknownArtworkError(f"no picture of {artwork_id} is stored.") from error
        sha256 = hashlib.sha256(stored).hexdigest()
        width = next((one for one in WIDTHS if width_px and width_px <= one), None)
        if width is None:
            return SizedJpeg(stored, sha256, None)
        with self._lock:
            if cached := self._cache.get((sha256, width)):
                self._cache.move_to_end((sha256, width))
                return cached
        thumbnail = SizedJpeg(smaller(stored, width), sha256, width)
        with self._lock:
            if (sha256, width) not in self._cache:
                self._cache[sha256, width] = thumbnail
                self._cached_bytes += len(thumbnail.jpeg)
            while self._cached_bytes > _CACHE_BYTES:
                self._cached_bytes -= len(self._cache.popitem(last=False)[1].jpeg)
        return thumbnail


def smaller(jpeg: bytes, width_px: int) -> bytes:
    """A stored JPEG, at most this wide and twice as high; unchanged where it is smaller already."""
    from PIL import Image

    limits = (width_px, 2 * width_px)
    with Image.open(io.BytesIO(jpeg)) as image:
        if image.width <= limits[0] and image.height <= limits[1]:
            return jpeg
        image.draft("RGB", limits)
        image.thumbnail(limits, Image.Resampling.LANCZOS)
        out = io.BytesIO()
        image.convert("RGB").save(out, "JPEG", quality=_JPEG_QUALITY)
    return out.getvalue()
