"""The small pictures of the map: sheets of 128 thumbnails each, made when first asked for and cached on disk.

Works are numbered so that the first of them stand for the whole map: one for each cell of a coarse grid, then one for
each cell of a finer one, and so on. What a visitor sees first is then in the first sheet, and what they see when they
zoom into a part of the map is in few others.
"""

import hashlib
import io
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from upath import UPath

from artpipe.errors import ArtpipeError
from artpipe.lake.full_disk import FullDiskError
from artpipe.lake.paths import DataLake, UnwritableLakeError, write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

TILE_PX, COLUMNS, ROWS = 64, 16, 8
PER_SHEET = COLUMNS * ROWS
LEVELS = range(2, 9)
"""Of the pyramid: from 4 x 4 cells to 256 x 256."""
_QUALITY = 62
_ASPECT_STEP = 24


class UnknownSheetError(ArtpipeError):
    """The map has no such sheet of pictures."""


def pyramid_order(x: "NDArray[np.uint16]", y: "NDArray[np.uint16]") -> "NDArray[np.int64]":
    """The works in the order in which they stand for the map, int64 (N,).

    In each cell of a level that has none from the levels before, the work nearest to the mean of the cell is taken.
    Within a level, works that are close on the map are close in the order.

    Args:
        x: uint16 (N,), the place from left to right.
        y: uint16 (N,), from top to bottom.
    """
    places = np.stack([x, y], axis=1).astype(np.int64)
    rest = np.arange(len(x))
    parts: list[NDArray[np.int64]] = []
    for level in LEVELS:
        cells = places >> (16 - level)
        keys = cells[:, 0] << level | cells[:, 1]
        taken = keys[np.concatenate(parts)] if parts else np.empty(0, np.int64)
        candidates = rest[~np.isin(keys[rest], taken)]
        if not len(candidates):
            continue
        _, cell, counts = np.unique(keys[candidates], return_inverse=True, return_counts=True)
        means = np.stack([np.bincount(cell, weights=axis) / counts for axis in places[candidates].T], axis=1)
        away = ((places[candidates] - means[cell]) ** 2).sum(axis=1)
        by_cell = np.lexsort((candidates, away, cell))
        first = np.unique(cell[by_cell], return_index=True)[1]
        chosen = candidates[by_cell[first]]
        parts.append(chosen[np.argsort(_morton(places[chosen]), kind="stable")])
        rest = np.setdiff1d(rest, chosen, assume_unique=True)
    return np.concatenate([*parts, rest[np.argsort(_morton(places[rest]), kind="stable")]])


def _morton(places: "NDArray[np.int64]") -> "NDArray[np.int64]":
    """The place of each point on the Z-order curve."""
    key = np.zeros(len(places), np.int64)
    for bit in range(16):
        for axis in range(2):
            key |= (places[:, axis] >> bit & 1) << (2 * bit + axis)
    return key


def aspect_codes(widths_px: "NDArray[np.float64]", heights_px: "NDArray[np.float64]") -> "NDArray[np.uint8]":
    """The proportions of pictures as one byte each: 128 is a square, 24 more twice as wide; unknown is square."""
    with np.errstate(divide="ignore", invalid="ignore"):
        steps = np.log2(widths_px / heights_px) * _ASPECT_STEP
    return np.clip(np.nan_to_num(np.round(steps), nan=0.0, posinf=0.0, neginf=0.0) + 128, 1, 255).astype(np.uint8)


def box_px(code: int) -> tuple[int, int]:
    """The width and height of a picture on its tile, by its byte of `aspect_codes`."""
    aspect = 2.0 ** ((code - 128) / _ASPECT_STEP)
    return max(1, round(TILE_PX * min(1.0, aspect))), max(1, round(TILE_PX / max(1.0, aspect)))


class Sheets:
    """The sheets of one version of the map, each named after a hash of the pictures on it.

    Args:
        lake: its cache holds the sheets.
        pictures: `artwork_id`, hash of the picture, and byte of `aspect_codes` of each work, in `pyramid_order`.
        read: returns the stored JPEGs of some works.
    """

    def __init__(
        self,
        lake: DataLake,
        pictures: Sequence[tuple[str, str, int]],
        read: "Callable[[Sequence[str]], Mapping[str, bytes]]",
    ) -> None:
        self._lake, self._read = lake, read
        parts = [pictures[first : first + PER_SHEET] for first in range(0, len(pictures), PER_SHEET)]
        self._parts = {_name(part): part for part in parts}
        self.names = [_name(part) for part in parts]

    def kept(self, name: str) -> bytes | None:
        """A sheet that was made before, as WebP.

        Raises:
            UnknownSheetError: this version of the map has no such sheet.
        """
        if name not in self._parts:
            raise UnknownSheetError("the map has changed since this page was loaded; reload it.")
        path = self._path(name)
        try:
            return path.read_bytes() if path else None
        except OSError:
            return None

    def get(self, name: str) -> bytes:
        """A sheet as WebP.

        Raises:
            UnknownSheetError: this version of the map has no such sheet.
        """
        kept = self.kept(name)
        if kept is not None:
            return kept
        data, path = self._make(self._parts[name]), self._path(name)
        if path:
            with suppress(OSError, FullDiskError):  # it is made again the next time
                write_whole(UPath(path), data)
        return data

    def _path(self, name: str) -> "Path | None":
        return self._folder / f"{name}.webp" if self._folder else None

    @cached_property
    def _folder(self) -> "Path | None":
        """The cache, without the sheets of earlier versions; None where the lake cannot be written to."""
        try:
            folder = self._lake.cache("map")
        except (OSError, UnwritableLakeError):
            return None
        for path in folder.glob("*.webp"):
            if path.stem not in self._parts:
                path.unlink(missing_ok=True)
        return folder

    def _make(self, part: Sequence[tuple[str, str, int]]) -> bytes:
        from PIL import Image

        stored = self._read([artwork_id for artwork_id, _, _ in part])
        sheet = Image.new("RGB", (COLUMNS * TILE_PX, -(-len(part) // COLUMNS) * TILE_PX), (128, 124, 118))
        for number, (artwork_id, _, code) in enumerate(part):
            width, height = box_px(code)
            left = number % COLUMNS * TILE_PX + (TILE_PX - width) // 2
            top = number // COLUMNS * TILE_PX + (TILE_PX - height) // 2
            try:
                with Image.open(io.BytesIO(stored[artwork_id])) as picture:
                    picture.draft("RGB", (2 * TILE_PX, 2 * TILE_PX))
                    small = picture.convert("RGB").resize((width, height), Image.Resampling.LANCZOS, reducing_gap=2.0)
            except (KeyError, OSError):  # its place stays grey
                continue
            sheet.paste(small, (left, top))
        out = io.BytesIO()
        sheet.save(out, "WEBP", quality=_QUALITY, method=4)
        return out.getvalue()


def _name(part: Sequence[tuple[str, str, int]]) -> str:
    text = "\n".join(f"{artwork_id} {sha256} {code}" for artwork_id, sha256, code in part)
    return hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
