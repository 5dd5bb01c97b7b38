"""Records with one id: the first alone is read, or all of them become one row."""

import polars as pl

from artpipe.catalog.spilled import SpilledFrame
from artpipe.schema import QUARANTINE


def joined_rows(rows: SpilledFrame, ids: pl.Series) -> tuple[SpilledFrame, int]:
    """One row for each id, and how many ids stood in several.

    Makers, pictures and labels are those of all its rows, the years those from the first to the last; of every other
    field the first that is not empty counts. A row without an id stays as it is.

    Args:
        rows: of all files.
        ids: `source_id` of each row; only rows whose id repeats are taken into memory.
    """
    is_repeated = ids.is_duplicated() & ids.is_not_null()
    if not is_repeated.any():
        return rows, 0
    several = pl.concat(rows.filter(is_repeated).batches())
    lists = [name for name, kind in several.schema.items() if kind == pl.List]
    others = [name for name in several.columns if name not in (*lists, "source_id", "year_from", "year_to", "is_open")]
    joined = several.group_by("source_id", maintain_order=True).agg(
        pl.col(others).drop_nulls().first(),
        pl.col("year_from").min(),
        pl.col("year_to").max(),
        pl.col("is_open").min(),  # open only where every row says so
        pl.col(lists).explode().drop_nulls().unique(maintain_order=True),
    )
    found, start = SpilledFrame(), 0
    is_first = ids.is_first_distinct() | ids.is_null()
    for batch in rows.batches():
        part = batch.with_columns(is_repeated.slice(start, batch.height).alias("_repeated"))
        part = part.filter(is_first.slice(start, batch.height)).with_row_index("_place")
        start += batch.height
        alone = part.filter(~pl.col("_repeated")).select("_place", *batch.columns)
        places = part.filter("_repeated").select("_place", "source_id")
        of_several = places.join(joined, on="source_id", how="left").select("_place", *batch.columns)
        found.add(pl.concat([alone, of_several]).sort("_place").drop("_place"))
    return found, joined.height


def with_unique_ids(rows: SpilledFrame, ids: pl.DataFrame, files: list[str]) -> tuple[SpilledFrame, pl.DataFrame]:
    """The rows with an id of their own, and the others as quarantine.

    Args:
        rows: of all files.
        ids: `source_id`, `row_number` and `file` of each row.
        files: what `file` counts.
    """
    has_id = pl.col("source_id").is_not_null()
    is_good = ids.select(has_id & pl.col("source_id").is_first_distinct()).to_series()
    if is_good.all():
        return rows, pl.DataFrame(schema=QUARANTINE)
    others = ids.with_columns(rows.scan().select("title").collect()).filter(~is_good)
    first = ids.filter(is_good).join(others, on="source_id", how="semi")
    file = pl.col("file").replace_strict(dict(enumerate(files)), return_dtype=pl.String)
    where = pl.format("{}: row {}", file, "row_number") if len(files) > 1 else pl.format("row {}", "row_number")
    refused = (
        others.with_columns(_where=where)
        .join(first.select("source_id", _first=where), on="source_id", how="left", maintain_order="left")
        .select(
            "row_number",
            pl.when(has_id)
            .then(pl.format("{}: the id {} repeats that of {}", "_where", "source_id", "_first"))
            .otherwise(pl.format("{}: it has no id (columns.source_id)", "_where"))
            .alias("reason"),
            pl.concat_str("source_id", "title", separator=" ", ignore_nulls=True).alias("raw"),
        )
    )
    return rows.filter(is_good), refused
