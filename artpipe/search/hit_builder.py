"""From ranked rows of the table to the frames of `Hits`."""

from collections.abc import Callable, Collection, Sequence

import numpy as np
import polars as pl

from artpipe.embedding.table import RIGHTS, predictions_schema
from artpipe.vectors.nearest import Neighbours, Positions


def hit_metadata(tasks: Collection[str], *, rights: bool = False) -> tuple[str, ...]:
    """The columns of a hit after `rank`, `artwork_id` and its score, in a collection of these tasks."""
    described = ("school", "technique", "location", "page_url", "image_url", *(RIGHTS if rights else ()))
    return ("artist", "title", "date_text", "year_from", "year_to", *tasks, *described, *predictions_schema(tasks))


class HitBuilder:
    """Makes frames of the rows of one table.

    Args:
        works_at: returns columns of some rows of the table.
        columns: those of `hit_metadata`.
    """

    def __init__(self, works_at: Callable[[Positions, Sequence[str]], pl.DataFrame], columns: Sequence[str]) -> None:
        self._works_at, self._columns = works_at, ("artwork_id", *columns)

    def frame(self, positions: Positions, offset: int, score: pl.Series | None = None) -> pl.DataFrame:
        """The rows with their ranks from `offset` + 1 on and, where works are ranked, their score."""
        frame = self._works_at(positions, self._columns)
        ranks = np.arange(offset + 1, offset + 1 + frame.height, dtype=np.int32)
        frame = frame.insert_column(0, pl.Series("rank", ranks))
        return frame if score is None else frame.insert_column(2, score)

    def frames(self, pages: Sequence[Neighbours], offset: int) -> list[pl.DataFrame]:
        """A frame for each page of neighbours; all are slices of one, which is gathered at once."""
        sizes = [len(page.positions) for page in pages]
        ranks = np.concatenate([np.arange(size, dtype=np.int32) for size in sizes]) + offset + 1
        similarities = pl.Series("similarity", np.concatenate([page.similarities for page in pages]))
        whole = self.frame(np.concatenate([page.positions for page in pages]), 0, similarities)
        whole = whole.with_columns(rank=pl.Series(ranks))
        return [whole.slice(end - size, size) for size, end in zip(sizes, np.cumsum(sizes).tolist(), strict=True)]
