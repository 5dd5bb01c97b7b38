"""The changes of the catalogue from one scrape to the next, and their history, the table `catalog_changes`.

A row of the history is an artwork that was added, withdrawn or returned, or one column of an artwork that changed. The
very first catalogue is not a change and adds no rows.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import polars as pl

from artpipe.lake.mass_loss import Loss
from artpipe.schema import CATALOG_CHANGES

LABELS = ("style", "type")
CATEGORIES = ("form", "school", "timeframe", "profession")
"""Columns of few values that the catalogue gives as they are: one that it never had is none, such as a title that a
shifted column puts there."""
EXAMPLES = 10


def diff_artworks(
    previous: pl.DataFrame | None, current: pl.DataFrame, changed_at: datetime, history: pl.DataFrame | None = None
) -> pl.DataFrame:
    """The changes that lead from one table of artworks to another.

    Args:
        previous: the old table `artworks`; None or empty before the first catalogue, which changes nothing.
        current: the new one; columns that only one of the two has are not compared.
        changed_at: when the change was found, UTC.
        history: earlier changes; an artwork withdrawn there has `returned` instead of being `new`.

    Returns:
        Table `CATALOG_CHANGES`, sorted by `artwork_id` and `column`. Values are text; a list is JSON.

    Raises:
        ValueError: an `artwork_id` occurs twice in a table.
    """
    if previous is None or previous.is_empty():
        return CATALOG_CHANGES.to_frame()
    for table in (previous, current):
        if table["artwork_id"].is_duplicated().any():
            raise ValueError(f"artwork_id {table['artwork_id'].filter(table['artwork_id'].is_duplicated())[0]!r} twice")
    withdrawn = (
        _latest(history, of_columns=False).filter(pl.col("change") == "withdrawn") if history is not None else None
    )
    added = current.join(previous, on="artwork_id", how="anti").select("artwork_id", change=pl.lit("new"))
    if withdrawn is not None:
        is_back = pl.col("artwork_id").is_in(withdrawn["artwork_id"].implode())
        added = added.with_columns(change=pl.when(is_back).then(pl.lit("returned")).otherwise("change"))
    removed = previous.join(current, on="artwork_id", how="anti").select("artwork_id", change=pl.lit("withdrawn"))
    columns = [name for name in current.columns if name in previous.columns and name != "artwork_id"]
    old, new = (_as_text(table, columns) for table in (previous, current))
    both = old.join(new, on="artwork_id", suffix="_after")
    changed = [
        both.filter(pl.col(name).ne_missing(pl.col(f"{name}_after"))).select(
            "artwork_id",
            change=pl.lit("changed"),
            column=pl.lit(name),
            before=pl.col(name),
            after=pl.col(f"{name}_after"),
        )
        for name in columns
    ]
    found = pl.concat([added, removed, *changed], how="diagonal").with_columns(changed_at=pl.lit(changed_at))
    missing = [pl.lit(None, kind).alias(name) for name, kind in CATALOG_CHANGES.items() if name not in found.columns]
    return (
        found.with_columns(missing)
        .select(pl.col(name).cast(kind) for name, kind in CATALOG_CHANGES.items())
        .sort("artwork_id", "column", nulls_last=False)
    )


def losses(previous: pl.DataFrame | None, current: pl.DataFrame, key: str, what: str) -> list[Loss]:
    """What a new table of the catalogue lacks that the old one has: rows, and in the rows of both, values of a column.

    A source that changed its layout loses values rather than rows: every year is gone, or a type is no type any more.

    Args:
        previous: the old table; None where there is none, and nothing is lost.
        current: the new one; columns that only one of the two has are not compared.
        key: the column that identifies a row, unique in both.
        what: the rows, in the plural.

    Returns:
        One for the rows and one for each column that had values.
    """
    if previous is None:
        return []
    gone = previous.join(current.select(key), on=key, how="anti").sort(key)
    found = [Loss(what, previous.height, gone.height, *gone[key].head(1))]
    columns = [name for name in current.columns if name in previous.columns and name != key]
    both = previous.select(key, *columns).join(current.select(key, *columns), on=key, suffix="_after").sort(key)
    for column in columns:
        before, after = pl.col(column), pl.col(f"{column}_after")
        if column == "year_source":
            is_held, is_kept = before == "work", after == "work"
        elif isinstance(both.schema[column], pl.String):
            is_held, is_kept = (text.is_not_null() & ~text.is_in(["", "-"]) for text in (before, after))
            if column in CATEGORIES:
                is_kept &= after.is_in(previous[column].unique().implode())
        elif both.schema[column].is_numeric():
            is_held, is_kept = before.is_not_null(), after.is_not_null()
        else:
            continue
        held = both.filter(is_held)
        lost = held.filter(~is_kept)
        found.append(Loss(f"values of `{column}`", held.height, lost.height, *lost[key].head(1)))
    return found


def losses_by_source(previous: pl.DataFrame | None, current: pl.DataFrame) -> list[Loss]:
    """What each of several sources lost of its artworks: the loss of a small one is little of the whole.

    Args:
        previous: the old table `artworks`; None where there is none, and nothing is lost.
        current: the new one.
    """
    if previous is None or "source" not in previous.columns or previous["source"].n_unique() < 2:
        return []
    return [
        Loss(f"artworks of `{name}`", held.height, gone.height, *gone["artwork_id"].head(1))
        for (name,), held in previous.group_by("source", maintain_order=True)
        if name is not None
        for gone in [held.join(current, on=["artwork_id", "source"], how="anti")]
    ]


def append_changes(history: pl.DataFrame | None, diff: pl.DataFrame) -> pl.DataFrame:
    """The history with new changes at its end; a change that is the latest one in the history is not added twice.

    So a run that was killed after it wrote the history, and before it wrote the artworks, may find the same changes
    once more.

    Args:
        history: earlier changes, oldest first; None before the first.
        diff: the result of `diff_artworks`.
    """
    if history is None:
        return diff
    presence = _latest(history, of_columns=False)
    # Column values of an artwork from before it was withdrawn do not count once it has returned.
    since = pl.col("position") > pl.col("position_right").fill_null(-1)
    columns = _latest(history, of_columns=True).join(
        presence.select("artwork_id", "position"), on="artwork_id", how="left"
    )
    latest = pl.concat([presence, columns.filter(since).drop("position_right")])
    # `new` and `returned` are the same: an artwork that returned before the crash is found to be new after it.
    kind = pl.col("change").replace({"returned": "new"}).alias("kind")
    keys = ["artwork_id", "kind", "column", "after"]
    unseen = diff.with_columns(kind).join(latest.with_columns(kind), on=keys, how="anti", nulls_equal=True)
    return pl.concat([history, unseen.drop("kind").sort("artwork_id", "column", nulls_last=False)])


def summarize_changes(diff: pl.DataFrame) -> dict[str, int]:
    """Counts for a sentence such as "3 new, 5 changed, 1 relabelled, 0 gone".

    Returns:
        `new`, with those that returned; `changed`, in anything but a label; `relabelled`, in style or type, whatever
        else changed; and `gone`.
    """
    artworks = {name: set(rows["artwork_id"]) for (name,), rows in _by_kind(diff).group_by("kind")}
    relabelled = artworks.get("relabelled", set[Any]())
    return {
        "new": len(artworks.get("new", ())) + len(artworks.get("returned", ())),
        "changed": len(artworks.get("changed", set[Any]()) - relabelled),
        "relabelled": len(relabelled),
        "gone": len(artworks.get("withdrawn", ())),
    }


def first_summary(artworks: pl.DataFrame) -> dict[str, int]:
    """The summary of a first catalogue: everything is new, nothing is a change."""
    return {"new": artworks.height, "changed": 0, "relabelled": 0, "gone": 0}


def change_examples(diff: pl.DataFrame) -> dict[str, list[str]]:
    """A few changes of each kind as text, such as "a/aachen/allegory: title 'Alegory' -> 'Allegory'"."""
    by_kind: dict[str, list[str]] = {}
    for row in _by_kind(diff).sort("kind", "artwork_id", "column").iter_rows(named=True):
        kind = str(row["kind"])
        name = {"returned": "new", "withdrawn": "gone"}.get(kind, kind)
        text = row["artwork_id"]
        if row["column"] is not None:
            text += f": {row['column']} {row['before']!r} -> {row['after']!r}"
        examples = by_kind.setdefault(name, [])
        if len(examples) < EXAMPLES:
            examples.append(text)
    return by_kind


def in_words(summary: Mapping[str, int]) -> str:
    """A summary as "3 new, 5 changed, 1 relabelled, 0 gone"."""
    return ", ".join(f"{count:,} {name}" for name, count in summary.items())


def _by_kind(diff: pl.DataFrame) -> pl.DataFrame:
    is_label = (pl.col("change") == "changed") & pl.col("column").is_in(LABELS)
    return diff.with_columns(kind=pl.when(is_label).then(pl.lit("relabelled")).otherwise("change"))


def _latest(history: pl.DataFrame, *, of_columns: bool) -> pl.DataFrame:
    """The last row about each artwork's presence, or about each of its columns."""
    is_of_column = pl.col("column").is_not_null()
    rows = history.with_row_index("position").cast({"position": pl.Int64})
    rows = rows.filter(is_of_column if of_columns else ~is_of_column)
    return rows.unique(["artwork_id", "column"], keep="last", maintain_order=True)


def _as_text(table: pl.DataFrame, columns: list[str]) -> pl.DataFrame:
    return table.select("artwork_id", *(_text(table, name) for name in columns))


def _text(table: pl.DataFrame, name: str) -> pl.Expr:
    if isinstance(table.schema[name], pl.List):
        # Through a struct, because polars encodes only structs as JSON.
        written = (
            pl.struct(pl.col(name).alias("l")).struct.json_encode().str.strip_prefix('{"l":').str.strip_suffix("}")
        )
        return pl.when(pl.col(name).is_not_null()).then(written).alias(name)
    return pl.col(name).cast(pl.String)
