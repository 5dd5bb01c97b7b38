"""The stored JPEGs of a collection, read one by one or many at once, and small thumbnails of them."""

import io
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from artpipe.lake.paths import IMAGES_TABLE, DataLake

if TYPE_CHECKING:
    import lance

THUMBNAIL_PX = 160
_THUMBNAIL_QUALITY = 80


class StoredPictures:
    """The pictures of the `images` table, at the version it has when the first one is asked for.

    Args:
        lake: where the table is kept.
        version: tells which version of the table is read; the newest where it is None.
    """

    def __init__(self, lake: DataLake, version: Callable[[], int | None] = lambda: None) -> None:
        self._lake = lake
        self._version = version
        self._lock = threading.Lock()
        self._dataset: lance.LanceDataset | None = None
        self._row_of: dict[str, int] = {}

    def read(self, artwork_ids: Sequence[str]) -> dict[str, bytes]:
        """The stored JPEG of each work; works whose picture is not held are left out."""
        dataset = self._opened()
        rows = {name: self._row_of[name] for name in dict.fromkeys(artwork_ids) if name in self._row_of}
        if dataset is None or not rows:
            return {}
        jpegs = dataset.take(list(rows.values()), columns=["jpeg"])["jpeg"].to_pylist()
        return {name: jpeg for name, jpeg in zip(rows, jpegs, strict=True) if jpeg is not None}

    def _opened(self) -> "lance.LanceDataset | None":
        """The table, and which row each work has in it."""
        import lance

        with self._lock:
            if self._dataset is None:
                try:
                    dataset = lance.dataset(self._lake.lance_table(IMAGES_TABLE), version=self._version())
                except ValueError:  # there is no such table
                    return None
                ids: list[Any] = dataset.to_table(columns=["artwork_id"])["artwork_id"].to_pylist()
                self._row_of = {name: row for row, name in enumerate(ids)}
                self._dataset = dataset
            return self._dataset


def thumbnail(jpeg: bytes, side_px: int = THUMBNAIL_PX) -> bytes:
    """A small JPEG of a stored picture; `side_px` is its longer side.

    Raises:
        OSError: the bytes are no picture.
    """
    from PIL import Image

    with Image.open(io.BytesIO(jpeg)) as picture:
        picture.draft("RGB", (side_px, side_px))
        small = picture.convert("RGB")
        small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=_THUMBNAIL_QUALITY)
    return out.getvalue()
