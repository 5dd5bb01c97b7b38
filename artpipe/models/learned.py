"""What a model saw while it was trained: a table beside its weights, which stays true whatever the splits say later.

Works are regrouped and move between splits as the catalogue, its pictures and a person's links change. Whatever a model
is measured on is checked against its own record here, so that nothing it has seen counts as unseen.
"""

import io
from pathlib import Path

import polars as pl
from upath import UPath

from artpipe.lake.paths import DataLake, write_whole
from artpipe.models.card import LEARNED_FILE, ModelCard

LEARNED = pl.Schema(dict.fromkeys(("artwork_id", "work_id", "artist_id", "split", "jpeg_sha256"), pl.String()))
"""One row is a picture that a model, or one that it started from, was trained or validated on."""


def learned_rows(rows: pl.DataFrame, of_start: pl.DataFrame | None = None) -> pl.DataFrame:
    """The record of a model; a picture that was trained on once stays trained on.

    Args:
        rows: its training and validation rows, columns as in `splits`.
        of_start: the record of the model that it started from, if it started from one.
    """
    both = [table.select(list(LEARNED)) for table in (rows, of_start) if table is not None]
    is_trained = pl.col("split") == "train"
    return pl.concat(both).sort(~is_trained, maintain_order=True).unique(["artwork_id", "jpeg_sha256"], keep="first")


def as_parquet(learned: pl.DataFrame) -> bytes:
    """The file of a record."""
    table = io.BytesIO()
    learned.select(list(LEARNED)).write_parquet(table)
    return table.getvalue()


def restore_learned(lake: DataLake, card: ModelCard, rows: pl.DataFrame) -> None:
    """Write a model's record anew where it was lost and can be known; `rows` as for `learned_rows`."""
    file = lake.model(card.model_id) / LEARNED_FILE
    learned = None if file.exists() else known_learned(lake, card.weights_source.model_id, rows)
    if learned is not None:
        write_whole(file, as_parquet(learned))


def known_learned(lake: DataLake, started_from: str | None, rows: pl.DataFrame) -> pl.DataFrame | None:
    """The record of a model; None where it started from one whose record is missing: a part would pass for the whole.

    Args:
        lake: where the models are.
        started_from: the id of the model that it started from, if it started from one.
        rows: as for `learned_rows`.
    """
    of_start = load_learned(lake.model(started_from)) if started_from else None
    return None if started_from and of_start is None else learned_rows(rows, of_start)


def load_learned(folder: UPath | Path) -> pl.DataFrame | None:
    """A model's record, table `LEARNED`; None where there is none. Older records do not have the artist (null)."""
    try:
        found = pl.read_parquet(io.BytesIO((folder / LEARNED_FILE).read_bytes()))
    except (OSError, pl.exceptions.PolarsError):
        return None
    absent = [pl.lit(None, kind).alias(name) for name, kind in LEARNED.items() if name not in found.columns]
    return found.with_columns(absent).select(list(LEARNED))


def without_learned(rows: pl.DataFrame, learned: pl.DataFrame) -> pl.DataFrame:
    """The rows that a model has not seen, whatever they were called or however they were split when it was trained.

    A work goes with any picture of it that the model has seen, and an artist is unseen only if no work by them was.

    Args:
        rows: `artwork_id`, `work_id`, `artist_id`, `split`, `jpeg_sha256` and others.
        learned: rows of a table `LEARNED`.
    """
    is_known = pl.any_horizontal(
        pl.col(name).is_in(learned[name].drop_nulls().unique().implode())
        for name in ("artwork_id", "work_id", "jpeg_sha256")
    )
    by_name = rows.select("artwork_id", "artist_id").join(learned.select("artwork_id"), on="artwork_id", how="semi")
    artists = pl.concat([learned["artist_id"], by_name["artist_id"]]).drop_nulls().unique()
    has_known_artist = (pl.col("split") == "unseen_artists") & pl.col("artist_id").is_in(artists.implode())
    return rows.filter(~(is_known | has_known_artist.fill_null(value=False)).any().over("work_id"))


def held_out_and_fitted_on(splits: pl.DataFrame, learned: pl.DataFrame | None) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The pictures that a model has not seen, and those that it was fitted on; works that came since are neither.

    Args:
        splits: table `splits`.
        learned: table `LEARNED` of the model; the present splits tell where it is not known.
    """
    held_out, fitted_on = splits.filter(pl.col("split") != "train"), splits.filter(split="train")
    if learned is not None:
        fitted_on = learned.filter(split="train")
        held_out = without_learned(held_out, fitted_on)
    return held_out, fitted_on
