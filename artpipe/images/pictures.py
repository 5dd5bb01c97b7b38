"""The stored JPEGs of a collection at one version, and small thumbnails of them."""

import io
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from artpipe.lake.lance_tables import RowOffsets, open_lance
from artpipe.lake.paths import IMAGES_TABLE, DataLake

if TYPE_CHECKING:
    import lance

THUMBNAIL_PX = 160
_THUMBNAIL_QUALITY = 80


class StoredPictures:
    """The JPEGs of the `images` table, at the version it has when the first one is read.

    Args:
        lake: where the table is kept.
        version: returns the version of the table to read; the newest where it returns None.
    """

    def __init__(self, lake: DataLake, version: Callable[[], int | None] = lambda: None) -> None:
        self._lake = lake
        self._version = version
        self._lock = threading.Lock()
        self._dataset: lance.LanceDataset | None = None
        self._offsets = RowOffsets()

    def read(self, artwork_ids: Sequence[str]) -> dict[str, bytes]:
        """The stored JPEG of each work; works without one are left out."""
        with self._lock:
            if self._dataset is None:
                self._dataset = open_lance(self._lake.lance_table(IMAGES_TABLE), self._version())
            dataset = self._dataset
        if dataset is None:
            return {}
        offsets = self._offsets.of(dataset)
        rows = {name: offsets[name] for name in dict.fromkeys(artwork_ids) if name in offsets}
        if not rows:
            return {}
        jpegs = dataset.take(list(rows.values()), columns=["jpeg"])["jpeg"].to_pylist()
        return {name: jpeg for name, jpeg in zip(rows, jpegs, strict=True) if jpeg is not None}


def thumbnail(jpeg: bytes, side_px: int = THUMBNAIL_PX) -> bytes:
    """A small JPEG of a stored picture; `side_px` is its longer side.

    Raises:
        OSError: the bytes are not an image.
    """
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as picture:
        picture.draft("RGB", (side_px, side_px))
        small = picture.convert("RGB")
        small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=_THUMBNAIL_QUALITY)
    return out.getvalue()
