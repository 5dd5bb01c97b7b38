"""Named arrays in one file of the lake, in NumPy's format `.npz`."""

import io
import zipfile
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from artpipe.lake.paths import write_whole

if TYPE_CHECKING:
    from upath import UPath

Made = TypeVar("Made")


def write_arrays(path: "UPath", arrays: Mapping[str, Any]) -> None:
    """Write arrays, and numbers and texts as arrays without axes."""
    packed = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez(packed, **named)
    write_whole(path, packed.getvalue())


def read_arrays(path: "UPath", make: Callable[[Mapping[str, Any]], Made]) -> Made | None:
    """What is made of the arrays of a file; None where it is missing or damaged, or lacks one that is needed."""
    try:
        with np.load(io.BytesIO(path.read_bytes())) as stored:
            return make(stored)
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile):
        return None
