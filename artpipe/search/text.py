"""Words over titles, artists and techniques, by LanceDB's own full-text index on the `embeddings` table.

The index folds accents and case and reduces English words to their stems. Works that hold every word as it is come
first; only when they are fewer than asked for are misspelt words tried, and then works that hold some of the words.
"""

import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artpipe.errors import ArtpipeError
from artpipe.lake.lance_tables import open_lance
from artpipe.lake.paths import EMBEDDINGS_TABLE, DataLake
from artpipe.search.filters import Mask, folded

if TYPE_CHECKING:
    import lance
    from lance.query import FullTextQuery

WEIGHTS = {"title": 2.0, "artist": 2.0, "technique": 1.0}
"""The columns that are searched; a word in a title or a name says more than one in a technique."""

_TOKENS: dict[str, Any] = {
    "base_tokenizer": "simple",
    "language": "English",
    "lower_case": True,
    "stem": True,
    "ascii_folding": True,
    # Titles are short, and "The Night" is another than "Night": BM25 itself makes little of common words.
    "remove_stop_words": False,
    "with_position": False,
}
_ROUNDS = (
    ("every word", True, False),
    ("every word, or one spelt nearly so", True, True),
    ("some of the words, or ones spelt nearly so", False, True),
)
"""What is tried, whether every word must be there, and whether letters may be wrong."""
_MOST_WORDS = 16
_LEAST_FUZZY = 3
_ALL_ROWS_FROM = 1000


class NoTextIndexError(ArtpipeError):
    """The table has no full-text index yet."""


@dataclass(frozen=True)
class TextMatches:
    """Rows that hold the words, the most relevant first.

    Attributes:
        positions: row numbers in the collection.
        relevance: BM25 scores, float32; comparable within one round alone.
        how: the way it was done, for people.
    """

    positions: NDArray[np.int64]
    relevance: NDArray[np.float32]
    how: str


def build_text_index(lake: DataLake) -> dict[str, int]:
    """Index the words of the `embeddings` table, or add what is new to the index it has.

    Returns:
        how many rows each column's index covers.

    Raises:
        NoTextIndexError: nothing was embedded yet, so there is nothing to index.
    """
    dataset = open_lance(lake.lance_table(EMBEDDINGS_TABLE))
    if dataset is None:
        raise NoTextIndexError(f'nothing is embedded in {lake.root} yet; materialize "embeddings".')
    held = _indexed_columns(dataset)
    for column in WEIGHTS:
        if column not in held:
            dataset.create_scalar_index(column, "INVERTED", name=_name(column), **_TOKENS)
    stale = [_name(column) for column in held if _uncovered(dataset, column)]
    if stale:
        dataset.optimize.optimize_indices(index_names=stale)
    rows = int(dataset.count_rows())
    return {column: rows - _uncovered(dataset, column) for column in WEIGHTS}


