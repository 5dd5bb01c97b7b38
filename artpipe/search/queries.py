"""From what a person asks with, a picture or numbers, to a unit vector that can be compared with the collection.

A picture goes the way of every stored one: resized to the same short side, stored as JPEG, seen by the served model.
The same file therefore finds itself with similarity 1. `resolve.py` tells pictures, ids and vectors apart.
"""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from artpipe.embedding.predictions import Predictions
from artpipe.errors import ArtpipeError

if TYPE_CHECKING:
    from PIL.Image import Image

    from artpipe.vectors.nearest import Vector


class ModelMismatchError(ArtpipeError):
    """The table was built by another model than the one that is served."""


class UnusableQueryError(ArtpipeError):
    """What was asked with is no picture, no file, or no vector of this collection."""


class PictureEncoder(Protocol):
    """A model that embeds and classifies pictures."""

    @property
    def model_id(self) -> str:
        """The hash of weights and story."""
        ...

    @property
    def labels(self) -> dict[str, list[str]]:
        """The class names of each task, in the order of its probabilities."""
        ...

    def encode(self, jpegs: Sequence[bytes]) -> Predictions:
        """Embed and classify stored JPEGs."""
        ...


def refuse_mismatch(table_models: Sequence[str], loaded: str | None) -> None:
    """Refuse vectors that different models made.

    Args:
        table_models: every model that made a row of the table.
        loaded: the model that is served; None skips the comparison with it.

    Raises:
        ModelMismatchError: vectors of different models are not comparable.
    """
    if len(table_models) > 1:
        named = " and ".join(_short(name) for name in sorted(table_models))
        raise ModelMismatchError(f'the table holds vectors of models {named}; materialize "embeddings".')
    if loaded is not None and table_models and table_models[0] != loaded:
        raise ModelMismatchError(
            f"the table was built by model {_short(table_models[0])}, the loaded one is {_short(loaded)}; "
            'materialize "embeddings".'
        )


def unit_vector(numbers: "NDArray[np.generic]", dimension: int) -> "Vector":
    """The numbers as a float32 vector of length 1.

    Raises:
        UnusableQueryError: the length differs from the table's, or the numbers have no direction.
    """
    vector = np.asarray(numbers, dtype=np.float32).reshape(-1)
    if len(vector) != dimension:
        raise UnusableQueryError(
            f"the query vector has {len(vector)} numbers, the table's have {dimension}; embed it with the served model."
        )
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0.0:
        raise UnusableQueryError("the query vector is zero or not finite and has no direction; give another.")
    return vector / np.float32(length)


def is_pixels(query: object) -> bool:
    """Whether an array holds a picture, uint8 (H, W, 3), rather than a vector."""
    return isinstance(query, np.ndarray) and query.ndim == 3


def stored_form(picture: "Path | bytes | Image | NDArray[Any]", short_side_px: int) -> bytes:
    """The picture as the collection would store it: a JPEG of the same short side.

    Args:
        picture: a path, bytes, a PIL image, or uint8 (H, W, 3).
        short_side_px: of the stored pictures.

    Raises:
        UnusableQueryError: there is no such file, or it is no picture that can be read.
    """
    from artpipe.images.decode import stored_jpeg

    name = str(picture) if isinstance(picture, Path) else "the picture"
    try:
        return stored_jpeg(_data_of(picture), short_side_px)
    except ArtpipeError as error:
        if isinstance(error, UnusableQueryError):
            raise
        raise UnusableQueryError(f"{name} cannot be used: {error}") from error


def _data_of(picture: "Path | bytes | Image | NDArray[Any]") -> bytes:
    if isinstance(picture, bytes):
        return picture
    if isinstance(picture, Path):
        try:
            return picture.read_bytes()
        except OSError as error:
            raise UnusableQueryError(
                f"{picture} cannot be read ({error.strerror or error}); give the path of an image file."
            ) from error
    from PIL import Image as Pillow
    from PIL import ImageOps

    if isinstance(picture, np.ndarray):
        if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
            raise UnusableQueryError(
                f"an array of type {picture.dtype} and shape {picture.shape} is no picture; "
                "give uint8 of shape (height, width, 3)."
            )
        picture = Pillow.fromarray(np.ascontiguousarray(picture))
    upright = ImageOps.exif_transpose(picture)
    packed = io.BytesIO()
    upright.convert("RGBA" if upright.has_transparency_data else "RGB").save(packed, "PNG", compress_level=1)
    return packed.getvalue()


def _short(model_id: str) -> str:
    """Enough of an id to tell two models apart in a sentence."""
    return model_id if len(model_id) <= 12 else model_id[:12]
