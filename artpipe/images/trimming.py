"""Records which part of each stored image is the picture itself, and cuts it out for whatever compares pictures.

The JPEG stays as it is, and is what people are shown. Its row has the part, and a `jpeg_sha256` that tells the part
from the whole, so that only pictures with margins are new to what is made of them.
"""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import polars as pl

from artpipe.images.fingerprint import perceptual_hash
from artpipe.images.margins import cut, find_margins
from artpipe.progress import Progress, SilentProgress
from artpipe.schema import STORED

if TYPE_CHECKING:
    from artpipe.images.store import ImageStore

WHOLE = ""
"""The `picture_box` of a picture without margins; null means that none were looked for."""
_AT_A_TIME = 256
_ROWS_PER_COMMIT = 20_000
"""Each commit rewrites these columns of whole fragments; a killed run looks at so many pictures again."""


def trim_margins(store: "ImageStore", progress: Progress | None = None) -> None:
    """Look for margins in each stored image that was not looked at yet, and record the picture's part in its row."""
    rows = store.outcomes().filter(pl.col("status").is_in(STORED) & pl.col("picture_box").is_null())
    with (
        ThreadPoolExecutor(os.cpu_count()) as pool,
        (progress or SilentProgress()).track("margins", rows.height, "images") as step,
    ):
        for commit in rows.iter_slices(_ROWS_PER_COMMIT):
            trimmed: list[dict[str, Any]] = []
            whole: list[dict[str, Any]] = []
            for some in commit.iter_slices(_AT_A_TIME):
                names: list[str] = some["artwork_id"].to_list()
                jpegs = store.originals(names)
                for artwork_id, jpeg, box in zip(names, jpegs, pool.map(_box_of, jpegs), strict=True):
                    if box == WHOLE:
                        whole.append({"artwork_id": artwork_id, "picture_box": box})
                    else:
                        trimmed.append({"artwork_id": artwork_id, "picture_box": box, **_identity(jpeg, box)})
                step.advance(some.height)
            store.amend(trimmed)
            store.amend(whole)


def keep_margins(store: "ImageStore") -> None:
    """Make the pictures of trimmed images whole again."""
    trimmed = store.outcomes().filter(pl.col("picture_box") != WHOLE)
    for commit in trimmed.iter_slices(_ROWS_PER_COMMIT):
        kept: list[dict[str, Any]] = []
        for some in commit.iter_slices(_AT_A_TIME):
            names: list[str] = some["artwork_id"].to_list()
            jpegs = zip(names, store.originals(names), strict=True)
            kept += [{"artwork_id": name, "picture_box": None, **_identity(jpeg, WHOLE)} for name, jpeg in jpegs]
        store.amend(kept)


def _box_of(jpeg: bytes) -> str:
    import numpy as np
    from PIL import Image

    try:
        with Image.open(io.BytesIO(jpeg)) as image:
            found = find_margins(np.asarray(image.convert("RGB")))
    except (OSError, SyntaxError):  # whatever compares the picture says that it is damaged
        return WHOLE
    return WHOLE if found is None else " ".join(f"{number:.4f}" for number in found)


def _identity(jpeg: bytes, box: str) -> dict[str, str]:
    """The hashes by which a picture is known and compared."""
    from PIL import Image

    digest = sha256(jpeg).hexdigest()
    with Image.open(io.BytesIO(cut(jpeg, box))) as picture:
        return {
            "jpeg_sha256": sha256(f"{digest} {box}".encode()).hexdigest() if box else digest,
            "perceptual_hash": perceptual_hash(picture),
        }
