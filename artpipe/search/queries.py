"""From a query, an artwork id, a picture or a vector, to a unit vector that can be compared with the collection.

A picture is looked at as `photographs.py` does, and embedded by the model that made the table.
`ranking.py` takes the vectors on.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.catalog.names import similar_names
from artpipe.errors import ArtpipeError
from artpipe.images.decode import stored_copy
from artpipe.images.reading import Picture, as_array, is_pixels, is_url, read_picture
from artpipe.lake.paths import is_file
from artpipe.recognition.view import PHOTOGRAPH_SHORT_SIDE_PX, Crop
from artpipe.search.request import QueryVector

if TYPE_CHECKING:
    from PIL.Image import Image

    from artpipe.search.photographs import Look
    from artpipe.vectors.nearest import NeighbourSearch, Vector

_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif", ".heic")


class ModelMismatchError(ArtpipeError):
    """The table was built by another model than the one that is served."""


class UnusableQueryError(ArtpipeError):
    """The query is no readable picture, no file, and no vector of this collection."""


class UnknownArtworkError(ArtpipeError):
    """No artwork of the collection has this id."""


def refuse_mismatch(table_models: Sequence[str], loaded: str | None) -> None:
    """Refuse to compare vectors of different models.

    Args:
        table_models: every model that made a row of the table.
        loaded: the model that is served; None skips the comparison with it.

    Raises:
        ModelMismatchError: vectors of different models are not comparable.
    """
    if len(table_models) > 1:
        named = " and ".join(name[:12] for name in sorted(table_models))
        raise ModelMismatchError(f'the table holds vectors of models {named}; materialize "embeddings".')
    if loaded is not None and table_models and table_models[0] != loaded:
        raise ModelMismatchError(
            f"the table was built by model {table_models[0][:12]}, the loaded one is {loaded[:12]}; "
            'materialize "embeddings".'
        )


def unit_vector(numbers: "NDArray[np.generic]", dimension: int) -> "Vector":
    """The numbers as a float32 vector of length 1.

    Raises:
        UnusableQueryError: the length differs from the table's, or the numbers have no direction.
    """
    vector = np.asarray(numbers, dtype=np.float32).reshape(-1)
    if len(vector) != dimension:
        if np.ndim(numbers) == 2:
            raise UnusableQueryError(
                f"an array of type {np.asarray(numbers).dtype} and shape {np.shape(numbers)} is neither a vector nor a "
                "picture; give a grey picture as uint8, or with the shape (height, width, 1)."
            )
        raise UnusableQueryError(
            f"the query vector has {len(vector)} numbers, the table's have {dimension}; embed it with the served model."
        )
    length = float(np.linalg.norm(vector))
    if not np.isfinite(length) or length == 0.0:
        raise UnusableQueryError("the query vector is zero or not finite and has no direction; give another.")
    return vector / np.float32(length)


def query_picture(picture: Picture, short_side_px: int) -> "Image":
    """Read a picture to search with; see `read_picture`.

    Raises:
        UnusableQueryError: it is no picture that can be read.
    """
    try:
        return read_picture(picture, short_side_px)
    except ArtpipeError as error:
        raise UnusableQueryError(str(error)) from error


def stored_form(picture: Picture, short_side_px: int) -> bytes:
    """The JPEG that a lake with this short side would store of a picture; raises as `query_picture` does."""
    return stored_copy(query_picture(picture, short_side_px), short_side_px)


@dataclass(frozen=True)
class Resolver:
    """Makes queries comparable with a table.

    Attributes:
        works: `artwork_id`, `title` and `artist`, in the order of the vectors.
        position_of: returns the row of an `artwork_id`, None where there is none.
        nearest: returns the search over the table's vectors; called only when needed.
        look: looks at photographs; called only when there is one.
    """

    works: pl.DataFrame
    position_of: Callable[[object], int | None]
    nearest: "Callable[[], NeighbourSearch]"
    look: "Callable[[Sequence[Image], Crop | None], list[Look]]"

    def resolve(self, queries: Sequence[Picture | QueryVector], crop: Crop | None = None) -> list[QueryVector]:
        """Make every query a unit vector; all pictures go through the model together.

        Args:
            queries: artwork ids, pictures, or vectors of the table's length.
            crop: the part of every picture that is looked at.

        Raises:
            UnknownArtworkError: no artwork has this id; similar ones are named.
            UnusableQueryError: a query is no readable picture or no fitting vector.
        """
        resolved: dict[int, QueryVector] = {}
        pictures: dict[int, Image] = {}
        for number, query in enumerate(queries):
            if isinstance(query, QueryVector):
                resolved[number] = query
                continue
            position = self.position_of(query)
            if position is not None:
                resolved[number] = QueryVector(self.nearest().vectors_at([position])[0], (position,))
            elif (numbers := as_array(query)) is not None and not is_pixels(numbers, self.nearest().dimension):
                resolved[number] = QueryVector(unit_vector(numbers, self.nearest().dimension))
            else:
                pictures[number] = self.picture(query)
        if pictures:
            for number, look in zip(pictures, self.look(list(pictures.values()), crop), strict=True):
                vector = unit_vector(look.vector, self.nearest().dimension)
                resolved[number] = QueryVector(vector, (), self.position_of(look.artwork_id))
        return [resolved[number] for number in range(len(queries))]

    def picture(self, query: Picture) -> "Image":
        """A picture in any form, RGB, to look at.

        Args:
            query: see `Picture`.

        Raises:
            UnknownArtworkError: the text names no file, and no artwork has this id.
            UnusableQueryError: it is no readable picture.
        """
        if isinstance(query, str) and not is_url(query) and not is_file(query):
            if query.lower().endswith(_PICTURE_SUFFIXES) or query.startswith(("/", "~", ".")):
                raise UnusableQueryError(f"{query} is neither a file nor the id of an artwork; check the path.")
            raise self.unknown(query)
        return query_picture(query, PHOTOGRAPH_SHORT_SIDE_PX)

    def unknown(self, artwork_id: str) -> UnknownArtworkError:
        """The error for an id that no artwork has, with similar ids, or works of a similar title."""
        ids = similar_names(artwork_id, self.works["artwork_id"].to_list())
        if not ids:
            titles = similar_names(artwork_id, self.works["title"].drop_nulls().unique().to_list())
            ids = self.works.filter(pl.col("title").is_in(titles))["artwork_id"].head(3).to_list()
        hint = f"ids look like {self.works['artwork_id'][0]!r}"
        if ids:
            named = self.works.filter(pl.col("artwork_id").is_in(ids)).select("artwork_id", "title", "artist")
            lines = {name: f"{name} ({title}, {artist})" for name, title, artist in named.iter_rows()}
            hint = "the closest are: " + "; ".join(lines[name] for name in ids)
        return UnknownArtworkError(f"the collection has no artwork {artwork_id!r}; {hint}.")
