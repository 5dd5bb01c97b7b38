"""The pixel cache: decoded pictures on local disk, written once and read by training, evaluation and the embedder.

It is one file of squares, of which a batch is read at a time, so that memory stays flat however many pictures there
are. It is not mapped into memory: pages once read would count as the process's own. It can be deleted at any time and
is written again.
"""

import io
import os
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import repeat
from pathlib import Path
from threading import Barrier
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from artpipe.engine.shards import Shard
from artpipe.errors import ArtpipeError
from artpipe.progress import Progress, SilentProgress

if TYPE_CHECKING:
    from PIL.Image import Image

DECODE_VERSION = 1
"""Raised when the same JPEG would give other pixels, so that no cache of older code is read."""

Pixels = NDArray[np.uint8]


class UndecodablePixelsError(ArtpipeError):
    """A stored picture cannot be decoded."""


class JpegSource(Protocol):
    """Where stored JPEGs come from."""

    def jpegs(self, artwork_ids: Sequence[str], /) -> Iterable[bytes]:
        """The JPEG of each artwork, in the order of the ids."""
        ...


def decode_square(jpeg: bytes, image_px: int) -> Pixels:
    """Decode a JPEG and resize it to a square without cropping, so that the whole composition stays.

    Returns:
        uint8 (image_px, image_px, 3), RGB.

    Raises:
        ValueError: the bytes are not a readable image.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            return image_square(image, image_px)
    except (OSError, SyntaxError) as error:
        raise ValueError(f"not a readable image ({error})") from error


def image_square(image: "Image", image_px: int) -> Pixels:
    """Resize a PIL image to a square like `decode_square`."""
    import torch
    from torchvision.transforms.v2 import functional

    rgb = np.array(image if image.mode == "RGB" else image.convert("RGB"))
    # torchvision resizes bytes about twice as fast as Pillow does, and differs by at most one grey level.
    resized = functional.resize(torch.from_numpy(rgb).permute(2, 0, 1), [image_px, image_px], antialias=True)
    return np.ascontiguousarray(resized.permute(1, 2, 0).numpy())


@contextmanager
def decoding_threads(count: int | None = None) -> Generator[ThreadPoolExecutor]:
    """A thread pool for decoding, each thread with torch's own parallelism off.

    By default each would start torch's threads for every small resize and wait for them: without, 1,736 pictures a
    second became 3,226 on two cores.
    """
    import torch

    count = count or min(8, os.cpu_count() or 1)
    all_started = Barrier(count)

    def settle(_: int) -> None:
        torch.get_num_threads()
        all_started.wait()

    default = torch.get_num_threads()
    with ThreadPoolExecutor(count, thread_name_prefix="decode") as pool:
        torch.set_num_threads(1)
        try:
            list(pool.map(settle, range(count)))
        finally:
            torch.set_num_threads(default)
        yield pool


def read_squares(shard: Shard, image_px: int, images: JpegSource, cache: "PixelCache | None", threads: int) -> Pixels:
    """The squares of a shard's pictures, uint8 (N, image_px, image_px, 3).

    Args:
        shard: the `artwork_id` and the `jpeg_sha256` of N pictures.
        image_px: side of the square.
        images: the stored JPEGs.
        cache: gets those that it lacks; None decodes them all, and keeps none.
        threads: how many decode.

    Raises:
        UndecodablePixelsError: a stored JPEG cannot be decoded.
    """
    if cache is not None:
        cache.ensure(shard.ids, shard.keys, images)
        return cache.squares(cache.rows(shard.keys))
    squares = np.empty((len(shard), image_px, image_px, 3), np.uint8)
    with decoding_threads(threads) as pool:
        for square, decoded in zip(
            squares, pool.map(_decode, shard.ids, images.jpegs(shard.ids), repeat(image_px)), strict=True
        ):
            square[:] = decoded
    return squares


def _decode(artwork_id: str, jpeg: bytes, image_px: int) -> Pixels:
    try:
        return decode_square(jpeg, image_px)
    except ValueError as error:
        raise UndecodablePixelsError(
            f'the stored picture of {artwork_id!r} is damaged ({error}); materialize "images" again to fetch it again.'
        ) from error


class PixelCache:
    """Squares of decoded pictures by key (the sha256 of the stored JPEG), in a folder of their own.

    Row i of `pixels.u8` belongs to line i of `keys.txt`. Pixels are on disk before their key is, so that a row that a
    killed run left incomplete has no key.

    Args:
        folder: a local folder for all caches, as given by `lake.cache("pixels")`.
        image_px: side of the square.
    """

    def __init__(self, folder: Path, image_px: int) -> None:
        self.image_px = image_px
        self.folder = folder / f"{image_px}-v{DECODE_VERSION}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self._pixels_file = self.folder / "pixels.u8"
        self._keys_file = self.folder / "keys.txt"
        self._row_of: dict[str, int] = {}
        self._keys_read = 0

    def __len__(self) -> int:
        self._read_keys()
        return len(self._row_of)

    def __contains__(self, key: str) -> bool:
        self._read_keys()
        return key in self._row_of

    def rows(self, keys: Sequence[str]) -> NDArray[np.int64]:
        """The row of each key.

        Raises:
            KeyError: a key is not in the cache; call `ensure` first.
        """
        self._read_keys()
        return np.array([self._row_of[key] for key in keys], np.int64)

    def squares(self, rows: Sequence[int] | NDArray[np.int64]) -> Pixels:
        """The squares of some rows, uint8 (N, image_px, image_px, 3), read from disk in that order.

        Raises:
            UndecodablePixelsError: the file is shorter than its keys say.
        """
        found = np.empty((len(rows), self.image_px, self.image_px, 3), np.uint8)
        if len(rows):
            with self._pixels_file.open("rb", buffering=0) as file:
                for square, row in zip(found, rows, strict=True):
                    file.seek(int(row) * square.nbytes)
                    if file.readinto(square.data) != square.nbytes:
                        raise UndecodablePixelsError(
                            f"{self._pixels_file} is damaged; delete the folder {self.folder}, which is filled again."
                        )
        return found

    def ensure(
        self, artwork_ids: Sequence[str], keys: Sequence[str], source: JpegSource, progress: Progress | None = None
    ) -> int:
        """Decode the pictures that are not in the cache yet.

        Args:
            artwork_ids: their ids in `source`.
            keys: the `jpeg_sha256` of each artwork.
            source: the stored JPEGs.
            progress: advances with each picture decoded.

        Returns:
            How many pictures were decoded.

        Raises:
            UndecodablePixelsError: a stored JPEG cannot be decoded.
        """
        if all(key in self for key in keys):
            return 0
        with self._write_lock():
            self._read_keys()
            missing = {key: name for name, key in zip(artwork_ids, keys, strict=True) if key not in self._row_of}
            self._append(list(missing.items()), source, progress or SilentProgress())
        return len(missing)

    def _append(self, missing: list[tuple[str, str]], source: JpegSource, progress: Progress) -> None:
        square_bytes = self.image_px**2 * 3
        chunk_rows = max(16, min(512, 32_000_000 // square_bytes))
        with (
            progress.track("decode", len(missing), "images") as step,
            decoding_threads() as pool,
            self._pixels_file.open("r+b" if self._pixels_file.exists() else "w+b") as pixels,
            self._keys_file.open("r+b" if self._keys_file.exists() else "w+b") as keys,
        ):
            pixels.seek(self._keys_read * square_bytes)
            keys.seek(self._keys_read * (_KEY_BYTES + 1))
            keys.truncate()
            for first in range(0, len(missing), chunk_rows):
                chunk = missing[first : first + chunk_rows]
                ids = [artwork_id for _, artwork_id in chunk]
                jpegs = list(source.jpegs(ids))
                if len(jpegs) != len(ids):
                    raise ValueError(f"{len(ids)} pictures were requested and {len(jpegs)} returned")
                for square in pool.map(_decode, ids, jpegs, repeat(self.image_px)):
                    pixels.write(square.data)
                    step.advance()
                pixels.flush()
                os.fsync(pixels.fileno())
                keys.write(b"".join(_fixed(key) + b"\n" for key, _ in chunk))
                keys.flush()
        self._read_keys()

    def _read_keys(self) -> None:
        """Read the keys that were added since the last call; an incomplete last line is ignored."""
        line = _KEY_BYTES + 1
        try:
            size, pixels_size = self._keys_file.stat().st_size, self._pixels_file.stat().st_size
        except FileNotFoundError:
            return
        # A file of pixels that is shorter than its keys say was torn, and what it lacks is decoded again.
        rows = min(size // line, pixels_size // (self.image_px**2 * 3))
        if rows <= self._keys_read:
            return
        with self._keys_file.open("rb") as file:
            file.seek(self._keys_read * line)
            added = file.read((rows - self._keys_read) * line)
        for start in range(0, len(added), line):
            self._row_of[added[start : start + _KEY_BYTES].decode().rstrip()] = self._keys_read
            self._keys_read += 1

    @contextmanager
    def _write_lock(self) -> Generator[None]:
        """Keep other processes from appending at the same time; the lock dies with its process."""
        try:
            import fcntl
        except ImportError:  # Windows has another call, and no second process of a graph on one machine is usual there
            yield
            return
        with (self.folder / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


_KEY_BYTES = 64


def _fixed(key: str) -> bytes:
    """A key as a line of fixed length, so that line i is found without reading those before it."""
    encoded = key.encode("ascii")
    if len(encoded) > _KEY_BYTES:
        raise ValueError(f"the key {key!r} is longer than a sha256")
    return encoded.ljust(_KEY_BYTES)
