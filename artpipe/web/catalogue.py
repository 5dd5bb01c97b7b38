"""The collection as the pages and the API ask it; the one place where they meet `artpipe.search`.

A `Catalogue` stands on one version of the tables and never changes; `artpipe.web.live_collection` replaces it.
"""

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from artpipe.embedding.table import EmbeddingTable
from artpipe.recognition.same_painting import NoFeatureIndexError
from artpipe.schema import CLASSES
from artpipe.search.collection import Collection, UnknownArtworkError
from artpipe.search.filters import FilterColumns, SearchFilter, folded
from artpipe.search.framing import HIT_METADATA
from artpipe.search.novelty import Novelty
from artpipe.search.queries import UnusableQueryError
from artpipe.search.ranking import LARGEST_K
from artpipe.search.text import NoTextIndexError, TextSearch
from artpipe.web.questions import LABEL_FILTERS, PAGE_SIZE, Question, UnusableQuestionError
from artpipe.web.tokens import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from artpipe.search.hits import Hits
    from artpipe.search.suggestions import Suggestion
    from artpipe.web.tokens import EncodedPicture

MAX_RANKED = 480
"""How far down the list of works alike one may leaf: beyond, likeness says nothing any more."""
_HOW, _EXACTLY = "full-text index: ", "every word"
"""How `Collection.find` says that the works hold the words as they are."""


@dataclass(frozen=True)
class Found:
    """A page of results.

    Attributes:
        works: what is known of each, best first; `similarity` where they are ranked by looks.
        total: how many there are on all pages.
        page: which page this is, from 1.
        facets: for each filter its labels and how many works would be found with them, in the order of time.
        milliseconds: what it took.
        note: what of the words the works hold, where it is not every word as it is; else empty.
    """

    works: list[dict[str, Any]]
    total: int
    page: int
    facets: dict[str, list[tuple[str, int]]]
    milliseconds: float
    note: str = ""

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE_SIZE))


