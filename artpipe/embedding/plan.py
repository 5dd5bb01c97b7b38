"""What has to be done so that the table of embeddings holds what it should."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import polars as pl

from artpipe.embedding.row_lookup import RowLookup


@dataclass(frozen=True)
class EmbeddingPlan:
    """What must be done so that the table holds exactly the wanted rows; ids are sorted.

    Attributes:
        to_embed: new artworks, artworks whose image changed, and rows made by another model.
        to_update: rows whose metadata alone differ.
        to_remove: rows that are no longer wanted.
        unchanged: how many rows are right as they are.
    """

    to_embed: list[str]
    to_update: list[str]
    to_remove: list[str]
    unchanged: int

    @property
    def is_empty(self) -> bool:
        """Whether the table is already as wanted."""
        return not (self.to_embed or self.to_update or self.to_remove)


def compare_rows(wanted: pl.DataFrame, held: Iterable[pl.DataFrame], stale: pl.Expr, differs: pl.Expr) -> EmbeddingPlan:
    """Compare what a table holds with what it should hold, a part of the table at a time.

    Args:
        wanted: one row for each `artwork_id`.
        held: the rows of the table; in the expressions, the names of its columns end in `_held`.
        stale: whether a row has to be embedded again.
        differs: whether its metadata have to be written again.
    """
    lookup = RowLookup(wanted, "artwork_id")
    to_embed, to_update, to_remove, unchanged = list[str](), list[str](), list[str](), 0
    for rows in held:
        found, which = lookup.take(rows["artwork_id"])
        is_unwanted = np.ones(rows.height, bool)
        is_unwanted[which] = False
        to_remove.extend(rows.filter(is_unwanted)["artwork_id"])
        both = pl.concat([found, rows[which].select(pl.all().name.suffix("_held"))], how="horizontal")
        both = both.select("artwork_id", stale=stale, differs=differs)
        to_embed.extend(both.filter("stale")["artwork_id"])
        to_update.extend(both.filter(~pl.col("stale") & pl.col("differs"))["artwork_id"])
        unchanged += both.filter(~pl.col("stale") & ~pl.col("differs")).height
    to_embed.extend(lookup.rest()["artwork_id"])
    return EmbeddingPlan(sorted(to_embed), sorted(to_update), sorted(to_remove), unchanged)
