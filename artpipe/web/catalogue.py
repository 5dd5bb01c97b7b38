"""The collection as the pages and the API show it: a view of `artpipe.search.Collection`, one page at a time.

A `Catalogue` is a view of one version of the tables and never changes; `artpipe.web.live_collection` replaces it.
"""

import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import polars as pl

from artpipe.catalog.names import initial_of, labels_known_as, name_words, normalized_name, sort_key
from artpipe.search.collection import Collection, UnknownArtworkError
from artpipe.search.filters import SearchFilter
from artpipe.search.request import QueryVector
from artpipe.search.text_encoder import NoTextEncoderError, UnknownWordsError
from artpipe.search.word_query import WordMatch
from artpipe.web.questions import PAGE_SIZE, Question, UnusableQuestionError

if TYPE_CHECKING:
    from PIL.Image import Image

    from artpipe.recognition.same_painting import Match
    from artpipe.recognition.view import View
    from artpipe.search.hits import Hits
    from artpipe.search.matching import Facets, YearCounts
    from artpipe.search.novelty import Novelty
    from artpipe.search.photographs import Look
    from artpipe.search.suggestions import Suggestion
    from artpipe.vectors.nearest import Positions
    from artpipe.web.tokens import EncodedPicture

MAX_RANKED = 480
"""How many works a search by similarity lists on all pages: similarity means little beyond, and the page says so."""
SAMPLE = 24
"""How many works there are to start from."""