@dataclass(frozen=True)
class _Holding:
    """Which works hold the words, bool (N,), and how loosely the words had to be taken."""

    mask: "NDArray[np.bool_]"
    note: str = ""


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
        _ = self.artists, self.has_words, self.can_compare
        self.collection.warm_up()

    def search(self, question: Question, picture: "EncodedPicture | None" = None, size: int = PAGE_SIZE) -> Found:
        """Answer a question.

        Args:
            question: what is asked.
            picture: the picture that its token stands for.
            size: works on a page.

        Raises:
            UnknownArtworkError: a work to compare with is not in the collection.
            UnknownFilterValueError: no work has a label that the filter asks for.
            NoTextIndexError: words are asked for and were not indexed yet.
        """
        began = time.perf_counter()
        holding = self._holding(question)
        mask = question.where.mask(self._columns) & holding.mask
        facets = self._facets(question.where, holding.mask)
        first = (question.page - 1) * size
        page, total = self._page(question, picture, mask, first, size)
        spent_ms = (time.perf_counter() - began) * 1e3
        return Found(page.to_dicts(), total, question.page, facets, spent_ms, holding.note)

    def every(self, question: Question, picture: "EncodedPicture | None" = None) -> pl.DataFrame:
        """All works that answer a question, in their order; raises as `search` does."""
        mask = question.where.mask(self._columns) & self._holding(question).mask
        return self._page(question, picture, mask, 0, len(self))[0]

    def get(self, artwork_id: str) -> dict[str, Any]:
        """Everything known of one work.

        Raises:
            UnknownArtworkError: no artwork has this id.
        """
        if artwork_id not in self.collection:
            raise UnknownArtworkError(f"the collection has no artwork {artwork_id!r}.")
        return self.collection.get(artwork_id)

    def neighbours(self, artwork_id: str, k: int) -> list[dict[str, Any]]:
        """The k works most like one, a picture of each, other pictures of itself left out."""
        alike = self.collection.similar(artwork_id, k, distinct="work", include_same_work=False)
        return self._told(alike).to_dicts()

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

    def some(self, count: int) -> list[dict[str, Any]]:
        """Works to begin with: spread over the collection by a hash, the same from visit to visit."""
        main = self._hits.filter(pl.col("work_id") == pl.col("artwork_id"))
        return main.sort("jpeg_sha256", "artwork_id").head(count).to_dicts()

    @cached_property
    def artists(self) -> list[dict[str, Any]]:
        """Every artist with the number of works: `artist_id`, `artist`, `works`, `initial`, by name."""
        named = self.works.filter(pl.col("artist_id").is_not_null() & pl.col("artist").is_not_null())
        counted = named.group_by("artist_id").agg(pl.col("artist").first(), works=pl.len())
        initial = pl.col("artist").map_elements(lambda name: folded(name)[:1].upper(), return_dtype=pl.String)
        return counted.with_columns(initial=initial).sort("artist", "artist_id").to_dicts()

    @cached_property
    def has_words(self) -> bool:
        """Whether words can be searched."""
        try:
            self.collection.find("a", 1)
        except NoTextIndexError:
            return False
        return True

    def novelty(self, picture: "EncodedPicture") -> Novelty:
        """How far an uploaded picture is from every work."""
        return self.collection.novelty(picture.vector)

    def novelty_of(self, artwork_id: str) -> Novelty:
        """How far a work is from every other one."""
        return self.collection.novelty(artwork_id)

    @cached_property
    def can_compare(self) -> bool:
        """Whether it can be decided that a picture shows a very painting: the collection is described for that."""
        try:
            self.collection.same_painting(b"")
        except NoFeatureIndexError:
            return False
        except UnusableQueryError:  # everything was there but a picture
            return True
        return True

    def same_painting(self, jpeg: bytes) -> Verdict | None:
        """Whether a picture shows a very painting of the collection; None where that cannot be decided here."""
        if not self.can_compare:
            return None
        match = self.collection.same_painting(jpeg)
        return Verdict(match.artwork_id, 1 - match.false_positive_rate) if match.is_same else Verdict(None)

    def suggest(self, typed: str) -> "list[Suggestion]":
        """Artists, titles, styles and types that a visitor who typed this may mean."""
        return self.collection.suggest(typed)

    def labels_called(self, words: str) -> "list[Suggestion]":
        """The styles and types that are called just so, for those who typed one as words."""
        wanted = folded(words.strip())
        found = self.collection.suggest(words)
        return [one for one in found if one.kind in LABEL_FILTERS and folded(one.text) == wanted]

    def _page(
        self, question: Question, picture: "EncodedPicture | None", mask: "NDArray[np.bool_]", first: int, size: int
    ) -> tuple[pl.DataFrame, int]:
        """The works from the `first` best on, at most `size`, and how many there are."""
        if question.is_by_picture:
            return self._alike(question, picture, mask, first, size)
        if question.unlike:
            raise UnusableQuestionError("it is not said what the works should be like; name one with `like`.")
        total = int(mask.sum())
        if question.words is None:
            return self._hits[np.flatnonzero(mask)[first : first + size]], total
        # No more than there are: `find` would go on with works that hold the words less well.
        k = min(size, total - first, LARGEST_K - first)
        if k < 1:
            return self._hits.clear(), total
        return self._told(self.collection.find(question.words, k, question.where, offset=first)), total

    def _alike(
        self, question: Question, picture: "EncodedPicture | None", mask: "NDArray[np.bool_]", first: int, size: int
    ) -> tuple[pl.DataFrame, int]:
        # `like` would also take the path of a file, which is nothing for a visitor to name: `get` knows ids alone.
        liked, unlike = ([self.get(one)["artwork_id"] for one in ids] for ids in (question.like, question.unlike))
        examples = self.works["artwork_id"].is_in(liked + unlike).to_numpy()
        total = min(int((mask & ~examples).sum()), MAX_RANKED)
        k = min(size, total - first)
        if k < 1:
            return self._hits.clear(), total
        queries = liked if picture is None else [picture.vector, *liked]
        hits = self.collection.like(queries, k, question.where, unlike=unlike, text=question.words, offset=first)
        return self._told(hits), total

    def _holding(self, question: Question) -> _Holding:
        """Works that hold every word; where none does every word nearly so; and for words alone, some of them."""
        if question.words is None:
            return _Holding(np.ones(len(self), dtype=np.bool_))
        held = self._text.holding(question.words, len(self))
        if held.any():
            how = self.collection.find(question.words, 1).explanation.how.removeprefix(_HOW)
            return _Holding(held, "" if how == _EXACTLY else how)
        if question.is_by_picture:
            return _Holding(held)
        found = self.collection.find(question.words, min(len(self), LARGEST_K))
        how = found.explanation.how.removeprefix(_HOW) if len(found) else ""
        return _Holding(self.works["artwork_id"].is_in(found["artwork_id"].implode()).to_numpy(), how)

    @cached_property
    def _text(self) -> TextSearch:
        version = self.version or EmbeddingTable(self.collection.lake).version or 0
        places = {name: position for position, name in enumerate(self.works["artwork_id"])}
        return TextSearch(self.collection.lake, version, places)

    def _told(self, hits: "Hits") -> pl.DataFrame:
        ranked = hits.select(pl.col("artwork_id"), pl.col("^similarity$"))
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
