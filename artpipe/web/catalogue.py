"""The collection as the pages and the API ask it; the one place where they meet `artpipe.search`.

A `Catalogue` stands on one version of the tables and never changes; `artpipe.web.live` puts a newer one in its place.
"""

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.catalog.schema import CLASSES
from artpipe.search.collection import Collection, UnknownArtworkError
from artpipe.search.filters import FilterColumns, SearchFilter, folded
from artpipe.search.framing import HIT_METADATA
from artpipe.search.novelty import Novelty
from artpipe.web.questions import LABEL_FILTERS, PAGE_SIZE, Question

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.web.tokens import SeenPicture

MAX_RANKED = 480
"""How far down the list of works alike one may leaf: beyond, likeness says nothing any more."""


@dataclass(frozen=True)
class Found:
    """A page of results.

    Attributes:
        works: what is known of each, best first; `similarity` where they are ranked by looks.
        total: how many there are on all pages.
        page: which page this is, from 1.
        facets: for each filter its labels and how many works would be found with them, in the order of time.
        milliseconds: what it took.
    """

    works: list[dict[str, Any]]
    total: int
    page: int
    facets: dict[str, list[tuple[str, int]]]
    milliseconds: float

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE_SIZE))


class Catalogue:
    """One version of the collection.

    Args:
        collection: what answers.
        version: of the embeddings table.
    """

    def __init__(self, collection: Collection, version: int | None = None) -> None:
        self.collection = collection
        self.version = version
        self.works = collection.works
        self._columns = FilterColumns(collection.works)
        self._hits = collection.works.select("artwork_id", "artist_id", "jpeg_sha256", "work_id", *HIT_METADATA)

    def __len__(self) -> int:
        return self.works.height

    def __contains__(self, artwork_id: object) -> bool:
        return artwork_id in self.collection

    @property
    def model_id(self) -> str:
        """The model that made the vectors."""
        return self.collection.model_ids[0]

    def warm(self) -> None:
        """Read what the first visitor would wait for."""
        _ = self.collection.index, self._folded, self.artists
        self.collection.similar(str(self.works["artwork_id"][0]), k=1)

    def search(self, question: Question, seen: "SeenPicture | None" = None, size: int = PAGE_SIZE) -> Found:
        """Answer a question.

        Args:
            question: what is asked.
            seen: the picture that its token stands for.
            size: works on a page.

        Raises:
            UnknownArtworkError: the work to compare with is not in the collection.
            UnknownFilterValueError: no work has a label that the filter asks for.
        """
        began = time.perf_counter()
        wanted = self._with_words(question.words)
        mask = question.where.mask(self._columns) & wanted
        facets = self._facets(question.where, wanted)
        first = (question.page - 1) * size
        if question.is_by_picture:
            page, total = self._ranked(question, seen, mask, first, size)
        else:
            positions = np.flatnonzero(mask)
            page, total = self._hits[positions[first : first + size]], len(positions)
        return Found(page.to_dicts(), total, question.page, facets, (time.perf_counter() - began) * 1e3)

    def get(self, artwork_id: str) -> dict[str, Any]:
        """Everything known of one work.

        Raises:
            UnknownArtworkError: no artwork has this id.
        """
        if artwork_id not in self.collection:
            raise UnknownArtworkError(f"the collection has no artwork {artwork_id!r}.")
        return self.collection.get(artwork_id)

    def neighbours(self, artwork_id: str, k: int) -> list[dict[str, Any]]:
        """The k works most like one, other pictures of itself left out."""
        return self._told(self.collection.similar(artwork_id, k, include_same_work=False).to_polars()).to_dicts()

    def pictures_of_the_same_work(self, work: dict[str, Any]) -> list[dict[str, Any]]:
        """Details and other photographs of a work."""
        if work["work_id"] is None:
            return []
        same = (pl.col("work_id") == work["work_id"]) & (pl.col("artwork_id") != work["artwork_id"])
        return self._hits.filter(same).to_dicts()

    def works_of(self, artist_id: str) -> list[dict[str, Any]]:
        """An artist's works in the order of their years."""
        found = self._hits.filter(pl.col("artist_id") == artist_id)
        return found.sort("year_from", "title", "artwork_id", nulls_last=True).to_dicts()

    def several(self, artwork_ids: list[str]) -> list[dict[str, Any]]:
        """What is known of those of these works that the collection holds."""
        return self._hits.filter(pl.col("artwork_id").is_in(artwork_ids)).to_dicts()

    def some(self, count: int) -> list[dict[str, Any]]:
        """Works to begin with: spread over the collection by a hash, the same from visit to visit."""
        return self._hits.filter(pl.col("work_id") == pl.col("artwork_id"))[self._spread(count)].to_dicts()

    @cached_property
    def artists(self) -> list[dict[str, Any]]:
        """Every artist with the number of works: `artist_id`, `artist`, `works`, `initial`, by name."""
        named = self.works.filter(pl.col("artist_id").is_not_null() & pl.col("artist").is_not_null())
        counted = named.group_by("artist_id").agg(pl.col("artist").first(), works=pl.len())
        initial = pl.col("artist").map_elements(lambda name: folded(name)[:1].upper(), return_dtype=pl.String)
        return counted.with_columns(initial=initial).sort("artist", "artist_id").to_dicts()

    def same_painting(self, jpeg: bytes, seen: "SeenPicture") -> tuple[str, float] | None:  # noqa: ARG002
        """The work that a picture shows and how sure that is, where it can be decided; None where it cannot."""
        return None

    def novelty(self, seen: "SeenPicture") -> Novelty:
        """How far an uploaded picture is from every work."""
        return self.collection.novelty(seen.vector)

    def suggest(self, beginning: str, count: int = 8) -> list[str]:
        """Artists and titles that a visitor who typed this may mean."""
        wanted = folded(beginning.strip())
        if len(wanted) < 2:
            return []
        artists = [str(one["artist"]) for one in self.artists if wanted in folded(str(one["artist"]))]
        titles = self.works.filter(self._folded.str.contains(wanted, literal=True))["title"].drop_nulls().unique()
        found = [title for title in titles.sort() if wanted in folded(title)]
        return [*artists[: count // 2], *found][:count]

    def _with_words(self, words: str | None) -> "NDArray[np.bool_]":
        mask = np.ones(self.works.height, dtype=np.bool_)
        for word in folded(words or "").split():
            mask &= self._folded.str.contains(word, literal=True).to_numpy()
        return mask

    def _ranked(
        self, question: Question, seen: "SeenPicture | None", mask: "NDArray[np.bool_]", first: int, size: int
    ) -> tuple[pl.DataFrame, int]:
        count = int(mask.sum())
        if seen is not None:
            query: Any = seen.vector
        else:
            # `similar` would also take the path of a file, which is nothing for a visitor to name.
            query = self.get(question.like or "")["artwork_id"]
            count -= bool(mask[self.works["artwork_id"].index_of(query)])
        total = min(count, MAX_RANKED)
        wanted = min(first + size, total)
        # With words, how many of the nearest works have them is known only when all are ranked.
        k = self.works.height if question.words else max(1, wanted)
        hits = self.collection.similar(query, k, question.where)
        if question.words:
            hits = hits.join(self._hits.filter(mask).select("artwork_id"), on="artwork_id", how="semi")
        return self._told(hits[first:wanted]), total

    def _told(self, hits: pl.DataFrame) -> pl.DataFrame:
        ranked = hits.select("artwork_id", "similarity")
        return ranked.join(self._hits, on="artwork_id", how="left", maintain_order="left")

    def _facets(self, where: SearchFilter, wanted: "NDArray[np.bool_]") -> dict[str, list[tuple[str, int]]]:
        """For each label how many works it would leave, whatever is chosen of its own kind."""
        found: dict[str, list[tuple[str, int]]] = {}
        for name in LABEL_FILTERS:
            others = SearchFilter(**{k: v for k, v in where.model_dump(exclude_none=True).items() if k != name})
            coded = self._columns.labels[name]
            codes = coded.codes[others.mask(self._columns) & wanted]
            counts = np.bincount(codes[codes >= 0], minlength=len(coded.words))
            place = {label: i for i, label in enumerate(CLASSES.get(name, ()))}
            labels = sorted(range(len(coded.words)), key=lambda i: (place.get(coded.words[i], len(place)), i))
            found[name] = [(coded.words[i], int(counts[i])) for i in labels if counts[i]]
        return found

    @cached_property
    def _folded(self) -> pl.Series:
        told = pl.concat_str(pl.col("title").fill_null(""), pl.lit("\n"), pl.col("artist").fill_null(""))
        plain = told.str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_lowercase()
        return self.works.select(plain.alias("folded")).to_series()

    def _spread(self, count: int) -> list[int]:
        main = self._hits.filter(pl.col("work_id") == pl.col("artwork_id"))
        order = main.with_row_index().sort("jpeg_sha256", "artwork_id")["index"]
        return order.head(count).to_list()