class TextSearch:
    """Full-text search over one version of the `embeddings` table.

    Args:
        lake: where the table is kept.
        version: its commit, the one that the collection shows.
        position_of: the row of each `artwork_id` in the collection.
    """

    def __init__(self, lake: DataLake, version: int, position_of: dict[str, int]) -> None:
        self._lake, self._version, self._position_of = lake, version, position_of
        self._lock = threading.Lock()
        self._opened: tuple[lance.LanceDataset, NDArray[np.int64], NDArray[np.int64]] | None = None

    def find(self, words: str, k: int, allowed: Mask | None = None) -> TextMatches:
        """Rows that hold the words.

        Args:
            words: what a person typed; anything but letters and digits only separates.
            k: how many; fewer are returned when fewer hold the words.
            allowed: bool (N,), the rows that may be returned; all by default.

        Raises:
            NoTextIndexError: the version of the table that is shown has no index.
        """
        asked = words_of(words)
        positions: NDArray[np.int64] = np.empty(0, dtype=np.int64)
        relevance: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        how = ""
        for told, needs_all, is_fuzzy in _ROUNDS if asked else []:
            how = told
            found, scores = self._matches(_query(asked, needs_all, is_fuzzy), k, allowed)
            new = ~np.isin(found, positions)
            positions, relevance = np.concatenate([positions, found[new]]), np.concatenate([relevance, scores[new]])
            if len(positions) >= k:
                break
        return TextMatches(positions[:k], relevance[:k], f"full-text index: {how}")

    def holding(self, words: str, rows: int) -> Mask:
        """Which rows hold every word, bool (`rows`,); where none does, those that hold every word nearly so.

        Raises:
            NoTextIndexError: the version of the table that is shown has no index.
        """
        held = np.zeros(rows, dtype=np.bool_)
        asked = words_of(words)
        for _, needs_all, is_fuzzy in _ROUNDS if asked else []:
            if needs_all and not held.any():
                held[self._matches(_query(asked, needs_all, is_fuzzy), rows, None)[0]] = True
        return held

    def _matches(
        self, query: "FullTextQuery", k: int, allowed: Mask | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Positions and scores of the k best rows that may be returned, best first, the earlier of equal ones first."""
        dataset, row_ids, places = self._dataset()
        limit = k if allowed is None else min(len(row_ids), max(k, _ALL_ROWS_FROM))
        while True:
            scanner = dataset.scanner(columns=["_score"], full_text_query=query, limit=limit, with_row_id=True)
            found = scanner.to_table()
            at = np.searchsorted(row_ids, found["_rowid"].to_numpy())
            positions, scores = places[at], found["_score"].to_numpy().astype(np.float32)
            kept = positions >= 0
            if allowed is not None:
                kept &= allowed[positions]
            if kept.sum() >= k or found.num_rows < limit:
                order = np.lexsort((positions[kept], -scores[kept]))[:k]
                return positions[kept][order], scores[kept][order]
            limit = len(row_ids) + 1

    def _dataset(self) -> "tuple[lance.LanceDataset, NDArray[np.int64], NDArray[np.int64]]":
        """The table, its row ids ascending, and the position of each in the collection."""
        with self._lock:
            if self._opened is None:
                dataset = open_lance(self._lake.lance_table(EMBEDDINGS_TABLE), self._version)
                if dataset is None or not set(WEIGHTS) <= _indexed_columns(dataset):
                    raise NoTextIndexError('the words are not indexed yet; materialize "text_index".')
                rows = dataset.to_table(columns=["artwork_id"], with_row_id=True)
                row_ids = rows["_rowid"].to_numpy().astype(np.int64)
                places = np.array([self._position_of.get(name, -1) for name in rows["artwork_id"].to_pylist()])
                order = np.argsort(row_ids)
                self._opened = dataset, row_ids[order], places[order]
            return self._opened


def words_of(text: str) -> list[str]:
    """The words of a query, accents and case aside, each once; at most 16, as no title has more to say."""
    return list(dict.fromkeys(re.findall(r"[^\W_]+", folded(text))))[:_MOST_WORDS]


def _query(words: Sequence[str], needs_all: bool, is_fuzzy: bool) -> "FullTextQuery":
    """Each word in any of the columns; typed query objects, so that no word is ever read as an operator."""
    from lance.query import BooleanQuery, MatchQuery, Occur

    def anywhere(word: str) -> "FullTextQuery":
        return BooleanQuery(
            [
                (Occur.SHOULD, MatchQuery(word, column, boost=weight, fuzziness=_edits(word) if is_fuzzy else 0))
                for column, weight in WEIGHTS.items()
            ]
        )

    occur = Occur.MUST if needs_all else Occur.SHOULD
    return BooleanQuery([(occur, anywhere(word)) for word in words])


def _edits(word: str) -> int:
    """How many letters may be wrong; none in numbers, because 1502 is not a misspelt 1602."""
    if word.isdigit() or len(word) <= _LEAST_FUZZY:
        return 0
    return 1 if len(word) <= 7 else 2


def _name(column: str) -> str:
    return f"{column}_words"


def _indexed_columns(dataset: "lance.LanceDataset") -> set[str]:
    names = {str(index.name) for index in dataset.describe_indices()}
    return {column for column in WEIGHTS if _name(column) in names}


def _uncovered(dataset: "lance.LanceDataset", column: str) -> int:
    """Rows that the index of a column does not know yet; they are searched one by one."""
    return int(dataset.stats.index_stats(_name(column))["num_unindexed_rows"])
