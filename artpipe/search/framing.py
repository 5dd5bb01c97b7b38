"""From ranked rows to hits: the frame that a person sees of them, and how they were found."""

import time
from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from artpipe.embedding.table import PREDICTIONS
from artpipe.search.hits import Explanation, Hits, Pictures
from artpipe.search.index import ServedIndex
from artpipe.search.text import TextMatches
from artpipe.vectors.nearest import Neighbours

HIT_METADATA = (
    "artist",
    "title",
    "date_text",
    "year_from",
    "year_to",
    "style",
    "period",
    "type",
    "school",
    "technique",
    "location",
    "page_url",
    "image_url",
    *PREDICTIONS,
)
"""What a hit tells of a work, after `rank`, `artwork_id` and `similarity`."""


class Framing:
    """Makes hits of the rows of one table.

    Args:
        works: the table without its vectors.
        pictures: gives the stored JPEGs of works.
    """

    def __init__(self, works: pl.DataFrame, pictures: Pictures) -> None:
        self._shown = works.select("artwork_id", *HIT_METADATA)
        self._pictures = pictures

    def alike(self, found: Neighbours, offset: int, served: ServedIndex, began: float) -> Hits:
        """The hits of one query; `began` is the `time.perf_counter` at which it was asked."""
        frame = self._frame(found.positions, pl.Series("similarity", found.similarities), offset)
        return self._hits(frame, served.nearest.kind, found.how, served.note, found.scanned, began)

    def alike_each(self, found: Sequence[Neighbours], offset: int, began: float) -> list[Hits]:
        """The hits of many queries, cut from one frame; each is said to have taken its share of the time."""
        if not found:
            return []
        positions = np.concatenate([near.positions for near in found])
        similarities = pl.Series("similarity", np.concatenate([near.similarities for near in found]))
        ranks = [np.arange(len(near.positions), dtype=np.int32) + offset + 1 for near in found]
        everything = self._frame(positions, similarities, 0).with_columns(rank=pl.Series(np.concatenate(ranks)))
        spent_ms = round((time.perf_counter() - began) * 1e3 / len(found), 3)
        ends = np.cumsum([len(near.positions) for near in found])
        answers: list[Hits] = []
        for near, end in zip(found, ends, strict=True):
            frame = everything.slice(int(end) - len(near.positions), len(near.positions))
            told = Explanation("batch", near.how, "", self._shown.height, near.scanned, spent_ms)
            answers.append(Hits(frame, self._pictures, told))
        return answers

    def holding(self, found: TextMatches, offset: int, began: float) -> Hits:
        """The hits of a search for words."""
        frame = self._frame(found.positions, pl.Series("relevance", found.relevance), offset)
        return self._hits(frame, "text", found.how, "", 0, began)

    def _hits(self, frame: pl.DataFrame, index: str, how: str, note: str, scanned: int, began: float) -> Hits:
        spent_ms = round((time.perf_counter() - began) * 1e3, 3)
        return Hits(frame, self._pictures, Explanation(index, how, note, self._shown.height, scanned, spent_ms))

    def _frame(self, positions: NDArray[np.int64], scores: pl.Series, offset: int) -> pl.DataFrame:
        hits = self._shown[positions]
        ranks = np.arange(offset + 1, offset + 1 + hits.height, dtype=np.int32)
        return hits.insert_column(0, pl.Series("rank", ranks)).insert_column(2, scores)
