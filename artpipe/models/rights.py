"""What the rights of the pictures are that a model was trained on, for its card and for the evaluation report."""

from collections.abc import Iterable
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class TrainingRights:
    """The training pictures of one source under one statement.

    Attributes:
        source: by its name in the file of sources.
        rights_uri: the statement; None where the source gives none.
        is_open: whether anybody may use them; None where the source does not say.
        pictures: how many there are.
        credited: how many of them ask for a credit line.
    """

    source: str
    rights_uri: str | None
    is_open: bool | None
    pictures: int
    credited: int


def training_rights(learned: pl.DataFrame, artworks: pl.DataFrame) -> tuple[TrainingRights, ...]:
    """The rights of the pictures that a model was trained on, the most frequent first.

    Args:
        learned: what the model saw, columns of `LEARNED`.
        artworks: table `artworks`; pictures that left it, and those of a gallery without a source, are not counted.
    """
    if "source" not in artworks.columns:  # of an older lake, which had a gallery
        return ()
    trained = learned.filter(split="train").select(pl.col("artwork_id").unique())
    told = artworks.filter(pl.col("source").is_not_null()).join(trained, on="artwork_id", how="semi")
    counts = told.group_by("source", "rights_uri", "is_open").agg(
        pictures=pl.len(), credited=(pl.col("credit_line").fill_null("") != "").sum()
    )
    rows = counts.sort("pictures", "source", "rights_uri", descending=[True, False, False]).iter_rows(named=True)
    return tuple(TrainingRights(**row) for row in rows)


def rights_in_words(rights: Iterable[TrainingRights]) -> str:
    """How many pictures are open, closed and not known: `12 open, 3 not open, 1 unknown; 9 ask for credit`."""
    found = list(rights)
    kinds = (("open", True), ("not open", False), ("unknown", None))
    counts = {word: sum(one.pictures for one in found if one.is_open is value) for word, value in kinds}
    text = ", ".join(f"{count:,} {word}" for word, count in counts.items() if count)
    credited = sum(one.credited for one in found)
    return f"{text}; {credited:,} ask for credit" if credited else text
