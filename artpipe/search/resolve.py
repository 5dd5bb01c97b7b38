"""What a query is: the id of a work, a picture in one of its forms, or a vector; each becomes a unit vector.

`collection.py` hands queries in; several at once go through the model together.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.errors import ArtpipeError
from artpipe.search.filters import closest
from artpipe.search.queries import PictureEncoder, UnusableQueryError, is_pixels, stored_form, unit_vector
from artpipe.search.remote import fetch_picture, is_url

if TYPE_CHECKING:
    from PIL.Image import Image

    from artpipe.vectors.nearest import NeighbourSearch, Vector

_PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp", ".avif", ".heic")


class UnknownArtworkError(ArtpipeError):
    """No artwork of the collection has this id."""


@dataclass(frozen=True)
class Asked:
    """A query made comparable: its vector, and where it stands in the table if it is a work of it."""

    vector: "Vector"
    position: int | None = None


@dataclass(frozen=True)
class Resolver:
    """Makes queries comparable with a table.

    Attributes:
        works: `artwork_id`, `title` and `artist`, in the order of the vectors.
        position_of: the row of each `artwork_id`.
        nearest: gives the search over the table's vectors; asked only when needed.
        encoder: gives the model; asked only when a picture must be embedded.
        short_side_px: gives that of the stored pictures.
        allows_urls: whether a picture may be fetched from the web.
    """

    works: pl.DataFrame
    position_of: dict[str, int]
    nearest: "Callable[[], NeighbourSearch]"
    encoder: Callable[[], PictureEncoder]
    short_side_px: Callable[[], int]
    allows_urls: bool = False

    def resolve(self, queries: "Sequence[str | Path | bytes | Image | NDArray[Any]]") -> list[Asked]:
        """Make every query a unit vector; all pictures go through the model together.

        Raises:
            UnknownArtworkError: no artwork has this id; the closest ones are named.
            UnusableQueryError: a query is no readable picture or no fitting vector.
        """
        asked: dict[int, Asked] = {}
        jpegs: dict[int, bytes] = {}
        for number, query in enumerate(queries):
            position = self.position_of.get(query) if isinstance(query, str) else None
            if position is not None:
                asked[number] = Asked(self.nearest().vectors_at([position])[0], position)
            elif isinstance(query, np.ndarray) and not is_pixels(query):
                asked[number] = Asked(unit_vector(query, self.nearest().dimension))
            else:
                jpegs[number] = self.picture(query)
        if jpegs:
            made = self.encoder().encode(list(jpegs.values())).vectors
            for number, vector in zip(jpegs, made, strict=True):
                asked[number] = Asked(unit_vector(vector, self.nearest().dimension))
        return [asked[number] for number in range(len(queries))]

    def picture(self, query: "str | Path | bytes | Image | NDArray[Any]", short_side_px: int | None = None) -> bytes:
        """The stored form of a picture, wherever it comes from.

        Args:
            query: a path, a web address, bytes, a PIL image, or pixels.
            short_side_px: that of the stored pictures by default.

        Raises:
            UnknownArtworkError: the words are neither a file nor an address, and no artwork has this id.
            UnusableQueryError: it is no readable picture.
        """
        if isinstance(query, str):
            if is_url(query):
                if not self.allows_urls:
                    raise UnusableQueryError(
                        f"{query} is not fetched; set ARTPIPE_ALLOW_URL_QUERIES=true, or give the picture itself."
                    )
                query = fetch_picture(query)
            elif Path(query).is_file():
                query = Path(query)
            else:
                raise self.unknown(query)
        return stored_form(query, short_side_px or self.short_side_px())

    def unknown(self, asked: str) -> UnknownArtworkError | UnusableQueryError:
        """What to say of words that name no work and no file."""
        if asked.lower().endswith(_PICTURE_SUFFIXES) or asked.startswith(("/", "~", ".")):
            return UnusableQueryError(f"{asked} is neither a file nor the id of an artwork; check the path.")
        return UnknownArtworkError(f"the collection has no artwork {asked!r}; {self._suggestion(asked)}.")

    def _suggestion(self, asked: str) -> str:
        """The closest ids; where none is like it, the works whose title is."""
        ids = closest(asked, list(self.position_of))
        if not ids:
            titles = closest(asked, self.works["title"].drop_nulls().unique().to_list())
            ids = self.works.filter(pl.col("title").is_in(titles))["artwork_id"].head(3).to_list()
        if not ids:
            return f"ids look like {self.works['artwork_id'][0]!r}"
        named = self.works.filter(pl.col("artwork_id").is_in(ids)).select("artwork_id", "title", "artist")
        told = {name: f"{name} ({title}, {artist})" for name, title, artist in named.iter_rows()}
        return "the closest are: " + "; ".join(told[name] for name in ids)
