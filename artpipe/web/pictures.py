"""Stored pictures as a browser wants them: in a few widths, with a mark by which it knows what it has already."""

import hashlib
import io
import threading
from collections import OrderedDict
from dataclasses import dataclass

from artpipe.images.store import ImageStore, MissingImageError
from artpipe.lake.paths import DataLake
from artpipe.search.collection import UnknownArtworkError

WIDTHS = (160, 320, 640)
"""Any other width becomes the next larger of these, so that nobody can fill the memory with sizes."""
_KEPT_BYTES = 64 * 1024**2
_QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """A JPEG and the hash of the stored one that it was made from."""

    jpeg: bytes
    sha256: str
    width_px: int | None

    @property
    def etag(self) -> str:
        """Names these very bytes."""
        return f'"{self.sha256[:24]}-{self.width_px or 0}"'


class Pictures:
    """The stored pictures of a lake, the latest small ones kept in memory."""

    def __init__(self, lake: DataLake) -> None:
        self._store = ImageStore(lake)
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], Picture] = OrderedDict()
        self._size = 0

    def get(self, artwork_id: str, width_px: int | None = None) -> Picture:
        """The picture of a work of the collection, at most so wide and never enlarged.

        Raises:
            UnknownArtworkError: it is not held.
        """
        try:
            stored = self._store.jpegs([artwork_id])[0]
        except MissingImageError as error:
            raise UnknownArtworkError(f"the picture of {artwork_id} is not held.") from error
        sha256 = hashlib.sha256(stored).hexdigest()
        width = next((one for one in WIDTHS if width_px and width_px <= one), None)
        if width is None:
            return Picture(stored, sha256, None)
        with self._lock:
            held = self._kept.get((sha256, width))
            if held is not None:
                self._kept.move_to_end((sha256, width))
                return held
        made = Picture(smaller(stored, width), sha256, width)
        self._keep(made, width)
        return made

    def _keep(self, made: Picture, width: int) -> None:
        with self._lock:
            if (made.sha256, width) in self._kept:
                return
            self._kept[made.sha256, width] = made
            self._size += len(made.jpeg)
            while self._size > _KEPT_BYTES:
                _, dropped = self._kept.popitem(last=False)
                self._size -= len(dropped.jpeg)


def smaller(jpeg: bytes, width_px: int) -> bytes:
    """A stored JPEG, at most so wide and twice as high; as it is where it is smaller already."""
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as image:
        if image.width <= width_px and image.height <= 2 * width_px:
            return jpeg
        image.draft("RGB", (width_px, 2 * width_px))
        image.thumbnail((width_px, 2 * width_px), Image.Resampling.LANCZOS)
        out = io.BytesIO()
        image.convert("RGB").save(out, "JPEG", quality=_QUALITY)
    return out.getvalue()
