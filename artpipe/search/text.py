"""Full-text search over what the catalogue says of a work, by LanceDB's index on the `embeddings` table.

The index folds accents and case and reduces English words to their stems. Works that hold every word come first; only
when there are too few of them are misspelt words tried, and then works that hold some of the words.
`word_query.py` makes the query of a level.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from artpipe.catalog.names import Names
from artpipe.embedding.table import tasks_of_table
from artpipe.errors import ArtpipeError
from artpipe.lake.lance_tables import open_lance
from artpipe.lake.lease import ensure_held
from artpipe.lake.paths import EMBEDDINGS_TABLE, DataLake
from artpipe.search.query_expansion import QueryExpansion
from artpipe.search.word_query import COLUMNS, WordMatch, WordQuery, query_words
from artpipe.vectors.nearest import Mask, Positions
from artpipe.vectors.row_addresses import RowAddresses

if TYPE_CHECKING:
    import lance
    from lance.query import FullTextQuery

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

    def led_by(self, position: int) -> "TextMatches":
        """The same with one row before all others."""
        others = self.positions != position
        best = max(self.relevance, default=np.float32(1))
        return TextMatches(
            np.concatenate([[position], self.positions[others]]),
            np.concatenate([[best], self.relevance[others]]).astype(np.float32),
            self.level or WordMatch.ALL,
        )


def searched_columns(columns: Sequence[str]) -> list[str]:
    """The columns of a table that words are searched in: what describes a work, and the labels of each task."""
    return [*COLUMNS, *(task for task in tasks_of_table(columns) if task in columns)]


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
    columns, indexed = searched_columns(dataset.schema.names), _indexed_columns(dataset)
    ensure_held(dataset.uri)
    for column in columns:
        if column not in indexed:
            dataset.create_scalar_index(column, "INVERTED", name=_name(column), **_TOKENS)
    stale = [_name(column) for column in indexed if _uncovered(dataset, column)]
    if stale:
        dataset.optimize.optimize_indices(index_names=stale)
    rows = int(dataset.count_rows())
    return {column: rows - _uncovered(dataset, column) for column in columns}


class TextSearch:
    """Full-text search over one version of the `embeddings` table.

    Args:
        dataset: returns the version of the table that the collection shows.
        addresses: returns where the collection's rows lie in it.
        artists: returns what the artists of the collection are called.
    """

    def __init__(
        self,
        dataset: "Callable[[], lance.LanceDataset]",
        addresses: Callable[[], RowAddresses],
        artists: Callable[[], Names],
    ) -> None:
        self._dataset, self._addresses, self._artists = dataset, addresses, artists

    @cached_property
    def is_ready(self) -> bool:
        """Whether this version of the table has its index; an older one has it of fewer columns."""
        return "title" in self._columns

    @cached_property
    def _columns(self) -> list[str]:
        return _indexed_columns(self._dataset())

    @cached_property
    def _expansion(self) -> QueryExpansion:
        return QueryExpansion(self._artists())

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
        query = WordQuery(query_words(words), self._columns, self._expansion)
        positions: Positions = np.empty(0, dtype=np.int64)
        relevance: NDArray[np.float32] = np.empty(0, dtype=np.float32)
        reached = None
        for level in levels if query.words else ():
            found, scores = self._matches(query.at(level))
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


def _name(column: str) -> str:
    return f"{column}_words"


def _indexed_columns(dataset: "lance.LanceDataset") -> list[str]:
    names = {str(index.name) for index in dataset.describe_indices()}
    return [column for column in searched_columns(dataset.schema.names) if _name(column) in names]


def _uncovered(dataset: "lance.LanceDataset", column: str) -> int:
    """Rows that a column's index does not cover yet; they are searched one by one."""
    return int(dataset.stats.index_stats(_name(column))["num_unindexed_rows"])
