"""Ids of records as ids of works: what a path cannot have is replaced."""

import hashlib

import polars as pl


def as_paths(ids: pl.Series) -> pl.Series:
    """Ids as parts of a path. One that has what a path cannot have gets a hash of itself, so that no two are one."""
    bare = pl.col("id").str.replace(r"^https?://", "").str.strip_chars("/")
    path = bare.str.replace_all(r"[^\p{L}\p{N}._:/-]+", "-").str.strip_chars("/-")
    known = pl.DataFrame({"id": ids.unique().drop_nulls()}).with_columns(bare=bare, path=path)
    changed = known.filter((pl.col("bare") != pl.col("path")) & (pl.col("bare") != ""))
    hashed = {
        one: f"{path}-{hashlib.sha256(one.encode()).hexdigest()[:8]}".strip("-")
        for one, path in changed.select("id", "path").iter_rows()
    }
    paths = dict(known.select("id", "path").iter_rows()) | hashed
    return ids.replace_strict(paths, default=None, return_dtype=pl.String)


def artwork_ids_of(source_id: str) -> list[str]:
    """The ids that a work may have whose source calls it so, such as `GM 1801/1` or `loans:GM 1801/1`."""
    whole = source_id.strip()
    prefix, separator, rest = whole.partition(":")
    plain, after_prefix = as_paths(pl.Series([whole, rest.strip()], dtype=pl.String))
    return [plain, f"{prefix}:{after_prefix}"] if separator else [plain]