@dataclass(frozen=True)
class ResultPage:
    """A page of results.

    Attributes:
        works: the metadata of each work, best first; `similarity` where they are ranked by it.
        total: how many there are on all pages.
        passing: how many works the filters and the words let through; more than `total` where only the most similar
            are listed.
        page: which page this is, from 1.
        facets: for each filter its labels, in the order of time, and how many works would be found with each.
        years: how many works would be found of each time.
        milliseconds: how long the search took.
        word_match: how well the works match the words; None without words, or where none does.
    """

    works: list[dict[str, Any]]
    total: int
    passing: int
    page: int
    facets: "Facets"
    years: "YearCounts"
    milliseconds: float
    word_match: WordMatch | None = None

    @property
    def pages(self) -> int:
        """How many pages there are, at least one."""
        return max(1, -(-self.total // PAGE_SIZE))

    @property
    def note(self) -> str:
        """`word_match` in words; empty where the works match every word, or none was searched for."""
        return "" if self.word_match in (None, WordMatch.ALL) else self.word_match.description


class Catalogue:
    """One version of the collection.

    Args:
        collection: answers the searches.
    """

    def __init__(self, collection: Collection) -> None:
        self.collection, self.snapshot = collection, collection.snapshot
        self.version = collection.version
        self._columns = ("artwork_id", "artist_id", "jpeg_sha256", "work_id", *self.snapshot.hit_columns)

    def __len__(self) -> int:
        return len(self.collection)

    def __contains__(self, artwork_id: object) -> bool:
        return artwork_id in self.collection

    @cached_property
    def closed(self) -> frozenset[str]:
        """The works that their source does not call open: their pictures are in no export."""
        if not self.snapshot.has_rights:
            return frozenset()
        rows = self.snapshot.columns(["artwork_id", "is_open"])
        return frozenset(rows.filter(~pl.col("is_open"))["artwork_id"])

    @property
    def model_id(self) -> str:
        """The model that made the vectors."""
        return self.collection.model_ids[0]

    @cached_property
    def has_words(self) -> bool:
        """Whether words can be searched."""
        return self.collection.has_text

    @cached_property
    def can_compare(self) -> bool:
        """Whether it can be decided that a picture shows a painting of the collection."""
        return self.collection.has_local_features

    def warm(self) -> None:
        """Load what the first visitor would wait for."""
        _ = self.artists, self.has_words, self.can_compare
        self.collection.warm_up()

    def search(self, question: Question, picture: "EncodedPicture | None" = None, size: int = PAGE_SIZE) -> ResultPage:
        """Answer a question.

        Args:
            question: what is searched for.
            picture: the picture that its token stands for.
            size: works on a page.

        Raises:
            UnknownArtworkError: a work to compare with is not in the collection.
            UnknownFilterValueError: no work has a label that the filter names.
            NoTextIndexError: the question has words, and these were not indexed yet.
            UnknownWordsError, NoTextEncoderError: no work can be told by such looks.
        """
        began = time.perf_counter()
        first = (question.page - 1) * size
        hits = self._hits(question, picture, first, size)
        facets, years = hits.facets, hits.years
        total = min(hits.total, MAX_RANKED) if question.is_by_picture else hits.total
        works = self._rows(hits).to_dicts() if first < total else []
        spent_ms = (time.perf_counter() - began) * 1e3
        return ResultPage(works, total, hits.total, question.page, facets, years, spent_ms, hits.word_match)

    def all_works(self, question: Question, picture: "EncodedPicture | None" = None) -> pl.DataFrame:
        """All works that answer a question, in their order; raises as `search` does."""
        return self._rows(self._hits(question, picture, 0, None))

    def get(self, artwork_id: str) -> dict[str, Any]:
        """Everything known of one work.

        Raises:
            UnknownArtworkError: no artwork has this id. Similar ids are not looked for, which takes long.
        """
        if artwork_id not in self.collection:
            raise UnknownArtworkError(f"the collection has no artwork {artwork_id!r}.")
        return self.collection.get(artwork_id)

    def neighbours(self, artwork_id: str, k: int) -> list[dict[str, Any]]:
        """The k works most similar to one, a picture of each, other pictures of itself left out."""
        return self._rows(self.collection.similar(artwork_id, k, distinct="work", include_same_work=False)).to_dicts()

    def pictures_of_the_same_work(self, work: dict[str, Any]) -> list[dict[str, Any]]:
        """Details and other photographs of a work."""
        if work["work_id"] is None:
            return []
        works = self.snapshot.columns(["artwork_id", "work_id"])
        same = (works["work_id"] == work["work_id"]) & (works["artwork_id"] != work["artwork_id"])
        return self._shown(same.arg_true()).to_dicts()

    def works_of(self, artist_id: str) -> list[dict[str, Any]]:
        """An artist's works in the order of their years, those that they made with others among them."""
        own = (self.snapshot.columns(["artist_id"])["artist_id"] == artist_id).arg_true()
        found = pl.concat([own.cast(pl.Int64), self._made_with_others(self.name_of(artist_id))]).unique()
        return self._shown(found).sort("year_from", "title", "artwork_id", nulls_last=True).to_dicts()

    def name_of(self, artist_id: str) -> str | None:
        """What an artist is called; None where no work tells it."""
        return self._names.get(artist_id)

    def works_named(self, artwork_ids: Iterable[str], where: SearchFilter | None = None) -> pl.DataFrame:
        """Some works with the columns that pages need, in the order of the ids; those that do not pass are left out.

        Args:
            artwork_ids: of the works; one that the collection does not have is left out.
            where: which works may be returned.

        Raises:
            UnknownFilterValueError: no work has a label that the filter names.
        """
        passing = set(self.collection.browse(None, where).positions)
        positions = (self.snapshot.row_of(one) for one in artwork_ids)
        return self._shown(pl.Series([one for one in positions if one in passing], dtype=pl.Int64))

    def sample(self, count: int) -> list[dict[str, Any]]:
        """At most `SAMPLE` works to start from: spread over the collection by a hash, the same on every visit."""
        return self._sample[:count]

    @cached_property
    def _sample(self) -> list[dict[str, Any]]:
        works = self.snapshot.columns(["artwork_id", "work_id", "jpeg_sha256"]).with_row_index("position")
        main = works.filter(pl.col("work_id") == pl.col("artwork_id"))
        first = main.bottom_k(SAMPLE, by=["jpeg_sha256", "artwork_id"]).sort("jpeg_sha256", "artwork_id")
        return self._shown(first["position"]).to_dicts()

    @cached_property
    def artists(self) -> list[dict[str, Any]]:
        """The artist of each id in the order of `sort_key`, with the number of works, the initial and a work to show.

        Each has `artist_id`, `artist`, `works`, `initial`, and the `artwork_id` and `jpeg_sha256` of that work.
        """
        named = self.snapshot.columns(["artist_id", "artist", "artwork_id", "jpeg_sha256"])
        shown = pl.col("artwork_id", "jpeg_sha256").sort_by("jpeg_sha256", "artwork_id").first()
        known = named.filter(pl.col("artist_id").is_not_null() & pl.col("artist").is_not_null())
        listed = known.group_by("artist_id").agg(shown, works=pl.len()).to_dicts()
        for artist in listed:
            name = artist["artist"] = self._names[artist["artist_id"]]
            artist["works"] += len(self._made_with_others(name))
            artist["initial"] = initial_of(name)
        return sorted(listed, key=lambda artist: (*sort_key(artist["artist"]), artist["artist_id"]))

    @cached_property
    def _names(self) -> dict[str, str]:
        """What the artist of each id is called in most works."""
        rows = self.snapshot.columns(["artist_id", "artist"]).drop_nulls().group_by("artist_id", "artist").len()
        counts: dict[str, Counter[str]] = {}
        for artist_id, artist, works in rows.sort("artist").iter_rows():
            counts.setdefault(artist_id, Counter())[makers_of(artist, artist_id)[0]] += works
        return {artist_id: names.most_common(1)[0][0] for artist_id, names in counts.items()}

    @cached_property
    def _by_other_maker(self) -> dict[str, list[int]]:
        """The rows in which a name is that of a maker after the first, whose id a row has."""
        rows = self.snapshot.columns(["artist_id", "artist"]).with_row_index("position")
        found: dict[str, list[int]] = {}
        for position, artist_id, artist in rows.filter(pl.col("artist").str.contains("; ", literal=True)).iter_rows():
            first, *others = makers_of(artist, artist_id or "")
            for name in {*others} - {first, self._names.get(artist_id)}:
                found.setdefault(name, []).append(position)
        return found

    def _made_with_others(self, name: str | None) -> pl.Series:
        return pl.Series(self._by_other_maker.get(name or "", []), dtype=pl.Int64)

    def novelty(self, picture: "EncodedPicture") -> "Novelty":
        """How far an uploaded picture is from every work."""
        return self.collection.novelty(picture.vector)

    def novelty_of(self, artwork_id: str) -> "Novelty":
        """How far a work is from every other one."""
        return self.collection.novelty(artwork_id)

    def same_painting(self, picture: "Image") -> "Match | None":
        """Whether a picture shows a painting of the collection; None where that cannot be decided here."""
        return self.collection.same_painting(picture) if self.can_compare else None

    def look(self, photograph: "Image", crop: "View | None", match: "Match | None" = None) -> "Look":
        """What the model makes of the painting in a photograph; of the part `crop`, where a visitor chose it."""
        return self.collection.look(photograph, None if crop is None else crop.corners.tolist(), match)

    def suggest(self, typed: str) -> "list[Suggestion]":
        """Artists, labels, schools, locations and titles that a visitor who typed this may mean."""
        return self.collection.suggest(typed)

    def labels_called(self, words: str) -> "list[Suggestion]":
        """The labels, such as styles, and schools that are called so, for visitors who typed one as words."""
        name = normalized_name(words)
        return [
            one
            for one in self.suggest(words)
            if one.kind in (*self.collection.tasks, "school")
            and (normalized_name(one.text) == name or one.text in labels_known_as(one.kind, words))
        ]

    def not_known_by_looks(self, words: str) -> tuple[str, ...] | None:
        """Those of some words that no picture taught; None where that is all of them."""
        try:
            return self.collection.text_encoder.encode(words).unknown
        except (UnknownWordsError, NoTextEncoderError):
            return None

    def meant_by(self, words: str | None, found: ResultPage) -> "list[Suggestion]":
        """The artists and labels that words may mean, where no work that was found holds all of them."""
        return self.collection.did_you_mean(words) if words and found.word_match is not WordMatch.ALL else []

    def _hits(self, question: Question, picture: "EncodedPicture | None", first: int, size: int | None) -> "Hits":
        """The works from the `first` best on, at most `size` of them, or all."""
        where, words = question.where, question.words
        if question.is_by_picture:
            # `like` would also take the path of a file, which no visitor may name: `get` takes ids alone.
            liked, unlike = ([self.get(one)["artwork_id"] for one in ids] for ids in (question.like, question.unlike))
            queries = liked if picture is None else [self._query(picture), *liked]
            if question.looks is not None:
                queries = [QueryVector(self.collection.text_encoder.encode(question.looks).vector), *queries]
            first = min(first, MAX_RANKED - 1)
            k = min(size or MAX_RANKED, MAX_RANKED - first)
            return self.collection.like(queries, k, where, unlike=unlike, text=words, offset=first)
        if question.unlike:
            raise UnusableQuestionError("`unlike` needs something to be similar to; name a work with `like`.")
        if words is None:
            return self.collection.browse(size, where, offset=first)
        return self.collection.find(words, size or len(self), where, offset=first, loosen=False)

    def _query(self, picture: "EncodedPicture") -> QueryVector:
        """An uploaded picture; the work that was recognised in it comes first."""
        recognised = picture.verdict.artwork_id if picture.verdict else None
        return QueryVector(picture.vector, (), self.snapshot.position_of(recognised))

    def _rows(self, hits: "Hits") -> pl.DataFrame:
        """The hits with the columns that pages need."""
        rows = self._shown(hits.positions)
        return rows.insert_column(1, hits["similarity"]) if "similarity" in hits.columns else rows

    def _shown(self, positions: "Positions | pl.Series") -> pl.DataFrame:
        """What pages show of some rows."""
        places = positions.to_numpy() if isinstance(positions, pl.Series) else positions
        return self.snapshot.works_at(places, self._columns)


def makers_of(artist: str, artist_id: str) -> list[str]:
    """The names of a work's makers: of several, `artist` is all of them, and `artist_id` that of the first."""
    # An id that is made of the whole text is that of one maker, whom the source calls so.
    is_one = "-".join(sorted(set(name_words(artist)))) == artist_id
    return [artist] if is_one else artist.split("; ")
