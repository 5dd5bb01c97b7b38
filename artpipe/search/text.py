"""Full-text search over titles, artists and techniques, by LanceDB's index on the `embeddings` table.

The index folds accents and case and reduces English words to their stems. Works that hold every word come first; only
when there are too few of them are misspelt words tried, and then works that hold some of the words.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artpipe.errors import ArtpipeError
from artpipe.lake.lance_tables import open_lance
from artpipe.lake.paths import EMBEDDINGS_TABLE, DataLake
from artpipe.search.filters import folded
from artpipe.vectors.nearest import Mask, Positions
from artpipe.vectors.row_addresses import RowAddresses

if TYPE_CHECKING:
    import lance
    from lance.query import FullTextQuery

WEIGHTS = {"title": 2.0, "artist": 2.0, "technique": 1.0}
"""The searched columns with their boosts; a word in a title or a name counts more than one in a technique."""

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
MAX_WORDS = 16
_MIN_FUZZY_LETTERS, _MAX_FUZZY_LETTERS = 4, 40
"""The index holds no longer words, and Lance refuses to compare those that are much longer letter by letter."""


class WordMatch(StrEnum):
    """How well works match the words of a query."""

    ALL = "all"
    """They hold every word."""
    FUZZY = "fuzzy"
    """They hold every word, or one spelt nearly so."""
    SOME = "some"
    """They hold some of the words, or ones spelt nearly so."""

    @property
    def description(self) -> str:
        """The level in words, to follow "they hold"."""
        return {
            "all": "every word",
            "fuzzy": "every word, or one spelt nearly so",
            "some": "some of the words, or ones spelt nearly so",
        }[self.value]


class NoTextIndexError(ArtpipeError):
    """The table has no full-text index yet."""


@dataclass(frozen=True)
class TextMatches:
    """Every row that holds the words, the most relevant first.

    Attributes:
        positions: row numbers in the collection.
        relevance: BM25 scores, float32; comparable within one level alone.
        level: how well the words match in the worst of them; None where no row does.
    """

    positions: Positions
    relevance: NDArray[np.float32]
    level: WordMatch | None

    def mask(self, rows: int) -> Mask:
        """Which rows are among them, bool (`rows`,)."""
        mask = np.zeros(rows, dtype=np.bool_)
        mask[self.positions] = True
        return mask


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
    indexed = _indexed_columns(dataset)
    for column in WEIGHTS:
        if column not in indexed:
            dataset.create_scalar_index(column, "INVERTED", name=_name(column), **_TOKENS)
    stale = [_name(column) for column in indexed if _uncovered(dataset, column)]
    if stale:
        dataset.optimize.optimize_indices(index_names=stale)
    rows = int(dataset.count_rows())
    return {column: rows - _uncovered(dataset, column) for column in WEIGHTS}


class TextSearch:
    """Full-text search over one version of the `embeddings` table.

    Args:
        dataset: returns the version of the table that the collection shows.
        addresses: returns where the collection's rows lie in it.
    """

    def __init__(self, dataset: "Callable[[], lance.LanceDataset]", addresses: Callable[[], RowAddresses]) -> None:
        self._dataset, self._addresses = dataset, addresses

    @cached_property
    def is_ready(self) -> bool:
        """Whether this version of the table has its index."""
        return set(WEIGHTS) <= _indexed_columns(self._dataset())

    def search(
        self,
        words: str,
        is_enough: Callable[[Positions], bool] = lambda positions: len(positions) > 0,
        levels: Sequence[WordMatch] = tuple(WordMatch),
    ) -> TextMatches:
        """Rows that hold the words, level by level until there are enough; each level is one full-text query.

        Args:
            words: what a person typed; anything but letters and digits only separates.
            is_enough: decides on the rows found so far; by default the first level that any row matches ends it.
            levels: how well the words may match, the best first.

        Raises:
            NoTextIndexError: this version of the table has no index.
        """
        if not self.is_ready:
            raise NoTextIndexError('the words are not indexed yet; materialize "text_index".')
        terms = query_words(words)
        positions: Positions = np.empty(0, dtype=np.int64)
        relevance: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        reached = None
        for level in levels if terms else ():
            found, scores = self._matches(_query(terms, level))
            new = ~np.isin(found, positions)
            if new.any():
                reached = level
                positions, relevance = np.concatenate([positions, found[new]]), np.concatenate([relevance, scores[new]])
            if is_enough(positions):
                break
        return TextMatches(positions, relevance, reached)

    def _matches(self, query: "FullTextQuery") -> tuple[Positions, NDArray[np.float32]]:
        """Positions and scores of all rows that match, best first, the earlier of equal ones first."""
        addresses = self._addresses()
        scanner = self._dataset().scanner(
            columns=["_score"], full_text_query=query, limit=len(addresses) + 1, with_row_id=True
        )
        found = scanner.to_table()
        positions = addresses.positions(found["_rowid"].to_numpy())
        scores = found["_score"].to_numpy().astype(np.float32)
        order = np.lexsort((positions, -scores))
        return positions[order], scores[order]


def query_words(text: str) -> list[str]:
    """The words of a query without accents and case, each once and at most 16."""
    return list(dict.fromkeys(re.findall(r"[^\W_]+", folded(text))))[:MAX_WORDS]


def _query(words: Sequence[str], level: WordMatch) -> "FullTextQuery":
    """Each word in any of the columns; typed query objects, so that no word is ever read as an operator."""
    from lance.query import BooleanQuery, MatchQuery, Occur

    def edits(word: str) -> int:
        """How many letters may be wrong; none in numbers, because 1502 is not a misspelt 1602."""
        is_compared = _MIN_FUZZY_LETTERS <= len(word) <= _MAX_FUZZY_LETTERS
        if level is WordMatch.ALL or word.isdigit() or not is_compared:
            return 0
        return 1 if len(word) <= 7 else 2

    def anywhere(word: str) -> "FullTextQuery":
        return BooleanQuery(
            [
                (Occur.SHOULD, MatchQuery(word, column, boost=weight, fuzziness=edits(word)))
                for column, weight in WEIGHTS.items()
            ]
        )

    occur = Occur.SHOULD if level is WordMatch.SOME else Occur.MUST
    return BooleanQuery([(occur, anywhere(word)) for word in words])


def _name(column: str) -> str:
    return f"{column}_words"


def _indexed_columns(dataset: "lance.LanceDataset") -> set[str]:
    names = {str(index.name) for index in dataset.describe_indices()}
    return {column for column in WEIGHTS if _name(column) in names}


def _uncovered(dataset: "lance.LanceDataset", column: str) -> int:
    """Rows that a column's index does not cover yet; they are searched one by one."""
    return int(dataset.stats.index_stats(_name(column))["num_unindexed_rows"])
