"""Where the rows of a Lance table lie, and a filter on them in the form that Lance applies before a vector search.

A filter is computed once, as a mask over the collection, whatever it is made of (labels, years, words); so no condition
is written a second time in SQL, and no column needs a scalar index.
"""

import struct
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from artpipe.vectors.nearest import Mask, Positions

_CONTAINER_BITS = 16
_LARGEST_ARRAY = 4096
_NO_RUN_CONTAINERS = 12346
_Container = tuple[int, int, slice, NDArray[np.uint16]]
"""The fragment, the upper 16 bits of the place there, which rows these are, and the lower 16 bits of each."""


class RowAddresses:
    """The address of each row: its fragment in the upper 32 bits, its place there in the lower ones.

    Args:
        addresses: uint64 (N,), the `_rowid` of each row, in the order of a scan of the table.
        places: int64 (N,), the position of each of them in the collection; that of the scan by default.
    """

    def __init__(self, addresses: NDArray[np.uint64], places: Positions | None = None) -> None:
        places = np.arange(len(addresses)) if places is None else places
        order = np.argsort(addresses, kind="stable")
        self._sorted, self._places = addresses[order], places[order]
        self._rank = np.argsort(self._places, kind="stable")
        self._containers = _containers(self._sorted)

    def __len__(self) -> int:
        return len(self._places)

    def positions(self, addresses: NDArray[np.uint64]) -> Positions:
        """The place of each address in the collection."""
        return self._places[np.searchsorted(self._sorted, addresses)]

    def allowlist(self, allowed: Mask) -> bytes:
        """The allowed rows as Lance's `row_addr_allowlist`: for each fragment its number, a length, a Roaring bitmap.

        Args:
            allowed: bool (N,), in the order of the collection.

        Source: https://github.com/RoaringBitmap/RoaringFormatSpec, without run containers.
        """
        return _packed(self._containers, allowed[self._places])

    def allowlist_of(self, positions: Sequence[int] | Positions) -> bytes:
        """The same for a few rows of the collection, in any order."""
        addresses = self._sorted[np.unique(self._rank[positions])]
        return _packed(_containers(addresses), np.ones(len(addresses), dtype=np.bool_))


def _containers(addresses: NDArray[np.uint64]) -> list[_Container]:
    """Ascending addresses by the container of a Roaring bitmap that holds them."""
    numbers = addresses >> np.uint64(_CONTAINER_BITS)
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] + np.uint64(1))).tolist()
    low = (addresses & np.uint64(0xFFFF)).astype("<u2")
    return [
        (int(numbers[start]) >> _CONTAINER_BITS, int(numbers[start]) & 0xFFFF, slice(start, end), low[start:end])
        for start, end in zip(starts, [*starts[1:], len(addresses)], strict=True)
    ]


def _packed(containers: list[_Container], is_allowed: Mask) -> bytes:
    fragments: dict[int, list[tuple[int, int, bytes]]] = {}
    for fragment, key, rows, low in containers:
        here = is_allowed[rows]
        count = int(np.count_nonzero(here))
        if count:
            fragments.setdefault(fragment, []).append((key, count, _container(low, here, count)))
    packed = [struct.pack("<I", len(fragments))]
    for fragment, bitmaps in fragments.items():
        bitmap = _bitmap(bitmaps)
        packed += [struct.pack("<II", fragment, len(bitmap)), bitmap]
    return b"".join(packed)


def _container(low: NDArray[np.uint16], allowed: Mask, count: int) -> bytes:
    """The lower 16 bits of the allowed addresses, listed or as a bit for each."""
    if count <= _LARGEST_ARRAY:
        return low[allowed].tobytes()
    bits = np.zeros(1 << _CONTAINER_BITS, dtype=np.bool_)
    first, last = int(low[0]), int(low[-1])
    if last - first + 1 == len(low):  # nothing was deleted between them, and a stretch is written much faster
        bits[first : last + 1] = allowed
    else:
        bits[low] = allowed
    return np.packbits(bits, bitorder="little").tobytes()


def _bitmap(containers: list[tuple[int, int, bytes]]) -> bytes:
    keys = b"".join(struct.pack("<HH", key, count - 1) for key, count, _ in containers)
    offset = 8 + 8 * len(containers)
    offsets = b""
    for _, _, content in containers:
        offsets += struct.pack("<I", offset)
        offset += len(content)
    header = struct.pack("<II", _NO_RUN_CONTAINERS, len(containers))
    return b"".join([header, keys, offsets, *(content for _, _, content in containers)])
