"""What a search is for: the vector to be near to, which works may be returned, and which page of them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self, TypedDict

import numpy as np

from artpipe.errors import ArtpipeError
from artpipe.images.reading import Picture
from artpipe.recognition.view import Crop
from artpipe.search.filters import SearchFilter
from artpipe.search.groups import COLUMN_OF, Distinct
from artpipe.vectors.nearest import Neighbours, Vector

if TYPE_CHECKING:
    from typing import TypeAlias

_UNLIKE_WEIGHT = 0.5


class UnusableArgumentError(ArtpipeError, ValueError):
    """An argument is of a type, or has a value, that the method does not take."""


class SearchOptions(TypedDict, total=False):
    """What `Collection.similar` takes beside the query, k and the filter."""

    text: str | None
    distinct: Distinct | None
    exact: bool
    offset: int
    include_same_work: bool
    crop: Crop | None


@dataclass(frozen=True)
class SearchRequest:
    """Which works may be returned, and how many.

    Attributes:
        k: how many works; all where there are fewer.
        where: a condition on them.
        text: words that every one of them must hold.
        distinct: at most one of each work, or of each artist.
        exact: compare every vector in full instead of asking an approximate index.
        offset: how many of the best are passed over, for the pages after the first.
        include_same_work: whether details and other photographs of a queried artwork may be returned.
        crop: the part of every queried picture that is looked at; looked for by default.
    """

    k: int = 10
    where: SearchFilter | None = None
    text: str | None = None
    distinct: Distinct | None = None
    exact: bool = False
    offset: int = 0
    include_same_work: bool = True
    crop: Crop | None = None

    def __post_init__(self) -> None:
        if self.k < 1:
            raise UnusableArgumentError(f"k must be at least 1, not {self.k}.")
        if self.offset < 0:
            raise UnusableArgumentError(f"offset must not be negative, as {self.offset} is.")
        if self.distinct is not None and self.distinct not in COLUMN_OF:
            raise UnusableArgumentError(f"distinct must be 'work' or 'artist', not {self.distinct!r}.")

    def within(self, rows: int) -> Self:
        """The same of a collection of so many works: numbers beyond it would be beyond what NumPy and Lance take."""
        return replace(self, k=min(self.k, rows), offset=min(self.offset, rows))

    @property
    def depth(self) -> int:
        """How many of the best must be known for this page."""
        return self.k + self.offset

    def page(self, found: Neighbours) -> Neighbours:
        """The requested page of everything up to `depth`."""
        if not self.offset and len(found.positions) <= self.k:
            return found
        kept = slice(self.offset, self.depth)
        return replace(found, positions=found.positions[kept], similarities=found.similarities[kept])


@dataclass(frozen=True)
class QueryVector:
    """A vector to be near to.

    Attributes:
        vector: float32 (D,), of length 1.
        source_rows: the rows of the table that it was made of, which are never returned.
        recognised_row: the work that a photograph shows, which is returned first.
    """

    vector: Vector
    source_rows: tuple[int, ...] = ()
    recognised_row: int | None = None

    @classmethod
    def between(cls, liked: Sequence["QueryVector"], unlike: Sequence["QueryVector"]) -> Self:
        """The mean of some vectors minus half the mean of others; its length may be any, even 0.

        Source: Rocchio's relevance feedback (1971), with the weights 1 and 1/2.
        """
        vector = np.mean([query.vector for query in liked], axis=0)
        if unlike:
            vector = vector - _UNLIKE_WEIGHT * np.mean([query.vector for query in unlike], axis=0)
        rows = [row for query in (*liked, *unlike) for row in query.source_rows]
        return cls(vector.astype(np.float32), tuple(dict.fromkeys(rows)))


Query: "TypeAlias" = Picture | QueryVector
"""What is searched with: an artwork id, a picture or a vector."""
